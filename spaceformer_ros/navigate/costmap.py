# SPDX-License-Identifier: Apache-2.0
"""Where a navigation stack lets the robot be, from an occupancy grid."""

from dataclasses import dataclass

import numpy as np

from ..geometry.transform import RigidTransform

INSCRIBED, LETHAL = 99, 100  # costs of nav2_costmap_2d as it publishes them: the centre may not be there; an obstacle
MAX_CELLS = 100_000_000


@dataclass(frozen=True)
class Costmap:
    """costs: [H, W] int8, row by row along y: -1 unknown, 0 free to LETHAL; resolution: metres of a cell; placement:
    RigidTransform of the grid's coordinates, whose origin is the corner of the first cell, into `frame_id`."""

    costs: np.ndarray
    resolution: float
    placement: RigidTransform
    frame_id: str

    def is_free(self, xyz, radius, to_frame):
        """[P] bool: a robot of `radius` metres may stand at places [P, 3]. to_frame: RigidTransform into `frame_id`.

        Its centre is neither unknown nor INSCRIBED, and no cell within its radius is LETHAL; plain maps have no costs
        between free and LETHAL.
        """
        local = self.placement.inverse.apply(to_frame.apply(np.asarray(xyz, dtype=np.float64)))[:, :2]
        center = self._costs_at(local)
        around = self._costs_at((local[:, None] + self._disc(radius)).reshape(-1, 2)).reshape(len(local), -1)
        return (center >= 0) & (center < INSCRIBED) & (around < LETHAL).all(axis=1)

    def _disc(self, radius):
        """[n, 2] offsets in metres of the cells within a radius."""
        along = np.arange(-radius, radius + self.resolution / 2, self.resolution)
        disc = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
        return disc[np.linalg.norm(disc, axis=1) <= radius]

    def _costs_at(self, xy):
        """[n] costs at places [n, 2] in the grid's coordinates; -1 outside."""
        cell = np.floor(xy / self.resolution).astype(np.int64)
        inside = ((cell >= 0) & (cell < self.costs.shape[::-1])).all(axis=1)
        column, row = np.where(inside[:, None], cell, 0).T
        return np.where(inside, self.costs[row, column], -1)
