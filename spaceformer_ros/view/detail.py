# SPDX-License-Identifier: Apache-2.0
"""Which points of a map a browser gets: all of them near the camera, fewer with the distance.

A map is divided into square tiles. Each has levels of detail: level 0 has all its points, and each further level has
one point per cell of a grid with cells twice as large. Every k-th point would thin what was scanned once as much as
what was scanned many times; one point per cell keeps surfaces closed.
"""

import threading

import numpy as np

from ..grids.keys import cell_keys
from ..show.pictures import below_ceiling, point_spacing

FEW_POINTS = 60_000  # of the coarsest level of a whole map, which a visitor sees first
MIN_SPACING = 0.004  # metres between points of level 0, where the map is denser
MIN_TILE, TILES = 4.0, 8  # metres; tiles along the longer side of a map
MIN_DISTANCE = 0.5  # metres between camera and tile; what is nearer counts as this
LADDER = 2**0.5  # between the distances that are tried up to which a map is drawn in full


class Detail:
    """The levels of detail of one map of T tiles, shared by all its visitors.

    spacing: metres between the points of each level
    """

    def __init__(self, xyz, kept):
        """xyz: [N, 3] metres; kept: sorted rows of the points that are drawn at all."""
        levels, self.spacing = [kept], [max(point_spacing(xyz[kept]), MIN_SPACING)]
        while len(levels[-1]) > FEW_POINTS:
            self.spacing.append(2 * self.spacing[-1])
            _, first = np.unique(cell_keys(xyz[levels[-1]], self.spacing[-1]), return_index=True)
            levels.append(levels[-1][np.sort(first)])
        low, span = xyz[kept, :2].min(axis=0), np.ptp(xyz[kept, :2], axis=0)
        side = max(MIN_TILE, float(span.max()) / TILES)
        index = ((xyz[:, :2] - low) // side).astype(np.int64) @ (TILES + 2, 1)
        self._tiles = np.unique(index[kept])
        self._rows = [_by_tile(rows, index[rows], self._tiles) for rows in levels]
        self._counts = np.array([[len(rows) for rows in tiles] for tiles in self._rows]).T
        places = [xyz[rows] for rows in self._rows[0]]
        self._low = np.array([place.min(axis=0) for place in places], dtype=np.float64)
        self._high = np.array([place.max(axis=0) for place in places], dtype=np.float64)

    def __len__(self):
        return len(self._tiles)

    def rows(self, tile, level):
        """Sorted rows of the map's points in a tile, 0..T-1, at a level."""
        return self._rows[level][tile]

    def distances(self, eye):
        """[T] metres from a place [3] to each tile, at least MIN_DISTANCE."""
        outside = np.maximum(np.maximum(self._low - eye, eye - self._high), 0.0)
        return np.maximum(np.linalg.norm(outside, axis=1), MIN_DISTANCE)

    def levels(self, eye, limit):
        """[T] level of each tile for a camera at `eye` [3], together at most `limit` points, or the coarsest level.

        Up to some distance, which is as large as the limit allows, tiles are complete; beyond it the spacing of the
        points grows with the distance, so that it looks the same everywhere.
        """
        distances, coarsest = self.distances(eye), len(self.spacing) - 1
        complete = float(distances.max())
        while True:
            levels = np.clip(np.ceil(np.log2(distances / complete)), 0, coarsest).astype(np.int64)
            if self._counts[np.arange(len(self)), levels].sum() <= limit or (levels == coarsest).all():
                return levels
            complete /= LADDER


class DetailCache:
    """The Detail of the newest cloud, made once for all visitors."""

    def __init__(self):
        self._lock = threading.Lock()
        self._cloud, self._made = None, {}

    def of(self, cloud, ceiling):
        """The Detail of a Cloud. ceiling: also with what is above the rooms."""
        with self._lock:
            if cloud is not self._cloud:
                self._cloud, self._made = cloud, {}
            if ceiling not in self._made:
                kept = np.arange(len(cloud)) if ceiling else np.flatnonzero(below_ceiling(cloud.xyz))
                self._made[ceiling] = Detail(cloud.xyz, kept)
            return self._made[ceiling]


def _by_tile(rows, index, tiles):
    """List of the rows in each of the sorted `tiles`. index: [len(rows)] tile of each row."""
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], tiles)
    return np.split(rows[order], starts[1:])
