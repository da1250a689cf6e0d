# SPDX-License-Identifier: Apache-2.0
"""Moves the camera of a visitor of the page."""

import time

import numpy as np

FLIGHT_SECONDS = 0.6
STEPS_PER_SECOND = 30


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
