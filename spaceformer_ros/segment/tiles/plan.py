# SPDX-License-Identifier: Apache-2.0
"""Tiles: parts of a map that the network takes one by one: rooms, or parts of large ones, cut between objects.

Plans are made on columns: squares of about 10 cm in x and y, all heights together. Every occupied column belongs to the
core of one tile. A tile's region is its core and what lies within a margin around it in the same room, so that objects
at a cut are whole in one tile at least. Tiles stay as they are while the map grows around them: new columns become
tiles by the same rules, and where they are too few for that they join their nearest tile.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...geometry.floor import floor_height
from ...grids.groups import ranges, touching_components
from ...grids.keys import pack, unpack
from .rooms import segment_rooms

SQUARE = 0.05  # metres, about: a whole number of voxels; columns are two by two of them
FLOOR = 0.01  # share of the voxels that lie below it at most
BODY = (0.2, 2.0)  # metres above the floor, where objects stand and walls are filled
WALL_FILL = 0.5  # share of the levels of BODY that are occupied in a column of a wall
OBJECT_COST, FLOOR_COST, WALL_COST = 1.0, 0.2, 0.0  # of cutting through a column: no object reaches through a wall
NEIGHBOUR = 3  # columns; squares of this side that touch hold columns that lie together
SMALL = 1 / 32  # of the budget: fewer voxels are no tile of their own


@dataclass(frozen=True, eq=False)
class Tile:
    """Columns by key, sorted int64: `core` belongs to no other tile, `region` holds it and is what the network sees.

    number: of this tile in every plan, while columns join it and leave it.
    """

    number: int
    core: np.ndarray
    region: np.ndarray


@dataclass(frozen=True)
class Columns:
    """The C occupied columns of a map of M voxels.

    keys: [C] sorted int64; place: [C, 2] int64 index along x and y; counts: [C] voxels; cost: [C] of cutting through;
    room: [C] int; pile: [P] int64 column of each pile, voxels one above the other; start: [P + 1] int64 first voxel of
    each; width: metres.
    """

    keys: np.ndarray
    place: np.ndarray
    counts: np.ndarray
    cost: np.ndarray
    room: np.ndarray
    pile: np.ndarray
    start: np.ndarray
    width: float

    @classmethod
    def of(cls, start, place, height, voxel_size):
        """Columns of the piles of a map, as `Level.piles` gives them; voxel_size: metres."""
        step = max(round(SQUARE / voxel_size), 1)
        squares, square = np.unique(pack(place // step), return_inverse=True)
        squares = unpack(squares, 2)
        keys, column = np.unique(pack(squares // 2), return_inverse=True)
        pile, place = column[square], unpack(keys, 2)
        of_voxel = np.repeat(pile, np.diff(start))
        cost = _costs(of_voxel, height, len(keys), voxel_size)
        room = segment_rooms(squares, place, cost == WALL_COST, step * voxel_size)
        return cls(keys, place, np.bincount(of_voxel), cost, room, pile, start, 2 * step * voxel_size)

    def rows(self, keys):
        """Sorted rows of the columns that are among sorted keys."""
        rows = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return rows[self.keys[rows] == keys]

    def tile(self, number, core, region):
        """The Tile of the columns in the rows `core` and `region`."""
        return Tile(number, self.keys[core], self.keys[region])

    def voxels(self, tile):
        """Sorted rows of the voxels in a tile's region."""
        inside = np.zeros(len(self.keys), dtype=bool)
        inside[self.rows(tile.region)] = True
        piles = np.flatnonzero(inside[self.pile])
        size = self.start[piles + 1] - self.start[piles]
        return ranges(self.start[piles], size)

    def owner(self, tiles):
        """[M] int32: the tile whose core holds each voxel."""
        owner = np.full(len(self.keys), -1, dtype=np.int32)
        for number, tile in enumerate(tiles):
            owner[self.rows(tile.core)] = number
        return np.repeat(owner[self.pile], np.diff(self.start))

    def near(self, rows, reach):
        """Sorted rows of the columns in `rows` and of those of the same room within `reach` columns in x and in y."""
        room = np.argmax(np.bincount(self.room[rows], weights=self.counts[rows]))
        low, high = self.place[rows].min(axis=0) - reach, self.place[rows].max(axis=0) + reach
        near = (self.room == room) & ((self.place >= low) & (self.place <= high)).all(axis=1)
        distance, _ = cKDTree(self.place[rows]).query(self.place[near], p=np.inf, distance_upper_bound=reach + 0.5)
        near[near] = np.isfinite(distance)
        near[rows] = True
        return np.flatnonzero(near)

    def voxels_near(self, rows, reach):
        """Number of voxels in these columns: what a tile with this core sees."""
        return int(self.counts[self.near(rows, reach)].sum())


