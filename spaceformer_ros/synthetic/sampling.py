# SPDX-License-Identifier: Apache-2.0
"""Sampling of points on the primitives of `shapes`: jittered grids of one spacing, for a whole room in one call."""

import numpy as np

from .shapes import BLOCK, CUP, PIPE, RING, ROUND, SHEET, SOLID

GOLDEN_ANGLE = 2.39996323
MIN_KEPT = 0.35  # share of the points that a surface much thinner than the spacing keeps, to stay visible


def sample(table, spacing, rng):
    """Points on the outside of primitives, about one per spacing^2.

    table: [P, 18] primitives in the map, metres (see `shapes`); spacing: metres. Returns xyz [N, 3] float32 metres,
    normal [N, 3] float32 outward unit vectors, primitive [N] int64 rows of the table. Faces on the floor (z = 0) are
    left out. Points of one face are adjacent.
    """
    parts = [(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.int64))]
    for family, sampler in ((BLOCK, _blocks), (ROUND, _rounds), (RING, _rings), (SHEET, _sheets)):
        rows = np.flatnonzero(table[:, 0] == family)
        if len(rows):
            xyz, normal, primitive = sampler(table[rows], spacing, rng)
            parts.append((xyz, normal, rows[primitive]))
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _cells(length_u, length_v, spacing, rng):
    """A jittered grid on each of K rectangles. Returns patch [n], u [n], v [n] in 0..1, grouped by patch."""
    count_u, count_v = (np.maximum(1, np.rint(length / spacing)).astype(np.int64) for length in (length_u, length_v))
    count = count_u * count_v
    patch = np.repeat(np.arange(len(count)), count)
    index = np.arange(len(patch)) - np.repeat(np.cumsum(count) - count, count)
    row = index // np.repeat(count_v, count)
    column = index - row * np.repeat(count_v, count)
    u = (row + rng.random(len(patch), dtype=np.float32)) * np.repeat((1 / count_u).astype(np.float32), count)
    v = (column + rng.random(len(patch), dtype=np.float32)) * np.repeat((1 / count_v).astype(np.float32), count)
    kept = np.clip(length_u / spacing, MIN_KEPT, 1) * np.clip(length_v / spacing, MIN_KEPT, 1)
    if (kept < 1).any():
        chosen = rng.random(len(patch), dtype=np.float32) < kept[patch]
        patch, u, v = patch[chosen], u[chosen], v[chosen]
    return patch, u.astype(np.float32), v.astype(np.float32)


def _discs(area, spacing, rng):
    """A sunflower pattern on each of K unit discs. Returns patch [n], x [n], y [n]."""
    expected = area / spacing**2
    count = np.maximum(1, np.rint(expected)).astype(np.int64)
    count = np.where(rng.random(len(count)) < np.maximum(expected, MIN_KEPT), count, 0)
    patch = np.repeat(np.arange(len(count)), count)
    index = np.arange(len(patch)) - np.repeat(np.cumsum(count) - count, count)
    radius = np.sqrt((index + rng.random(len(patch))) / count[patch])
    angle = index * GOLDEN_ANGLE + np.repeat(rng.uniform(0, 2 * np.pi, len(count)), count)
    return patch, (radius * np.cos(angle)).astype(np.float32), (radius * np.sin(angle)).astype(np.float32)


def _split(table):
    """Centre [P, 3], half axes [P, 3, 3], their lengths [P, 3] and parameters [P, 4] of rows."""
    axes = table[:, 4:13].reshape(-1, 3, 3)
    return table[:, 1:4], axes, np.sqrt((axes**2).sum(axis=2)), table[:, 13:17]


def _to_world(center, axes, primitive, unit):
    """Unit coordinates [n, 3] of primitives -> metres [n, 3] float32."""
    axes = axes.astype(np.float32)[primitive]
    xyz = center.astype(np.float32)[primitive]
    for axis in range(3):
        xyz += axes[:, axis] * unit[:, axis, None]
    return xyz


