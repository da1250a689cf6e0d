# SPDX-License-Identifier: Apache-2.0
"""Segment the rooms of a map by its walls. Walls are hollow in maps: their two faces do not touch."""

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    distance_transform_edt,
    label,
)

from ..grids.groups import components

MAX_DOOR = 1.0  # metres; openings narrower than this separate rooms
MIN_OPEN_RATIO = 0.5  # width of an opening / square root of the smaller room's area; above it both are one room
MAX_HOLE = 2  # columns; unseen floor is filled up to twice this width
MAX_COLUMNS = 1 << 24  # of a map's bounds; larger maps, with stray points far away, are taken as one room
NEIGHBOURHOOD = np.ones((3, 3))  # a column or square and its eight neighbours


def segment_rooms(squares, columns, wall, width):
    """[C] int room number of each occupied column.

    A room is floor that is connected without passing a wall or an opening narrower than MAX_DOOR. If the opening is
    wide compared to the smaller room, both sides are one room with a passage narrowed by furniture. Labels then spread
    from the middle of each room over touching squares, including walls and furniture.

    squares: [S, 2] int, index of each occupied square along x and y;
    columns: [C, 2] int, index of each occupied column, which is two by two squares, starting at even ones;
    wall: [C] bool, whether a column is part of a wall;
    width: edge of a square in metres, less than half of the thinnest wall.
    """
    corner = columns.min(axis=0) - 1
    squares, columns = squares - 2 * corner, columns - corner
    shape = columns.max(axis=0) + 2
    if shape.prod() > MAX_COLUMNS:
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
    """[2 X, 2 Y]: a grid of columns resampled to squares."""
    return np.repeat(np.repeat(grid, 2, axis=0), 2, axis=1)


def _middles(seen, walls, width):
    """[X, Y] int: the middles of rooms, numbered from 1; 0 elsewhere.

    seen, walls: [X, Y] bool columns; width: edge of a column in metres.
    """
    inside = binary_closing(seen, NEIGHBOURHOOD, iterations=MAX_HOLE)  # floor that was not seen
    inside = _without_holes(inside, walls) & ~walls
    return label(distance_transform_edt(inside) * width > MAX_DOOR / 2, NEIGHBOURHOOD)[0]


def _spread(labels, free):
    """[X, Y] int: labels (0: none) spread over touching free squares, one square per step in eight directions.

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
    """[X, Y] bool: `inside` with its holes filled, except those enclosed by walls, such as a courtyard.

    walls: [X, Y] bool.
    """
    walls = binary_dilation(walls, NEIGHBOURHOOD, iterations=MAX_HOLE)  # includes the noise behind them
    holes, count = label(binary_fill_holes(inside) & ~inside)
    at_wall, at_any = np.zeros(count + 1), np.zeros(count + 1)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = (holes > 0) & np.roll(inside, step, axis)
        at_any += np.bincount(holes[beside], minlength=count + 1)
        at_wall += np.bincount(holes[beside & np.roll(walls, step, axis)], minlength=count + 1)
    return inside | ((at_wall < at_any / 2)[holes] & (holes > 0))


def _without_wide_openings(rooms, floor):
    """[R + 1] int: for each room number the number of the room that it is part of.

    rooms: [X, Y] int, 0 for none; floor: [X, Y] int, the same numbers where an opening is possible.
    """
    size = np.bincount(rooms.ravel())
    beside = [(floor[1:], floor[:-1]), (floor[:, 1:], floor[:, :-1])]
    pairs = np.concatenate([np.column_stack([a[m], b[m]]) for a, b in beside for m in [(a != b) & (a > 0) & (b > 0)]])
    pairs, border = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    smaller = pairs[np.arange(len(pairs)), np.argmin(size[pairs], axis=1)]
    order = np.argsort(border, kind="stable")
    widest = dict(zip(smaller[order].tolist(), order.tolist()))  # the widest is last
    wide = [pair for room, pair in widest.items() if border[pair] > MIN_OPEN_RATIO * size[room] ** 0.5]
    part = components(len(size), pairs[wide])
    return np.where(np.arange(len(size)) == 0, 0, part + 1)
