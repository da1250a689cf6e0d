# SPDX-License-Identifier: Apache-2.0
"""Recordings with one file per frame for colour, depth and pose: 7-Scenes, ScanNet, and the plain layout.

Poses are 4 x 4 or 3 x 4 matrices of the optical frame into the map. Depth is in millimetres.

7-Scenes (microsoft.com/research/project/rgb-d-dataset-7-scenes): frame-000000.color.png, .depth.png and .pose.txt.
ScanNet, as its reader exports: color/0.jpg, depth/0.png, pose/0.txt, intrinsic/intrinsic_color.txt and _depth.txt.
Plain: color/NAME.png or .jpg, depth/NAME.png, poses/NAME.txt and intrinsics.txt, a 3 x 3 matrix of the depth camera.
"""

import functools
import re

import numpy as np

from ... import SpaceformerError
from ...disk.text_files import read_text
from ..depth import MILLIMETRE
from ..images import read_color, read_depth
from ..model import CameraModel
from .recording import Frame, Recording, poses_of_matrices, usual_size

MAX_STRETCH = 0.02  # of the ratio of sides by which aligned pictures may differ
MAX_OFF_CENTER = 0.25  # of a side, between the principal point and the middle; more: intrinsics of another resolution
MAX_FOCAL = 30.0  # widths; telescopes have more, and fish-eyes less than a thirtieth
RATE = 30.0  # frames per second, for stamps
PICTURES = (".png", ".jpg", ".jpeg")
SEVEN_SCENES = "frame-*.pose.txt"
# Colour and depth of 7-Scenes were not calibrated; these are the defaults that its authors name, and the Kinect's.
SEVEN_SCENES_DEPTH = CameraModel(640, 480, 585.0, 585.0, 320.0, 240.0)
SEVEN_SCENES_COLOR = CameraModel(640, 480, 525.0, 525.0, 320.0, 240.0)


def is_seven_scenes(folder):
    """Whether a folder has pose files of 7-Scenes."""
    return next(folder.glob(SEVEN_SCENES), None) is not None


def open_seven_scenes(folder):
    """The Recording of a folder such as chess/seq-01. Raises SpaceformerError."""
    names = sorted((path.name.removesuffix(".pose.txt") for path in folder.glob(SEVEN_SCENES)), key=natural)
    rows = [tuple(folder / f"{name}.{kind}" for kind in ("color.png", "depth.png", "pose.txt")) for name in names]
    frames, unposed = posed(rows)
    return Recording("7-Scenes", frames, unposed, SEVEN_SCENES_DEPTH, SEVEN_SCENES_COLOR, MILLIMETRE)


def is_scannet(folder):
    """Whether a folder has the intrinsics of ScanNet's layout."""
    return (folder / "intrinsic" / "intrinsic_depth.txt").is_file()


def open_scannet(folder):
    """The Recording of a folder of ScanNet's layout. Raises SpaceformerError."""
    intrinsics = [read_matrix(folder / "intrinsic" / f"intrinsic_{kind}.txt") for kind in ("depth", "color")]
    return _open_folders("ScanNet", folder, "pose", *intrinsics)


def is_plain(folder):
    """Whether a folder has the intrinsics of the plain layout."""
    return (folder / "intrinsics.txt").is_file()


def open_plain(folder):
    """The Recording of a folder of the plain layout. Raises SpaceformerError."""
    return _open_folders("plain", folder, "poses", read_matrix(folder / "intrinsics.txt"), None)


def _open_folders(layout, folder, poses, depth_matrix, color_matrix):
    """The Recording of folders color, depth and `poses`. color_matrix: None if aligned with depth."""
    colors = {path.stem: path for path in (folder / "color").glob("*") if path.suffix.lower() in PICTURES}
    names = sorted((path.stem for path in (folder / "depth").glob("*.png") if path.stem in colors), key=natural)
    rows = [(colors[name], folder / "depth" / f"{name}.png", folder / poses / f"{name}.txt") for name in names]
    if not rows:
        raise SpaceformerError(f"{folder}: no picture in depth/ (.png) has one of the same name in color/")
    frames, unposed = posed(rows)
    height, width = usual_size([row[1] for row in rows], functools.partial(read_depth, scale=MILLIMETRE))
    camera = camera_of(depth_matrix, width, height)
    color_height, color_width = usual_size([row[0] for row in rows], read_color)
    color_camera = None
    if color_matrix is not None:
        color_camera = camera_of(color_matrix, color_width, color_height)
    elif (color_width, color_height) != (width, height):
        if abs(color_width * height / (color_height * width) - 1) > MAX_STRETCH:
            raise SpaceformerError(
                f"{folder}: pictures of {color_width} x {color_height} in color/ are not aligned with {width} x "
                f"{height} in depth/: register them, or crop both alike"
            )
        color_camera = camera.scaled(color_width, color_height)
    return Recording(layout, frames, unposed, camera, color_camera, MILLIMETRE)


def posed(rows):
    """Frames of (colour, depth, pose file) that have a valid pose, and how many have none."""
    poses = poses_of_matrices([read_matrix(path) if path.is_file() else () for *_, path in rows])
    frames = [
        Frame(number / RATE, color, depth, pose)
        for number, ((color, depth, _), pose) in enumerate(zip(rows, poses, strict=True))
        if pose is not None
    ]
    return frames, len(rows) - len(frames)


def read_matrix(path):
    """[rows, columns] float64 of a text file. Raises SpaceformerError."""
    try:
        return np.array(
            [[float(word) for word in line.split()] for line in read_text(path).splitlines() if line.strip()]
        )
    except ValueError as error:
        raise SpaceformerError(f"{path}: expected a matrix, one row per line: {error}") from error


def camera_of(matrix, width, height):
    """CameraModel of a 3 x 3 or 4 x 4 matrix of intrinsics, for pictures of width x height. Raises SpaceformerError."""
    if matrix.ndim != 2 or min(matrix.shape) < 3:
        raise SpaceformerError(f"intrinsics: a matrix of {list(matrix.shape)}, expected 3 x 3 or 4 x 4")
    for center, side in ((matrix[0, 2], width), (matrix[1, 2], height)):
        if abs(center - side / 2) > MAX_OFF_CENTER * side:
            raise SpaceformerError(
                f"the intrinsics have their principal point at ({matrix[0, 2]:g}, {matrix[1, 2]:g}), the pictures have "
                f"{width} x {height} pixels: scale fx, fy, cx and cy with the pictures"
            )
    focal = np.array([matrix[0, 0], matrix[1, 1]])
    if not ((focal > width / MAX_FOCAL) & (focal < width * MAX_FOCAL)).all():
        raise SpaceformerError(
            f"the intrinsics have focal lengths of {focal[0]:g} and {focal[1]:g}, the pictures a width of {width} "
            "pixels: give fx and fy in pixels"
        )
    return CameraModel(width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])


def natural(name):
    """Sorting key of names with numbers: "2" before "10"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
