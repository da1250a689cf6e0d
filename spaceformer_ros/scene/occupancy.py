"""Where objects are: the cells that they fill, what stands around them, and what another cloud shows there."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..grids.groups import Members
from ..grids.keys import (
    FINE_CELL,
    TRACK_CELL,
    KeyIndex,
    among,
    cell_keys,
    fine_keys_near,
    neighbours,
    occupied_cells,
    touching,
)

ENOUGH_AROUND = 50  # fine cells that tell where an object stood
ALONE, SHARED, AROUND = (
    0,
    1,
    2,
)  # kinds of a Place's points: of the object, nothing else near; something near; of others


@dataclass(frozen=True)
class Place:
    """What was seen of an object and its surroundings, one point per FINE_CELL, so that it can move with the map.

    xyz: [P, 3] float32 metres; kind: [P] uint8, ALONE, SHARED or AROUND.
    """

    xyz: np.ndarray
    kind: np.ndarray

    def __len__(self):
        return len(self.xyz)

    @property
    def own(self):
        """[n, 3] points in the cells that the object fills."""
        return self.xyz[self.kind != AROUND]

    @cached_property
    def cells(self):
        """Sorted int64 keys of the TRACK_CELL cells that the object fills."""
        return occupied_cells(self.own)


class CloudCells:
    """The cells of a segmented cloud: makes the Places of its objects and says whether those of others are filled."""

    def __init__(self, cloud, voxels):
        """cloud: Cloud of N points; voxels: the VoxelMap that its masks refer to."""
        keys = cell_keys(cloud.xyz, FINE_CELL)
        self.keys, self._cell_of_point, self._counts = np.unique(keys, return_inverse=True, return_counts=True)
        self._xyz, self._voxels = cloud.xyz, voxels
        self._means = self._mean(self._cell_of_point, cloud.xyz, self._counts)
        self._points = Members(voxels.point_to_voxel, len(voxels))
        self._blocks = KeyIndex(cell_keys(self._means, TRACK_CELL))

    @staticmethod
    def _mean(cell, xyz, counts):
        """[U, 3] float32, mean of the points of each cell. cell: [n] of each point; counts: [U]."""
        sums = [np.bincount(cell, xyz[:, axis], len(counts)) for axis in range(3)]
        return (np.stack(sums, axis=1) / counts[:, None]).astype(np.float32)

    def place(self, mask):
        """The Place of a mask (array of voxel rows)."""
        points = self._points.of(mask)
        cells, inverse, counts = np.unique(self._cell_of_point[points], return_inverse=True, return_counts=True)
        own = self._mean(inverse, self._xyz.take(points, axis=0), counts)
        around = self._around(own, cells)
        kind = np.where(self._others_near(own, cells[counts == self._counts[cells]]), SHARED, ALONE)
        kind = np.concatenate([kind, np.full(len(around), AROUND)]).astype(np.uint8)
        return Place(np.concatenate([own, self._means[around]]), kind)

    def _around(self, own, cells):
        """Sorted indices of fine cells around an object's points `own`, but not next to its `cells`.

        Within one TRACK_CELL, or up to four where that gives few: a chair whose legs were not seen has no neighbours.
        Cells next to its own may be the object's too, where its mask has a hole.
        """
        for reach in (1, 2, 4):
            near = self._blocks.rows(np.unique(occupied_cells(own)[:, None] + neighbours(reach)))
            around = near[~touching(self.keys[near], self.keys[cells])]
            if len(around) >= ENOUGH_AROUND:
                break
        return np.sort(around)

    def _others_near(self, xyz, exclusive):
        """[N] bool: whether something lies within SLACK of these points in other cells than the `exclusive` ones."""
        cell, filled = self._lookup(xyz)
        return (filled & ~among(cell, exclusive)).any(axis=1)

    def _lookup(self, xyz):
        """For the fine cells near N points: [N, 8] index into self.keys, and bool whether that is the cell."""
        wanted, last = fine_keys_near(xyz), len(self.keys) - 1
        low, high = wanted[:, ::2], wanted[:, 1::2]  # high is the cell above low: searched for once
        below = np.searchsorted(self.keys, low)
        above = below.copy()
        for step in range(2):  # rounding may put a cell between them
            above += (self.keys[np.minimum(above, last)] == low + step) & (low + step < high)
        cell = np.minimum(np.stack([below, above], axis=2).reshape(wanted.shape), last)
        return cell, self.keys[cell] == wanted

    def filled(self, xyz):
        """[N] bool: whether the cloud has points where these points are, give or take SLACK."""
        return self._lookup(xyz)[1].any(axis=1)

    @cached_property
    def _voxel_index(self):
        return KeyIndex(cell_keys(self._voxels.positions, FINE_CELL))

    def mask(self, place):
        """Sorted int32 rows of the voxels that lie in a Place's own cells now."""
        keys = np.unique(cell_keys(place.own, FINE_CELL))
        return np.sort(self._voxel_index.rows(keys)).astype(np.int32)
