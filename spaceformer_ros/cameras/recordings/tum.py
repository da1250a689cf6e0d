# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D recordings: rgb.txt, depth.txt and groundtruth.txt beside the pictures, associated by time.

Format and intrinsics: cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats. Depth is aligned with colour.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ... import SpaceformerError
from ...disk.text_files import read_text
from ...geometry.transform import RigidTransform
from ..images import read_color
from ..model import CameraModel
from .recording import Frame, Recording, usual_size

LISTS = ("rgb.txt", "depth.txt", "groundtruth.txt")
DEPTH_SCALE = 1 / 5000  # metres
MAX_GAP = 0.02  # seconds between a depth picture and its colours or pose
MAX_LIST = 64 << 20  # bytes
LENGTHS = 1e-6, 1e6  # of quaternions that scipy can normalise; right ones have 1
DEFAULT = (525.0, 525.0, 319.5, 239.5)
CALIBRATED = {  # part of the folder's name -> fx, fy, cx, cy and distortion
    "freiburg1": (517.3, 516.5, 318.6, 255.3, (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "freiburg2": (520.9, 521.0, 325.1, 249.7, (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}


def is_tum(folder):
    """Whether a folder has the lists of this layout."""
    return all((folder / name).is_file() for name in LISTS)


def open_tum(folder):
    """The Recording of a folder. Raises SpaceformerError."""
    color_stamps, colors = read_list(folder / "rgb.txt")
    stamps, depths = read_list(folder / "depth.txt")
    pose_stamps, poses = read_list(folder / "groundtruth.txt")
    color, pose = nearest(color_stamps, stamps), nearest(pose_stamps, stamps)
    frames = [
        Frame(float(stamps[i]), folder / colors[color[i]][0], folder / depths[i][0], found)
        for i in range(len(stamps))
        if color[i] >= 0 and pose[i] >= 0 and (found := pose_of_row(poses[pose[i]])) is not None
    ]
    if not frames:
        raise SpaceformerError(f"{folder}: no depth picture has colours and a pose within {MAX_GAP} s")
    height, width = usual_size([frame.color for frame in frames], read_color)
    lens = next((lens for name, lens in CALIBRATED.items() if name in folder.resolve().name), DEFAULT)
    camera = CameraModel(640, 480, *lens).scaled(width, height)
    return Recording("TUM RGB-D", frames, len(stamps) - len(frames), camera, None, DEPTH_SCALE)


def read_list(path):
    """Stamps [N] float64 seconds, ascending, and the other columns of each line. Raises SpaceformerError."""
    rows = [line.split() for line in read_text(path, MAX_LIST).splitlines() if line.strip() and line[0] != "#"]
    try:
        stamps = np.array([float(row[0]) for row in rows])
    except ValueError as error:
        raise SpaceformerError(f"{path}: a line does not begin with a stamp in seconds: {error}") from error
    if not rows or min(map(len, rows)) < 2:
        raise SpaceformerError(f"{path}: expected lines of a stamp and what was recorded then")
    order = [i for i in np.argsort(stamps, kind="stable") if np.isfinite(stamps[i])]
    if not order:
        raise SpaceformerError(f"{path}: no stamp is a finite number of seconds")
    return stamps[order], [rows[i][1:] for i in order]


def nearest(stamps, wanted):
    """[W] row of the stamp nearest to each wanted one, -1 if it is more than MAX_GAP away. stamps: ascending."""
    after = np.clip(np.searchsorted(stamps, wanted), 1, max(len(stamps) - 1, 1))
    after = np.minimum(after, len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    row = np.where(np.abs(stamps[before] - wanted) <= np.abs(stamps[after] - wanted), before, after)
    return np.where(np.abs(stamps[row] - wanted) <= MAX_GAP, row, -1)


def pose_of_row(row):
    """RigidTransform of "tx ty tz qx qy qz qw"; None if it is not a pose."""
    try:
        numbers = np.array([float(text) for text in row])
    except ValueError:
        return None
    if numbers.shape != (7,) or not np.isfinite(numbers).all():
        return None
    if not LENGTHS[0] < np.abs(numbers[3:]).max() < LENGTHS[1]:
        return None
    return RigidTransform(Rotation.from_quat(numbers[3:]).as_matrix(), numbers[:3])
