# SPDX-License-Identifier: Apache-2.0
"""The layout of a generated building, exactly: what `layout` should find in its map."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from ..grids.groups import components
from ..layout.structure import CLOSED, OPEN, Door, Layout, Room, Storey, Wall, Window
from .floorplan import outline

MAX_THICKNESS = 0.4  # metres; faces of neighbouring rooms at most this far apart are the two sides of one wall


@dataclass(frozen=True)
class _Face:
    """The inner face of a wall of one room: `axis` along which it runs, `at` metres on the other axis, `low` to `high`
    along it; side: +1 if the room is on the larger side of `at`."""

    room: int
    axis: int
    at: float
    low: float
    high: float
    side: int
    height: float
    openings: list  # (low, high, z0, z1), metres in the building


def true_layout(plans, doorways):
    """The Layout of a building before it is turned: lists of FloorPlan and Doorway.

    Two faces of neighbouring rooms are one wall, as long as both together. Doorways are open, other doors closed.
    """
    height = max(plan.height for plan in plans)
    faces = [_face(number, wall) for number, plan in enumerate(plans, 1) for wall in plan.walls]
    group = components(len(faces), _same_wall(faces))
    groups = [[face for face, g in zip(faces, group.tolist()) if g == number] for number in range(max(group) + 1)]
    walls = tuple(_wall(number, members) for number, members in enumerate(groups, 1))
    around = [tuple(w.id for w, g in zip(walls, groups) if any(f.room == n for f in g)) for n in range(len(plans) + 1)]
    rooms = tuple(
        Room(number, tuple(outline(plan)), plan.area, 1, around[number]) for number, plan in enumerate(plans, 1)
    )
    empty = Layout((Storey(1, 0.0, height),), walls, (), (), rooms)
    openings = [(wall, *o) for wall, members in zip(walls, groups) for o in _openings(members)]
    doors = [_door(empty, *o, doorways) for o in openings if o[3] == 0.0]
    windows = [_window(*o) for o in openings if o[3] > 0.0]
    return Layout(empty.storeys, walls, _numbered(doors), _numbered(windows), rooms)


def _face(room, wall):
    axis = 0 if abs(wall.direction[0]) > 0.5 else 1
    start, sign = wall.start[axis], wall.direction[axis]
    low, high = sorted((start, start + sign * wall.length))
    openings = [(*sorted((start + sign * a, start + sign * b)), z0, z1) for a, b, z0, z1 in wall.openings]
    side = int(np.sign(wall.normal[1 - axis]))
    return _Face(room, axis, wall.start[1 - axis], low, high, side, wall.height, openings)


def _same_wall(faces):
    """[P, 2] pairs of faces of one wall: back to back, or one continuing the other."""
    pairs = [(-1, -1)]
    for (i, a), (k, b) in itertools.combinations(enumerate(faces), 2):
        overlap = min(a.high, b.high) - max(a.low, b.low)
        gap = (b.at - a.at) * -a.side
        back_to_back = a.side == -b.side and 0 < gap <= MAX_THICKNESS and overlap > 0
        if a.axis == b.axis and (back_to_back or (a.side == b.side and abs(gap) < 1e-6 and overlap > -1e-6)):
            pairs.append((i, k))
    return np.array(pairs[1:], dtype=np.int64).reshape(-1, 2)


def _wall(number, members):
    axis, places = members[0].axis, [face.at for face in members]
    middle, ends = (min(places) + max(places)) / 2, (min(f.low for f in members), max(f.high for f in members))
    start, end = ((end, middle) if axis == 0 else (middle, end) for end in ends)
    height = max(face.height for face in members)
    return Wall(number, start, end, 0.0, height, max(places) - min(places), 1)


def _openings(members):
    """Openings of a wall, each once: those of its faces that overlap are one."""
    merged = []
    for opening in sorted(o for face in members for o in face.openings):
        if merged and opening[0] < merged[-1][1] and (opening[2] > 0) == (merged[-1][2] > 0):
            merged[-1] = (merged[-1][0], max(merged[-1][1], opening[1]), *merged[-1][2:])
        else:
            merged.append(opening)
    return merged


def _door(layout, wall, low, high, bottom, top, doorways):
    x, y, _ = center = _center(wall, low, high, bottom, top)
    passage = any(a - 0.1 < x < c + 0.1 and b - 0.1 < y < d + 0.1 for a, b, c, d in (d.area for d in doorways))
    state = OPEN if passage else CLOSED
    return Door(0, wall.id, center, high - low, top, state, layout.rooms_beside(wall, center))


def _window(wall, low, high, sill, top):
    return Window(0, wall.id, _center(wall, low, high, sill, top), high - low, top - sill, sill)


def _center(wall, low, high, bottom, top):
    along = (low + high) / 2
    x, y = (along, wall.start[1]) if abs(wall.direction[0]) > 0.5 else (wall.start[0], along)
    return x, y, (bottom + top) / 2


def _numbered(items):
    return tuple(replace(item, id=number) for number, item in enumerate(items, 1))
