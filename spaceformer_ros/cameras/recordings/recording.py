# SPDX-License-Identifier: Apache-2.0
"""A recording: posed colour and depth pictures with their camera."""

import contextlib
import pathlib
from dataclasses import dataclass, replace

import numpy as np

from ... import SpaceformerError
from ...geometry.transform import RigidTransform
from ..depth import DepthFrame
from ..images import read_color, read_depth
from ..model import CameraModel

LAST = (0.0, 0.0, 0.0, 1.0)  # row of a transform
MAX_REACH = 5000.0  # metres from the median of all poses
MAX_ERROR = 1e-4  # metres
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


def usual_size(paths, read):
    """(height, width) of most of the first three pictures that can be read. read: function of a path. Raises
    SpaceformerError."""
    sizes = []
    for path in paths:
        with contextlib.suppress(SpaceformerError):
            sizes.append(read(path).shape[:2])
        if len(sizes) == 3:
            break
    return max(sizes, key=sizes.count) if sizes else read(paths[-1]).shape[:2]


def without_strays(recording):
    """The Recording without frames whose poses are more than MAX_REACH from most of the others, and their number.

    Raises SpaceformerError for poses where doubles cannot resolve a map.
    """
    places = np.array([frame.pose.translation for frame in recording.frames])
    middle = np.median(places, axis=0)
    if np.spacing(np.abs(middle).max()) > MAX_ERROR:
        raise SpaceformerError(
            f"the poses are {np.abs(middle).max():.3g} m from the origin of their frame, too far for a map in doubles: "
            "are they in metres?"
        )
    near = np.abs(places - middle).max(axis=1) <= MAX_REACH
    frames = [frame for frame, keep in zip(recording.frames, near, strict=True) if keep]
    return replace(recording, frames=frames), len(near) - len(frames)


def poses_of_matrices(tables):
    """List of RigidTransform, one of each matrix [4, 4] or [3, 4], also in one row as KITTI has it, or column by column
    as OpenGL has it; None for what is not one, as ScanNet marks lost frames.

    Matrices without a translation are valid either way: they are read as the others are.
    """
    rows, columns = ([_pose(table, by_columns) for table in tables] for by_columns in (False, True))
    only_rows, only_columns = (
        any(pose is not None and other is None for pose, other in zip(*pair, strict=True))
        for pair in ((rows, columns), (columns, rows))
    )
    if only_columns and not only_rows:
        rows, columns = columns, rows
    return [other if pose is None else pose for pose, other in zip(rows, columns, strict=True)]


def _pose(numbers, by_columns):
    """RigidTransform of the numbers of a matrix, row by row or column by column; None if they are none."""
    matrix = np.asarray(numbers, dtype=np.float64)
    if matrix.size not in (12, 16) or not np.isfinite(matrix).all():
        return None
    matrix = matrix.reshape(4, -1).T if by_columns else matrix.reshape(-1, 4)
    if len(matrix) == 4:
        is_transposed = matrix[3, :3].any() and np.array_equal(matrix[:, 3], LAST)
        if is_transposed or (by_columns and not np.array_equal(matrix[3], LAST)):
            return None
    rotation = matrix[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > MAX_SKEW or np.linalg.det(rotation) < 0:
        return None
    return RigidTransform(rotation, matrix[:3, 3])
