# SPDX-License-Identifier: Apache-2.0
"""A map as occupied cells, and one storey of it as a plan: where there is floor, and how much stands on each place."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..grids.groups import ranges
from ..grids.keys import cell_keys, distinct, unpack

CELL = 0.05  # metres, edge of a cell
BLOCK = 1 << 20  # points converted at a time, so that memory depends on the cells and not on the points
FLOOR_SLACK = 0.12  # metres around the height of the floor that are floor
BODY = (0.3, 2.0)  # metres above the floor in which walls are looked for: above skirtings, and seen by low cameras
HIGH = 2.1  # metres above the floor: walls, lintels above doors, hardly any furniture
BELOW_CEILING = 0.15  # metres; what is higher belongs to the ceiling
MAX_PLACES = 1 << 25  # cells of a plan; stray points far away make larger ones


def occupied(xyz, turn):
    """[M, 3] int64 occupied cells, sorted by x, y and z, of points turned by the angle `turn` about z.

    xyz: [N, 3] metres; turn: radians.
    """
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    parts, size = [], 0
    for first in range(0, len(xyz), BLOCK):
        x, y, z = xyz[first : first + BLOCK].T
        parts.append(distinct(cell_keys(np.column_stack([c * x - s * y, s * x + c * y, z]), CELL)))
        size += len(parts[-1])
        if size > 8 * BLOCK:
            parts = [distinct(np.concatenate(parts))]
            size = len(parts[0])
    return unpack(distinct(np.concatenate([np.zeros(0, np.int64), *parts])))


@dataclass(frozen=True)
class PlanView:
    """One storey seen from above, in the frame turned along the walls. Indices of cells start at `low`.

    cells: [M, 3] int64 cells above the floor, sorted, x and y from `low`, z from the floor; low: [2] int64;
    floor: [X, Y] bool, where the floor was seen; seen: [X, Y] bool, where anything was seen;
    fill, high: [X, Y] int32, number of occupied cells of BODY, and above HIGH;
    top: metres from the floor to the ceiling.
    """

    cells: np.ndarray
    low: np.ndarray
    floor: np.ndarray
    seen: np.ndarray
    fill: np.ndarray
    high: np.ndarray
    top: float

    @classmethod
    def of(cls, cells, floor_z, ceiling_z):
        """PlanView of the cells [M, 3] between two heights in metres, or None without any or with too large a plan."""
        z = (cells[:, 2] + 0.5) * CELL - floor_z
        inside = (z > -FLOOR_SLACK) & (z < ceiling_z - floor_z + FLOOR_SLACK)
        cells, z = cells[inside], z[inside]
        if not len(cells):
            return None
        low = cells[:, :2].min(axis=0) - 2
        shape = tuple((cells[:, :2].max(axis=0) - low + 3).tolist())
        if np.prod(shape, dtype=np.float64) > MAX_PLACES:
            return None
        place = np.ravel_multi_index((cells[:, :2] - low).T, shape)
        count = int(np.prod(shape))
        floor, seen = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        floor[place[z < FLOOR_SLACK]] = True
        seen[place] = True
        body = (z >= BODY[0]) & (z <= min(BODY[1], ceiling_z - floor_z - BELOW_CEILING))
        fill = np.bincount(place[body], minlength=count).astype(np.int32)
        over = (z >= HIGH) & (z <= ceiling_z - floor_z - BELOW_CEILING)
        high = np.bincount(place[over], minlength=count).astype(np.int32)
        level = np.round(z / CELL).astype(np.int64)
        above = z >= FLOOR_SLACK
        local = np.column_stack([cells[above, :2] - low, level[above]])
        return cls(
            local,
            low,
            floor.reshape(shape),
            seen.reshape(shape),
            fill.reshape(shape),
            high.reshape(shape),
            float(ceiling_z - floor_z),
        )

    def metres(self, places):
        """[..., 2] metres in the turned frame: the middles of cells [..., 2] of this plan."""
        return (np.asarray(places) + self.low + 0.5) * CELL

    def places(self, xy):
        """[..., 2] int64 cells of this plan that contain positions [..., 2], clipped to the plan."""
        places = np.floor(np.asarray(xy) / CELL).astype(np.int64) - self.low
        return np.clip(places, 0, np.array(self.seen.shape) - 1)

    @cached_property
    def levels(self):
        """Number of cells from the floor to above the highest one."""
        return int(self.cells[:, 2].max(initial=0)) + 2

    @cached_property
    def _columns(self):
        """[M] int64, ascending: the place of each cell as one number."""
        return np.ravel_multi_index(self.cells[:, :2].T, self.seen.shape)

    def above(self, places):
        """The cells above places [P, 2] of this plan: (row of the place of each [n], cells above the floor [n])."""
        place = np.ravel_multi_index(places.T, self.seen.shape)
        first, last = (np.searchsorted(self._columns, place, side) for side in ("left", "right"))
        found = ranges(first, last - first)
        return np.repeat(np.arange(len(places)), last - first), self.cells[found, 2]

    def share_above(self, axes, along, across):
        """Share of the length of a rectangle, as `strip` takes it, at which something was seen above HIGH.

        1 in a storey that ends there, so that nothing can be seen.
        """
        if self.top < HIGH + BELOW_CEILING + CELL:
            return 1.0
        places, t = self.strip(axes, along, across)
        columns = ((t[self.high[tuple(places.T)] > 0] - along[0]) / CELL).astype(np.int64)
        return len(distinct(columns)) * CELL / max(along[1] - along[0], CELL)

    def strip(self, axes, along, across):
        """Places of a rectangle: ([P, 2] int64, metres along it [P]).

        axes: [2, 2] unit vectors along and across it; along, across: (from, to) metres
        """
        steps = (np.arange(low - CELL, high + CELL, CELL / 2) for low, high in (along, across))
        t, r = (grid.ravel() for grid in np.meshgrid(*steps))
        places = np.floor((t[:, None] * axes[0] + r[:, None] * axes[1]) / CELL).astype(np.int64) - self.low
        shape = np.array(self.seen.shape)
        places = places[((places >= 0) & (places < shape)).all(axis=1)]
        places = np.column_stack(np.unravel_index(distinct(np.ravel_multi_index(places.T, shape)), shape))
        t, r = (self.metres(places) @ axis for axis in axes)
        inside = (t >= along[0]) & (t <= along[1]) & (r >= across[0]) & (r <= across[1])
        return places[inside], t[inside]
