# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud differs enough from the last one to run the network again."""

import hashlib

import numpy as np

from ..grids.keys import occupied_cells

CELL = 0.1  # metres; clouds are compared by the cells of this size that they occupy


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
