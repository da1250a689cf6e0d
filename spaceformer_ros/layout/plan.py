# SPDX-License-Identifier: Apache-2.0
"""One storey of a map as a plan: where there is floor, and how much stands on each place."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..grids.groups import ranges
from ..grids.keys import distinct
from .cells import CELL

FLOOR_SLACK = 0.12  # metres around the height of the floor that are floor
BODY = (0.3, 2.0)  # metres above the floor in which walls are looked for: above skirtings, and seen by low cameras
HIGH = 2.1  # metres above the floor: walls, lintels above doors, hardly any furniture
BELOW_CEILING = 0.15  # metres; what is higher belongs to the ceiling
MAX_PLACES = 1 << 25  # cells of a plan; stray points far away make larger ones


@dataclass(frozen=True)
class PlanView:
    """One storey seen from above, in the frame turned along the walls. Indices of cells start at `low`.

    cells: [M, 3] int64 cells above the floor, sorted, x and y from `low`, z from the floor; low: [2] int64;
    sums: [M, 4] of these cells, as in Cells;
    floor: [X, Y] bool, where the floor was seen; seen: [X, Y] bool, where anything was seen;
    fill, high: [X, Y] int32, number of occupied cells of BODY, and above HIGH;
    top: metres from the floor to the ceiling.
    """

    cells: np.ndarray
    sums: np.ndarray
    low: np.ndarray
    floor: np.ndarray
    seen: np.ndarray
    fill: np.ndarray
    high: np.ndarray
    top: float

    @classmethod
    def of(cls, cells, floor_z, ceiling_z):
        """PlanView of the Cells between two heights in metres, or None without any or with too large a plan."""
        top, places = ceiling_z - floor_z, cells.places
        z = (places[:, 2] + 0.5) * CELL - floor_z
        inside = (z > -FLOOR_SLACK) & (z < top + FLOOR_SLACK)
        places, z, sums = places[inside], z[inside], cells.sums[inside]
        if not len(places):
            return None
        low = (places[:, :2].min(axis=0) - 2) & -2  # even, so that columns of two cells keep their place
        shape = tuple((places[:, :2].max(axis=0) - low + 3).tolist())
        if np.prod(shape, dtype=np.float64) > MAX_PLACES:
            return None
        place = np.ravel_multi_index((places[:, :2] - low).T, shape)
        count = int(np.prod(shape))
        floor, seen = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        floor[place[z < FLOOR_SLACK]] = True
        seen[place] = True
        body = (z >= BODY[0]) & (z <= min(BODY[1], top - BELOW_CEILING))
        fill = np.bincount(place[body], minlength=count).astype(np.int32)
        over = (z >= HIGH) & (z <= top - BELOW_CEILING)
        high = np.bincount(place[over], minlength=count).astype(np.int32)
        above = z >= FLOOR_SLACK
        level = np.round(z[above] / CELL).astype(np.int64)
        return cls(
            np.column_stack([places[above, :2] - low, level]),
            sums[above],
            low,
            floor.reshape(shape),
            seen.reshape(shape),
            fill.reshape(shape),
            high.reshape(shape),
            float(top),
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
        """The cells above places [P, 2] of this plan: (row of the place of each [n], row of each in `cells` [n])."""
        place = np.ravel_multi_index(places.T, self.seen.shape)
        first, last = (np.searchsorted(self._columns, place, side) for side in ("left", "right"))
        found = ranges(first, last - first)
        return np.repeat(np.arange(len(places)), last - first), found

    def colors(self, rows):
        """[n, 3] float64 mean colours of the points in cells of this plan, rows [n]."""
        return self.sums[rows, 1:] / self.sums[rows, :1]

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
        corners = np.array([[t, r] for t in along for r in across]) @ axes
        low, high = self.places(corners.min(axis=0)), self.places(corners.max(axis=0))
        sides = [np.arange(first, last + 1) for first, last in zip(low, high)]
        places = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)
        t, r = (self.metres(places) @ axis for axis in axes)
        inside = (t >= along[0]) & (t <= along[1]) & (r >= across[0]) & (r <= across[1])
        return places[inside], t[inside]
