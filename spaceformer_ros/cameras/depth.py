# SPDX-License-Identifier: Apache-2.0
"""Depth images to coloured points."""

from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from ..geometry.transform import IDENTITY, RigidTransform
from .model import CameraModel, check_size

MILLIMETRE = 0.001  # of depth images with integers (REP 118)
EDGE = 0.05  # share of the depth by which neighbouring pixels differ at an edge, where depth is often interpolated


@dataclass(frozen=True)
class DepthFrame:
    """One image of a depth camera with its colours.

    depth: [H, W] float32 metres along the optical axis; 0: not measured
    camera: CameraModel of the depth image
    color: [h, w, 3] uint8
    color_camera: CameraModel of the colour image; None: that of the depth image, aligned pixel by pixel
    color_from_depth: RigidTransform of the depth camera's optical frame into that of the colour camera
    """

    depth: np.ndarray
    camera: CameraModel
    color: np.ndarray
    color_camera: CameraModel = None
    color_from_depth: RigidTransform = IDENTITY

    def __post_init__(self):
        check_size(self.camera, self.depth, "the depth image")
        check_size(self.color_camera or self.camera, self.color, "the colour image")


def to_metres(image, scale=MILLIMETRE):
    """[H, W] float32 metres, 0 where nothing was measured, of a depth image of uint16 (units of `scale` metres) or
    float32 metres. Raises SpaceformerError for other images."""
    if image.ndim != 2 or image.dtype not in (np.uint16, np.float32):
        raise SpaceformerError(
            f"depth image: {image.dtype} {list(image.shape)}, expected uint16 or float32 [H, W] (16UC1 or 32FC1)"
        )
    if image.dtype == np.uint16:
        return np.where(image == np.iinfo(np.uint16).max, 0, image).astype(np.float32) * np.float32(scale)
    return np.where(np.isfinite(image) & (image > 0), image, 0).astype(np.float32)


def frame_points(frame, near, far, step=1):
    """Points of a DepthFrame: xyz [N, 3] float32 metres in the depth camera's optical frame, rgb [N, 3] uint8.

    Pixels beside an edge in depth are left out: they are often between the object and what is behind it.
    near, far: metres, depth outside is left out; step: use every step-th row and column.
    """
    depth = frame.depth[::step, ::step]
    used = (depth >= near) & (depth <= far) & ~beside_edges(depth)
    x, y = (axis[::step, ::step][used] for axis in frame.camera.rays)
    z = depth[used]
    xyz = np.stack([x * z, y * z, z], axis=1)
    if frame.color_camera is None:
        return xyz, frame.color[::step, ::step][used]
    moved = frame.color_from_depth.apply(xyz)
    pixels, inside = frame.color_camera.project(moved)
    column, row = np.rint(pixels[inside]).astype(np.int64).T
    return xyz[inside], frame.color[row, column]


def beside_edges(depth):
    """[H, W] bool: pixels whose depth is more than EDGE nearer or farther than that of a neighbour that is measured."""
    edge = np.zeros(depth.shape, dtype=bool)
    for axis in (0, 1):
        first = [slice(None)] * 2
        second = [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        first, second = tuple(first), tuple(second)
        a, b = depth[first], depth[second]
        jump = (np.abs(a - b) > EDGE * np.maximum(a, b)) & (a > 0) & (b > 0)
        edge[first] |= jump
        edge[second] |= jump
    return edge