def _costs(column, height, count, voxel_size):
    """[count] cost of cutting through each column. column: [M]; height: [M] voxel index along z."""
    low, high = (round(bound / voxel_size) for bound in BODY)
    floor = floor_height(height, FLOOR)
    level = (height - (floor + low - 1)).clip(0, high - low + 1)  # the first and the last hold all below and above
    filled = np.zeros((high - low + 2, count), dtype=bool)
    filled.ravel()[level * count + column] = True
    share = filled[1:-1].mean(axis=0)
    return np.where(share >= WALL_FILL, WALL_COST, np.where(share > 0, OBJECT_COST, FLOOR_COST))


def plan_tiles(columns, budget, margin, previous=()):
    """Tiles whose cores share out the occupied columns: tuple of Tile.

    budget: rooms that hold more voxels, margins included, are cut into tiles of at most so many, tiles of an earlier
    plan at twice as many; what is too narrow to be cut holds more. margin: metres. previous: the tiles of the last
    plan. They are kept, the same objects where no new columns joined them, unless they must be cut. The same arguments
    give the same plan.
    """
    reach = max(round(margin / columns.width), 1)
    known = [(tile, columns.rows(tile.core)) for tile in previous]
    kept, cores = [tile for tile, rows in known if len(rows)], [rows for _, rows in known if len(rows)]
    covered = np.zeros(len(columns.keys), dtype=bool)
    for rows in cores:
        covered[rows] = True
    numbers = itertools.count(1 + max((tile.number for tile in previous), default=-1))
    tiles = []
    shares = _share_out(columns, np.flatnonzero(~covered), cores, budget)
    for tile, before, rows in itertools.zip_longest(kept, cores, shares):
        same = tile is not None and len(rows) == len(before)
        region = columns.rows(tile.region) if same else columns.near(rows, reach)
        fits = columns.counts[region].sum() <= (2 if tile else 1) * budget  # a tile that has grown a little stays
        pieces = [rows] if fits else _cut(columns, rows, budget, reach)
        if len(pieces) > 1:
            tiles += [columns.tile(next(numbers), piece, columns.near(piece, reach)) for piece in pieces]
        else:
            tiles.append(tile if same else columns.tile(tile.number if tile else next(numbers), rows, region))
    return tuple(tiles)


def _share_out(columns, rows, cores, budget):
    """The cores with the columns in `rows`: a room of them is a core of its own if it is not too small; what is left
    joins the nearest core, that of a new room if it touches one."""
    if not len(rows):
        return cores
    group = _patches(columns.place[rows], columns.room[rows])
    large = np.bincount(group, weights=columns.counts[rows]) >= SMALL * budget
    if not large.any() and not cores:
        return [rows]
    new = [rows[group == number] for number in np.flatnonzero(large)]
    odd, patch = ~large[group], _patches(columns.place[rows])
    beside = odd & np.isin(patch, patch[~odd])
    return _join(columns, [*cores, *_join(columns, new, rows[beside])], rows[odd & ~beside])


def _join(columns, cores, rows):
    """The cores, each with those of the columns in `rows` that are nearest to it."""
    if not len(rows):
        return cores
    tree = cKDTree(np.concatenate([columns.place[core] for core in cores]))
    number = np.repeat(np.arange(len(cores)), [len(core) for core in cores])
    nearest = number[tree.query(columns.place[rows], p=np.inf)[1]]
    return [np.sort(np.concatenate([core, rows[nearest == k]])) for k, core in enumerate(cores)]


def _patches(place, room=0):
    """[R] int: columns of one room in squares that touch have the same number. room: [R] int, or one for all."""
    apart = np.broadcast_to(2 * room, len(place))  # rooms lie 2 apart: their squares do not touch
    return touching_components(np.column_stack([place // NEIGHBOUR, apart]))


def _cut(columns, rows, budget, reach):
    """Rows of columns, halved again and again until each part with its margin holds at most `budget` voxels."""
    place = columns.place[rows]
    along, sides = place - place.min(axis=0), np.ptp(place, axis=0) + 1
    if columns.voxels_near(rows, reach) <= budget or sides.max() <= 2 * reach:
        return [rows]
    lines = []
    for axis in np.flatnonzero(sides > 2 * reach):
        price, line = _best_line(np.bincount(along[:, axis], weights=columns.cost[rows]))
        lines.append((price / sides[1 - axis], axis, line))
    _, axis, line = min(lines)
    left = along[:, axis] < line
    return [*_cut(columns, rows[left], budget, reach), *_cut(columns, rows[~left], budget, reach)]


def _best_line(cost):
    """Price and place of the best cut across a side of S columns, between S/4 and 3S/4: where it costs least, better
    near the middle.

    cost: [S] of the columns at each place of the side; a cut at s touches those at s - 1 and s.
    """
    size = len(cost)
    quarter = -(-size // 4)
    line = np.arange(quarter, size - quarter + 1)
    price = (1 + cost[line - 1] + cost[line]) * (1 + np.abs(line - size / 2) / size)
    best = np.argmin(price)
    return float(price[best]), int(line[best])
