# SPDX-License-Identifier: Apache-2.0
"""Fusion of depth images with known poses into one coloured voxel map, from which what has gone is removed."""

from .carving import Carver
from .depth import frame_points


class DepthFusion:
    """A voxel map of depth images. Not thread-safe."""

    def __init__(self, voxel_map, settings):
        """voxel_map: VoxelMapAccumulator that images are added to; settings: CameraConfig."""
        self.map = voxel_map
        self.settings = settings
        self.removed = 0  # voxels so far that were seen through
        self._carver = Carver(voxel_map)

    def add(self, frame, pose, stamp, name=""):
        """Add one image. Returns how many of its points were used.

        frame: DepthFrame
        pose: RigidTransform of the depth camera's optical frame into the map
        stamp: seconds
        name: of the camera, if there are several
        """
        use = self.settings
        xyz, rgb = frame_points(frame, use.depth_near, use.depth_far, use.depth_step)
        used = self.map.insert(pose.apply(xyz), rgb, stamp)
        if use.carve_views:
            self.removed += self._carver.carve(frame, pose, stamp, use, name)
        return used
