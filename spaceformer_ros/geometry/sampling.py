# SPDX-License-Identifier: Apache-2.0
"""Samples of points that do not depend on their order, and points on triangles."""

import numpy as np

MAX_SAMPLE = 30_000  # points that suffice to find the floor and the walls of a map
PRIMES = (7919, 104729, 1299709)
MODULUS = 1_000_003


def sample_by_value(columns, count, limit=MAX_SAMPLE):
    """[N] bool: about `limit` of N points, chosen by their values in millimetres.

    columns: one to three arrays [N] metres; count: N
    """
    step = max(1, count // limit)
    millimetres = (np.round(column * np.float32(1000)).astype(np.int64) for column in columns)
    return sum(column * prime for column, prime in zip(millimetres, PRIMES)) % MODULUS % step == 0


def draw_on_triangles(area, spacing, rng):
    """Triangle [N] and barycentric weights [N, 3] of points on triangles, about one per spacing^2, at least one.

    area: [T] square metres, some above 0; spacing: metres; rng: numpy Generator
    """
    ends = np.cumsum(area) / spacing**2
    count = max(1, int(ends[-1]))
    triangle = np.searchsorted(ends, (np.arange(count) + rng.random(count)) * ends[-1] / count, side="right")
    triangle = np.minimum(triangle, len(area) - 1)
    # an even sequence in each triangle (R2, the plastic number's), so that depth buffers have no holes
    number = np.arange(count) - np.searchsorted(triangle, triangle)
    start = rng.random((2, len(area)))[:, triangle]
    a, b = (start + number * np.array([[0.7548776662466927], [0.5698402909980532]])) % 1
    a = np.sqrt(a)
    return triangle, np.stack([1 - a, a * (1 - b), a * b], axis=1)
