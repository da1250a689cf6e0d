"""What the tiles of a map looked like when they were last segmented, and what was found in them."""

from dataclasses import dataclass, replace

import numpy as np

from ...grids.groups import touching_components

NOISE = 1e-3  # of a voxel, or of a colour in [-1, 1]: rounding moves the mean of the same points by far less
STRAY = 8  # changed voxels that lie together, of which fewer are no change: noise that flies about, no thing
MOST_STRAY = 1000  # voxels; where more have changed, none is looked at
STRAY_CELL = 2  # voxels; changed ones lie together where cells of this side touch


@dataclass(frozen=True)
class VoxelRows:
    """m voxels: keys [m] sorted int64; positions [m, 3] float32 metres; colors [m, 3] float32 in [-1, 1]."""

    keys: np.ndarray
    positions: np.ndarray
    colors: np.ndarray

    def __len__(self):
        return len(self.keys)

    @property
    def _columns(self):
        return self.keys, self.positions, self.colors

    def rows_of(self, keys):
        """Row of each key, -1 where there is none. keys: [n] int64."""
        rows = np.searchsorted(self.keys, keys).clip(max=len(self) - 1)
        return np.where(self.keys[rows] == keys, rows, -1)

    def change_since(self, before, voxel_size):
        """Share of the voxels of both that appeared, vanished, moved or took another colour, stray ones left out."""
        if all(np.array_equal(*pair) for pair in zip(self._columns, before._columns)):
            return 0.0
        rows = self.rows_of(before.keys)
        mine, theirs = rows[rows >= 0], np.flatnonzero(rows >= 0)
        moved = (np.abs(self.positions[mine] - before.positions[theirs]) > NOISE * voxel_size).any(axis=1)
        moved |= (np.abs(self.colors[mine] - before.colors[theirs]) > NOISE).any(axis=1)
        appeared = np.ones(len(self), dtype=bool)
        appeared[mine] = moved
        changed = np.concatenate([self.positions[appeared], before.positions[rows < 0]])
        return _without_stray(changed, STRAY_CELL * voxel_size) / (len(self) + len(before) - len(mine))


def _without_stray(positions, cell):
    """How many of some changed voxels do not lie in groups of fewer than STRAY. positions, cell: metres."""
    if not 0 < len(positions) <= MOST_STRAY:
        return len(positions)
    group = np.bincount(touching_components(np.floor(positions / cell).astype(np.int64)))
    return int(group[group >= STRAY].sum())


class TileMemory:
    """The last plan and, for each of its tiles, its voxels and Masks."""

    def __init__(self):
        self.plan = ()
        self._settings, self._known = None, {}

    def keep(self, plan, settings):
        """Take a new plan. What belongs to none of its tiles, or was found by other settings, is forgotten."""
        same = settings == self._settings
        self._known = {tile.number: self._known[tile.number] for tile in plan if same and tile.number in self._known}
        self.plan, self._settings = plan, settings

    def recall(self, tile, voxels, threshold, voxel_size):
        """Masks found earlier, on the rows of `voxels` (VoxelRows of the tile now); None where there are none, or where
        more than the share `threshold` of the voxels changed since. voxel_size: metres."""
        before, masks = self._known.get(tile.number, (None, None))
        if before is None or voxels.change_since(before, voxel_size) > threshold:
            return None
        return masks if np.array_equal(voxels.keys, before.keys) else _moved(masks, voxels.rows_of(before.keys))

    def store(self, tile, voxels, masks):
        """Remember what was found in a tile of the plan. masks: rows of `voxels`."""
        self._known[tile.number] = voxels, masks


def _moved(masks, row):
    """Masks whose row r is now row[r], or gone (-1)."""
    moved = tuple(row[rows][row[rows] >= 0] for rows in masks.rows)
    return replace(masks, rows=moved)[np.array([len(rows) > 0 for rows in moved], dtype=bool)] if moved else masks
