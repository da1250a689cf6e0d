# SPDX-License-Identifier: Apache-2.0
"""Rooms of a map, told apart by its walls, whether they were seen or not: their two sides do not touch."""

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    distance_transform_edt,
    label,
)

from ...grids.groups import components

DOOR = 1.0  # metres; narrower openings separate rooms
OPEN = 0.5  # width of an opening by the square root of the smaller room's area, above which both are one room
HOLE = 2  # columns; what no camera saw is taken for floor up to twice as wide
MOST_COLUMNS = 1 << 24  # of a map's bounds, beyond which rooms are not looked for: stray points lie far out
AROUND = np.ones((3, 3))  # a column or square and its neighbours


def segment_rooms(squares, columns, wall, width):
    """[C] int: occupied columns of one room have the same number.

    squares: [S, 2] int, index of each occupied square along x and y; columns: [C, 2] int, the same of columns, which
    are two by two squares, from even ones on; wall: [C] bool, columns of walls; width: of a square, metres, less than
    half of the thinnest wall.

    A room is where one can go without passing a wall or an opening narrower than DOOR, unless what was seen runs
    through an opening that is wide for so small a room: then furniture stands in the way. From its middle each room
    spreads over the squares that touch, walls and things too: the two sides of a wall do not touch.
    """
    corner = columns.min(axis=0) - 1
    squares, columns = squares - 2 * corner, columns - corner
    shape = columns.max(axis=0) + 2
    if shape.prod() > MOST_COLUMNS:
        return np.zeros(len(columns), dtype=np.int64)
    filled, seen, walls = _grid(shape, columns), _grid(2 * shape, squares), _grid(shape, columns[wall])
    rooms = _spread(_doubled(_middles(filled, walls, 2 * width)) * seen, seen)
    rooms = _without_wide_openings(rooms, rooms * ~_doubled(walls))[rooms]
    rooms = np.maximum(rooms[::2], rooms[1::2])
    rooms = np.maximum(rooms[:, ::2], rooms[:, 1::2])
    everywhere = np.pad(np.ones(shape - 2, dtype=bool), 1)
    return _spread(rooms, everywhere)[tuple(columns.T)]


def _grid(shape, places):
    """[X, Y] bool: True at the places [N, 2]."""
    grid = np.zeros(shape, dtype=bool)
    grid[tuple(places.T)] = True
    return grid


def _doubled(grid):
    """[2 X, 2 Y]: a grid of columns as one of squares."""
    return np.repeat(np.repeat(grid, 2, axis=0), 2, axis=1)


def _middles(seen, walls, width):
    """[X, Y] int: the middles of rooms, numbered from 1; elsewhere 0. seen, walls: [X, Y] bool columns; width: of a
    column, metres."""
    inside = binary_closing(seen, AROUND, iterations=HOLE)  # what no camera saw is part of a room, too
    inside = _without_holes(inside, walls) & ~walls
    return label(distance_transform_edt(inside) * width > DOOR / 2, AROUND)[0]


def _spread(labels, free):
    """[X, Y] int: labels (0: none) spread over the free squares that touch, a square per turn, to the side and across.

    free: [X, Y] bool, false at the border.
    """
    spread, free, side = labels.ravel().copy(), free.ravel() & (labels.ravel() == 0), labels.shape[1]
    last = np.flatnonzero(spread)
    while len(last):
        reached = []
        for step in (1, -1, side, -side, side + 1, side - 1, 1 - side, -1 - side):
            target = last + step
            new = free[target]
            target = target[new]
            spread[target], free[target] = spread[last[new]], False
            reached.append(target)
        last = np.concatenate(reached)
    return spread.reshape(labels.shape)


def _without_holes(inside, walls):
    """[X, Y] bool: `inside` and the holes in it, but not what lies between walls, such as a court. walls: [X, Y]
    bool."""
    walls = binary_dilation(walls, AROUND, iterations=HOLE)  # with the noise behind them
    holes, count = label(binary_fill_holes(inside) & ~inside)
    at_wall, at_any = np.zeros(count + 1), np.zeros(count + 1)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = (holes > 0) & np.roll(inside, step, axis)
        at_any += np.bincount(holes[beside], minlength=count + 1)
        at_wall += np.bincount(holes[beside & np.roll(walls, step, axis)], minlength=count + 1)
    return inside | ((at_wall < at_any / 2)[holes] & (holes > 0))


def _without_wide_openings(rooms, floor):
    """[R + 1] int: for each number in `rooms`, [X, Y] int with 0 for none, that of the room that it is part of. floor:
    [X, Y] int, the same numbers where an opening may be."""
    size = np.bincount(rooms.ravel())
    beside = [(floor[1:], floor[:-1]), (floor[:, 1:], floor[:, :-1])]
    pairs = np.concatenate([np.column_stack([a[m], b[m]]) for a, b in beside for m in [(a != b) & (a > 0) & (b > 0)]])
    pairs, border = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    smaller = pairs[np.arange(len(pairs)), np.argmin(size[pairs], axis=1)]
    order = np.argsort(border, kind="stable")
    widest = dict(zip(smaller[order].tolist(), order.tolist()))  # the last one stays
    wide = [pair for room, pair in widest.items() if border[pair] > OPEN * size[room] ** 0.5]
    part = components(len(size), pairs[wide])
    return np.where(np.arange(len(size)) == 0, 0, part + 1)
