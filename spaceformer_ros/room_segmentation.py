"""Rooms of a map: which of its columns lie in one room, told apart by the floor that walls stand at."""

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    label,
)
from scipy.spatial import cKDTree

from .sparse import components

DOOR = 1.0  # metres; narrower openings separate rooms
OPEN = 0.8  # width of an opening by the square root of the smaller room's area, above which both are one room
LEAST_ROOM = 2.0  # square metres of a place that is narrower than DOOR everywhere, and yet a room
HOLE = 2  # columns; holes up to twice as wide are closed
MOST_SQUARES = 1 << 26  # of a map's bounds, beyond which rooms are not looked for: stray points lie far out
SQUARE = np.ones((3, 3))  # a column and its neighbours


def segment_rooms(place, wall, width):
    """[C] int: columns of one room have the same number.

    place: [C, 2] int, index of each occupied column along x and y; wall: [C] bool; width: of a column, metres.

    A room is where one can go without passing a wall or an opening narrower than DOOR, unless the opening is wide for
    so small a room: then furniture or what no camera saw stands in the way. What lies in openings and in narrow places
    belongs to the nearest room on the same side of the walls; walls, and pockets between them such as cupboards, to
    what they touch most.
    """
    place = place - place.min(axis=0) + 1
    shape = place.max(axis=0) + 2
    if shape.prod() > MOST_SQUARES:
        return np.zeros(len(place), dtype=np.int64)
    filled, walls = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    filled[tuple(place.T)], walls[tuple(place[wall].T)] = True, True
    inside = binary_closing(filled, SQUARE, iterations=HOLE)  # what no camera saw is part of a room, too
    inside = binary_opening(_without_holes(inside, walls) & ~walls, SQUARE)  # without noise along walls
    area, _ = label(inside)
    seeds, _ = label((distance_transform_edt(inside) * width > DOOR / 2) & inside, SQUARE)
    seeds = _with_narrow_rooms(seeds, area, LEAST_ROOM / width**2)
    if seeds.max() < 2:
        return np.zeros(len(place), dtype=np.int64)
    rooms = _nearest_of_area(seeds, area)
    rooms = _without_wide_openings(rooms)[rooms]
    seen = binary_opening(binary_closing(filled, SQUARE) & ~walls, SQUARE) & (rooms > 0)  # no noise behind walls
    seen = seen if seen.any() else rooms > 0
    known, pockets = np.argwhere(seen), inside & (rooms == 0)
    rooms[~seen] = rooms[tuple(known[cKDTree(known).query(np.argwhere(~seen))[1]].T)]
    rooms[pockets] = _most_frequent(area[pockets], rooms[pockets])
    return rooms[tuple(place.T)] - 1


def _nearest_of_area(seeds, area):
    """[X, Y] int: the nearest of the seeds in each square's own area; 0 outside, and in areas without a seed."""
    squares = np.argwhere(np.isin(area, np.unique(area[seeds > 0])))
    sources, far = np.argwhere(seeds), 2 * sum(area.shape)  # areas that lie so far apart do not see each other's seeds
    apart = lambda places: np.column_stack([places, far * area[tuple(places.T)]])  # noqa: E731
    nearest = sources[cKDTree(apart(sources)).query(apart(squares))[1]]
    rooms = np.zeros(area.shape, dtype=np.int64)
    rooms[tuple(squares.T)] = seeds[tuple(nearest.T)]
    return rooms


def _without_holes(inside, walls):
    """[X, Y] bool: `inside` and the holes in it, but not what lies between walls, such as a court. walls: [X, Y]
    bool."""
    walls = binary_dilation(walls, SQUARE, iterations=HOLE)  # with the noise behind them
    holes, count = label(binary_fill_holes(inside) & ~inside)
    at_wall, at_any = np.zeros(count + 1), np.zeros(count + 1)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = (holes > 0) & np.roll(inside, step, axis)
        at_any += np.bincount(holes[beside], minlength=count + 1)
        at_wall += np.bincount(holes[beside & np.roll(walls, step, axis)], minlength=count + 1)
    return inside | ((at_wall < at_any / 2)[holes] & (holes > 0))


def _with_narrow_rooms(seeds, area, least):
    """Seeds of rooms, where each area without any that has at least `least` squares is one, too. seeds, area: [X, Y]
    int, 0 for none."""
    size = np.bincount(area.ravel())
    narrow = size >= least
    narrow[np.unique(area[seeds > 0])] = narrow[0] = False
    return np.where(narrow[area], seeds.max() + area, seeds)


def _without_wide_openings(rooms):
    """[R + 1] int: for each number in `rooms`, [X, Y] int with 0 for none, that of the room that it is part of."""
    size = np.bincount(rooms.ravel())
    pairs = [(rooms[1:], rooms[:-1]), (rooms[:, 1:], rooms[:, :-1])]
    pairs = np.concatenate([np.column_stack([a[(a != b) & (a * b > 0)], b[(a != b) & (a * b > 0)]]) for a, b in pairs])
    pairs, border = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    smaller = pairs[np.arange(len(pairs)), np.argmin(size[pairs], axis=1)]
    widest = dict(zip(smaller[np.argsort(border, kind="stable")].tolist(), np.argsort(border, kind="stable").tolist()))
    chosen = [pair for room, pair in widest.items() if border[pair] > OPEN * size[room] ** 0.5]
    part = components(len(size), pairs[chosen])
    return np.where(np.arange(len(size)) == 0, 0, part + 1)


def _most_frequent(groups, values):
    """[N] the commonest of the values [N] in each one's group, [N] int."""
    if not len(groups):
        return values
    pairs, counts = np.unique(np.column_stack([groups, values]), axis=0, return_counts=True)
    best = dict(pairs[np.argsort(counts, kind="stable")].tolist())
    return np.array([best[group] for group in groups.tolist()])
