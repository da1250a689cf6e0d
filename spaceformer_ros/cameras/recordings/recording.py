# SPDX-License-Identifier: Apache-2.0
"""A recording: posed colour and depth pictures with their camera."""

import contextlib
import pathlib
from dataclasses import dataclass

import numpy as np

from ... import SpaceformerError
from ...geometry.transform import RigidTransform
from ..depth import DepthFrame
from ..images import read_color, read_depth
from ..model import CameraModel

LAST = (0.0, 0.0, 0.0, 1.0)  # row of a transform
MAX_SKEW = 0.02  # of the elements of R R^T - 1; with more it is not a rotation


@dataclass(frozen=True)
class Frame:
    """One frame. stamp: seconds; color, depth: paths; pose: RigidTransform of the optical frame into the map."""

    stamp: float
    color: pathlib.Path
    depth: pathlib.Path
    pose: RigidTransform


@dataclass(frozen=True)
class Recording:
    """The frames of a folder, in order.

    layout: its name, such as "TUM RGB-D"
    frames: list of Frame
    unposed: number of frames without a valid pose, which are left out
    camera: CameraModel of the depth pictures
    color_camera: CameraModel of the colour pictures; None: they are aligned with depth, pixel by pixel
    depth_scale: metres per unit of the depth pictures
    """

    layout: str
    frames: list
    unposed: int
    camera: CameraModel
    color_camera: CameraModel | None
    depth_scale: float

    def __post_init__(self):
        if not self.frames:
            raise SpaceformerError(
                f"no frame of the {self.layout} recording has a valid pose ({self.unposed} have none)"
            )

    def load(self, frame):
        """The DepthFrame of a Frame. Raises SpaceformerError for pictures that cannot be read or have another size."""
        depth = read_depth(frame.depth, self.depth_scale)
        return DepthFrame(depth, self.camera, read_color(frame.color), self.color_camera)


def first_size(paths, read):
    """(height, width) of the first picture that can be read. read: function of a path. Raises SpaceformerError."""
    for path in paths[:-1]:
        with contextlib.suppress(SpaceformerError):
            return read(path).shape[:2]
    return read(paths[-1]).shape[:2]


def pose_of_matrix(numbers):
    """RigidTransform of a matrix [4, 4] or [3, 4], also in one row as KITTI has it, or column by column as OpenGL has
    it; None if it is not one, as ScanNet marks lost frames."""
    matrix = np.asarray(numbers, dtype=np.float64)
    if matrix.size not in (12, 16) or not np.isfinite(matrix).all():
        return None
    matrix = matrix.reshape(-1, 4)
    if len(matrix) == 4 and matrix[3, :3].any() and np.array_equal(matrix[:, 3], LAST):
        matrix = matrix.T
    rotation = matrix[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > MAX_SKEW or np.linalg.det(rotation) < 0:
        return None
    return RigidTransform(rotation, matrix[:3, 3])
