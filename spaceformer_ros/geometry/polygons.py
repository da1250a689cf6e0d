# SPDX-License-Identifier: Apache-2.0
"""Triangles of simple polygons."""

import numpy as np


def triangulate(outline):
    """[T, 3] int rows of corners: triangles that cover a simple polygon, by cutting off ears (Meisters 1975).

    outline: [V, 2] metres, V >= 3, in either direction. T is at most V - 2.
    """
    xy = np.asarray(outline, dtype=np.float64)
    left = list(range(len(xy)))
    if _area(xy) < 0:
        left.reverse()
    triangles = []
    while len(left) > 3:
        ear = next((i for i in range(len(left)) if _is_ear(xy, left, i)), 0)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*triangles, left], dtype=np.int64)


def _area(xy):
    """Signed area of a polygon, positive if it is counter-clockwise."""
    x, y = xy.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _is_ear(xy, left, i):
    """Whether corner i of a counter-clockwise polygon is convex with no other corner in its triangle."""
    a, b, c = xy[left[i - 1]], xy[left[i]], xy[left[(i + 1) % len(left)]]
    if _cross(a, b, c) <= 0:
        return False
    others = xy[[k for k in left if k not in (left[i - 1], left[i], left[(i + 1) % len(left)])]]
    inside = (_cross(a, b, others) >= 0) & (_cross(b, c, others) >= 0) & (_cross(c, a, others) >= 0)
    return not inside.any()


def _cross(a, b, points):
    """Twice the signed area of the triangles a, b, point."""
    return (b[0] - a[0]) * (points[..., 1] - a[1]) - (b[1] - a[1]) * (points[..., 0] - a[0])
