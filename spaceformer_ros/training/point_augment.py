# SPDX-License-Identifier: Apache-2.0
"""Draw the points of objects and vary them, so that few models stand for many: other proportions, colours and scans."""

import math

import torch
import torch.nn.functional as F

from ..network.point_head import SAMPLES
from ..network.principal_axes import turned, turned_by
from .views import MILLIMETRES

STRETCH = 0.08  # standard deviation of the logarithm of the scale per axis, and of that of all axes
SHEAR = 0.04  # standard deviation, of x and y by z
NOISE = 0.008  # metres, highest standard deviation of noise
RISE = 0.03  # metres, standard deviation of the floor
CUT_SHARE, MAX_CUT = 0.5, 0.35  # of the objects that are cut by a plane, and of their points beyond it
STRAY_SHARE, MAX_STRAYS = 0.6, 0.2  # of the objects that contain points around them, and of their points
HEADING = 0.2  # radians, standard deviation of the heading relative to the own axes
WARP_SHARE = 0.6  # of the axes along which an object is stretched unevenly
SYMMETRIC_SHARE = 0.6  # of the objects whose sides are stretched alike


def draw(views, rows, offsets):
    """Points [B, SAMPLES, 3] metres and colours [B, SAMPLES, 3] in 0..1 of some Views, with strays.

    rows: [B] int64; offsets: first point and first point around of each view, two [K] int64.
    """
    count, around = views.count[rows], views.around[rows]
    index = (torch.rand(len(rows), SAMPLES) * count[:, None]).long() + offsets[0][rows][:, None]
    xyz, colors = views.points[index].float() / MILLIMETRES, views.colors[index].float() / 255
    share = torch.rand(len(rows)) * MAX_STRAYS * (torch.rand(len(rows)) < STRAY_SHARE) * (around > 0)
    share = share.minimum(around / (count + around))
    stray = torch.rand(len(rows), SAMPLES) < share[:, None]
    other = (torch.rand(len(rows), SAMPLES) * around[:, None]).long() + offsets[1][rows][:, None]
    xyz[stray] = views.points_around[other[stray]].float() / MILLIMETRES
    colors[stray] = views.colors_around[other[stray]].float() / 255
    return xyz, colors


def vary(xyz, colors):
    """Points turned along their axes and colours in [-1, 1], both varied. Arguments: as `draw` returns them."""
    xyz, colors = cut(xyz, colors)
    return vary_shape(xyz), 2 * vary_colors(colors) - 1


def vary_shape(xyz):
    """Other sizes, proportions, headings and heights of objects, mirrored or not. xyz: [B, n, 3] metres."""
    count = len(xyz)
    xyz = xyz * torch.exp(STRETCH * (torch.randn(count, 1, 3) + torch.randn(count, 1, 1)))
    middle = xyz[..., 2:].mean(dim=1, keepdim=True)
    lean = SHEAR * torch.randn(count, 1, 2) * (xyz[..., 2:] - middle)
    xyz = torch.cat([xyz[..., :2] + lean, xyz[..., 2:] + RISE * torch.randn(count, 1, 1)], dim=2)
    xyz = xyz + NOISE * torch.rand(count, 1, 1) * torch.randn_like(xyz)
    xyz = turned_by(turned(xyz), HEADING * torch.randn(count) + math.pi / 2 * torch.randint(4, (count,)))
    mirrored = torch.where(torch.rand(count, 1, 1) < 0.5, -1.0, 1.0)
    return warp(torch.cat([xyz[..., :1] * mirrored, xyz[..., 1:]], dim=2))


def warp(xyz):
    """Stretch one part of an object and shrink the other along its axes, within its bounds. xyz: [B, n, 3] metres."""
    shape = len(xyz), 1, 3
    low, high = xyz.amin(dim=1, keepdim=True), xyz.amax(dim=1, keepdim=True)
    place = (xyz - low) / (high - low).clamp(min=1e-3)
    symmetric = torch.rand(shape) < torch.tensor([SYMMETRIC_SHARE, SYMMETRIC_SHARE, 0.0])
    from_side = torch.where(symmetric, (2 * place - 1).abs(), place)
    border = 0.2 + 0.6 * torch.rand(shape)
    moved = (border * torch.exp(0.35 * torch.randn(shape))).clamp(0.1, 0.9)
    moved = torch.where(torch.rand(shape) < WARP_SHARE, moved, border)
    near, far = from_side * moved / border, moved + (from_side - border) * (1 - moved) / (1 - border)
    new = torch.where(from_side < border, near, far)
    return low + torch.where(symmetric, 0.5 + 0.5 * new * (2 * place - 1).sign(), new) * (high - low)


def cut(xyz, colors):
    """Objects of which a scan lacks one side: points beyond a plane are replaced by others. xyz: [B, n, 3]."""
    count, points = xyz.shape[:2]
    distance = (xyz * F.normalize(torch.randn(count, 1, 3), dim=2)).sum(dim=2)
    share = torch.rand(count) * MAX_CUT * (torch.rand(count) < CUT_SHARE)
    limit = distance.sort(dim=1).values.gather(1, (share * (points - 1)).long()[:, None])
    beyond = distance < limit
    others = torch.multinomial((~beyond).float(), points, replacement=True)
    rows = torch.where(beyond, others, torch.arange(points))[..., None].expand(-1, -1, 3)
    return xyz.gather(1, rows), colors.gather(1, rows)


def vary_colors(colors):
    """Other exposure, white balance and paints; some gray. colors: [B, n, 3] in 0..1."""
    count = len(colors)
    colors = colors ** torch.exp(0.25 * torch.randn(count, 1, 1))
    colors = colors * torch.exp(0.12 * torch.randn(count, 1, 3) * (torch.rand(count, 1, 1) < 0.6))
    mixed = colors @ F.normalize(torch.rand(count, 3, 3), p=1, dim=2).transpose(1, 2)
    colors = torch.where(torch.rand(count, 1, 1) < 0.25, mixed, colors)
    gray = colors.mean(dim=2, keepdim=True).expand_as(colors)
    colors = torch.where(torch.rand(count, 1, 1) < 0.1, gray, colors)
    return (colors + 0.03 * torch.randn_like(colors)).clamp(0, 1)
