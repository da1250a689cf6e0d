"""Voxels of a map that comes again and again, seen from one place: only points that changed are sorted anew.

A map keeps the order of its points, as nearly all do: points that are where they were need not be looked at.
"""

import numpy as np
import torch

from .cloud import Cloud
from .heading import View
from .places import among
from .transfer import to_device
from .voxels import Level, VoxelGrid, pack, voxel_coords

CPU = torch.device("cpu")
BLOCK = 1 << 16  # points that are compared at once


class MapGrid:
    """The voxels of the map that was seen last. A map too large for one piece is seen from one place ever after."""

    def __init__(self, voxel_size, device, along_walls=False):
        """voxel_size: metres; device: torch.device that the grids live on; along_walls: see `View.of`."""
        self.voxel_size, self.device, self.along_walls = voxel_size, device, along_walls
        self._cloud, self._view, self._grid = None, None, None

    def see(self, cloud, one_piece):
        """VoxelGrid of a Cloud, the View of it, and whether the last map was seen in the same view.

        That is so if it was in this frame and both have more than `one_piece` voxels; else the cloud's own view is
        taken.
        """
        known = self._cloud is not None and self._cloud.frame_id == cloud.frame_id
        if known and self.device.type == "cpu":
            grid = update_grid(self._grid, self._cloud, cloud, self._view)
        elif known:
            grid = make_grid(cloud, self._view, self.voxel_size, self.device)
        if not known or len(grid) <= one_piece:
            known, self._view = False, View.of(cloud, self.along_walls)
            grid = make_grid(cloud, self._view, self.voxel_size, self.device)
        large = len(grid) > one_piece
        self._cloud, self._grid = (cloud, grid) if large else (None, None)
        return grid, self._view, known


def make_grid(cloud, view, voxel_size, device=CPU):
    """VoxelGrid of a Cloud in a View, on a torch.device."""
    xyz = to_device(np.ascontiguousarray(view.from_map(cloud.xyz)), device)
    return VoxelGrid.from_points(xyz, to_device(cloud.colors, device), voxel_size)


def update_grid(grid, before, cloud, view):
    """The VoxelGrid of `cloud`, equal to that of `make_grid`, made from the one of an earlier cloud on the CPU.

    before: the earlier Cloud; both are seen in the same View. Clouds that have little in common take the long way.
    """
    same = unchanged_points(before, cloud)
    if np.count_nonzero(same) < len(cloud) / 2:
        return make_grid(cloud, view, grid.voxel_size)
    changed = np.flatnonzero(~same)
    new_key = _keys(view.from_map(cloud.xyz[changed]), grid.voxel_size)
    old_key, old_voxel = grid.level.key.numpy(), grid.point_to_voxel.numpy()
    new, which = np.unique(new_key, return_inverse=True)
    added = new[~among(new, old_key)]
    key = np.sort(np.concatenate([old_key, added]), kind="stable")
    row = (np.arange(len(old_key)) + np.searchsorted(added, old_key)).astype(np.int32)  # of each old voxel
    voxel = np.empty(len(cloud), dtype=np.int32)  # half the memory of int64: most of the time goes into fetching it
    shared = min(len(before), len(cloud))
    take(row, old_voxel[:shared], out=voxel[:shared])
    left = np.concatenate([voxel[:shared][~same[:shared]], row[old_voxel[shared:]]])
    voxel[changed] = np.searchsorted(key, new)[which]
    touched = np.zeros(len(key), dtype=bool)
    touched[left] = touched[voxel[changed]] = True
    source = np.zeros(len(key), dtype=np.int64)  # the old voxel of each; new ones are filled in below
    source[row] = np.arange(len(row))
    positions, features = (values.numpy().take(source, axis=0) for values in (grid.positions, grid.features))
    members = np.flatnonzero(take(touched, voxel))
    if len(members):
        fresh = make_grid(Cloud(cloud.xyz[members], cloud.rgb[members]), view, grid.voxel_size)
        rows = np.searchsorted(key, fresh.level.key.numpy())
        positions[rows], features[rows] = fresh.positions.numpy(), fresh.features.numpy()
        touched[rows] = False
    if touched.any():  # voxels that lost their last point
        kept = ~touched
        voxel = take(np.cumsum(kept, dtype=np.int32) - 1, voxel)
        key, positions, features = key[kept], positions[kept], features[kept]
    tensors = (torch.from_numpy(array) for array in (positions, features, voxel))
    return VoxelGrid(Level(torch.from_numpy(key)), *tensors, grid.voxel_size)


def take(values, rows, out=None):
    """values[rows], in `out` if given, by PyTorch: NumPy makes rows of 32 bits ones of 64 first.

    values: [M]; rows, out: [N].
    """
    out = np.empty(len(rows), dtype=values.dtype) if out is None else out  # NumPy asks for huge pages
    torch.index_select(torch.from_numpy(values), 0, torch.from_numpy(rows), out=torch.from_numpy(out))
    return out


def _keys(xyz, voxel_size):
    coords = voxel_coords(torch.from_numpy(xyz), voxel_size)
    return pack(coords, torch.zeros(len(coords), dtype=torch.int64)).numpy()


def unchanged_points(before, cloud):
    """[N] bool for the points of `cloud`: whether the point of the same number of the Cloud `before` equals it."""
    same = np.zeros(len(cloud), dtype=bool)
    for start in range(0, min(len(before), len(cloud)), BLOCK):
        part = slice(start, min(start + BLOCK, len(before), len(cloud)))
        pairs = ((before.xyz[part], cloud.xyz[part]), (before.rgb[part], cloud.rgb[part]))
        if all(np.array_equal(old, new) for old, new in pairs):
            same[part] = True
        else:
            same[part] = np.all([(old == new).all(axis=1) for old, new in pairs], axis=0)
    return same
