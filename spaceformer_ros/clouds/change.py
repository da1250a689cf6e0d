# SPDX-License-Identifier: Apache-2.0
"""What differs between two clouds: whether enough to run the network again, and in which points."""

import hashlib

import numpy as np

from ..grids.keys import occupied_cells

CELL = 0.1  # metres; clouds are compared by the cells of this size that they occupy
HASHED = 1 << 16  # points hashed at a time
# The first four primes of 64 bits of xxHash (Collet): odd, and without structure.
FACTORS = np.array([0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63], dtype=np.uint64)


class ChangeDetector:
    """Remembers the last cloud that was segmented."""

    def __init__(self):
        self._digest, self._cloud = None, None

    def is_same(self, cloud, threshold):
        """Whether `cloud` equals the accepted one, or shares all but `threshold` of the occupied 10 cm cells."""
        if self._digest is None:
            return False
        if _digest(cloud) == self._digest:
            return True
        if threshold <= 0 or (cloud.frame_id, cloud.up) != (self._cloud.frame_id, self._cloud.up):
            return False
        cloud = cloud.at_origin(self._cloud.origin)
        cells, before = occupied_cells(cloud.xyz, CELL), occupied_cells(self._cloud.xyz, CELL)
        common = len(np.intersect1d(cells, before, assume_unique=True))
        return 1 - common / (len(cells) + len(before) - common) <= threshold

    def accept(self, cloud):
        """Compare with `cloud` from now on."""
        self._digest, self._cloud = _digest(cloud), cloud


def _digest(cloud):
    digest = hashlib.blake2b(repr(cloud.coordinates).encode(), digest_size=16)
    for array in (cloud.xyz, cloud.rgb):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def point_hashes(cloud):
    """[N] uint64: a hash of the coordinates and the colour of each point of a Cloud.

    Sums of them, modulo 2**64, tell whether two sets of points are equal, in whatever order. Multiplications by odd
    constants and shifts, as in the finalizer of MurmurHash3 (Appleby), not against intended collisions.
    """
    hashes = np.empty(len(cloud), dtype=np.uint64)
    for first in range(0, len(cloud), HASHED):  # so few points at a time stay in the processor's cache
        x, y, z = np.ascontiguousarray(cloud.xyz[first : first + HASHED]).view(np.uint32).T
        red, green, blue = cloud.rgb[first : first + HASHED].T.astype(np.uint64)
        mixed = x * FACTORS[0] + y * FACTORS[1] + z * FACTORS[2]
        mixed ^= mixed >> np.uint64(29)
        mixed += (red << np.uint64(16) | green << np.uint64(8) | blue) * FACTORS[3]
        for factor in FACTORS[:2]:
            mixed *= factor
            mixed ^= mixed >> np.uint64(32)
        hashes[first : first + HASHED] = mixed
    return hashes
