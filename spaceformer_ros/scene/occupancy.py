# SPDX-License-Identifier: Apache-2.0
"""Occupancy of objects: the cells that they occupy, the cells around them, and whether a cloud fills these cells."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..grids.groups import Members
from ..grids.keys import RowsByKey, cell_keys, dilated, isin_dilated, isin_sorted, occupied_cells, pack_axes

TRACK_CELL = 0.1  # metres; overlap of objects is measured in cells of this size, aligned to the frame's origin
FINE_CELL = 0.05  # metres; presence and absence are decided in cells of this size
SLACK = FINE_CELL / 2  # metres on each axis by which a surface may be displaced and still count as the same
NEAR_MAP = 2.0  # metres; objects without a point of the map within this distance are outside the map
MIN_SURROUNDINGS = 50  # fine cells that describe the surroundings of an object
MAX_REACHES = (1, 2, 4)  # distances, in cells of TRACK_CELL, within which they are searched, in turn
# Kinds of the points of an Occupancy: in cells of the object with nothing else near; with something else near; in
# cells of the surroundings.
ISOLATED, CONTACT, SURROUNDINGS = 0, 1, 2


@dataclass(frozen=True)
class Occupancy:
    """Points of an object and of its surroundings, one per FINE_CELL, so that they can be moved with the map.

    xyz: [P, 3] float32 metres; kind: [P] uint8, ISOLATED, CONTACT or SURROUNDINGS.
    """

    xyz: np.ndarray
    kind: np.ndarray

    def __len__(self):
        return len(self.xyz)

    @property
    def own(self):
        """[n, 3] points in the cells that the object occupies."""
        return self.xyz[self.kind != SURROUNDINGS]

    @cached_property
    def cells(self):
        """Sorted int64 keys of the TRACK_CELL cells that the object occupies."""
        return occupied_cells(self.own, TRACK_CELL)

    def moved(self, transform):
        """The same after a RigidTransform of the map."""
        return replace(self, xyz=transform.apply(self.xyz).astype(np.float32))


class CloudOccupancy:
    """The occupied cells of a segmented cloud: creates the Occupancy of its objects, and tests whether the cells of
    other objects are filled."""

    def __init__(self, cloud, voxels):
        """cloud: Cloud of N points; voxels: the VoxelMap that its masks refer to."""
        keys = cell_keys(cloud.xyz, FINE_CELL)
        self.keys, self._cell_of_point, self._counts = np.unique(keys, return_inverse=True, return_counts=True)
        self._xyz, self._voxels = cloud.xyz, voxels
        self._means = _cell_means(self._cell_of_point, cloud.xyz, self._counts)
        self._points = Members(voxels.point_to_voxel, len(voxels))
        self._blocks = RowsByKey(cell_keys(self._means, TRACK_CELL))

    def of_mask(self, mask):
        """The Occupancy of a mask (array of voxel rows)."""
        points = self._points.of(mask)
        cells, inverse, counts = np.unique(self._cell_of_point[points], return_inverse=True, return_counts=True)
        own = _cell_means(inverse, self._xyz.take(points, axis=0), counts)
        around = self._around(own, cells)
        kind = np.where(self._others_near(own, cells[counts == self._counts[cells]]), CONTACT, ISOLATED)
        kind = np.concatenate([kind, np.full(len(around), SURROUNDINGS)]).astype(np.uint8)
        return Occupancy(np.concatenate([own, self._means[around]]), kind)

    def _around(self, own, cells):
        """Sorted rows of the fine cells around an object's points `own`, without its `cells` and their neighbours.

        Within one TRACK_CELL, or up to four if that gives too few: a chair whose legs were not seen has no neighbours.
        Cells next to its own are left out, as they may belong to the object if its mask has holes.
        """
        for reach in MAX_REACHES:
            near = self._blocks.rows(dilated(occupied_cells(own, TRACK_CELL), reach))
            around = near[~isin_dilated(self.keys[near], self.keys[cells])]
            if len(around) >= MIN_SURROUNDINGS:
                break
        return np.sort(around)

    def _others_near(self, xyz, exclusive):
        """[N] bool: whether cells other than the `exclusive` ones have points within SLACK of these points."""
        cell, filled = self._lookup(xyz)
        return (filled & ~isin_sorted(cell, exclusive)).any(axis=1)

    def _lookup(self, xyz):
        """For the fine cells near N points: [N, 8] row in self.keys, and bool whether that row is the cell."""
        wanted, last = fine_keys_near(xyz), len(self.keys) - 1
        low, high = wanted[:, ::2], wanted[:, 1::2]  # high is the cell above low: one search for both
        below = np.searchsorted(self.keys, low)
        above = below.copy()
        for step in range(2):  # rounding may put a cell between them
            above += (self.keys[np.minimum(above, last)] == low + step) & (low + step < high)
        cell = np.minimum(np.stack([below, above], axis=2).reshape(wanted.shape), last)
        return cell, self.keys[cell] == wanted

    def filled(self, xyz):
        """[N] bool: whether the cloud has points within SLACK of these points."""
        return self._lookup(xyz)[1].any(axis=1)

    @cached_property
    def _near_blocks(self):
        return occupied_cells(self._means, NEAR_MAP)

    def is_near(self, xyz):
        """Whether any of these points [n, 3] is at most about NEAR_MAP metres from a point of the cloud: tested on
        cells of that size and their neighbours."""
        return bool(isin_dilated(occupied_cells(xyz, NEAR_MAP), self._near_blocks).any())

    @cached_property
    def _voxel_index(self):
        return RowsByKey(cell_keys(self._voxels.positions, FINE_CELL))

    def mask_of(self, occupancy):
        """Sorted int32 rows of the voxels that are now in the object's own cells."""
        return np.sort(self._voxel_index.rows(occupied_cells(occupancy.own, FINE_CELL))).astype(np.int32)


def fine_keys_near(xyz):
    """[N, 8] int64 keys of the fine cells within SLACK of each point, z fastest; repeated if they are fewer.

    xyz: [N, 3] metres.
    """
    low, high = (np.asarray(xyz, dtype=np.float64).T + slack for slack in (-SLACK, SLACK))
    near = np.floor(np.stack([low, high], axis=2) / FINE_CELL).astype(np.int64)
    x, y, z = near[0, :, :, None, None], near[1, :, None, :, None], near[2, :, None, None, :]
    return pack_axes(x, y, z).reshape(-1, 8)


def _cell_means(cell, xyz, counts):
    """[U, 3] float32: mean of the points of each cell. cell: [n] of each point; counts: [U] points of each cell."""
    sums = [np.bincount(cell, xyz[:, axis], len(counts)) for axis in range(3)]
    return (np.stack(sums, axis=1) / counts[:, None]).astype(np.float32)
