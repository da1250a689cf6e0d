# SPDX-License-Identifier: Apache-2.0
"""The local origin of a cloud: coordinates that float32 cannot resolve, as those of UTM, are kept relative to it."""

import numpy as np

MAX_LOCAL = 8192.0  # metres; up to here float32 coordinates are at most 0.5 mm apart
STEP = 1024.0  # metres; origins are multiples, so that adding and subtracting them is exact in float64
NO_ORIGIN = (0.0, 0.0, 0.0)


def local_origin(low, high):
    """Origin (x, y, z) in metres for points between two corners [3]: NO_ORIGIN unless one is beyond MAX_LOCAL."""
    if np.abs((low, high)).max() <= MAX_LOCAL:
        return NO_ORIGIN
    middle = (np.asarray(low, dtype=np.float64) + high) / 2
    return tuple((np.round(middle / STEP) * STEP).tolist())


def bounds(xyz):
    """Smallest and largest coordinate on each axis, two [3] arrays. xyz: [N, 3], N >= 1."""
    columns = xyz.T  # one by one: numpy is slow along short rows
    return np.array([column.min() for column in columns]), np.array([column.max() for column in columns])


def split_origin(xyz, low, high):
    """([N, 3] float32 metres relative to an origin, that origin).

    xyz: [N, 3] float32 or float64 metres, finite; low, high: their bounds, [3]
    """
    origin = local_origin(low, high)
    if origin != NO_ORIGIN:
        xyz = xyz.astype(np.float64) - origin
    return xyz.astype(np.float32, copy=False), origin


def is_near(first, second):
    """Whether points relative to the origin `first` keep their resolution relative to `second`."""
    return bool(np.abs(np.subtract(first, second)).max() <= MAX_LOCAL)
