# SPDX-License-Identifier: Apache-2.0
"""A cached model as the Shape of a thing: points instead of primitives, scaled per axis, mirrored and recoloured."""

from dataclasses import replace

import numpy as np

from ...geometry.vectors import unit_vectors
from ..colors import FINISHES, plain
from ..patterns import colorize
from ..shapes import Shape
from .surface import PointSamples

CELLS = 6  # of the grid of solid boxes, along each axis
UPWARDS = 0.85  # z of normals of surfaces that can carry things


class AssetShape(Shape):
    """The surface of an Asset with a new size.

    paints: one per material of the model; recoloured: indices of those whose paint replaces the model's colours.
    """

    def __init__(self, points, paints, size, mirrored=False, recoloured=()):
        """points: SurfacePoints with their original size; size: (width, depth, height) metres."""
        super().__init__()
        self.paints = list(paints)
        self.recoloured = frozenset(recoloured)
        low, high = points.xyz.min(axis=0), points.xyz.max(axis=0)
        scale = np.asarray(size, dtype=np.float32) / np.maximum(high - low, 1e-6)
        sign = np.array([-1.0 if mirrored else 1.0, 1.0, 1.0], dtype=np.float32)
        xyz = (points.xyz - (low + high) * [0.5, 0.5, 0.0] - low * [0.0, 0.0, 1.0]) * scale * sign
        normal = unit_vectors(points.normal / scale * sign)
        self.size = np.asarray(size, dtype=np.float64)
        self.spacing = points.spacing * float(np.prod(scale) ** (1 / 3))
        self.points = replace(points, xyz=xyz.astype(np.float32), normal=normal.astype(np.float32))

    def bounds(self):
        """Smallest and largest x, y, z, two [3] arrays in metres."""
        half = np.array([self.size[0] / 2, self.size[1] / 2, 0.0])
        return -half, np.array([half[0], half[1], self.size[2]])

    def volumes(self):
        """[K, 6] corners of the solid boxes: cells of a grid that contain surface."""
        if not self.solids:
            low, _ = self.bounds()
            cell = self.size / CELLS
            index = np.clip(((self.points.xyz - low) / np.maximum(cell, 1e-9)).astype(int), 0, CELLS - 1)
            start = low + np.unique(index, axis=0) * cell
            self.solids = [(tuple(a), tuple(b)) for a, b in zip(start, start + cell, strict=True)]
        return super().volumes()

    def sample(self, spacing, rng):
        """PointSamples in the object frame, about one point per spacing^2 (metres), if the model has as many."""
        kept = np.flatnonzero(rng.random(len(self.points)) < (self.spacing / spacing) ** 2)
        points = self.points
        paint = points.material[kept].astype(np.int64)
        rgb = points.rgb[kept].astype(np.float32)
        changed = np.isin(paint, list(self.recoloured))
        if changed.any():
            rows = kept[changed]
            rgb[changed] = colorize(self.paints, paint[changed], lambda chosen: points.xyz[rows[chosen]])
        return PointSamples(points.xyz[kept], points.normal[kept], rgb, paint)

    def height_at(self, x, y, reach, near):
        """Height of the surface facing up within `reach` metres of (x, y), the one closest to height `near`; None
        without one. Raised to the highest point within 2 cm, so that nothing sinks in."""
        points = self.points
        column = np.hypot(points.xyz[:, 0] - x, points.xyz[:, 1] - y) < reach
        heights = points.xyz[column & (points.normal[:, 2] > UPWARDS), 2]
        if not len(heights):
            return None
        nearest = heights[np.abs(heights - near).argmin()]
        return float(heights[heights < nearest + 0.02].max())


def asset_paints(asset):
    """The Paints of an Asset's materials: their mean colours."""
    return [plain(color, gloss) for color, gloss in zip(asset.colors, asset.gloss, strict=True)]


def recolour(rng, paints, area, kind):
    """Paints with some replaced by materials of a Kind; the indices of these; and the material word.

    area: points per paint. The word is "" if the paint of the largest area is kept, as its material is unknown.
    """
    paints, changed, word = list(paints), [], ""
    for number in range(len(paints)):
        if area[number] and paints[number].gloss < 0.4 and rng.random() < 0.6:
            material = kind.materials[int(rng.integers(len(kind.materials)))]
            paints[number] = FINISHES[material](rng, kind.palette)
            changed.append(number)
            if number == int(np.argmax(area)):
                word = material
    return paints, changed, word
