# SPDX-License-Identifier: Apache-2.0
"""Moves the camera of a visitor of the page."""

import time

import numpy as np

FLIGHT_SECONDS = 0.6
STEPS_PER_SECOND = 30
ELEVATION = np.radians(38.0)  # of the eye above the horizon, as in pictures of the whole map
MIN_DISTANCE = 1.8  # metres between the eye and an object


def overview(cloud):
    """(eye, target), [3] metres each in the picture's coordinates (see `Drawing`), from which the map is visible."""
    low, high = cloud.bounds
    extent = (high - low).astype(np.float64)
    reach = max(float(np.linalg.norm(extent[:2])), 2.0)
    target = np.array([0.0, 0.0, min(extent[2], 2.0) / 3])
    return target + reach * np.array([0.0, -np.cos(ELEVATION), np.sin(ELEVATION)]), target


def toward(box, origin, eye):
    """(eye, target) in front of an OrientedBox, on the side of the present eye and above it. origin: see `Drawing`."""
    target = box.center - origin
    direction = eye[:2] - target[:2]
    length = np.linalg.norm(direction)
    direction = direction / length if length > 1e-3 else np.array([0.0, -1.0])
    distance = max(MIN_DISTANCE, 1.8 * float(np.linalg.norm(box.size)))
    ground = np.cos(ELEVATION) * distance * direction
    return target + np.array([*ground, np.sin(ELEVATION) * distance]), target


def fly(client, eye, target):
    """Move a client's camera to `eye` [3], directed at `target` [3], in FLIGHT_SECONDS."""
    camera, steps = client.camera, int(FLIGHT_SECONDS * STEPS_PER_SECOND)
    start = np.array(camera.position), np.array(camera.look_at)
    for step in range(1, steps + 1):
        share = step / steps
        share = share * share * (3 - 2 * share)  # starts and ends slowly
        with client.atomic():
            camera.position = start[0] + share * (eye - start[0])
            camera.look_at = start[1] + share * (target - start[1])
        time.sleep(1 / STEPS_PER_SECOND)
