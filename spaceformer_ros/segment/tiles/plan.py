# SPDX-License-Identifier: Apache-2.0
"""Divide a map into tiles that the network processes one by one: rooms, or parts of large rooms cut between objects.

Plans are made on columns: squares of about 10 cm in x and y over all heights. Every occupied column belongs to the core
of one tile. A tile's region is its core and a margin around it in the same room, so that an object at a cut is complete
in at least one tile. Tiles are kept while the map grows: new columns become tiles by the same rules or, if they are too
few, join the nearest tile.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...geometry.floor import floor_height
from ...grids.groups import ranges, touching_components
from ...grids.keys import pack, unpack
from ...layout.room_areas import segment_rooms

SQUARE = 0.05  # metres, rounded to whole voxels; a column is two by two squares
FLOOR_SHARE = 0.01  # highest share of voxels below the floor (reflections, noise)
BODY = (0.2, 2.0)  # metres above the floor: the range of furniture, in which walls are filled
WALL_FILL = 0.5  # smallest share of occupied voxels of BODY in a column of a wall
OBJECT_COST, FLOOR_COST, WALL_COST = 1.0, 0.2, 0.0  # of cutting through a column: no object extends through a wall
NEIGHBOUR = 3  # columns; columns belong to one patch if their squares of this side touch
MIN_TILE_SHARE = 1 / 32  # of tile_voxels; smaller patches do not become tiles


@dataclass(frozen=True, eq=False)
class Tile:
    """Columns of one tile.

    number: identifies the tile in successive plans, while columns join and leave it;
    core: sorted int64 keys of the columns that belong to this tile only;
    region: sorted int64 keys of the columns that the network processes, the core among them.
    """

    number: int
    core: np.ndarray
    region: np.ndarray


@dataclass(frozen=True)
class Columns:
    """The C occupied columns of a map of M voxels.

    keys: [C] sorted int64;
    place: [C, 2] int64 index along x and y;
    counts: [C] voxels in each column;
    cost: [C] of cutting through it;
    room: [C] int number of its room;
    pile: [P] int64 column of each pile, a run of voxels with equal x and y;
    start: [P + 1] int64 first voxel of each pile;
    width: metres.
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
        """Columns of the piles that `Level.piles` returns. voxel_size: metres."""
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
        """Sorted rows of the columns with these sorted keys; keys of free columns are skipped."""
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
        """[M] int32: the tile whose core contains each voxel."""
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
        """Number of voxels in these columns: the size of a tile with this core."""
        return int(self.counts[self.near(rows, reach)].sum())


def _costs(column, height, count, voxel_size):
    """[count] cost of cutting through each column. column: [M]; height: [M] voxel index along z."""
    low, high = (round(bound / voxel_size) for bound in BODY)
    floor = floor_height(height, FLOOR_SHARE)
    level = (height - (floor + low - 1)).clip(0, high - low + 1)  # the ends collect all below and above
    filled = np.zeros((high - low + 2, count), dtype=bool)
    filled.ravel()[level * count + column] = True
    share = filled[1:-1].mean(axis=0)
    return np.where(share >= WALL_FILL, WALL_COST, np.where(share > 0, OBJECT_COST, FLOOR_COST))


