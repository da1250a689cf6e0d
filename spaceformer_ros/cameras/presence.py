# SPDX-License-Identifier: Apache-2.0
"""Which objects does a depth image show, and which does it see through?

An object that is covered, out of view or not measured is in neither group.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter

from .carving import SIGMAS, SLACK, WINDOW, depth_noise

MIN_IN_VIEW = 0.5  # share of an object's points that must be in the image, and share of these that must be measured
MIN_POINTS = 8  # of an object that are measured
MIN_THROUGH = 0.7  # share of the measured ones that must be seen through
MIN_THERE = 0.25  # share that must be measured where they are: at most one half of a surface faces the camera


@dataclass(frozen=True)
class Presence:
    """What a depth image says of objects. through: ids of those that it sees through; there: of those that it shows."""

    through: frozenset = frozenset()
    there: frozenset = frozenset()

    def __bool__(self):
        return bool(self.through or self.there)


def judge(objects, depth, camera, pose, limits, voxel_size):
    """The Presence of objects in a depth image.

    objects: rows (id, xyz [P, 3] metres in the map where the object was last found)
    depth: [H, W] float32 metres, 0 where nothing was measured
    camera: CameraModel; pose: RigidTransform of its optical frame into the map
    limits: CameraConfig, for depth_near, depth_far and depth_step; voxel_size: metres, of the map
    """
    slack = SLACK * voxel_size
    nearest = minimum_filter(depth[:: limits.depth_step, :: limits.depth_step], WINDOW)
    through, there = set(), set()
    for key, xyz in objects:
        x, y, z = pose.inverse.apply(xyz).T
        u, v, inside = camera.project_axes(x, y, z)
        seen = np.flatnonzero(inside & (z > limits.depth_near) & (z < limits.depth_far))
        if len(seen) < MIN_IN_VIEW * len(xyz):
            continue
        u, v, z = u[seen], v[seen], z[seen]
        behind, here = pixel(nearest, u / limits.depth_step, v / limits.depth_step), pixel(depth, u, v)
        measured = np.count_nonzero(behind)
        if measured < max(MIN_POINTS, MIN_IN_VIEW * len(seen)):
            continue
        error = slack + SIGMAS * depth_noise(behind)
        if np.count_nonzero(behind - z > error) >= MIN_THROUGH * measured:
            through.add(key)
        elif np.count_nonzero(np.abs(here - z) <= slack + SIGMAS * depth_noise(z)) >= MIN_THERE * measured:
            there.add(key)
    return Presence(frozenset(through), frozenset(there))


def pixel(image, u, v):
    """[P] values of the pixels that are nearest to positions u, v [P] inside an image or beside its last pixels."""
    row, column = np.rint(v).astype(np.int64), np.rint(u).astype(np.int64)
    return image[np.minimum(row, image.shape[0] - 1), np.minimum(column, image.shape[1] - 1)]
