# SPDX-License-Identifier: Apache-2.0
"""Fusion of depth images with known poses into one coloured voxel map, from which what has gone is removed."""

from dataclasses import dataclass

from ..clouds.accumulator import VoxelMapAccumulator
from .carving import Carver
from .depth import frame_points


@dataclass(frozen=True)
class DepthUse:
    """How depth images are used.

    near, far: metres; depth outside is left out
    step: use every step-th row and column
    carve_views: views through a voxel since its last point that remove it, 1 to 255; 0: nothing is removed
    """

    near: float = 0.3
    far: float = 4.0
    step: int = 2
    carve_views: int = 3


class DepthFusion:
    """A voxel map of depth images. Not thread-safe."""

    def __init__(self, voxel_map: VoxelMapAccumulator, use: DepthUse):
        self.map = voxel_map
        self.use = use
        self.removed = 0  # voxels so far that were seen through
        self._carver = Carver(voxel_map, use.carve_views, use.far, use.step)

    def add(self, frame, pose, stamp, name=""):
        """Add one image. Returns how many of its points were used.

        frame: DepthFrame
        pose: RigidTransform of the depth camera's optical frame into the map
        stamp: seconds
        name: of the camera, if there are several
        """
        xyz, rgb = frame_points(frame, self.use.near, self.use.far, self.use.step)
        used = self.map.insert(pose.apply(xyz), rgb, stamp)
        if self.use.carve_views:
            self.removed += self._carver.carve(frame.depth, frame.camera, pose, stamp, name)
        return used
