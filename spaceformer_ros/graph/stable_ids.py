# SPDX-License-Identifier: Apache-2.0
"""Ids of rooms, walls, doors and windows that stay the same while the map grows."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..layout.structure import KINDS, Layout

MIN_ROOM_OVERLAP = 0.4  # of the smaller of two rooms that may be the same
SAME_PLACE = 0.5  # metres between the middles of two doors or windows that may be the same
SAME_HEIGHT = 0.8  # metres between the floors of two storeys that may be the same
SAME_WALL = 0.35  # metres between the lines of two walls that may be the same


@dataclass(frozen=True)
class NumberedLayout:
    """A Layout with stable ids. next_ids: dict kind -> lowest id that was never given."""

    layout: Layout
    next_ids: dict

    def continued(self, fresh):
        """The NumberedLayout of a fresh Layout of the same map: things that were known keep their ids."""
        maps, next_ids = {}, {}
        for kind in KINDS:  # storeys first
            old, new = getattr(self.layout, kind), getattr(fresh, kind)
            benefit = _benefit(kind, old, new)
            if kind == "rooms" and benefit.size:  # those above each other have the same outline
                benefit *= [[a.storey == maps["storeys"].get(b.storey, 0) for b in new] for a in old]
            maps[kind], next_ids[kind] = _new_ids(old, new, benefit, self.next_ids[kind])
        return NumberedLayout(_renumbered(fresh, maps), next_ids)


def numbered(layout):
    """The NumberedLayout of the first Layout of a map, with its own ids."""
    return NumberedLayout(
        layout, {kind: max((item.id for item in getattr(layout, kind)), default=0) + 1 for kind in KINDS}
    )


def _new_ids(old, new, benefit, next_id):
    """(dict id of `new` -> id, next id): the ids of the old things that are the same, new ones for the others."""
    ids = {}
    if benefit.size:
        for i, j in zip(*linear_sum_assignment(benefit, maximize=True)):
            if benefit[i, j] > 0:
                ids[new[j].id] = old[i].id
    for item in new:
        if item.id not in ids:
            ids[item.id], next_id = next_id, next_id + 1
    return ids, next_id


def _benefit(kind, old, new):
    """[O, N] how surely an old and a new thing are the same; 0: they are not."""
    same = {"rooms": _room, "storeys": _storey, "walls": _wall}.get(kind, _opening)
    return np.array([[same(a, b) for b in new] for a in old]).reshape(len(old), len(new))


def _room(a, b):
    smaller = min(a.area, b.area, a.polygon.area, b.polygon.area)
    if smaller <= 0 or not a.polygon.intersects(b.polygon):
        return 0.0
    shared = a.polygon.intersection(b.polygon).area
    return shared if shared >= MIN_ROOM_OVERLAP * smaller else 0.0


def _storey(a, b):
    return max(SAME_HEIGHT - abs(a.floor_z - b.floor_z), 0.0)


def _opening(a, b):
    return max(SAME_PLACE - float(np.linalg.norm(np.subtract(a.center, b.center))), 0.0)


def _wall(a, b):
    """Metres along which two walls run side by side."""
    along, across = a.local(np.array([b.start, b.end]))
    if np.abs(across).max() > SAME_WALL or abs(a.z - b.z) > SAME_HEIGHT:
        return 0.0
    return max(min(along.max(), a.length) - max(along.min(), 0.0), 0.0)


def _renumbered(layout, maps):
    """A Layout with other ids. maps: dict kind -> dict id -> new id; 0 stays 0."""
    storey, wall, room = ({0: 0, **maps[kind]} for kind in ("storeys", "walls", "rooms"))
    changed = {
        "storeys": [replace(item, id=maps["storeys"][item.id]) for item in layout.storeys],
        "walls": [replace(item, id=wall[item.id], storey=storey[item.storey]) for item in layout.walls],
        "doors": [
            replace(item, id=maps["doors"][item.id], wall=wall[item.wall], rooms=tuple(room[r] for r in item.rooms))
            for item in layout.doors
        ],
        "windows": [replace(item, id=maps["windows"][item.id], wall=wall[item.wall]) for item in layout.windows],
        "rooms": [
            replace(item, id=room[item.id], storey=storey[item.storey], walls=tuple(wall[w] for w in item.walls))
            for item in layout.rooms
        ],
    }
    return Layout(**{kind: tuple(sorted(items, key=lambda item: item.id)) for kind, items in changed.items()})
