# SPDX-License-Identifier: Apache-2.0
"""The point head names a mask by its points, whose details are smaller than a voxel.

A PointNet++ (Qi et al., PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space, NeurIPS 2017)
on points that are turned along the mask's own axes and scaled to its size. It sees nothing of the rest of the map, so
it can be trained on single objects. Like the name head it is our addition: released checkpoints have none.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .principal_axes import turned

SAMPLES = 512  # points of a mask
TAIL = SAMPLES // 40  # samples outside the extent at each end of an axis: masks have strays
MIN_EXTENT = 0.03  # metres
MAX_REACH = 1.6  # half extents; strays are moved to this distance
MAX_RATIO = 3.0  # logarithm of length over width
EXTENT = 14  # columns of `extent_of`
HIDDEN = 512  # channels before the last layer
BATCH = 64  # masks at a time, which bounds the memory of distances
# Centres, neighbours of each, and the factor on offsets, which are smaller in the first levels.
LEVELS = ((128, 12, 4.0), (48, 12, 2.0), (16, 8, 1.0))


class PointHead(nn.Module):
    """Unit features of masks in the space of the text embeddings, from their points.

    weight: buffer, by which they are multiplied before they are added to the unit features of the network; 0 at first.
    """

    def __init__(self, text_channels, channels, dropout=0.0):
        """channels: of the first level, each of the next two has twice as many."""
        super().__init__()
        widths = (channels, channels, 2 * channels, 4 * channels)
        self.stem = nn.Sequential(nn.Linear(7, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.levels = nn.ModuleList(map(SetAbstraction, widths, widths[1:], LEVELS))
        self.last = nn.Sequential(*_layer(widths[-1] + 3, 8 * channels, bias=False))
        self.extent = nn.Sequential(*_layer(EXTENT, channels))
        self.name = nn.Sequential(*_layer(17 * channels, HIDDEN), nn.Dropout(dropout), nn.Linear(HIDDEN, text_channels))
        self.register_buffer("weight", torch.zeros(()))

    @classmethod
    def of(cls, config, dropout=0.0):
        """The head of a SpaCeFormerConfig."""
        return cls(config.text_channels, config.point_head, dropout)

    def forward(self, xyz, colors):
        """[K, C_text] float32 unit features of K masks.

        xyz: [K, SAMPLES, 3] metres, z above the floor, in random order; colors: [K, SAMPLES, 3] in [-1, 1].
        """
        parts = zip(xyz.split(BATCH), colors.split(BATCH))
        return torch.cat([self.of_turned(turned(part), color) for part, color in parts])

    def of_turned(self, xyz, colors):
        """As `forward`, for points that are turned along their axes already."""
        points, extent = scaled(xyz, colors)
        features = self.stem(torch.cat([colors, xyz[..., 2:] - 1, points], dim=2))
        for level in self.levels:
            points, features = level(points, features)
        features = _on_rows(self.last, torch.cat([features, points], dim=2))
        pooled = torch.cat([features.amax(dim=1), features.mean(dim=1), self.extent(extent)], dim=1)
        return F.normalize(self.name(pooled).float(), dim=1)


class SetAbstraction(nn.Module):
    """Features of some points as centres, from the features and offsets of their nearest neighbours.

    The map of each neighbour is linear and applied before neighbours are gathered, so that it is computed once per
    point and not once per pair; the layers after the maximum are per centre.
    """

    def __init__(self, in_channels, channels, level):
        """level: (centres, neighbours, factor on offsets)."""
        super().__init__()
        self.centers, self.neighbours, self.gain = level
        self.feature = nn.Linear(in_channels, channels)
        self.offset = nn.Linear(3, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        self.inner = nn.Sequential(
            *_layer(channels, 2 * channels, bias=False),
            nn.Linear(2 * channels, channels, bias=False),
            nn.BatchNorm1d(channels),
        )

    def forward(self, xyz, features):
        """Centres [K, m, 3] and their features [K, m, C]. xyz: [K, n, 3]; features: [K, n, C_in]."""
        count, centers = xyz.shape[1], xyz[:, : self.centers]
        nearest = torch.cdist(centers, xyz).topk(self.neighbours, dim=2, largest=False, sorted=False).indices
        rows = nearest + count * torch.arange(len(xyz), device=xyz.device)[:, None, None]
        mapped = (self.feature(features) + self.offset(self.gain * xyz)).flatten(0, 1)
        highest = MaxOverNeighbours.apply(mapped.index_select(0, rows.flatten()).unflatten(0, (-1, self.neighbours)))
        x = F.relu(self.norm(highest - self.offset(self.gain * centers).flatten(0, 1)))
        return centers, F.relu(x + self.inner(x)).unflatten(0, (len(xyz), self.centers))


class MaxOverNeighbours(torch.autograd.Function):
    """amax over dimension 1 with a backward pass that, on a CPU, takes a quarter of the time of PyTorch's."""

    @staticmethod
    def forward(ctx, values):
        """[R, C]. values: [R, k, C]."""
        highest = values.amax(dim=1)
        ctx.save_for_backward(values, highest)
        return highest

    @staticmethod
    def backward(ctx, gradient):
        """All equal maxima receive the gradient."""
        values, highest = ctx.saved_tensors
        return torch.where(values == highest[:, None], gradient[:, None], torch.zeros((), dtype=gradient.dtype))


def scaled(xyz, colors):
    """Points centred and scaled to at most MAX_REACH, [K, n, 3], and what this removes: `extent` [K, EXTENT].

    extent: logarithms of length, width and height (metres), heights of bottom and top, logarithm of half the longest
    side, logarithm of length over width, mean and standard deviation of the colours, and 1.
    """
    ordered = xyz.sort(dim=1).values
    low, high = ordered[:, TAIL], ordered[:, -1 - TAIL]
    sides = (high - low).clamp(min=MIN_EXTENT)
    half = sides.amax(dim=1, keepdim=True).clamp(min=2 * MIN_EXTENT) / 2
    plan = sides[:, :2].sort(dim=1, descending=True).values
    ratio = (plan[:, :1] / plan[:, 1:]).log().clamp(max=MAX_RATIO)
    heights = low[:, 2:], high[:, 2:]
    color = colors.mean(dim=1), colors.std(dim=1)
    extent = [plan.log(), sides[:, 2:].log(), *heights, half.log(), ratio, *color, torch.ones_like(half)]
    points = (xyz - (low + high)[:, None] / 2) / half[..., None]
    return points.clamp(-MAX_REACH, MAX_REACH), torch.cat(extent, dim=1)


def _layer(in_channels, channels, bias=True):
    return nn.Linear(in_channels, channels, bias=bias), nn.BatchNorm1d(channels), nn.ReLU()


def _on_rows(layers, values):
    """A module for [R, C] on [K, n, C]."""
    return layers(values.flatten(0, 1)).unflatten(0, values.shape[:2])
