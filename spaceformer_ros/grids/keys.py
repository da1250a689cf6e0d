"""Keys of grid cells: one integer per cell, their neighbours, and searches among sorted keys."""

import numpy as np

from .groups import ranges

TRACK_CELL = 0.1  # metres; identity is judged on cells of this size, anchored at the frame's origin
FINE_CELL = 0.05  # metres; presence and absence are judged on cells of this size
SLACK = FINE_CELL / 2  # metres on each axis by which surfaces may lie off and still be found in their place
_AXIS = 1 << 21  # cells along one axis of a key


def cell_keys(xyz, size):
    """[N] int64 key of the cell of `size` metres that each point lies in. xyz: [N, 3] metres."""
    x, y, z = np.floor(np.asarray(xyz) / size).astype(np.int32).T + np.int32(_AXIS // 2)
    return _key(x.astype(np.int64), y, z)


def _key(x, y, z):
    return (x * _AXIS + y) * _AXIS + z


def fine_keys_near(xyz):
    """[N, 8] int64 keys of the fine cells (repeated, if fewer) within SLACK of each point, z fastest. xyz: [N, 3]
    metres."""
    low, high = (np.asarray(xyz, dtype=np.float64).T + slack for slack in (-SLACK, SLACK))
    near = np.floor(np.stack([low, high], axis=2) / FINE_CELL).astype(np.int64) + _AXIS // 2
    x, y, z = near[0, :, :, None, None], near[1, :, None, :, None], near[2, :, None, None, :]
    return _key(x, y, z).reshape(-1, 8)


def neighbours(reach):
    """Numbers that, added to a key, give the keys of the cell itself and of all up to `reach` cells away."""
    step = range(-reach, reach + 1)
    return np.array([_key(x, y, z) for x in step for y in step for z in step])


def occupied_cells(xyz):
    """Sorted unique int64 keys of the TRACK_CELL cells that hold points. xyz: [N, 3] metres."""
    return np.unique(cell_keys(xyz, TRACK_CELL))


def among(keys, wanted):
    """[...] bool: which keys stand in `wanted`, sorted."""
    if not len(wanted):
        return np.zeros(np.shape(keys), dtype=bool)
    return wanted[np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)] == keys


def touching(keys, wanted):
    """[N] bool: which keys are those of cells that touch, at corners too, or are a cell in `wanted`, sorted."""
    if not len(wanted):
        return np.zeros(len(keys), dtype=bool)
    lowest = keys[:, None] + neighbours(1)[::3]  # three in a row along z have keys in a row
    first = wanted[np.minimum(np.searchsorted(wanted, lowest), len(wanted) - 1)]
    return ((first >= lowest) & (first <= lowest + 2)).any(axis=1)


class KeyIndex:
    """Finds the rows of integer keys."""

    def __init__(self, keys):
        self._order = np.argsort(keys, kind="stable")
        self._keys = np.asarray(keys)[self._order]

    def rows(self, wanted):
        """Rows whose key is among `wanted` (unique keys), in the order of wanted."""
        starts, stops = (np.searchsorted(self._keys, wanted, side) for side in ("left", "right"))
        return self._order[ranges(starts, stops - starts)]
