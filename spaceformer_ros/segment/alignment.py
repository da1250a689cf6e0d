# SPDX-License-Identifier: Apache-2.0
"""Level a map, align it with its walls and move it to the origin before it is voxelised.

Networks on voxels are not invariant to rotation. For a network trained on rooms that are aligned with the axes, every
map is aligned with its walls (a Manhattan frame). The yaw rotates with the map, so a rotated map gives the same input.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.floor import base_height
from ..geometry.heading import manhattan_yaw, rotate_z
from .levelling import UP, rotation_to, upward_direction


@dataclass(frozen=True)
class Alignment:
    """The network's frame in the map's frame.

    yaw: radians about z; origin: [3] float32 metres, in the levelled and rotated map; wall_yaw: of the walls in the
    levelled map, radians; up: unit vector in the map's frame, the network's z axis.
    """

    yaw: float
    origin: np.ndarray
    wall_yaw: float = 0.0
    up: tuple = UP

    @classmethod
    def of(cls, cloud, along_walls, level=False):
        """Origin at the centre of a Cloud's XY bounds and its base height; yaw along its walls or, without, 0.

        level: whether a map with a tilted floor is levelled.
        """
        up = tuple(upward_direction(cloud.xyz).tolist()) if level else UP
        levelled = turn_to_z(cloud.xyz, up)
        wall_yaw = manhattan_yaw(levelled)
        yaw = wall_yaw if along_walls else 0.0
        xyz = rotate_z(levelled, -yaw)
        origin = replace(cloud, xyz=xyz).floor_center
        origin[2] = base_height(xyz[:, 2])
        return cls(yaw, origin, wall_yaw, up)

    @property
    def tilt(self):
        """Angle between the map's z axis and the upward direction, degrees."""
        return float(np.degrees(np.arccos(min(self.up[2], 1.0))))

    def from_map(self, xyz):
        """Points of the map's frame in the network's frame, [N, 3] float32 metres."""
        return rotate_z(turn_to_z(xyz, self.up), -self.yaw) - self.origin

    def to_map(self, xyz):
        """Inverse of `from_map`."""
        return turn_from_z(rotate_z(xyz + self.origin, self.yaw), self.up)


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
