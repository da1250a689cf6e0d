# SPDX-License-Identifier: Apache-2.0
"""Upright oriented boxes: fitted to points, with corners and containment. Metres and radians, z up."""

from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from .vectors import wrap_half_turn

# Corner k has the signs of SIGNS[k]; EDGES are the 12 pairs of corners that a box's edges join.
SIGNS = np.array([[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], dtype=np.float64)
EDGES = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)])


@dataclass(frozen=True)
class OrientedBox:
    """An upright box: `center` [3] metres, `size` [3] metres (full extents along its axes), `yaw` radians about z."""

    center: np.ndarray
    size: np.ndarray
    yaw: float

    @property
    def axes(self):
        """[2, 2] unit vectors of the box's x and y axes in the XY plane, one per row."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, s], [-s, c]])

    @property
    def corners(self):
        """[8, 3] metres: the lower rectangle counter-clockwise, then the upper one (see SIGNS)."""
        local = SIGNS * np.asarray(self.size) / 2
        return np.column_stack([local[:, :2] @ self.axes, local[:, 2]]) + self.center

    def contains(self, xyz, margin=0.0):
        """[N] bool: which points lie inside the box grown by `margin` metres on every side. xyz: [N, 3]."""
        offset = np.asarray(xyz, dtype=np.float64) - self.center
        local = np.column_stack([offset[:, :2] @ self.axes.T, offset[:, 2]])
        return (np.abs(local) <= np.asarray(self.size) / 2 + margin).all(axis=1)

    def iou(self, other):
        """Intersection over union of two boxes by volume, in [0, 1]; 0 if both volumes are 0."""
        import shapely

        ground = shapely.intersection(shapely.Polygon(self.corners[:4, :2]), shapely.Polygon(other.corners[:4, :2]))
        low = max(self.center[2] - self.size[2] / 2, other.center[2] - other.size[2] / 2)
        high = min(self.center[2] + self.size[2] / 2, other.center[2] + other.size[2] / 2)
        shared = ground.area * max(0.0, high - low)
        union = float(np.prod(self.size) + np.prod(other.size)) - shared
        return float(shared / union) if union > 0 else 0.0

    def moved(self, transform):
        """This box after a RigidTransform that rotates about z only."""
        return OrientedBox(transform.apply(self.center), self.size, wrap_half_turn(self.yaw + transform.yaw))

    @classmethod
    def fit(cls, xyz):
        """The upright box of minimum ground area around points: xyz [N, 3], N >= 1.

        The longer ground side is the x axis and yaw lies in [-pi/2, pi/2).
        """
        xyz = np.asarray(xyz, dtype=np.float64)
        if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) == 0:
            raise SpaceformerError(f"OrientedBox.fit: points of shape {list(xyz.shape)}, expected [N, 3] with N >= 1")
        angles, areas = ground_rectangles(xyz[:, :2])
        return cls.along(xyz, angles[np.argmin(areas)])

    @classmethod
    def along(cls, xyz, angle):
        """The upright box around points with one side along an angle in radians; axes as in `fit`. xyz: [N, 3]."""
        xyz = np.asarray(xyz, dtype=np.float64)
        cos, sin = np.cos(angle), np.sin(angle)
        axes = np.array([[cos, -sin], [sin, cos]])
        ground = xyz[:, :2] @ axes
        low, high = ground.min(axis=0), ground.max(axis=0)
        middle, extent = axes @ ((low + high) / 2), high - low
        if extent[1] > extent[0]:
            extent, angle = extent[::-1], angle + np.pi / 2
        bottom, top = xyz[:, 2].min(), xyz[:, 2].max()
        return cls(
            center=np.array([*middle, (bottom + top) / 2]),
            size=np.array([*extent, top - bottom]),
            yaw=wrap_half_turn(angle),
        )


def ground_rectangles(xy, *others):
    """Angles [A] radians of candidate rectangles around points, those of `others` last, and their areas [A].

    One side of the smallest rectangle lies on an edge of the convex hull (Freeman and Shapira 1975), so the candidates
    are the directions of the hull's edges, in [0, pi/2). xy: [N, 2] metres.
    """
    hull = _hull(xy)
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.append(np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2)), others)
    cos, sin = np.cos(angles), np.sin(angles)
    axes = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=2)  # [A, 2, 2] by column
    return angles, np.prod(np.ptp(hull @ axes, axis=1), axis=1)


def _hull(xy):
    """Corners of the convex hull of [N, 2] points, counter-clockwise; the two ends if they span no area."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return xy[ConvexHull(xy).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        direction = np.linalg.svd(xy - xy.mean(axis=0), full_matrices=False)[2][0]
        along = xy @ direction
        return xy[[along.argmin(), along.argmax()]]
