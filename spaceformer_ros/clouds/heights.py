# SPDX-License-Identifier: Apache-2.0
"""What the heights of a map say about it: which area each height occupies, storeys, upward direction, feet or metres.

Limits were set with generated rooms and buildings; `benchmarks/studies/plausibility.py` measures what they give.
"""

from dataclasses import dataclass

import numpy as np

from ..geometry.floor import base_height
from ..grids.groups import touching_components
from ..grids.keys import axis_of, distinct, isin_sorted, occupied_cells, pack, unpack
from .cloud import UPRIGHT
from .origin import NO_ORIGIN

CELL = 0.1  # metres; cells of the area
SLABS = 25  # horizontal slabs of a storey in which the occupied area is measured
ENDS = 3  # slabs at the bottom and at the top that are searched for a floor or a ceiling
MIN_FLOOR_SHARE = 0.08  # of a storey's area; walls alone cover 0.07 of a room of 30 m^2
PATCH_CELL, PATCH_NEIGHBOURS = 0.15, 6  # metres; neighbours of 8 that a cell in the middle of a floor has at least
PATCH_AREA = 30.0  # square metres; of larger storeys no larger floor is expected, walls divide it
MIN_PATCH = 0.04  # of the storey's area; 1 of 100 generated rooms has less than 0.08, 3 of 4 without floor have less
MIN_UPRIGHT = 0.4  # score; nearly all generated rooms have more, upside down less than -0.25
LOW_WEIGHT = 0.7  # of `_lowness` in the score
VIEW = 1.2  # tangent of half the angle that a camera sees, 100 degrees
PIXEL = 0.02  # tangent of the angle between directions in which the depths of a view are compared
SAME_DEPTH = 1.2  # ratio of depths; a view has one depth in each direction, except at the outlines of objects
MAX_BEHIND = 0.25  # of the directions with several depths; frames of Kinects have 0.05, maps above 0.5
WALL = 0.3  # metres from the outside of a storey, in which there are walls, floor and ceiling
LOWER, UPPER = 0.4, 0.6  # parts of the height: below and above which something is low and high
LEVEL = 0.1  # metres; heights at which the next storey is searched
NEXT_FLOOR = 2.0, 4.5  # metres above a floor at which the next one may be
MIN_LAST = 1.5  # metres that a storey is high at least, also a partly scanned one
MIN_FLOOR_COVER = 0.2  # of the area that a floor between storeys covers; single furniture covers less
MAX_SLAB = 0.6  # metres from a ceiling to the floor above it
MIN_OF_FLOOR = 0.4  # of the area of a floor between storeys that the ceiling below it, or the floor above it, has
FOOT = 0.3048  # metres
HIGH_ROOM = 6.0  # metres; rooms are lower
FEET_ROOM = 1.9, 3.8  # metres; height of a room, as far as it is seen, if the map is in feet
FURNITURE = 0.37, 1.0  # metres above the floor; seats, beds, tables and counters
BELOW_FURNITURE = 0.09, 0.31  # the heights that furniture would have in feet, if metres were right
WALLS = 0.55, 0.85  # part of the height in which walls are seen, and little else
MIN_FURNITURE = 2.0  # by which its area is larger than that below; 9 of 10 generated rooms have more, 1 of 100 halls
SLACK = 0.02  # of the area, added to both: noise


def occupied_area(xyz):
    """[SLABS] share of a map's occupied ground cells that each horizontal slab occupies, from the bottom."""
    low, high = np.percentile(xyz[:, 2], (0.5, 99.5))
    slab = ((xyz[:, 2] - low) / max(high - low, 1e-6) * SLABS).astype(np.int64).clip(0, SLABS - 1)
    return _covered(xyz, slab, SLABS, CELL)


