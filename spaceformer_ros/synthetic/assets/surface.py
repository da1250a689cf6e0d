# SPDX-License-Identifier: Apache-2.0
"""Coloured points on the visible surface of a mesh: what a camera can measure from outside."""

import math
from dataclasses import dataclass

import numpy as np

from ...geometry.sampling import draw_on_triangles
from ...geometry.vectors import unit_vectors

SPACING = 0.012  # metres between sampled points
MAX_SAMPLES = 80_000  # of a mesh before hidden points are removed
MAX_POINTS = 24_000  # of a model
DIRECTIONS = 48  # of views that decide what is visible
MIN_VIEWS = 3  # in which a point is visible: some see hidden points through gaps between samples
LOWEST_VIEW = -0.45  # sine of their lowest elevation: cameras see table tops from below, but no undersides on the floor


@dataclass(frozen=True)
class SurfacePoints:
    """N points: xyz [N, 3] float32 metres; normal [N, 3] float32; rgb [N, 3] uint8; material [N] uint8; spacing: metres
    between them."""

    xyz: np.ndarray
    normal: np.ndarray
    rgb: np.ndarray
    material: np.ndarray
    spacing: float

    def __len__(self):
        return len(self.xyz)


def sample_surface(mesh, rng):
    """SurfacePoints of a Mesh, without points that are hidden from outside, with normals to the visible side.

    A point that is visible from both sides (a leaf, a cloth) is there twice.
    """
    edges = mesh.corners[:, 1:] - mesh.corners[:, :1]
    cross = np.cross(edges[:, 0], edges[:, 1])
    area = np.linalg.norm(cross, axis=1) / 2
    spacing = max(SPACING, math.sqrt(area.sum() / MAX_SAMPLES))
    triangle, weights = draw_on_triangles(area, spacing, rng)
    xyz = (mesh.corners[triangle] * weights[:, :, None]).sum(axis=1).astype(np.float32)
    normal = (cross / np.maximum(2 * area, 1e-12)[:, None]).astype(np.float32)[triangle]
    front, back = visible_sides(xyz, normal, spacing)
    row = np.concatenate([np.flatnonzero(front), np.flatnonzero(back)])
    side = np.repeat(np.array([1, -1], dtype=np.float32), [front.sum(), back.sum()])
    if len(row) > MAX_POINTS:
        kept = np.sort(rng.permutation(len(row))[:MAX_POINTS])
        spacing *= math.sqrt(len(row) / MAX_POINTS)
        row, side = row[kept], side[kept]
    color = _colors(mesh, triangle[row], weights[row])
    material = np.minimum(mesh.material[triangle[row]], 255).astype(np.uint8)
    return SurfacePoints(xyz[row], normal[row] * side[:, None], color, material, spacing)


def visible_sides(xyz, normal, spacing):
    """[N] bool each: points that are visible from the side of their normal, and from the other side.

    Depth buffers from DIRECTIONS views around. The test of the other side is stricter, as the underside of a thin
    board must not become visible through the board; it wins at the edges of faces that are wound the wrong way.
    """
    cell = 2 * spacing
    front, back = np.zeros(len(xyz), dtype=np.int64), np.zeros(len(xyz), dtype=np.int64)
    for number in range(DIRECTIONS):
        z = LOWEST_VIEW + (1 - LOWEST_VIEW) * (number + 0.5) / DIRECTIONS
        angle, flat = number * 2.39996323, math.sqrt(1 - z * z)
        view = np.array([flat * math.cos(angle), flat * math.sin(angle), z], dtype=np.float32)
        facing = normal @ view
        depth = -(xyz @ view)  # of a camera far away in this direction
        nearest = _nearest(xyz, view, depth, cell)
        front += (facing > 0.2) & (depth <= nearest + cell * 1.2 / facing.clip(0.5))
        back += (facing < -0.7) & (depth <= nearest + 0.5 * cell)
    return (front >= MIN_VIEWS) & (front > back / 2), back >= MIN_VIEWS


def _nearest(xyz, view, depth, cell):
    """[N] smallest depth in the pixel of each point, in the depth buffer of a view."""
    side = unit_vectors(np.cross(view, [0.0, 0.0, 1.0]))
    up = np.cross(side, view)
    u, v = (np.floor(xyz @ axis.astype(np.float32) / cell).astype(np.int64) for axis in (side, up))
    u, v = u - u.min(), v - v.min()
    pixel = u * (v.max() + 1) + v
    buffer = np.full(int(pixel.max()) + 1, np.inf, dtype=np.float32)
    np.minimum.at(buffer, pixel, depth)
    return buffer[pixel]


def _colors(mesh, triangle, weights):
    """[N, 3] uint8 colours of points: of the texture, or of the material."""
    material = mesh.material[triangle]
    rgb = np.array([m.color for m in mesh.materials])[material]
    for number, m in enumerate(mesh.materials):
        if m.texture is not None:
            rows = np.flatnonzero(material == number)
            uv = (mesh.uv[triangle[rows]] * weights[rows][:, :, None]).sum(axis=1) % 1.0
            height, width = m.texture.shape[:2]
            column = np.minimum((uv[:, 0] * width).astype(int), width - 1)
            line = np.minimum(((1 - uv[:, 1]) * height).astype(int), height - 1)
            rgb[rows] = m.texture[line, column]
    return np.rint(rgb).astype(np.uint8)


@dataclass(frozen=True)
class PointSamples:
    """n points of a shape: xyz and normal [n, 3] float32 in the object frame; rgb [n, 3] float32 in 0..255; paint [n]
    int64 index into the shape's paints."""

    xyz: np.ndarray
    normal: np.ndarray
    rgb: np.ndarray
    paint: np.ndarray
