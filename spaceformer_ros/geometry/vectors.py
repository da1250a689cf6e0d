# SPDX-License-Identifier: Apache-2.0
"""Unit vectors and angles."""

import numpy as np

TINY = 1e-12  # minimum divisor, so that the zero vector stays zero


def unit_vectors(vectors):
    """Rows of [..., C] divided by their length, same type."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)


def wrap_half_turn(yaw):
    """Wrap an angle (radians) to [-pi/2, pi/2): boxes do not change when rotated by pi."""
    return float((yaw + np.pi / 2) % np.pi - np.pi / 2)