def _covered(xyz, level, count, cell):
    """[count] share of the occupied ground cells that each level occupies. level: [N] int of the points xyz [N, 3]."""
    cells = np.floor(xyz[:, :2] / cell).astype(np.int64)
    cells -= cells.min(axis=0)
    place = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    size = place.max() + 1
    return np.bincount(distinct(level * size + place) // size, minlength=count) / len(distinct(place))


def split_storeys(xyz):
    """The points of each storey, list of [N, 3] from the bottom: cut between a ceiling and the floor above it.

    What little lies below the lowest floor and above the highest ceiling, such as reflections, is in none.
    """
    low, high = base_height(xyz[:, 2]), -base_height(-xyz[:, 2])
    xyz = xyz[(xyz[:, 2] >= low) & (xyz[:, 2] <= high)]
    if high - low <= NEXT_FLOOR[0] + MIN_LAST:
        return [xyz]
    level = np.floor((xyz[:, 2] - low) / LEVEL).astype(np.int64)
    cuts = _storey_cuts(_covered(xyz, level, level.max() + 1, CELL))
    storey = np.searchsorted(cuts, level, side="right")
    return [found for number in range(len(cuts) + 1) if len(found := xyz[storey == number])]


def _storey_cuts(cover):
    """Levels at which the upper storeys begin. cover: [L] share of the area that each level occupies."""
    cuts, last = [], len(cover) - round(MIN_LAST / LEVEL)
    while True:
        start = cuts[-1] if cuts else 0
        near, far = start + round(NEXT_FLOOR[0] / LEVEL), min(start + round(NEXT_FLOOR[1] / LEVEL), last)
        if near >= far:
            return cuts
        floor = near + int(cover[near:far].argmax())
        if cover[floor] < MIN_FLOOR_COVER:
            return cuts
        reach = round(MAX_SLAB / LEVEL)
        others = [k for k in range(floor - reach, min(floor + reach, len(cover) - 2) + 1) if abs(k - floor) >= 2]
        others = [k for k in others if cover[k] >= max(*cover[k - 1 : k + 2], MIN_OF_FLOOR * cover[floor])]
        other = max(others, key=lambda k: cover[k], default=floor)  # the ceiling below, or the floor above
        between = min(floor, other) + 1
        cuts.append(between + int(cover[between : max(floor, other)].argmin()) if other != floor else floor)


@dataclass(frozen=True)
class Uprightness:
    """How much z looks like the upward direction.

    floor: share of the lowest storey's area that its floor covers
    score: the mean of the storeys; of each how much more of its area the floor covers than the ceiling, and how much
        more of what is inside is low than high, -1.7 to 1.7. A map that lies on its side has about 0, one that is
        upside down the negative score of the same map when it is not.
    """

    floor: float
    score: float


def uprightness(storeys):
    """The Uprightness of a map in its storeys, as `split_storeys` gives them."""
    areas = [occupied_area(storey) for storey in storeys]
    covered = [area[:ENDS].max() - area[-ENDS:].max() for area in areas]
    low = [LOW_WEIGHT * _lowness(storey) for storey in storeys]
    return Uprightness(float(areas[0][:ENDS].max()), float(np.mean(np.add(covered, low))))


def floor_patch(storey):
    """The largest connected level part near the bottom of a storey's points [N, 3], as a share of its area or of
    PATCH_AREA. Its outer cells do not count: walls have no others, and furniture has few."""
    low, high = np.percentile(storey[:, 2], (0.5, 99.5))
    slab = np.floor((storey[:, 2] - low) / max(high - low, 1e-6) * SLABS).astype(np.int64).clip(min=0)
    keys = pack(np.floor((storey[:, :2] - storey[:, :2].min(axis=0)) / PATCH_CELL).astype(np.int64))
    around = pack(np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])) - pack(np.zeros((1, 2), np.int64))
    largest = 0
    for number in range(ENDS):
        here = distinct(keys[slab == number])
        middle = here[isin_sorted(here[:, None] + around, here).sum(axis=1) > PATCH_NEIGHBOURS]
        if len(middle):
            largest = max(largest, int(np.bincount(touching_components(unpack(middle, 2))).max()))
    return largest / min(len(distinct(keys)), PATCH_AREA / PATCH_CELL**2)


