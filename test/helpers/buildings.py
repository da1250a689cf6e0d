# SPDX-License-Identifier: Apache-2.0
"""Clouds of simple buildings with exactly known walls: sheets of points with the noise of a scanner."""

import numpy as np

from spaceformer_ros.clouds.cloud import Cloud

STEP = 0.03  # metres between points
HEIGHT = 2.5  # metres


def floor(x0, y0, x1, y1, z=0.0):
    """[N, 3] points of a floor or ceiling."""
    x, y = np.meshgrid(np.arange(x0, x1, STEP), np.arange(y0, y1, STEP))
    return np.column_stack([x.ravel(), y.ravel(), np.full(x.size, z)])


def wall(start, end, openings=(), z=0.0, height=HEIGHT):
    """[N, 3] points of a wall from start to end (x, y). openings: (from, to, bottom, top), metres along it."""
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    length = np.hypot(*(end - start))
    t, up = (grid.ravel() for grid in np.meshgrid(np.arange(0, length, STEP), np.arange(0, height, STEP)))
    for low, high, bottom, top in openings:
        keep = ~((t > low) & (t < high) & (up >= bottom) & (up < top))
        t, up = t[keep], up[keep]
    return np.column_stack([start + (t / length)[:, None] * (end - start), z + up])


def cloud_of(*parts, yaw=0.0, noise=0.01, shift=(0.0, 0.0, 0.0)):
    """Cloud of parts [N, 3], turned by `yaw` radians and shifted, with Gaussian noise in metres."""
    xyz = np.concatenate(parts)
    xyz = xyz + np.random.default_rng(0).normal(0, noise, xyz.shape)
    c, s = np.cos(yaw), np.sin(yaw)
    xyz = xyz @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + shift
    return Cloud(xyz.astype(np.float32), np.full((len(xyz), 3), 128, dtype=np.uint8), "map")


def two_rooms(z=0.0):
    """Parts of two rooms, 4 x 3 m and 3 x 3 m, with a wall of 0.14 m between them, a door in it and a window."""
    door, window = [(1.0, 1.9, 0.0, 2.05)], [(1.2, 2.4, 0.9, 2.0)]
    return [
        floor(0, 0, 4, 3, z),
        floor(4, 1.0, 4.14, 1.9, z),
        floor(4.14, 0, 7.14, 3, z),
        wall((0, 0), (4, 0), window, z),
        wall((4.14, 0), (7.14, 0), (), z),
        wall((0, 3), (4, 3), (), z),
        wall((4.14, 3), (7.14, 3), (), z),
        wall((0, 0), (0, 3), (), z),
        wall((7.14, 0), (7.14, 3), (), z),
        wall((4, 0), (4, 3), door, z),
        wall((4.14, 0), (4.14, 3), door, z),
    ]
