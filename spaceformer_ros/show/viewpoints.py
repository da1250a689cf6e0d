# SPDX-License-Identifier: Apache-2.0
"""Where to look from: a whole map, or one object."""

import numpy as np

ELEVATION = np.radians(38.0)  # of the eye above the horizon, as in pictures of the whole map
MIN_DISTANCE = 1.8  # metres between the eye and an object
MARGIN = 0.2  # of the map's diagonal, on both sides of it in an overview: its near edge looks larger
TALL = 2.0  # metres of a map's height that count for its middle: ceilings do not


def overview(cloud, fov):
    """(eye, target), [3] metres each, from which a Cloud is visible as a whole. fov: of the camera, radians."""
    low, high = (bound.astype(np.float64) for bound in cloud.bounds)
    reach = max(float(np.linalg.norm((high - low)[:2])), 2.0)
    target = np.array([*(low + high)[:2] / 2, low[2] + min(high[2] - low[2], TALL) / 3])
    distance = (0.5 + MARGIN) * reach / np.tan(fov / 2)
    return target + distance * np.array([0.0, -np.cos(ELEVATION), np.sin(ELEVATION)]), target


def toward(box, eye):
    """(eye, target), [3] metres each, in front of an OrientedBox: on the side of another eye [3], and above it."""
    direction = eye[:2] - box.center[:2]
    length = np.linalg.norm(direction)
    direction = direction / length if length > 1e-3 else np.array([0.0, -1.0])
    distance = max(MIN_DISTANCE, 1.8 * float(np.linalg.norm(box.size)))
    ground = np.cos(ELEVATION) * distance * direction
    return box.center + np.array([*ground, np.sin(ELEVATION) * distance]), np.asarray(box.center)