def _normals(axes, length, primitive, unit_normal):
    """Outward unit vectors [n, 3] from gradients in unit coordinates (the half axes are orthogonal)."""
    inverse = (axes / np.maximum(length, 1e-9)[:, :, None] ** 2).astype(np.float32)[primitive]
    normal = inverse[:, 0] * unit_normal[:, :1]
    for axis in (1, 2):
        normal += inverse[:, axis] * unit_normal[:, axis, None]
    normal /= np.sqrt((normal**2).sum(axis=1, keepdims=True)) + 1e-12
    return normal


def _on_floor(z, normal_z):
    return (z < 0.015) & (normal_z < -0.9)


def _blocks(table, spacing, rng):
    center, axes, length, parameters = _split(table)
    primitive = np.tile(np.arange(len(table)), 6)
    axis = np.repeat([0, 0, 1, 1, 2, 2], len(table))
    sign = np.repeat(np.array([-1, 1] * 3, dtype=np.float32), len(table))
    face_normal = sign[:, None] * (axes / np.maximum(length, 1e-9)[:, :, None])[primitive, axis]
    bottom = center[primitive, 2] + sign * axes[primitive, axis, 2]
    sharp = parameters[primitive, 0] == 0
    shown = ~(sharp & _on_floor(bottom, face_normal[:, 2]))
    primitive, axis, sign, face_normal = primitive[shown], axis[shown], sign[shown], face_normal[shown]
    size = 2 * length[primitive]
    faces = np.arange(len(axis))
    patch, u, v = _cells(size[faces, (axis + 1) % 3], size[faces, (axis + 2) % 3], spacing, rng)
    unit = np.empty((len(patch), 3), np.float32)
    limits = np.searchsorted(axis[patch], np.arange(4))
    for number in range(3):
        part = slice(limits[number], limits[number + 1])
        unit[part, number] = sign[patch[part]]
        unit[part, (number + 1) % 3] = 2 * u[part] - 1
        unit[part, (number + 2) % 3] = 2 * v[part] - 1
    owner = primitive[patch]
    normal = face_normal.astype(np.float32)[patch]
    _soften(unit, normal, owner, axes, length, parameters)
    _taper(unit, owner, parameters[:, 2:])
    return _to_world(center, axes, owner, unit), normal, owner


def _soften(unit, normal, owner, axes, length, parameters):
    """Push points of round blocks from the cube to the ball of their norm, in place."""
    soft = np.flatnonzero((parameters[:, 0] > 0)[owner])
    if not len(soft):
        return
    p, q = (parameters[owner[soft], column].astype(np.float32) for column in (0, 1))
    x, y, z = np.abs(unit[soft]).T + np.float32(1e-6)
    flat = (x**p + y**p) ** (1 / p)
    scale = 1 / (flat**q + z**q) ** (1 / q)
    signs = np.sign(unit[soft])
    unit[soft] *= scale[:, None]
    x, y, z, flat = x * scale, y * scale, z * scale, flat * scale
    rise = flat ** (q - p)
    gradient = np.stack([rise * x ** (p - 1), rise * y ** (p - 1), z ** (q - 1)], axis=1) * signs
    normal[soft] = _normals(axes, length, owner[soft], gradient)


def _taper(unit, owner, taper):
    tapered = np.flatnonzero((taper != 1).any(axis=1)[owner])
    if len(tapered):
        height = (unit[tapered, 2:] + 1) / 2
        unit[tapered, :2] *= 1 + height * (taper[owner[tapered]].astype(np.float32) - 1)


