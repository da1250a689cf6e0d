# SPDX-License-Identifier: Apache-2.0
"""Where a navigation stack lets the robot be, from an occupancy grid."""

from dataclasses import dataclass

import numpy as np

from ..geometry.footprint import placed
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

    def is_free(self, xyz, yaws, footprint, to_frame):
        """[P] bool: a robot with a Footprint may stand at places [P, 3] with headings [P].

        Its centre is neither unknown nor INSCRIBED, and no cell that it covers is LETHAL; plain maps have no costs
        between free and LETHAL.

        to_frame: RigidTransform of places and headings into `frame_id`
        """
        local = self.placement.inverse.after(to_frame)
        poses = np.column_stack([local.apply(xyz)[:, :2], np.asarray(yaws) + local.yaw])
        center = self._costs_at(poses[:, :2])
        free = (center >= 0) & (center < INSCRIBED)
        offsets = footprint.offsets(self.resolution / 2)  # no cell is between places that are half of it apart
        for row in np.flatnonzero(free):
            free[row] = (self._costs_at(placed(offsets, poses[row])) < LETHAL).all()
        return free

    def _costs_at(self, xy):
        """[n] costs at places [n, 2] in the grid's coordinates; -1 outside."""
        cell = np.floor(xy / self.resolution).astype(np.int64)
        inside = ((cell >= 0) & (cell < self.costs.shape[::-1])).all(axis=1)
        column, row = np.where(inside[:, None], cell, 0).T
        return np.where(inside, self.costs[row, column], -1)
