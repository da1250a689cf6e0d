# SPDX-License-Identifier: Apache-2.0
"""Heading of the walls of a map: the yaw that aligns it with the axes (a Manhattan frame)."""

import numpy as np

from .sampling import sample_by_value

QUARTER_TURN = np.pi / 2
STEPS = 90  # coarse angles per quarter turn
FINE = np.radians(np.linspace(-1.5, 1.5, 13))  # around the best coarse angle
BIN = 0.05  # metres; bins of the histograms whose peaks are walls


def manhattan_yaw(xyz):
    """Yaw of a map in radians, in (-pi, pi]; rotating the map about z changes it by the same angle.

    The direction along which the points concentrate in the fewest lines, that of the walls. Of its four quarter turns
    the one closest to the direction from the centre of the bounds to the mean of the points. xyz: [N, 3] metres,
    N >= 1.
    """
    xy = _sample(xyz)
    centred = xy - xy.mean(axis=0)
    far = centred[np.argmax((centred**2).sum(axis=1))]
    angle = np.arctan2(far[1], far[0])  # any start that rotates with the map
    coarse = angle + QUARTER_TURN / STEPS * np.arange(STEPS)
    angles = coarse[np.argmax(_sharpness(centred, coarse))] + FINE
    peak = _sharpness(centred, angles)
    angle = np.average(angles, weights=(peak - peak.min()) ** 2 + 1e-9)  # smooth, so that rounding does not matter
    rotated = np.column_stack(_rotate(centred, -angle))
    offset = -(rotated.min(axis=0) + rotated.max(axis=0)) / 2
    quarter = np.round(np.arctan2(offset[1], offset[0]) / QUARTER_TURN)
    return float(np.angle(np.exp(1j * (angle + quarter * QUARTER_TURN))))


def rotate_z(xyz, angle):
    """Points rotated by an angle in radians about the z axis, [N, 3] float32; the same array for an angle of 0."""
    if angle == 0:
        return xyz
    rotated = np.array(xyz, dtype=np.float32)
    rotated[:, 0], rotated[:, 1] = _rotate(xyz, angle)
    return rotated


def _sample(xyz):
    """[n, 2] float64 sample of points by height and distance from the mean, independent of rotation and order."""
    distance = np.hypot(*(xyz[:, :2] - xyz[:, :2].mean(axis=0, dtype=np.float64)).T)
    chosen = sample_by_value((xyz[:, 2] - xyz[:, 2].min(), distance), len(xyz))
    return (xyz[chosen] if chosen.any() else xyz[:1])[:, :2].astype(np.float64)


def _sharpness(xy, angles):
    """[A] float64: how much the points concentrate in lines along axes rotated by each angle."""
    return np.array([sum(_peaks(column) for column in _rotate(xy, -angle)) for angle in angles], dtype=np.float64)


def _peaks(values):
    """Sum of the squared counts of a histogram."""
    rows = np.floor(values / BIN).astype(np.int64)
    return np.square(np.bincount(rows - rows.min())).sum()


def _rotate(xy, angle):
    """x and y rotated, each [N] float64: element by element, so that a point rotates alike in every array."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = (xy[:, axis].astype(np.float64) for axis in (0, 1))
    return c * x - s * y, s * x + c * y
