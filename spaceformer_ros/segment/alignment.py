# SPDX-License-Identifier: Apache-2.0
"""Level a map, align it with its walls, enlarge it if it shows a table top, and move it to the origin before it is
voxelised.

Networks on voxels are not invariant to rotation. For a network trained on rooms that are aligned with the axes, every
map is aligned with its walls (a Manhattan frame). The yaw rotates with the map, so a rotated map gives the same input.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.heading import manhattan_yaw, rotate_z
from ..geometry.sampling import MAX_SAMPLE
from ..grids.keys import occupied_cells
from .levelling import UP, rotation_to, upward_direction

TABLE_TOP = (2.5, 2.5, 1.0)  # metres; a cloud that is not larger shows a table top rather than a part of a room
TINY = 0.1  # metres; smaller maps are rooms or buildings in another unit
POINTS_PER_CELL = 3  # of a cloud that is dense enough to be enlarged
# Factor for table tops, whose things have too few voxels. Larger ones find more, but names depend on the size of things
# (benchmarks/studies/table_tops.py).
ENLARGED = 1.5


@dataclass(frozen=True)
class Alignment:
    """The network's frame in the map's frame.

    yaw: radians about z; origin: [3] float32 metres, in the levelled and rotated map; wall_yaw: of the walls in the
    levelled map, radians; up: unit vector in the map's frame, the network's z axis; scale: of the network's frame,
    above 1 for a map that is enlarged.
    """

    yaw: float
    origin: np.ndarray
    wall_yaw: float = 0.0
    up: tuple = UP
    scale: float = 1.0

    @classmethod
    def of(cls, cloud, along_walls, level=False, enlarge_below=0.0):
        """Origin at the `floor_center` of a Cloud; yaw along its walls or, without, 0.

        level: whether a map with a tilted floor is levelled;
        enlarge_below: a table top is enlarged if its voxels of this size, metres, could be smaller; 0: never.
        """
        up = tuple(upward_direction(cloud.xyz).tolist()) if level else UP
        levelled = turn_to_z(cloud.xyz, up)
        wall_yaw = manhattan_yaw(levelled)
        yaw = wall_yaw if along_walls else 0.0
        xyz = rotate_z(levelled, -yaw)
        origin = replace(cloud, xyz=xyz).floor_center
        scale = ENLARGED if enlarge_below and shows_table_top(xyz, enlarge_below) else 1.0
        return cls(yaw, origin, wall_yaw, up, scale)

    @property
    def tilt(self):
        """Angle between the map's z axis and the upward direction, degrees."""
        return float(np.degrees(np.arccos(min(self.up[2], 1.0))))

    def from_map(self, xyz):
        """Points of the map's frame in the network's frame, [N, 3] float32 metres."""
        moved = rotate_z(turn_to_z(xyz, self.up), -self.yaw) - self.origin
        return moved if self.scale == 1 else moved * np.float32(self.scale)

    def to_map(self, xyz):
        """Inverse of `from_map`."""
        moved = xyz if self.scale == 1 else xyz / np.float32(self.scale)
        return turn_from_z(rotate_z(moved + self.origin, self.yaw), self.up)


def shows_table_top(xyz, voxel_size):
    """Whether a cloud [N, 3] in metres is a table top that is enlarged for a network with voxels of this size."""
    return is_dense_table_top(xyz, voxel_size / ENLARGED)


def is_dense_table_top(xyz, cell):
    """Whether a cloud is as large as a table top or smaller, but not tiny, and has points for cells of this size.

    xyz: [N, 3] metres, z up; cell: metres. Strays, less than 1 % of the points at each end of an axis, do not count.
    """
    low, high = np.percentile(xyz[:: max(1, len(xyz) // MAX_SAMPLE)], (1, 99), axis=0)
    if (high - low > TABLE_TOP).any() or (high - low).max() < TINY:
        return False
    return len(xyz) >= POINTS_PER_CELL * len(occupied_cells(xyz, cell))


def turn_to_z(xyz, up):
    """Points rotated so that the unit vector `up` becomes the z axis, [N, 3] float32; the same array for UP."""
    return xyz if up == UP else _turned(xyz, rotation_to(up))


def turn_from_z(xyz, up):
    """Inverse of `turn_to_z`."""
    return xyz if up == UP else _turned(xyz, rotation_to(up).T)


def _turned(xyz, matrix):
    """[N, 3] float32, multiplied element by element, so that a point rotates alike in every array."""
    x, y, z = (axis.astype(np.float64) for axis in xyz.T)
    return np.column_stack([(a * x + b * y + c * z).astype(np.float32) for a, b, c in matrix])
