# SPDX-License-Identifier: Apache-2.0
"""Floors and ceilings of the storeys of a map, as peaks of the heights of its cells."""

import numpy as np

from ..geometry.floor import base_height
from .cells import CELL

MIN_STOREY = 2.0  # metres from a floor to the floor above it
HEADROOM = 1.5  # metres from an upper floor to the highest cells: tops of cupboards and beams are no floors
MIN_FLOOR_SHARE = 0.3  # of the cells at the lowest floor that an upper floor has
PROMINENCE = 2.0  # cells at an upper floor over those at the same number of heights of the walls that stand on it
MIN_WALL_SHARE = 0.25  # of the cells above the lowest floor that stand on an upper floor; a ceiling has none
WALL_BAND = (0.4, 1.8)  # metres above a floor in which they are counted
SLAB = 0.6  # metres between a ceiling and the floor above it
CEILING_SHARE = 0.15  # of the cells at the lowest floor that a ceiling has
TOP_SHARE = 0.002  # of the cells of a storey without a ceiling that are strays above its walls


def find_levels(cells):
    """List of (floor_z, ceiling_z) of the storeys, lowest first, metres: one or more, none without cells.

    Where no further floor stands out there is one storey; without a ceiling its height is that of the walls.
    cells: [M, 3] int64.
    """
    if not len(cells):
        return []
    height = (cells[:, 2] + 0.5) * CELL
    bottom = base_height(height)
    counts = np.bincount((cells[:, 2] - cells[:, 2].min()).clip(0))
    start = int(cells[:, 2].min())
    first = _peak(counts, round(bottom / CELL - 0.5) - start, 5)
    floors = [first, *_upper_floors(counts, first)]
    ends = [*(floor - 1 for floor in floors[1:]), len(counts)]
    levels = []
    for floor, end in zip(floors, ends):
        ceiling = _ceiling(counts, floor, end)
        levels.append((_mean_height(counts, floor, start), (ceiling + start + 0.5) * CELL))
    return levels


def _peak(counts, row, reach):
    """Row of the largest count within `reach` rows above `row`."""
    row = max(row, 0)
    return row + int(np.argmax(counts[row : row + reach]))


def _mean_height(counts, row, start):
    """Height of a peak in metres: the mean of its three rows."""
    rows = np.arange(max(row - 1, 0), min(row + 2, len(counts)))
    return float((np.average(rows, weights=counts[rows] + 1e-9) + start + 0.5) * CELL)


def _upper_floors(counts, first):
    """Rows of the floors above the first one."""
    pairs = counts + np.append(counts[1:], 0)
    is_floor = pairs >= np.maximum(MIN_FLOOR_SHARE * pairs[first], PROMINENCE * _wall_pairs(counts))
    floors, row = [], first + round(MIN_STOREY / CELL)
    while row < len(counts):
        last = min(row + round(SLAB / CELL), len(counts))
        is_peak = is_floor[row] and pairs[row] >= pairs[max(row - 2, 0) : row + 3].max()
        is_walled = _standing(counts, row) >= MIN_WALL_SHARE * _standing(counts, first)
        if is_peak and is_walled and _ceiling(counts, row, len(counts)) - row >= HEADROOM / CELL:
            best = row + int(np.flatnonzero(is_floor[row:last])[-1])
            best = _peak(counts, best - 1, 3)
            floors.append(best)
            row = best + round(MIN_STOREY / CELL)
        else:
            row += 1
    return floors


def _wall_pairs(counts):
    """[H] cells at two heights of what stands on a floor at each row, on average over WALL_BAND."""
    total = np.concatenate([[0], np.cumsum(counts)])
    low, high = (np.minimum(np.arange(len(counts)) + round(bound / CELL), len(counts)) for bound in WALL_BAND)
    return 2 * (total[high] - total[low]) / (round(WALL_BAND[1] / CELL) - round(WALL_BAND[0] / CELL))


def _standing(counts, row):
    """Number of cells that stand on a floor at a row."""
    low, high = (row + round(bound / CELL) for bound in WALL_BAND)
    return int(counts[low:high].sum())


def _ceiling(counts, floor, end):
    """Row of the ceiling between a floor and the row `end` of the floor above, or of the upper ends of the walls."""
    low = floor + round(MIN_STOREY / CELL)
    above = counts[low:end]
    if len(above) and above.max() >= CEILING_SHARE * counts[floor]:
        return low + int(np.argmax(above))
    rows = counts[floor:end]
    share = np.cumsum(rows[::-1])[::-1] / max(rows.sum(), 1)
    return floor + int(np.flatnonzero(share >= TOP_SHARE)[-1])
