# SPDX-License-Identifier: Apache-2.0
"""Find the upward direction of a map whose frame is tilted, such as that of a pitched camera, from its floor.

A floor is a thin slab that holds many of the map's cells and has almost nothing below it. All directions within
MAX_TILT of the z axis are tried, first coarsely, and the best one is refined by fitting a plane to its slab.
"""

import numpy as np

from ..geometry.sampling import sample_by_value
from ..geometry.vectors import unit_vectors
from ..grids.keys import cell_keys

UP = (0.0, 0.0, 1.0)
MAX_TILT = 35.0  # degrees
MIN_TILT = 1.0  # degrees; the network was trained with tilts of this size
MIN_GAIN = 1.25  # the floor must hold this many times as many cells as the level slab
MIN_FLOOR_SHARE = 0.06  # of the cells that a floor holds at least; with fewer, the upward direction is not clear
BELOW = np.linspace(0, 0.03, 5)  # shares of the cells that may lie below a floor, at which a slab is tried
CELL = 0.1  # metres; cells are counted rather than points, whose density varies with the distance from the sensor
SLAB = 0.06  # metres; thickness of a floor with its noise
STEPS = ((MAX_TILT, 2.5), (2.5, 0.5))  # range around the best direction so far and grid of each search, degrees
MAX_CELLS = 800  # of the sample
ROUNDING = 1e-4  # of the result, so that the order of the points does not matter


def upward_direction(xyz):
    """[3] float64 unit vector, normal of the floor of a map; UP for a map that is level or has no clear floor.

    xyz: [N, 3] metres, N >= 1, z roughly up.
    """
    cells = _sample(xyz)
    some = cells[:: -(-len(cells) // MAX_CELLS)]
    reach = np.linalg.norm(some[:, :2], axis=1).max()
    best = np.zeros(2)
    for extent, step in STEPS:
        tilts = best + _disc(extent, step)
        tilts = tilts[np.linalg.norm(tilts, axis=1) <= MAX_TILT]
        thickness = (
            SLAB + reach * np.radians(step) / 2
        )  # a floor is this thick where the direction is off by half a step
        best = tilts[np.argmax(_floor_counts(some, directions(tilts), thickness)[0])]
    up = _refined(cells, directions(best[None])[0])
    level, found = _floor_counts(cells, np.array([UP, up]), SLAB)[0]
    tilt = np.degrees(np.arccos(min(up[2], 1.0)))
    clear = found >= max(MIN_GAIN * level, MIN_FLOOR_SHARE * len(cells))
    return up if clear and MIN_TILT <= tilt <= MAX_TILT else np.array(UP)


def directions(tilts):
    """[T, 3] unit vectors that are tilted from the z axis. tilts: [T, 2] degrees, along x and y."""
    angle = np.radians(np.linalg.norm(tilts, axis=1))
    scale = np.sin(angle) / np.maximum(angle, 1e-12)
    return np.column_stack([np.radians(tilts) * scale[:, None], np.cos(angle)])


def _sample(xyz):
    """[n, 3] float64 mean points of the occupied cells of a sample, about its centre, in any order of the points."""
    chosen = sample_by_value(xyz.T, len(xyz))
    points = (xyz[chosen] if chosen.any() else xyz[:1]).astype(np.float64)
    _, cell = np.unique(cell_keys(points, CELL), return_inverse=True)
    means = np.column_stack([np.bincount(cell, axis) for axis in points.T]) / np.bincount(cell)[:, None]
    return means - means.mean(axis=0)


def _disc(extent, step):
    """[T, 2] grid of tilts up to `extent` degrees."""
    axis = np.arange(-extent, extent + step / 2, step)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return grid[np.linalg.norm(grid, axis=1) <= extent]


def _floor_counts(cells, ups, thickness):
    """For T directions the number of cells in the slab of the floor and the height of its lower side, [T] each.

    cells: [n, 3] metres; ups: [T, 3] unit vectors; thickness: of the slab, metres.
    """
    heights = (ups @ cells.T).astype(np.float32)
    below = np.unique((BELOW * (len(cells) - 1)).astype(np.int64))
    heights.partition(below, axis=1)
    counts = np.stack([(heights < heights[:, [k]] + np.float32(thickness)).sum(axis=1) - k for k in below], axis=1)
    best = counts.argmax(axis=1)
    rows = np.arange(len(ups))
    return counts[rows, best], heights[rows, below[best]]


def _refined(cells, up):
    """The normal of the plane through the cells of the floor's slab, [3]."""
    for thickness in (2 * SLAB, SLAB, SLAB):
        _, (low,) = _floor_counts(cells, up[None], thickness)
        heights = cells @ up
        floor = cells[(heights >= low) & (heights < low + thickness)]
        matrix = np.column_stack([floor[:, :2], np.ones(len(floor))])
        slope = np.linalg.lstsq(matrix, floor[:, 2], rcond=None)[0][:2]
        up = unit_vectors(np.array([[*np.round(-slope / ROUNDING) * ROUNDING, 1.0]]))[0]
    return up


def rotation_to(up):
    """[3, 3] rotation about a horizontal axis that turns the unit vector `up`, up[2] > 0, to the z axis."""
    x, y, z = up
    xx, xy, yy = x * x / (1 + z), x * y / (1 + z), y * y / (1 + z)
    return np.array([[1 - xx, -xy, -x], [-xy, 1 - yy, -y], [x, y, z]])
