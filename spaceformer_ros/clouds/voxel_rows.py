# SPDX-License-Identifier: Apache-2.0
"""The index of a voxel map: the row of each voxel key, in two sorted runs."""

import numpy as np

SMALL_RUN = 1 << 17  # keys in the small run of the index; merging the runs costs about as much as four inserts


class VoxelRows:
    """The row of each voxel key, in two sorted runs: new keys are added to the small one, which is merged into the
    large one when it is full. A look-up takes O(U log M) for U keys among M, an add O(U + SMALL_RUN), a merge O(M)."""

    def __init__(self):
        empty = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
        self._large = self._small = self._empty = empty

    def rows_of(self, keys):
        """Row of each key, -1 where there is none. keys: [U] int64, ascending (neighbours are close in memory)."""
        found = np.full(len(keys), -1, dtype=np.int32)
        for run_keys, run_rows in (self._large, self._small):
            if len(run_keys):
                at = np.searchsorted(run_keys, keys)
                np.minimum(at, len(run_keys) - 1, out=at)
                hit = np.flatnonzero(run_keys[at] == keys)
                found[hit] = run_rows[at[hit]]
        return found

    def add(self, keys, rows):
        """Add the rows of new keys. keys: [U] int64, ascending, none of them known; rows: [U] int32."""
        self._small = merge_runs(self._small, (keys, rows))
        if len(self._small[0]) > SMALL_RUN:
            self.merged()

    def merged(self):
        """All keys, ascending, and their rows: two arrays to read only."""
        if len(self._small[0]):
            self._large, self._small = merge_runs(self._large, self._small), self._empty
        return self._large

    @property
    def runs(self):
        """The two runs (keys, rows), each with ascending keys: arrays to read only."""
        return self._large, self._small

    def remove(self, gone):
        """Drop the keys of rows. gone: bool, by row."""
        self._large, self._small = (
            (keys, rows) if not (drop := gone[rows]).any() else (keys[~drop], rows[~drop]) for keys, rows in self.runs
        )


def merge_runs(a, b):
    """Merge two runs that have no key in common into one: tuples of ascending keys [N] and columns [N, ...] of rows."""
    place = np.searchsorted(a[0], b[0]) + np.arange(len(b[0]))
    from_a = np.ones(len(a[0]) + len(b[0]), dtype=bool)
    from_a[place] = False
    merged = []
    for column_a, column_b in zip(a, b):
        column = np.empty((len(from_a), *column_a.shape[1:]), dtype=column_a.dtype)
        column[place], column[from_a] = column_b, column_a
        merged.append(column)
    return tuple(merged)
