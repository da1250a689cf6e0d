# SPDX-License-Identifier: Apache-2.0
"""A map as occupied cells with the colours of their points: all that is read of the points of a map."""

from dataclasses import dataclass

import numpy as np

from ..grids.keys import axis_of, pack_axes, unpack

CELL = 0.05  # metres, edge of a cell
BLOCK = 1 << 19  # points converted at a time, so that memory depends on the cells and not on the points
MAX_PENDING = 1 << 22  # cells of blocks that are not joined yet


@dataclass(frozen=True)
class Cells:
    """The M cells that hold points, in the map's frame turned about z.

    keys: [M] int64 of their indices along x, y and z (`grids.keys`), ascending and distinct;
    sums: [M, 4] int64, how many points a cell holds, and the sums of their red, green and blue.
    """

    keys: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, cloud, turn, chosen=None):
        """Cells of the points of a Cloud, or of those `chosen` [N] bool, turned by the angle `turn` in radians."""
        parts, pending = [], 0
        for first in range(0, len(cloud), BLOCK):
            block = slice(first, first + BLOCK)
            rows = slice(None) if chosen is None else np.flatnonzero(chosen[block])
            xyz, rgb = cloud.xyz[block][rows], cloud.rgb[block][rows]
            keys = pack_axes(*plane_cells(xyz, turn), _index(xyz[:, 2]))
            parts.append(cls._summed(keys, (np.ones(len(rgb), dtype=np.uint8), *rgb.T)))
            pending += len(parts[-1])
            if pending > MAX_PENDING:
                parts, pending = [cls.joined(parts)], 0
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts):
        """The Cells of the points of several ones."""
        if len(parts) == 1:
            return parts[0]
        keys = np.concatenate([np.zeros(0, dtype=np.int64), *(part.keys for part in parts)])
        sums = np.concatenate([np.zeros((0, 4), dtype=np.int64), *(part.sums for part in parts)])
        return cls._summed(keys, sums.T)

    @classmethod
    def _summed(cls, keys, columns):
        """Cells from keys [N] that may repeat, in any order, and the four columns [N] of what is summed."""
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        start = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
        sums = np.empty((len(start), 4), dtype=np.int64)
        if len(start):
            for number, column in enumerate(columns):
                sums[:, number] = np.add.reduceat(column[order], start, dtype=np.int64)
        return cls(keys[start], sums)

    def __len__(self):
        return len(self.keys)

    def __getitem__(self, rows):
        """The cells of a mask [M] bool or of ascending rows."""
        return Cells(self.keys[rows], self.sums[rows])

    @property
    def places(self):
        """[M, 3] int64 indices along x, y and z; a cell reaches from CELL times these on."""
        return unpack(self.keys)

    @property
    def plane(self):
        """The indices along x and y, two [M] int64."""
        return axis_of(self.keys, 0), axis_of(self.keys, 1)


def plane_cells(xyz, turn):
    """The indices along x and y of the cells of points [N, 3] turned by an angle about z, two [N] int32."""
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x, y, _ = xyz.T
    return _index(c * x - s * y), _index(s * x + c * y)


def _index(metres):
    return np.floor(metres / np.float32(CELL)).astype(np.int32)
