# SPDX-License-Identifier: Apache-2.0
"""Render point clouds with a perspective camera: points as discs, depth test, eye-dome lighting."""

from dataclasses import dataclass

import numpy as np

from ..geometry.vectors import unit_vectors

NEAR = 0.1  # metres in front of the eye; nearer points are not drawn
CREASE_DARKNESS = 1.6  # strength of eye-dome lighting
CREASE_STEP = 2  # pixels between the depths that eye-dome lighting compares
MAX_RADIUS = 9  # pixels; larger discs would take long


@dataclass(frozen=True)
class Camera:
    """At `eye` [3], directed at `target` [3], metres, z up; width, height: pixels; fov: vertical, radians."""

    eye: np.ndarray
    target: np.ndarray
    width: int
    height: int
    fov: float = 0.7

    @property
    def focal(self):
        """Focal length in pixels."""
        return 0.5 * self.height / np.tan(0.5 * self.fov)

    def project(self, xyz):
        """Pixel coordinates [N, 2] (x right, y down) and depth [N] in metres along the optical axis. xyz: [N, 3]."""
        forward = unit_vectors(self.target - self.eye)
        right = unit_vectors(np.cross(forward, (0.0, 0.0, 1.0)))
        local = (xyz - self.eye) @ np.column_stack([right, np.cross(forward, right), forward])
        depth = np.maximum(local[:, 2], 1e-6)
        return self.focal * local[:, :2] / depth[:, None] + (self.width / 2, self.height / 2), local[:, 2]


@dataclass(frozen=True)
class Image:
    """A rendered image. index: [H, W] int64 row of the visible point, -1 for none; depth: [H, W] metres, infinite for
    none; shade: [H, W] in (0, 1], eye-dome lighting."""

    index: np.ndarray
    depth: np.ndarray
    shade: np.ndarray

    def paint(self, rgb, background):
        """[H, W, 3] float32 colours 0 to 255. rgb: [N, 3] of the points; background: [3]."""
        colors = np.asarray(rgb, dtype=np.float32)[self.index] * self.shade[..., None]
        return np.where((self.index < 0)[..., None], np.asarray(background, dtype=np.float32), colors)


def render(xyz, radius, camera):
    """The Image of points [N, 3] drawn as discs of `radius` metres that face the camera."""
    pixels, depth = camera.project(xyz)
    seen = (depth > NEAR) & (
        np.abs(pixels - (camera.width / 2, camera.height / 2)) < (camera.width, camera.height)
    ).all(1)
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(-depth[rows], kind="stable")]  # far points first: the last write to a pixel wins
    columns = np.rint(pixels[rows]).astype(np.int64)
    reach = np.clip(camera.focal * radius / depth[rows], 0.6, MAX_RADIUS)
    index = np.full((camera.height, camera.width), -1, dtype=np.int64)
    nearest = np.full((camera.height, camera.width), np.inf, dtype=np.float32)
    limit = int(np.ceil(reach.max(initial=0)))
    for dy in range(-limit, limit + 1):
        for dx in range(-limit, limit + 1):
            _draw_offset(index, nearest, rows, columns + (dx, dy), depth[rows], dx * dx + dy * dy <= reach**2)
    return Image(index, nearest, eye_dome(nearest))


def _draw_offset(index, nearest, rows, columns, depth, inside):
    """Draw one pixel of every disc: the one at the same offset from each centre."""
    height, width = index.shape
    x, y = columns[inside].T
    kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixel = y[kept] * width + x[kept]
    layer = np.full(height * width, -1, dtype=np.int64)
    layer[pixel] = np.flatnonzero(inside)[kept]
    drawn = layer >= 0
    drawn[drawn] = depth[layer[drawn]] < nearest.ravel()[drawn]
    nearest.ravel()[drawn] = depth[layer[drawn]]
    index.ravel()[drawn] = rows[layer[drawn]]


def eye_dome(depth):
    """[H, W] in (0, 1]: darker where neighbouring pixels are nearer (eye-dome lighting, Boucheny 2009)."""
    log = np.log2(np.where(np.isfinite(depth), depth, np.nan))
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    padded = np.pad(log, CREASE_STEP, mode="edge")
    height, width = depth.shape
    total = np.zeros_like(log)
    for dy, dx in steps:
        top, left = CREASE_STEP * (1 + dy), CREASE_STEP * (1 + dx)
        nearer = log - padded[top : top + height, left : left + width]
        total += np.clip(np.nan_to_num(nearer), 0, 0.02)
    return np.exp(-CREASE_DARKNESS * 10 * total / len(steps)).astype(np.float32)
