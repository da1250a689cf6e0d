# SPDX-License-Identifier: Apache-2.0
"""Incremental voxelisation of a map that is published repeatedly: only points that changed are voxelised again.

This relies on the order of points: nearly all publishers keep it and append new points.
"""

import numpy as np
import torch

from ..clouds.cloud import Cloud
from ..grids.keys import isin_sorted
from ..network.packing import pack, voxel_coords
from ..network.transfer import to_device
from ..network.voxels import Level, VoxelGrid
from .alignment import Alignment

CPU = torch.device("cpu")
BLOCK = 1 << 16  # points compared at a time


class MapGrid:
    """Voxels of the last map. A map that is too large for one run keeps its Alignment from call to call."""

    def __init__(self, voxel_size, device, along_walls=False):
        """voxel_size: metres; device: torch.device of the grids; along_walls: see `Alignment.of`."""
        self.voxel_size = voxel_size
        self.device = device
        self.along_walls = along_walls
        self._cloud = None
        self._alignment = None
        self._options = None
        self._grid = None

    def update(self, cloud, max_voxels, level=False, enlarge=False):
        """VoxelGrid of a Cloud, its Alignment, and whether this is the last map with the same Alignment.

        It is if both have the same coordinates and more than `max_voxels` voxels; otherwise the cloud gets an
        Alignment of its own. level: whether a tilted map is levelled; enlarge: whether a table top is enlarged.
        """
        options = cloud.coordinates, level, enlarge
        same_map = self._cloud is not None and self._options == options
        if same_map:
            grid = self._regrid(cloud)
        if not same_map or len(grid) <= max_voxels:
            same_map = False
            self._alignment = Alignment.of(cloud, self.along_walls, level, self.voxel_size if enlarge else 0.0)
            grid = make_grid(cloud, self._alignment, self.voxel_size, self.device)
        large, self._options = len(grid) > max_voxels, options
        self._cloud = cloud if large else None
        self._grid = grid if large and self.device.type == "cpu" else None
        return grid, self._alignment, same_map

    def _regrid(self, cloud):
        """VoxelGrid of a Cloud in the Alignment of the last map."""
        if self.device.type == "cpu":
            return update_grid(self._grid, self._cloud, cloud, self._alignment)
        return make_grid(cloud, self._alignment, self.voxel_size, self.device)


def make_grid(cloud, alignment, voxel_size, device=CPU):
    """VoxelGrid of a Cloud in an Alignment, on a torch.device."""
    xyz = to_device(np.ascontiguousarray(alignment.from_map(cloud.xyz)), device)
    return VoxelGrid.from_points(xyz, to_device(cloud.colors, device), voxel_size)


def update_grid(grid, before, cloud, alignment):
    """The VoxelGrid of `cloud`, equal to that of `make_grid`, made from the one of an earlier cloud on the CPU.

    before: the earlier Cloud, in the same Alignment. If more than half of the points changed, the grid is rebuilt.
    """
    changed = changed_points(before, cloud)
    if len(changed) > len(cloud) / 2:
        return make_grid(cloud, alignment, grid.voxel_size)
    new_key = _keys(alignment.from_map(cloud.xyz[changed]), grid.voxel_size)
    old_key, old_voxel = grid.level.key.numpy(), grid.point_to_voxel.numpy()
    key, row, new_voxel = joined_keys(old_key, new_key)
    voxel = np.empty(len(cloud), dtype=np.int32)
    shared = min(len(before), len(cloud))
    take(row, old_voxel[:shared], out=voxel[:shared])
    left = np.concatenate([voxel[changed[changed < shared]], row[old_voxel[shared:]]])
    voxel[changed] = new_voxel
    touched = np.zeros(len(key), dtype=bool)
    touched[left] = touched[new_voxel] = True
    source = np.zeros(len(key), dtype=np.int64)  # the old voxel of each; new ones are filled in below
    source[row] = np.arange(len(row))
    columns = [values.numpy().take(source, axis=0) for values in (grid.positions, grid.features, grid.counts)]
    members = points_of(touched, voxel)
    if len(members):
        fresh = make_grid(Cloud(cloud.xyz[members], cloud.rgb[members]), alignment, grid.voxel_size)
        rows = np.searchsorted(key, fresh.level.key.numpy())
        for column, values in zip(columns, (fresh.positions, fresh.features, fresh.counts)):
            column[rows] = values.numpy()
        touched[rows] = False
    if touched.any():  # voxels that lost their last point
        kept = ~touched
        voxel = take(np.cumsum(kept, dtype=np.int32) - 1, voxel)
        key, *columns = (column[kept] for column in (key, *columns))
    key, positions, features, counts, voxel = map(torch.from_numpy, (key, *columns, voxel))
    return VoxelGrid(Level(key), positions, features, voxel, counts, grid.voxel_size)


def joined_keys(old, new):
    """The keys of both, sorted; the int32 row of each old key; the row of each new key.

    old: [M] sorted unique int64; new: [n] int64.
    """
    unique, which = np.unique(new, return_inverse=True)
    added = unique[~isin_sorted(unique, old)]
    keys = np.sort(np.concatenate([old, added]), kind="stable")
    row = (np.arange(len(old)) + np.searchsorted(added, old)).astype(np.int32)
    return keys, row, np.searchsorted(keys, unique)[which]


def take(values, rows, out=None):
    """values[rows] by PyTorch, as NumPy converts 32-bit rows to 64 bits first. values: [M]; rows, out: [N]."""
    out = np.empty(len(rows), dtype=values.dtype) if out is None else out  # NumPy asks for huge pages
    torch.index_select(torch.from_numpy(values), 0, torch.from_numpy(rows), out=torch.from_numpy(out))
    return out


def _keys(xyz, voxel_size):
    coords = voxel_coords(torch.from_numpy(xyz), voxel_size)
    return pack(coords, torch.zeros(len(coords), dtype=torch.int64)).numpy()


def points_of(chosen, voxel):
    """Sorted rows of the points in chosen voxels. chosen: [M] bool; voxel: [N] int32 of each point."""
    return _in_blocks(len(voxel), lambda block: take(chosen, voxel[block]))


def changed_points(before, cloud):
    """Sorted rows of `cloud` that differ from the same row of the Cloud `before`, or that it does not have."""
    shared = min(len(before), len(cloud))

    def differ(block):
        pairs = [(old[block], new[block]) for old, new in ((before.xyz, cloud.xyz), (before.rgb, cloud.rgb))]
        if all(np.array_equal(old, new) for old, new in pairs):
            return np.zeros(0, dtype=bool)
        return np.any([(old != new).any(axis=1) for old, new in pairs], axis=0)

    return np.concatenate([_in_blocks(shared, differ), np.arange(shared, len(cloud))])


def _in_blocks(count, test):
    """Sorted rows below `count` that pass. test: function of a slice that returns a bool for each of its rows."""
    starts = range(0, count, BLOCK)
    found = [start + np.flatnonzero(test(slice(start, min(start + BLOCK, count)))) for start in starts]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])
