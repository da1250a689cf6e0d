# SPDX-License-Identifier: Apache-2.0
"""Free space: which voxels of a map does a depth image see through?

A voxel is seen through if the depth measured in its pixel, and in all neighbours of that pixel, lies behind it by more
than the error of depth and pose. A pixel without depth says nothing.
"""

import numpy as np
from scipy.ndimage import minimum_filter

from .model import NEAR

SLACK = 2.0  # voxels behind the voxel that pose errors, and the voxel itself, explain
# Standard deviation of depth in metres at z metres, and how many of them are explained. Coefficients: Nguyen, Izadi,
# Lovell, "Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking", 3DIMPVT 2012.
NOISE = (0.0012, 0.0019, 0.4)
SIGMAS = 3.0
WINDOW = 3  # pixels of the depth image, in steps, that must agree
NEW_VIEW = (0.05, np.radians(3.0), 0.3)  # metres, radians or seconds that make a view another one


def depth_noise(z):
    """Standard deviation in metres of a depth of z metres."""
    offset, factor, middle = NOISE
    return offset + factor * np.square(z - middle)


class Carver:
    """Removes voxels that several views see through. Errors of one frame, and of consecutive frames from one place,
    which repeat, count once."""

    def __init__(self, voxel_map):
        """voxel_map: VoxelMapAccumulator."""
        self._map = voxel_map
        self._last = {}  # camera -> (pose, stamp) of its last view

    def carve(self, frame, pose, stamp, settings, name=""):
        """Use one depth image. Returns how many voxels were removed.

        frame: DepthFrame
        pose: RigidTransform of the optical frame into the map
        stamp: seconds
        settings: CameraConfig; voxels farther than depth_far are kept
        name: of the camera, if there are several
        """
        last = self._last.get(name)
        if last is not None and not is_new_view(pose, stamp, *last):
            return 0
        self._last[name] = pose, stamp
        step, camera = settings.depth_step, frame.camera
        far = min(settings.depth_far, float(frame.depth.max(initial=0)))
        rows, centers = self._map.voxels_in(*view_bounds(camera, pose, far))
        measured = minimum_filter(frame.depth[::step, ::step], WINDOW)
        view = camera, pose, measured, step, SLACK * self._map.voxel_size
        through = seen_through(centers, *view)  # their mean points are looked up for these few only
        rows, centers = rows[through], centers[through]
        through = seen_through(self._map.mean_points(rows, centers), *view)
        return self._map.see_through(rows[through], settings.carve_views)


def seen_through(xyz, camera, pose, measured, step, slack):
    """[V] bool: points in front of what was measured.

    xyz: [V, 3] metres in the map; camera: CameraModel; pose: of its optical frame in the map
    measured: every step-th row and column of a depth image, metres, 0 for unknown; slack: metres
    """
    near = (xyz - pose.translation).astype(np.float32)
    x, y, z = (near @ pose.rotation.astype(np.float32)).T
    u, v, inside = camera.project_axes(x, y, z)
    inside = np.flatnonzero(inside)
    column, row = (np.rint(axis[inside] / step).astype(np.int32) for axis in (u, v))
    depth = measured[np.minimum(row, measured.shape[0] - 1), np.minimum(column, measured.shape[1] - 1)]
    through = np.zeros(len(xyz), dtype=bool)
    through[inside] = depth - z[inside] > slack + SIGMAS * depth_noise(depth)
    return through


def view_bounds(camera, pose, far):
    """Two corners [3] of the box in the map around what a camera sees up to `far` metres."""
    left, top, right, bottom = camera.tangents
    corners = [(x * z, y * z, z) for x in (left, right) for y in (top, bottom) for z in (NEAR, max(far, NEAR))]
    corners = pose.apply(np.array(corners))
    return corners.min(axis=0), corners.max(axis=0)


def is_new_view(pose, stamp, last_pose, last_stamp):
    """Whether a camera has moved or turned, or time has passed, since its last view."""
    metres, radians, seconds = NEW_VIEW
    turned = np.arccos(np.clip((np.trace(pose.rotation.T @ last_pose.rotation) - 1) / 2, -1, 1))
    moved = np.linalg.norm(pose.translation - last_pose.translation)
    return bool(moved > metres or turned > radians or abs(stamp - last_stamp) > seconds)