def plan_tiles(columns, tile_voxels, margin, previous=()):
    """Tiles whose cores divide the occupied columns: tuple of Tile. The same arguments give the same plan.

    tile_voxels: a room with more voxels, margins included, is cut into tiles of at most this many; a tile of the
        previous plan is cut at twice as many. Parts that are too narrow to cut may contain more;
    margin: metres around a core;
    previous: the last plan. Its tiles are kept, as the same objects if no column joined them, unless they are cut.
    """
    reach = max(round(margin / columns.width), 1)
    known = [(tile, columns.rows(tile.core)) for tile in previous]
    kept, cores = [tile for tile, rows in known if len(rows)], [rows for _, rows in known if len(rows)]
    covered = np.zeros(len(columns.keys), dtype=bool)
    for rows in cores:
        covered[rows] = True
    numbers = itertools.count(1 + max((tile.number for tile in previous), default=-1))
    tiles = []
    grown = _assign_columns(columns, np.flatnonzero(~covered), cores, tile_voxels)
    for tile, before, rows in itertools.zip_longest(kept, cores, grown):
        same = tile is not None and len(rows) == len(before)
        region = columns.rows(tile.region) if same else columns.near(rows, reach)
        fits = columns.counts[region].sum() <= (2 if tile else 1) * tile_voxels
        pieces = [rows] if fits else _cut(columns, rows, tile_voxels, reach)
        if len(pieces) > 1:
            tiles += [columns.tile(next(numbers), piece, columns.near(piece, reach)) for piece in pieces]
        else:
            tiles.append(tile if same else columns.tile(tile.number if tile else next(numbers), rows, region))
    return tuple(tiles)


def _assign_columns(columns, rows, cores, tile_voxels):
    """The cores with the columns in `rows` added. A patch of a room becomes a core if it is large enough; smaller ones
    join the nearest core: the core of a new room if they touch it."""
    if not len(rows):
        return cores
    group = _patches(columns.place[rows], columns.room[rows])
    large = np.bincount(group, weights=columns.counts[rows]) >= MIN_TILE_SHARE * tile_voxels
    if not large.any() and not cores:
        return [rows]
    new = [rows[group == number] for number in np.flatnonzero(large)]
    odd, patch = ~large[group], _patches(columns.place[rows])
    beside = odd & np.isin(patch, patch[~odd])
    return _join(columns, [*cores, *_join(columns, new, rows[beside])], rows[odd & ~beside])


def _join(columns, cores, rows):
    """The cores, each with the columns in `rows` for which it is the nearest."""
    if not len(rows):
        return cores
    tree = cKDTree(np.concatenate([columns.place[core] for core in cores]))
    number = np.repeat(np.arange(len(cores)), [len(core) for core in cores])
    nearest = number[tree.query(columns.place[rows], p=np.inf)[1]]
    return [np.sort(np.concatenate([core, rows[nearest == k]])) for k, core in enumerate(cores)]


def _patches(place, room=0):
    """[R] int patch of each column: connected columns of one room. place: [R, 2]; room: [R] int, or one for all."""
    apart = np.broadcast_to(2 * room, len(place))  # 2 apart: squares of different rooms do not touch
    return touching_components(np.column_stack([place // NEIGHBOUR, apart]))


def _cut(columns, rows, tile_voxels, reach):
    """Parts of `rows`, cut in two until each part with its margin of `reach` columns has at most tile_voxels voxels."""
    place = columns.place[rows]
    along, sides = place - place.min(axis=0), np.ptp(place, axis=0) + 1
    if columns.voxels_near(rows, reach) <= tile_voxels or sides.max() <= 2 * reach:
        return [rows]
    lines = []
    for axis in np.flatnonzero(sides > 2 * reach):
        price, line = _best_line(np.bincount(along[:, axis], weights=columns.cost[rows]))
        lines.append((price / sides[1 - axis], axis, line))
    _, axis, line = min(lines)
    left = along[:, axis] < line
    return [*_cut(columns, rows[left], tile_voxels, reach), *_cut(columns, rows[~left], tile_voxels, reach)]


def _best_line(cost):
    """Price and position of the cheapest cut across a side of S columns, between S/4 and 3S/4, preferably central.

    cost: [S] of the columns at each position of the side; a cut at s touches those at s - 1 and s.
    """
    size = len(cost)
    quarter = -(-size // 4)
    line = np.arange(quarter, size - quarter + 1)
    price = (1 + cost[line - 1] + cost[line]) * (1 + np.abs(line - size / 2) / size)
    best = np.argmin(price)
    return float(price[best]), int(line[best])
