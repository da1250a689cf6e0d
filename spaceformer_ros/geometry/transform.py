# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms in three dimensions."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Maps points of a source frame into a target frame: `rotation` [3, 3], `translation` [3] metres."""

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def about_z(cls, yaw=0.0, translation=(0.0, 0.0, 0.0)):
        """A rotation by `yaw` radians about the z axis, followed by `translation` [3] metres."""
        return cls(yaw_matrix(yaw), np.asarray(translation, dtype=np.float64))

    @property
    def yaw(self):
        """Radians: the direction of the source's x axis in the target's XY plane."""
        return math.atan2(self.rotation[1, 0], self.rotation[0, 0])

    @property
    def inverse(self):
        """Maps points of the target frame into the source frame."""
        return RigidTransform(self.rotation.T, -(self.rotation.T @ self.translation))

    def after(self, first):
        """The RigidTransform `first`, followed by this one."""
        return RigidTransform(self.rotation @ first.rotation, self.apply(first.translation))

    def apply(self, xyz):
        """xyz: [3] or [N, 3] metres -> same shape, float64."""
        return np.asarray(xyz, dtype=np.float64) @ self.rotation.T + self.translation


def yaw_matrix(yaw):
    """[3, 3] rotation by `yaw` radians about the z axis."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


IDENTITY = RigidTransform(np.eye(3), np.zeros(3))
