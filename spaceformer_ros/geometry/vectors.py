# SPDX-License-Identifier: Apache-2.0
"""Unit vectors and angles."""

import numpy as np

TINY = 1e-12  # least length that a vector is divided by: the zero vector stays zero


def unit_vectors(vectors):
    """Rows of [..., C] divided by their length, same type."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)


def wrap_half_turn(yaw):
    """Angle in radians in [-pi/2, pi/2) of the same axis: boxes do not change when turned by pi."""
    return float((yaw + np.pi / 2) % np.pi - np.pi / 2)