def _rounds(table, spacing, rng):
    center, axes, length, parameters = _split(table)
    top, form = parameters[:, 0], parameters[:, 1]
    rows = np.arange(len(table))
    hollow = rows[form != SOLID]
    sides = np.concatenate([rows, hollow])
    inwards = np.repeat(np.array([1, -1], np.float32), [len(rows), len(hollow)])
    around = 2 * np.pi * np.sqrt((length[sides, :2] ** 2).mean(axis=1)) * np.maximum(top[sides], 1)
    patch, u, v = _cells(around, 2 * length[sides, 2], spacing, rng)
    owner, sign = sides[patch], inwards[patch]
    ratio = top.astype(np.float32)[owner]
    radius = 1 + v * (ratio - 1)
    keep = rng.random(len(patch), dtype=np.float32) * np.maximum(ratio, 1) < radius + 0.05
    owner, sign, ratio, radius, u, v = (column[keep] for column in (owner, sign, ratio, radius, u, v))
    cos, sin = np.cos(2 * np.pi * u), np.sin(2 * np.pi * u)
    inner = np.where(sign < 0, np.float32(0.97), np.float32(1))
    unit = np.stack([inner * radius * cos, inner * radius * sin, 2 * v - 1], axis=1)
    normal = _normals(axes, length, owner, np.stack([sign * cos, sign * sin, sign * (1 - ratio) / 2], axis=1))
    parts = [(unit, normal, owner)]
    for chosen, side, facing in (
        (rows[form == SOLID], 1.0, 1.0),
        (rows[form != PIPE], -1.0, -1.0),
        (rows[form == CUP], -0.94, 1.0),
    ):
        parts.append(_caps(chosen, side, facing, center, axes, length, top, spacing, rng))
    unit, normal, owner = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return _to_world(center, axes, owner, unit), normal, owner


def _caps(rows, side, facing, center, axes, length, top, spacing, rng):
    """Points on the discs at unit height `side` of the given rows; facing: +1 for a normal along +z, else -1."""
    normal = facing * axes[rows, 2] / np.maximum(length[rows, 2:], 1e-9)
    ratio = 1 + (side + 1) / 2 * (top[rows] - 1)
    visible = (ratio > 0.02) & ~_on_floor(center[rows, 2] + side * axes[rows, 2, 2], normal[:, 2])
    rows, normal, ratio = rows[visible], normal[visible], ratio[visible]
    patch, x, y = _discs(np.pi * length[rows, 0] * length[rows, 1] * ratio**2, spacing, rng)
    scale = ratio.astype(np.float32)[patch]
    unit = np.stack([scale * x, scale * y, np.full(len(patch), side, np.float32)], axis=1)
    return unit, normal.astype(np.float32)[patch], rows[patch]


def _rings(table, spacing, rng):
    center, axes, length, parameters = _split(table)
    ratio = parameters[:, 0]
    owner, u, v = _cells(2 * np.pi * length[:, 0], 2 * np.pi * length[:, 0] * ratio, spacing, rng)
    ratio = ratio.astype(np.float32)[owner]
    cos_u, sin_u, cos_v, sin_v = (f(2 * np.pi * w) for w in (u, v) for f in (np.cos, np.sin))
    around = 1 + ratio * cos_v
    unit = np.stack([around * cos_u, around * sin_u, ratio * sin_v], axis=1)
    normal = _normals(axes, length, owner, np.stack([cos_v * cos_u, cos_v * sin_u, sin_v], axis=1))
    return _to_world(center, axes, owner, unit), normal, owner


def _sheets(table, spacing, rng):
    center, axes, length, parameters = _split(table)
    folds, one_sided = parameters[:, 0], parameters[:, 1] > 0
    rows = np.concatenate([np.arange(len(table)), np.flatnonzero(~one_sided)])
    facing = np.repeat(np.array([-1, 1], np.float32), [len(table), int((~one_sided).sum())])
    slope = np.pi * folds * length[:, 1] / np.maximum(length[:, 0], 1e-9)  # steepest pleat
    stretch = np.sqrt(1 + slope**2 / 2)
    patch, u, v = _cells(2 * (length[:, 0] * stretch)[rows], 2 * length[rows, 2], spacing, rng)
    owner, sign = rows[patch], facing[patch]
    x = 2 * u - 1
    phase = np.pi * folds.astype(np.float32)[owner] * x
    unit = np.stack([x, np.sin(phase), 2 * v - 1], axis=1)
    across = axes[:, 0] / np.maximum(length[:, :1], 1e-9)
    flat = np.cross(axes[:, 2] / np.maximum(length[:, 2:], 1e-9), across)
    tilt = slope.astype(np.float32)[owner] * np.cos(phase)
    normal = flat.astype(np.float32)[owner] - tilt[:, None] * across.astype(np.float32)[owner]
    normal *= (sign / np.sqrt(1 + tilt**2))[:, None]
    return _to_world(center, axes, owner, unit), normal, owner
