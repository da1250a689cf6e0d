# SPDX-License-Identifier: Apache-2.0
"""Notice whole maps that come from two sources in turn: each replaces the other, and no result lasts."""

import numpy as np

from ..grids.keys import AXIS_LIMIT, distinct, pack

CELL = 0.5  # metres; maps are compared by the cells of this size that they occupy
MAX_POINTS = 100_000  # of a map that are looked at
MIN_SHARE = 0.7  # of the cells of two maps that both occupy, for the second to be the first one, grown or corrected
MIN_RETURNS = 3  # A B A B A; one return may be a source that was started again
CALM = 30  # maps without a return, after which the sources no longer alternate


class Alternation:
    """Compares each whole map with the last two different ones."""

    def __init__(self):
        self._last, self._before = None, None  # (frame, occupied cells)
        self._returns = 0
        self._calm = 0

    def add(self, cloud):
        """Whether the maps, `cloud` being the newest, alternate between two places or frames. cloud: a Cloud."""
        places = cloud.frame_id, _cells(cloud)
        self._calm += 1
        if self._calm >= CALM:
            self._returns = 0
        if self._last is not None and not _are_alike(places, self._last):
            if self._before is not None and _are_alike(places, self._before):
                self._returns, self._calm = self._returns + 1, 0
            self._before = self._last
        self._last = places
        return self._returns >= MIN_RETURNS


def _cells(cloud):
    """Sorted keys of the cells that a map occupies in its frame; indices wrap around after hundreds of kilometres."""
    xyz = cloud[:: 1 + len(cloud) // MAX_POINTS].in_frame().astype(np.float64)  # in which no coordinate overflows
    return distinct(pack((np.floor(xyz / CELL) % AXIS_LIMIT).astype(np.int64)))


def _are_alike(first, second):
    """Whether two maps show the same places of one frame. first, second: pairs (frame, cells)."""
    if first[0] != second[0]:
        return False
    common = len(np.intersect1d(first[1], second[1], assume_unique=True))
    return common >= MIN_SHARE * (len(first[1]) + len(second[1]) - common)
