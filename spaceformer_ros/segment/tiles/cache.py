# SPDX-License-Identifier: Apache-2.0
"""Cache of each tile's voxels when it was last segmented, and of the masks found in it."""

from dataclasses import dataclass, replace

import numpy as np

from ...grids.groups import touching_components

TOLERANCE = 1e-3  # of a voxel, or of a colour in [-1, 1]; rounding moves the mean of the same points by far less
MIN_CHANGED = 8  # changed voxels in one group; smaller groups are sensor noise, not an object
MAX_NOISE = 1000  # changed voxels; with more, noise is not filtered
GROUP_CELL = 2  # voxels; changed voxels are in one group if their cells of this side touch


@dataclass(frozen=True)
class VoxelRows:
    """m voxels of a map.

    keys: [m] sorted int64; positions: [m, 3] float32 metres; colors: [m, 3] float32 in [-1, 1].
    """

    keys: np.ndarray
    positions: np.ndarray
    colors: np.ndarray

    def __len__(self):
        return len(self.keys)

    @property
    def _columns(self):
        return self.keys, self.positions, self.colors

    def rows_of(self, keys):
        """Row of each key, -1 if it is missing. keys: [n] int64."""
        rows = np.searchsorted(self.keys, keys).clip(max=len(self) - 1)
        return np.where(self.keys[rows] == keys, rows, -1)

    def change_since(self, before, voxel_size):
        """Share of the voxels of both that appeared, vanished, moved or changed colour, noise left out."""
        if all(np.array_equal(*pair) for pair in zip(self._columns, before._columns)):
            return 0.0
        rows = self.rows_of(before.keys)
        mine, theirs = rows[rows >= 0], np.flatnonzero(rows >= 0)
        moved = (np.abs(self.positions[mine] - before.positions[theirs]) > TOLERANCE * voxel_size).any(axis=1)
        moved |= (np.abs(self.colors[mine] - before.colors[theirs]) > TOLERANCE).any(axis=1)
        appeared = np.ones(len(self), dtype=bool)
        appeared[mine] = moved
        changed = np.concatenate([self.positions[appeared], before.positions[rows < 0]])
        return _count_without_noise(changed, GROUP_CELL * voxel_size) / (len(self) + len(before) - len(mine))


def _count_without_noise(positions, cell):
    """Number of changed voxels in groups of at least MIN_CHANGED. positions: [n, 3] metres; cell: metres."""
    if not 0 < len(positions) <= MAX_NOISE:
        return len(positions)
    group = np.bincount(touching_components(np.floor(positions / cell).astype(np.int64)))
    return int(group[group >= MIN_CHANGED].sum())


class TileCache:
    """The last plan and, for each of its tiles, its voxels and Masks."""

    def __init__(self):
        self.plan = ()
        self._settings = None
        self._known = {}

    def use_plan(self, plan, settings):
        """Replace the plan; drop the masks of tiles that are not in it, and all masks found with other settings."""
        same = settings == self._settings
        self._known = {tile.number: self._known[tile.number] for tile in plan if same and tile.number in self._known}
        self.plan = plan
        self._settings = settings

    def recall(self, tile, voxels, threshold, voxel_size):
        """Masks found earlier, as rows of `voxels`; None if there are none or the tile has changed too much.

        voxels: VoxelRows of the tile now;
        threshold: share of the voxels that may have changed;
        voxel_size: metres.
        """
        before, masks = self._known.get(tile.number, (None, None))
        if before is None or voxels.change_since(before, voxel_size) > threshold:
            return None
        return masks if np.array_equal(voxels.keys, before.keys) else _moved(masks, voxels.rows_of(before.keys))

    def store(self, tile, voxels, masks):
        """Keep the Masks found in a tile of the plan, as rows of its VoxelRows `voxels`."""
        self._known[tile.number] = voxels, masks


def _moved(masks, row):
    """Masks with row r replaced by row[r], -1 for a voxel that is gone; empty masks are dropped."""
    moved = tuple(row[rows][row[rows] >= 0] for rows in masks.rows)
    return replace(masks, rows=moved)[np.array([len(rows) > 0 for rows in moved], dtype=bool)] if moved else masks
