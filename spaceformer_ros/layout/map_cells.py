# SPDX-License-Identifier: Apache-2.0
"""The cells of a map that grows: the points of a tile are read again only if they have changed."""

import numpy as np

from ..clouds.change import point_hashes
from ..clouds.voxel_rows import merge_runs
from ..geometry.heading import QUARTER_TURN, manhattan_yaw
from ..geometry.sampling import MAX_SAMPLE
from .cells import BLOCK, Cells, plane_cells

TILE_BITS = 5  # a tile is a square of 2**TILE_BITS cells, 1.6 m
SIDE_BITS = 7  # tiles 2**SIDE_BITS sides apart, 205 m, count as one, so that their number is bounded
KEEP = np.radians(0.15)  # a heading that differs by less is no better: samples of one map differ by up to 0.1 degrees


class MapCells:
    """The Cells of the last map, and what its tiles contained.

    A tile is a square of the frame that is turned along the walls, so that it owns its cells and keeps its place while
    the map grows. A heading is kept while a new one differs by less than KEEP, quarter turns aside: with another one,
    all tiles have changed.
    """

    def __init__(self, yaw=None):
        """yaw: radians, the heading of the walls if it is known."""
        self.yaw = yaw
        self._start()

    def update(self, cloud):
        """The Cells of a Cloud turned by -yaw, and that yaw: the heading of its walls in radians."""
        if not len(cloud):
            self._start()
            return self._cells, self.yaw or 0.0
        hashes = point_hashes(cloud)
        yaw = self._heading(cloud.xyz, hashes)
        if yaw != self.yaw:
            self.yaw = yaw
            self._start()
        tiles = _tiles_of_points(cloud.xyz, -yaw)
        digests = _digests(hashes, tiles)
        changed = digests != self._digests
        if changed.any():
            kept = self._cells[~changed[_tiles(*self._cells.plane)]]
            fresh = Cells.of(cloud, -yaw, changed[tiles])
            self._cells = Cells(*merge_runs((kept.keys, kept.sums), (fresh.keys, fresh.sums)))
            self._digests = digests
        return self._cells, yaw

    def _start(self):
        self._cells, self._digests = Cells.joined([]), np.zeros(1 << 2 * SIDE_BITS, dtype=np.uint64)

    def _heading(self, xyz, hashes):
        """The known heading, or that of the points if it is another one. xyz: [N, 3], N >= 1; hashes: [N] uint64"""
        step = 1 << max(len(xyz) // MAX_SAMPLE, 1).bit_length() - 1  # a power of two, so that samples are nested
        rows = [f + np.flatnonzero(hashes[f : f + BLOCK] & np.uint64(step - 1) == 0) for f in range(0, len(xyz), BLOCK)]
        rows = np.concatenate(rows)
        yaw = manhattan_yaw(xyz[rows] if len(rows) else xyz[:1])
        if self.yaw is None:
            return yaw
        difference = (yaw - self.yaw + QUARTER_TURN / 2) % QUARTER_TURN - QUARTER_TURN / 2
        return self.yaw if abs(difference) < KEEP else yaw


def _tiles_of_points(xyz, turn):
    """[N] uint16 tile of each point [N, 3] turned by an angle in radians."""
    tiles = np.empty(len(xyz), dtype=np.uint16)
    for first in range(0, len(xyz), BLOCK):
        tiles[first : first + BLOCK] = _tiles(*plane_cells(xyz[first : first + BLOCK], turn))
    return tiles


def _tiles(x, y):
    """The tile of each cell. x, y: [N] indices of cells."""
    x, y = ((index >> TILE_BITS) & ((1 << SIDE_BITS) - 1) for index in (x, y))
    return (x << SIDE_BITS) | y


def _digests(hashes, tiles):
    """[T] uint64 sums of the hashes of each tile, modulo 2**64; 0 without points."""
    digests = np.zeros(1 << 2 * SIDE_BITS, dtype=np.uint64)
    np.add.at(digests, tiles, hashes)
    return digests
