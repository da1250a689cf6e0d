# SPDX-License-Identifier: Apache-2.0
"""Fit upright boxes to masks: robust against stray points, aligned with walls, extended to the floor.

Each rule was chosen on 30 validation rooms by the F1 of boxes at IoU 0.5 (docs/demo_weights.md).
"""

from dataclasses import dataclass

import numpy as np

from ..geometry.boxes import OrientedBox, ground_rectangles
from ..geometry.floor import floor_height
from ..grids.groups import touching_components
from .kept_results import KeptResults

SPECK_SHARE = 0.05  # a separate part with a smaller share of a mask's voxels is left out of its box
SPECK_CELL = 0.1  # metres; parts are separate if a whole cell of this size between them is empty
WALL_TOLERANCE = 1.3  # a box along the walls is preferred up to this multiple of the minimum ground area
SLAB = 0.05  # metres; thickness of the vertical slabs across an object whose points are counted
DENSE_SLAB = 0.75  # quantile of the counts of an object's slabs that is taken as typical
MIN_SLAB_SHARE = 0.1  # of that count; slabs at the ends with fewer points are cut off
MIN_SLABS = 4  # shorter objects are not trimmed
FLOOR_SHARE = 0.02  # highest share of voxels below the floor (reflections, noise)
MAX_FLOOR_GAP = 0.3  # metres; objects that end lower are assumed to stand on the floor with their lowest part hidden


@dataclass(frozen=True)
class Surroundings:
    """Direction of the walls and the floor of a map.

    wall_yaw: radians; floor: metres along `up`; up: unit vector, normal of the floor.
    """

    wall_yaw: float
    floor: float
    up: tuple = (0.0, 0.0, 1.0)

    @classmethod
    def of(cls, positions, wall_yaw, up=(0.0, 0.0, 1.0)):
        """Surroundings of a map. positions: [M, 3] metres of its voxels. The floor is rounded to a centimetre, so that
        a few new voxels do not change all boxes."""
        heights = positions[:, 2] if up[2] == 1 else positions @ np.array(up)
        return cls(wall_yaw, round(float(floor_height(heights, FLOOR_SHARE)), 2), up)

    def floor_below(self, x, y):
        """Height of the floor at a place, metres along z."""
        return float((self.floor - self.up[0] * x - self.up[1] * y) / self.up[2])


def fit_boxes(parts, surroundings=None):
    """The upright boxes of a list of [n, 3] float32 metres, n >= 1: tuple of OrientedBox.

    surroundings: Surroundings of the map; None if unknown: boxes of minimum ground area, not extended to the floor.
    """
    return tuple(fit_box(xyz, surroundings) for xyz in without_specks(parts))


def fit_box(xyz, surroundings=None):
    """The upright box of one object: xyz [n, 3] metres, n >= 1."""
    xyz = np.asarray(xyz, dtype=np.float64)
    angle = box_angle(xyz[:, :2], surroundings)
    box = OrientedBox.along(without_sparse_ends(xyz, angle), angle)
    return box if surroundings is None else extended_to_floor(box, surroundings.floor_below(*box.center[:2]))


def box_angle(xy, surroundings=None):
    """Angle of a box in radians: along the walls, unless the minimum rectangle is much smaller. xy: [n, 2] metres."""
    if surroundings is None:
        angles, areas = ground_rectangles(xy)
        return angles[np.argmin(areas)]
    angles, areas = ground_rectangles(xy, surroundings.wall_yaw)
    least = np.argmin(areas)
    return angles[-1 if areas[-1] <= WALL_TOLERANCE * areas[least] else least]


def without_sparse_ends(xyz, angle):
    """The points of an object without sparse ends along the ground axes of its box, which often belong to others.

    Heights are not trimmed: legs and poles have few points. xyz: [n, 3] metres; angle: of the box, radians.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    length, width = cos * xyz[:, 0] + sin * xyz[:, 1], cos * xyz[:, 1] - sin * xyz[:, 0]
    return xyz[_dense_range(length) & _dense_range(width)]


def _dense_range(values):
    """[n] bool: the values between the first and the last slab with enough points. values: [n] metres."""
    slabs = int(np.ptp(values) // SLAB) + 1
    if slabs < MIN_SLABS:
        return np.ones(len(values), dtype=bool)
    slab = np.minimum(((values - values.min()) * (slabs / np.ptp(values))).astype(np.int64), slabs - 1)
    counts = np.bincount(slab, minlength=slabs)
    typical = np.quantile(counts[counts > 0], DENSE_SLAB)
    dense = np.flatnonzero(counts >= MIN_SLAB_SHARE * typical)
    return (slab >= dense[0]) & (slab <= dense[-1])


def extended_to_floor(box, floor):
    """The box with its bottom on the floor, if it ends at most MAX_FLOOR_GAP above it. floor: height in metres."""
    bottom, top = box.center[2] - box.size[2] / 2, box.center[2] + box.size[2] / 2
    if not 0 < bottom - floor <= MAX_FLOOR_GAP:
        return box
    center, size = np.array([*box.center[:2], (floor + top) / 2]), np.array([*box.size[:2], top - floor])
    return OrientedBox(center, size, box.yaw)


class BoxCache:
    """Fits boxes and keeps those of the last call: a mask that has not changed is not fitted again."""

    def __init__(self):
        self._surroundings = None
        self._kept = KeptResults()

    def fit(self, parts, surroundings):
        """`fit_boxes`, with cached boxes for unchanged masks."""
        if surroundings != self._surroundings:
            self._kept.forget()
        self._surroundings = surroundings
        return tuple(self._kept.of(parts, lambda new: fit_boxes(new, surroundings)))


def without_specks(parts):
    """The points of each mask without small separate parts, so that stray voxels do not enlarge its box.

    parts: list of [n, 3] metres, n >= 1. Returns such a list.
    """
    if not parts:
        return []
    size = np.array([len(xyz) for xyz in parts])
    starts, mask = np.cumsum(size) - size, np.repeat(np.arange(len(parts)), size)
    cells = np.floor(np.concatenate(parts) / SPECK_CELL).astype(np.int64)
    component = touching_components(np.column_stack([2 * mask, cells]))  # 2 apart: cells of two masks do not touch
    share = np.bincount(component)[component] / size[mask]
    kept = share >= np.minimum(SPECK_SHARE, np.maximum.reduceat(share, starts))[mask]
    return [xyz[part] for xyz, part in zip(parts, np.split(kept, starts[1:]))]
