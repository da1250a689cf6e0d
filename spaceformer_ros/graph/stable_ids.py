# SPDX-License-Identifier: Apache-2.0
"""Ids of rooms, walls, doors and windows that stay the same while the map grows."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..layout.structure import KINDS, Layout

MIN_ROOM_OVERLAP = 0.4  # of the smaller of two rooms that may be the same
SAME_PLACE = 0.5  # metres between the middles of two doors or windows that may be the same
SAME_HEIGHT = 0.8  # metres between the floors of two storeys that may be the same
MAX_GONE = 500  # things of a kind that are remembered
SAME_WALL = 0.35  # metres between the lines of two walls that may be the same


@dataclass(frozen=True)
class NumberedLayout:
    """A Layout with stable ids.

    next_ids: dict kind -> lowest id that was never given
    gone: Layout of what earlier maps had and the last one has not, so that it gets its ids back if it is seen again
    """

    layout: Layout
    next_ids: dict
    gone: Layout = field(default_factory=Layout)

    def continued(self, fresh):
        """The NumberedLayout of a fresh Layout of the same map: things that were known keep their ids."""
        maps, next_ids = {}, {}
        for kind in KINDS:  # storeys first
            maps[kind] = self._known_ids(kind, fresh, maps)
            new = [item.id for item in getattr(fresh, kind) if item.id not in maps[kind]]
            next_ids[kind] = self.next_ids[kind] + len(new)
            maps[kind].update(zip(new, range(self.next_ids[kind], next_ids[kind])))
        gone = Layout(*(self._gone_now(kind, set(maps[kind].values())) for kind in KINDS))
        return NumberedLayout(_renumbered(fresh, maps), next_ids, gone)

    def _known_ids(self, kind, fresh, maps):
        """Dict id in a fresh Layout -> known id, of the things of a kind that the last map had, then of gone ones."""
        ids = {}
        for known in (self.layout, self.gone):
            old = getattr(known, kind)
            new = [item for item in getattr(fresh, kind) if item.id not in ids]
            benefit = _benefit(kind, old, new)
            if kind == "rooms" and benefit.size:  # those above each other have the same outline
                benefit *= [[a.storey == maps["storeys"].get(b.storey, 0) for b in new] for a in old]
            if benefit.size:
                rows, columns = linear_sum_assignment(benefit, maximize=True)
                ids.update((new[j].id, old[i].id) for i, j in zip(rows, columns) if benefit[i, j] > 0)
        return ids

    def _gone_now(self, kind, present):
        """Tuple of the things of a kind whose ids are not present, of the last map and before."""
        known = (*getattr(self.layout, kind), *getattr(self.gone, kind))
        return tuple(sorted((item for item in known if item.id not in present), key=lambda item: item.id)[-MAX_GONE:])


def numbered(layout):
    """The NumberedLayout of the first Layout of a map, with its own ids."""
    return NumberedLayout(
        layout, {kind: max((item.id for item in getattr(layout, kind)), default=0) + 1 for kind in KINDS}
    )


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
