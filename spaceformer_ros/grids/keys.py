# SPDX-License-Identifier: Apache-2.0
"""Cells of an unbounded grid as integer keys: packing, neighbours, and lookups among sorted keys.

A key packs the indices of a cell, AXIS_BITS per axis. The network has a separate packing (`network/voxels.py`, 18 bits
and a batch index, as published), because that folder imports nothing of this package.
"""

import numpy as np

from .groups import ranges

AXIS_BITS = 21  # per axis: three of them fill the 63 bits of a positive int64
AXIS_LIMIT = 1 << (AXIS_BITS - 1)  # indices lie in [-AXIS_LIMIT, AXIS_LIMIT)
_AXIS = 1 << AXIS_BITS


def pack(cells):
    """[N] int64 keys >= 0, ascending in (x, y, z). cells: [N, D] indices in [-AXIS_LIMIT, AXIS_LIMIT), D <= 3."""
    return pack_axes(*np.asarray(cells).T)


def pack_axes(first, *others):
    """`pack` of one array of indices per axis, broadcast against each other."""
    key = first.astype(np.int64) + AXIS_LIMIT
    for index in others:
        key = key * _AXIS + (index + AXIS_LIMIT)
    return key


def unpack(keys, dimensions=3):
    """[N, D] int64 cells of the keys that `pack` made of them."""
    bits = AXIS_BITS * np.arange(dimensions - 1, -1, -1)
    return (keys[:, None] >> bits & (_AXIS - 1)) - AXIS_LIMIT


def axis_of(keys, axis, dimensions=3):
    """[N] int64 index of the cells on one axis."""
    return (keys >> AXIS_BITS * (dimensions - 1 - axis) & (_AXIS - 1)) - AXIS_LIMIT


def cell_keys(xyz, size):
    """[N] int64 key of the cell that holds each point. xyz: [N, 3] metres; size: side of a cell, metres."""
    return pack(np.floor(np.asarray(xyz) / size).astype(np.int32))


def occupied_cells(xyz, size):
    """Sorted unique int64 keys of the cells that hold points. xyz: [N, 3] metres; size: side of a cell, metres."""
    return distinct(cell_keys(xyz, size))


def distinct(keys):
    """The sorted unique values of keys [N]."""
    return counted(keys)[0]


def counted(keys):
    """The sorted unique values of keys [N], and how often each occurs.

    `np.unique`, which hashes since NumPy 2.3, takes up to 40 times as long.
    """
    keys = np.sort(keys, kind="stable")
    start = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    return keys[start], np.diff(start, append=len(keys))


def neighbour_offsets(reach):
    """[(2 reach + 1)^3] int64 differences between the key of a cell and the keys of all cells at most `reach` away on
    each axis, itself included; ascending, z fastest."""
    steps = range(-reach, reach + 1)
    return np.array([(x * _AXIS + y) * _AXIS + z for x in steps for y in steps for z in steps])


def dilated(keys, reach):
    """Sorted unique keys of the cells at most `reach` away, on each axis, from those of `keys` [N], any order."""
    for stride in (1, _AXIS, _AXIS**2):  # axis by axis, as the cells of a box are shared by many of its neighbours
        keys = distinct((keys + stride * np.arange(-reach, reach + 1)[:, None]).ravel())
    return keys


def isin_sorted(keys, wanted):
    """[...] bool: which keys are in `wanted` [W], sorted."""
    if not len(wanted):
        return np.zeros(np.shape(keys), dtype=bool)
    return wanted[np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)] == keys


def isin_dilated(keys, wanted):
    """[N] bool: which keys are in `wanted` [W], sorted, or belong to one of the 26 neighbours of such a cell."""
    if not len(wanted):
        return np.zeros(len(keys), dtype=bool)
    lowest = keys[:, None] + neighbour_offsets(1)[::3]  # three cells in a row along z have consecutive keys
    first = wanted[np.minimum(np.searchsorted(wanted, lowest), len(wanted) - 1)]
    return ((first >= lowest) & (first <= lowest + 2)).any(axis=1)


class RowsByKey:
    """All rows of each key in a fixed array of keys, which may repeat."""

    def __init__(self, keys):
        """keys: [N] int64."""
        self._order = np.argsort(keys, kind="stable")
        self._keys = np.asarray(keys)[self._order]

    def rows(self, wanted):
        """[R] int64: rows with the keys `wanted` (unique), in the order of `wanted`, ascending for each."""
        starts, stops = (np.searchsorted(self._keys, wanted, side) for side in ("left", "right"))
        return self._order[ranges(starts, stops - starts)]
