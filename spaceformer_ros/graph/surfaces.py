# SPDX-License-Identifier: Apache-2.0
"""Where an object stands and what can stand on it: its columns, its foot and its upward surfaces, from its points."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from ..grids.keys import RowsByKey, cell_keys, pack

COLUMN = 0.05  # metres, side of the columns of an object in plan
POINT_CELL = 0.025  # metres; one point per cell of this size is kept
STRAY_SHARE = 0.01  # of the points at both ends of the heights
FOOT_HEIGHT = 0.05  # metres above the lowest points that still belong to the foot
BLOCK = 0.5  # metres, side of the squares in plan in which surroundings are looked up
MARGIN = 0.2  # metres around a body that belong to its surroundings
HEADROOM = 0.1  # metres without points of the same object above a surface on which something can stand


@dataclass(frozen=True)
class Body:
    """The points of one object. xyz: [n, 3] float32 metres, z up, n >= 1, at most one per POINT_CELL cell."""

    xyz: np.ndarray

    @classmethod
    def of(cls, xyz):
        """The Body of points [N, 3] metres, N >= 1."""
        _, first = np.unique(cell_keys(xyz, POINT_CELL), return_index=True)
        return cls(np.asarray(xyz, dtype=np.float32)[first])

    @cached_property
    def low(self):
        """Height of its lowest points, metres."""
        return float(np.quantile(self.xyz[:, 2], STRAY_SHARE))

    @cached_property
    def high(self):
        """Height of its highest points, metres."""
        return float(np.quantile(self.xyz[:, 2], 1 - STRAY_SHARE))

    @cached_property
    def _sorted(self):
        """Points sorted by column, then height: column of each [n], first row of each column [c], xyz [n, 3]."""
        cell = np.floor(self.xyz[:, :2] / COLUMN).astype(np.int64)
        order = np.lexsort((self.xyz[:, 2], cell[:, 1], cell[:, 0]))
        cell = cell[order]
        new = np.ones(len(cell), dtype=bool)
        new[1:] = (np.diff(cell, axis=0) != 0).any(axis=1)
        return cell, np.flatnonzero(new), self.xyz[order]

    @cached_property
    def columns(self):
        """[c, 2] int64 indices of the columns that it occupies."""
        cell, first, _ = self._sorted
        return cell[first]

    @cached_property
    def ground(self):
        """[c, 2] metres: centres of its columns."""
        return (self.columns + 0.5) * COLUMN

    @cached_property
    def ground_tree(self):
        """k-d tree of `ground`."""
        return cKDTree(self.ground)

    @cached_property
    def sides(self):
        """(narrow, wide) side in plan, metres, without strays."""
        offset = self.xyz[:, :2] - self.xyz[:, :2].mean(axis=0)
        along = offset @ np.linalg.eigh(offset.T @ offset)[1]
        low, high = np.quantile(along, (2 * STRAY_SHARE, 1 - 2 * STRAY_SHARE), axis=0)
        return tuple((high - low).tolist())

    @cached_property
    def foot(self):
        """[f, 3] metres: the outline of the columns on which it stands, with the lowest height in each."""
        _, first, xyz = self._sorted
        lowest = xyz[first, 2]
        standing = np.flatnonzero(lowest <= self.low + FOOT_HEIGHT)
        keys = np.sort(pack(self.columns[standing]))
        steps = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
        around = pack((self.columns[standing][:, None] + steps).reshape(-1, 2)).reshape(-1, 4)
        outline = standing[~np.isin(around, keys).all(axis=1)]
        return np.column_stack([self.ground[outline], lowest[outline]])

    @cached_property
    def surface(self):
        """[s, 3] metres: points with nothing of the same object within HEADROOM above them."""
        cell, _, xyz = self._sorted
        free = np.ones(len(xyz), dtype=bool)
        same = (np.diff(cell, axis=0) == 0).all(axis=1)
        free[:-1] = ~same | (np.diff(xyz[:, 2]) > HEADROOM)
        return xyz[free]


class Surroundings:
    """Points of a map that belong to no object, of which those around a body are looked up quickly."""

    def __init__(self, xyz):
        """xyz: [m, 3] metres."""
        self._xyz = np.asarray(xyz, dtype=np.float32)
        self._rows = RowsByKey(pack(np.floor(self._xyz[:, :2] / BLOCK).astype(np.int64)))

    def around(self, body):
        """The Body of the points within MARGIN of a body's bounds in plan, or None."""
        low, high = body.ground.min(axis=0) - MARGIN, body.ground.max(axis=0) + MARGIN
        first, last = (np.floor(corner / BLOCK).astype(np.int64) for corner in (low, high))
        blocks = np.stack(np.meshgrid(*map(np.arange, first, last + 1), indexing="ij"), axis=-1).reshape(-1, 2)
        near = self._xyz[self._rows.rows(pack(blocks))]
        near = near[((near[:, :2] >= low) & (near[:, :2] <= high)).all(axis=1)]
        return Body.of(near) if len(near) else None


def exclusive(masks, count):
    """The masks without the rows that a smaller one has: what is on a table is often in the table's mask too.

    masks: list of int arrays of rows below `count`. A mask of which less than a fifth would be left stays whole.
    """
    owner = np.full(count, -1, dtype=np.int64)
    for k in sorted(range(len(masks)), key=lambda k: -len(masks[k])):
        owner[masks[k]] = k
    own = [mask[owner[mask] == k] for k, mask in enumerate(masks)]
    return [left if len(left) >= len(mask) / 5 else mask for left, mask in zip(own, masks)]
