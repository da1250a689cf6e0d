# SPDX-License-Identifier: Apache-2.0
"""A tiled map: the voxels of each tile, and the masks of finished tiles."""

import copy
from dataclasses import replace

import numpy as np

from ...instances import Masks
from .merge import merge_tiles


class TiledMap:
    """The tiles of a plan with their regions, and the masks found so far.

    plan: tuple of Tile; regions: for each tile the sorted voxel rows of its region.
    """

    def __init__(self, columns, plan, channels):
        """columns: Columns of the map that the plan was made for; channels: width of the features of masks."""
        self.plan = plan
        self._channels = channels
        self.regions = [columns.voxels(tile) for tile in plan]
        self._owner = columns.owner(plan)
        self._found = {}  # tile -> its Masks as rows of the map, in the order in which they were added

    def __len__(self):
        return len(self.plan)

    def add(self, number, masks):
        """Add the Masks of a tile, as rows of its region."""
        region = self.regions[number]
        self._found[number] = replace(masks, rows=tuple(region[rows].astype(np.int32) for rows in masks.rows))

    def pending(self):
        """Numbers of the tiles without masks."""
        return [number for number in range(len(self)) if number not in self._found]

    def snapshot(self):
        """A copy that later calls of `add` do not change."""
        snapshot = copy.copy(self)
        snapshot._found = dict(self._found)
        return snapshot

    def merged(self, nms_iou):
        """Masks of the whole map that no pending tile can change. nms_iou: see `merge_tiles`."""
        if not self._found:
            return Masks.empty(self._channels)
        return merge_tiles(self._found, self.regions, self._owner, nms_iou)
