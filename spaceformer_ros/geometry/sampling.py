# SPDX-License-Identifier: Apache-2.0
"""A sample of points that does not depend on their order."""

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
