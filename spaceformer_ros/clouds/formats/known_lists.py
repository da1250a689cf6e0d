# SPDX-License-Identifier: Apache-2.0
"""Recognise lists that other programs write as text by what their rows hold, as not all have a line that says it."""

import re

import numpy as np

DENSE = "give its dense cloud, fused.ply (`colmap patch_match_stereo`, then `colmap stereo_fusion`)"
TRAJECTORY = "it is a trajectory: give the map; `spaceformer fuse` makes one of pictures and poses"

CAMERA = re.compile(rb"\d+ [A-Z][A-Z0-9_]+ \d+ \d+( [-+.\deE]+)+$")  # of COLMAP
NAME = re.compile(rb"[^\d.+-].*|.*\.(jpe?g|png|tiff?|bmp)", re.IGNORECASE)  # of a picture
TOLERANCE = 1e-3  # of the length of a quaternion, of the elements of R R^T - 1


def known_list(head):
    """A sentence about the list whose first bytes, with whole lines, are given; "" if it is none of those known."""
    lines = [line.strip() for line in head.split(b"\n") if line.strip() and not line.lstrip().startswith(b"#")]
    if not lines:
        return ""
    if CAMERA.match(lines[0]):
        return f"it is COLMAP's list of cameras: {DENSE}"
    if _is_picture(lines[0].split(None, 9)):
        return f"it is COLMAP's list of pictures: {DENSE}"
    table = _numbers(lines)
    if len(table) > 1 and _is_trajectory(table):
        return TRAJECTORY
    if all(_is_sparse_point(line.split()) for line in lines):
        return f"it is COLMAP's list of sparse points: {DENSE}"
    return ""


def _numbers(lines):
    """[N, C] of lines with equally many numbers; empty if they are not."""
    rows = [line.replace(b",", b" ").split() for line in lines]
    try:
        return np.array([[float(word) for word in row] for row in rows])
    except ValueError:  # words, or rows of other lengths
        return np.empty((0, 0))


def _is_picture(row):
    """Whether words are id, quaternion, translation, camera and the name of a file."""
    numbers = _numbers([b" ".join(row[:9])])
    return len(row) == 10 and numbers.size == 9 and bool(NAME.fullmatch(row[9])) and _are_units(numbers[:, 1:5])


def _is_sparse_point(row):
    """Whether words are id, x, y, z, r, g, b, error and two or more pairs of integers."""
    if len(row) < 12 or len(row) % 2:
        return False
    whole, others = [row[0], *row[4:7], *row[8:]], [*row[1:4], row[7]]
    if not all(word.isdigit() for word in whole) or max(map(int, row[4:7])) > 255:
        return False
    return len(_numbers([b" ".join(others)])) > 0 and any(b"." in word for word in others)


def _is_trajectory(table):
    """Whether rows are a stamp, a place and a quaternion, as of TUM, or the matrix of a pose, as of KITTI."""
    if table.shape[1] == 8:
        return bool((np.diff(table[:, 0]) >= 0).all()) and _are_units(table[:, 4:])
    if table.shape[1] != 12:
        return False
    rotation = table.reshape(-1, 3, 4)[:, :, :3]
    return bool(np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < TOLERANCE)


def _are_units(quaternions):
    return bool((np.abs(np.linalg.norm(quaternions, axis=1) - 1) < TOLERANCE).all())