def _lowness(xyz):
    """How much more of what stands inside a storey is in its lower part than in its upper part, -1 to 1.

    xyz: [N, 3] metres. Furniture stands on the floor; walls on opposite sides have as much before them.
    """
    low, high = np.percentile(xyz, (0.5, 99.5), axis=0)
    inside = xyz[((xyz > low + WALL) & (xyz < high - WALL)).all(axis=1)]
    if not len(inside):
        return 0.0
    level = axis_of(occupied_cells(inside - low, CELL), 2)
    height = (level + 0.5) * CELL / (high[2] - low[2])
    return float((height < LOWER).mean() - (height > UPPER).mean())


def likely_up(cloud):
    """The axis of a Cloud's source, a key of UPRIGHT, that looks most like the upward direction, and its score.

    A view of a camera has no other than `camera_up`: the wall in front of it, which hides what is behind, looks like a
    floor. Without an axis that could be it: "" and the least score.
    """
    camera = camera_up(cloud)
    best, name = 0.0 if camera else MIN_UPRIGHT, ""
    for axis in [camera] if camera else UPRIGHT:
        found = uprightness(split_storeys(cloud.turned(axis).xyz))
        if found.floor >= MIN_FLOOR_SHARE and found.score >= best:
            best, name = found.score, axis
    return name and cloud.axis_in_source(name), best


def camera_up(cloud):
    """The axis of a Cloud, a key of UPRIGHT, that is up if it is one view of a camera at the origin, otherwise "".

    In optical frames z is forward and y down (REP 103).
    """
    forward, up = (next(axis for axis in UPRIGHT if cloud.axis_in_source(axis) == name) for name in ("z", "-y"))
    xyz = cloud.xyz @ UPRIGHT[forward].astype(np.float32).T
    seen = xyz[np.abs(xyz[:, :2]).max(axis=1) < VIEW * xyz[:, 2]]
    is_view = cloud.origin == NO_ORIGIN and len(seen) > 0.997 * len(xyz) and _behind(seen) < MAX_BEHIND
    return up if is_view else ""


def _behind(xyz):
    """Share of the directions from the origin in which there are points behind others. xyz: [N, 3], z > 0 forward."""
    pixel = np.floor(xyz[:, :2] / (PIXEL * xyz[:, 2:])).astype(np.int64) @ (2**20, 1)
    order = np.lexsort((xyz[:, 2], pixel))
    first = np.flatnonzero(np.diff(pixel[order], prepend=-(2**62)))
    depth = xyz[order, 2]
    return float((depth[np.append(first[1:], len(xyz)) - 1] > SAME_DEPTH * depth[first]).mean())


def is_in_feet(xyz):
    """Whether points [N, 3] are a map in feet: high for its storeys, and with the tops of furniture at its heights in
    feet instead of those in metres."""
    if np.ptp(np.percentile(xyz[:, 2], (0.5, 99.5))) < HIGH_ROOM or len(split_storeys(xyz)) > 1:
        return False
    storeys = split_storeys(xyz * FOOT)
    storey, seen = storeys[0], uprightness(storeys)
    low, high = np.percentile(storey[:, 2], (0.5, 99.5))
    if not FEET_ROOM[0] <= high - low <= FEET_ROOM[1] or seen.floor < MIN_FLOOR_SHARE or seen.score < MIN_UPRIGHT:
        return False
    level = np.floor((storey[:, 2] - low) / (FOOT * LEVEL)).astype(np.int64)
    inside = (level >= 0) & (level <= (high - low) / (FOOT * LEVEL))
    cover = _covered(storey[inside], level[inside], level[inside].max() + 1, 2 * FOOT * CELL)
    cover = np.maximum(cover - np.median(cover[slice(*(round(part * len(cover)) for part in WALLS))]), 0)
    here, below = (
        cover[slice(*(round(height / (FOOT * LEVEL)) for height in heights))].sum() + SLACK
        for heights in (FURNITURE, BELOW_FURNITURE)
    )
    return bool(here > MIN_FURNITURE * below)
