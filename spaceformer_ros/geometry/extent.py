# SPDX-License-Identifier: Apache-2.0
"""Extent of a set of points without its strays."""

import numpy as np

STRAY_SHARE = 0.005  # of the points that may be strays on each side
SLACK = 0.5  # metres outside the others in which points are no strays


def inner_bounds(xyz):
    """Smallest and largest coordinate on each axis without strays, two [D] arrays; of a clean map its bounds.

    Points count if they are at most SLACK further outside than all but STRAY_SHARE of the others. xyz: [N, D] metres,
    N >= 1, of any real type, which the result has too.
    """
    strays = int(STRAY_SHARE * len(xyz))
    pairs = [_inner(column, strays) for column in xyz.T]
    return tuple(np.array(ends, dtype=xyz.dtype) for ends in zip(*pairs))


def within(xyz, low, high):
    """[N] bool: which points [N, D] are between two corners [D], the corners included."""
    inside = np.ones(len(xyz), dtype=bool)
    for column, least, most in zip(xyz.T, low, high):  # one by one: numpy is slow along short rows
        inside &= (column >= least) & (column <= most)
    return inside


def _inner(values, strays):
    last = len(values) - 1 - strays
    sorted_there = np.partition(values, sorted({strays, last}))
    low, high = sorted_there[strays], sorted_there[last]
    return values[values >= low - SLACK].min(), values[values <= high + SLACK].max()
