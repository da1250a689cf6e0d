# SPDX-License-Identifier: Apache-2.0
"""Surface points inside another part of the same thing, such as a body behind a drawer's front.

Without this, colours of layers that are millimetres apart (a screen on its case, a label on a box) would mix, because a
depth camera cannot separate them.
"""

import numpy as np

from .shapes import BLOCK, ROUND, SOLID, extents

STEP = 0.003  # metres: a point is hidden if this step along its normal ends inside another part


def hidden_points(table, owner, xyz, normal, primitive):
    """[N] bool: whether a point is inside another primitive of the same owner.

    table: [P, 18] primitives in the map, metres; owner: [P] int, rows of one owner are adjacent; xyz, normal,
    primitive: of `sampling.sample`. Bounding boxes of runs of points of one face are compared with primitives first.
    """
    result = np.zeros(len(xyz), dtype=bool)
    if not len(xyz):
        return result
    outside = xyz + np.float32(STEP) * normal
    starts = _runs(primitive)
    low, high = np.minimum.reduceat(outside, starts), np.maximum.reduceat(outside, starts)
    run, part = _pairs(table, owner, primitive[starts], low, high)
    length = np.diff(np.append(starts, len(xyz)))[run]
    if not len(run):
        return result
    point = np.repeat(starts[run] - np.cumsum(length) + length, length) + np.arange(length.sum())
    part = np.repeat(part, length)
    box_low, box_high = (corner.astype(np.float32) for corner in extents(table))
    near = np.ones(len(point), dtype=bool)
    for axis in range(3):
        value = outside[point, axis]
        near &= (value > box_low[part, axis]) & (value < box_high[part, axis])
    point, part = point[near], part[near]
    result[point[_inside(table, part, outside[point])]] = True
    return result


def _runs(primitive):
    """Starts of the runs of equal primitives, split at 512 points so that their bounding boxes stay small."""
    change = np.flatnonzero(np.diff(primitive)) + 1
    return np.unique(np.concatenate([[0], change, np.arange(0, len(primitive), 512)]))


def _pairs(table, owner, run_primitive, low, high):
    """(run, primitive) index arrays: runs whose box intersects that of another solid primitive of the same owner."""
    family, form = table[:, 0], table[:, 14]
    solid = (family == BLOCK) | ((family == ROUND) & (form == SOLID))
    box_low, box_high = extents(table)
    order = np.argsort(owner[run_primitive], kind="stable")
    limits = np.searchsorted(owner[run_primitive][order], np.arange(owner.max() + 2))
    firsts = np.searchsorted(owner, np.arange(owner.max() + 2))
    found_runs, found_parts = [], []
    for number in range(owner.max() + 1):
        runs = order[limits[number] : limits[number + 1]]
        parts = np.arange(firsts[number], firsts[number + 1])
        parts = parts[solid[parts]]
        if len(parts) < 1 or firsts[number + 1] - firsts[number] < 2:
            continue
        meet = run_primitive[runs][:, None] != parts[None]
        for axis in range(3):
            meet &= low[runs, axis, None] < box_high[parts, axis]
            meet &= high[runs, axis, None] > box_low[parts, axis]
        i, j = np.nonzero(meet)
        found_runs.append(runs[i])
        found_parts.append(parts[j])
    if not found_runs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(found_runs), np.concatenate(found_parts)


def _inside(table, part, xyz):
    """[n] bool: whether each point lies inside its primitive."""
    axes = table[:, 4:13].reshape(-1, 3, 3)
    inverse = axes / np.maximum((axes**2).sum(axis=2, keepdims=True), 1e-18)
    offset = xyz - table[:, 1:4].astype(np.float32)[part]
    inverse = inverse.astype(np.float32)[part]
    x, y, z = (np.abs((offset * inverse[:, axis]).sum(axis=1)) for axis in range(3))
    inside = (x < 1) & (y < 1) & (z < 1)
    disc = table[part, 0] == ROUND
    inside &= ~disc | (x * x + y * y < 1)
    soft = np.flatnonzero(inside & ~disc & (table[part, 13] > 0))
    if len(soft):
        p, q = (table[part[soft], column].astype(np.float32) for column in (13, 14))
        flat = (x[soft] ** p + y[soft] ** p) ** (1 / p)
        inside[soft] = flat**q + z[soft] ** q < 1
    tapered = np.flatnonzero(inside & ((table[part, 15:17] != 1).any(axis=1) & ~disc | disc & (table[part, 13] != 1)))
    inside[tapered] = False  # rare: tapered parts are taken to hide nothing
    return inside
