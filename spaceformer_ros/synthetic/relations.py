# SPDX-License-Identifier: Apache-2.0
"""The true relations between the objects of a generated room, from its placement and its exact geometry.

"on", "in" and "attached to" are what was placed that way. "under" and "next to" follow from the solid boxes of the
objects by the definitions of docs/graph.md. Cases near a limit of a definition are undecided: people would not agree on
them either.
"""

from dataclasses import dataclass

import numpy as np

WALLS = "building"  # what hung things are attached to
UNDER_SHARE = (0.35, 0.65)  # of the lower thing below the upper one: no relation, the relation
UNDER_GAP = 1.5  # metres between them at most
FLAT = 0.08  # metres: things this flat may be larger than what stands over them, such as rugs
NEXT_GAP = (0.65, 0.35)  # metres between things on the floor or on walls: no relation, the relation
NEXT_GAP_CARRIED = (0.35, 0.18)  # the same for things on the same thing
MOUNTED = ("door", "radiator")  # stand on the floor and are fixed to the wall: undecided
REACHING = 0.3  # metres above the floor at which hung things begin at least that clearly do not stand on it
GROUND = 0.08  # metres above the floor at which things that stand on it begin at most
REACH = 0.3  # metres above a thing on the floor at which something on a wall next to it begins at most


@dataclass(frozen=True)
class Place:
    """How a thing is placed.

    volumes: [K, 8] solid boxes of `Thing.volumes`, in the frame of the building
    support: row of the object that carries it; -1 if that one has too few points, None for the building
    enclosed: it is in its support rather than on it
    hung: it hangs on a wall or on the ceiling
    room: number of its room
    """

    volumes: np.ndarray
    support: int | None
    enclosed: bool
    hung: bool
    room: int

    @property
    def low(self):
        """Height of its lowest point, metres."""
        return float(self.volumes[:, 6].min())

    @property
    def high(self):
        """Height of its highest point, metres."""
        return float(self.volumes[:, 7].max())


def true_relations(room):
    """Dict (row, relation, row or WALLS) -> True, or None if undecided, of the objects of a Room."""
    places = [item.place for item in room.objects]
    grounds = [_ground(place.volumes) for place in places]
    found = {}
    for i, place in enumerate(places):
        if place.support is not None and place.support >= 0:
            found[i, "in" if place.enclosed else "on", place.support] = True
        if place.hung or room.objects[i].kind in MOUNTED:
            found[i, "attached to", WALLS] = True if place.hung and place.low > REACHING else None
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            if i != j and grounds[i].distance(grounds[j]) < NEXT_GAP[0]:
                _add_under(found, (i, first, grounds[i]), (j, second, grounds[j]))
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            if i != j and first.room == second.room:
                _add_next_to(found, (i, first, grounds[i]), (j, second, grounds[j]))
    for (i, name, j), value in list(found.items()):
        if name == "under" and value and places[i].high - places[i].low < FLAT and places[i].support is None:
            found.setdefault((j, "on", i), None if not places[j].low < GROUND or places[j].hung else True)
    return found


def _ground(volumes):
    """The ground area of solid boxes as a shapely geometry."""
    import shapely

    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    local = volumes[:, None, 2:4] * signs
    cos, sin = volumes[:, 4, None], volumes[:, 5, None]
    x = cos * local[:, :, 0] - sin * local[:, :, 1] + volumes[:, 0, None]
    y = sin * local[:, :, 0] + cos * local[:, :, 1] + volumes[:, 1, None]
    return shapely.union_all(shapely.polygons(np.stack([x, y], axis=2)))


def _add_under(found, lower, upper):
    """Add "under" if most of the lower thing is below solid parts of the upper one, or the reverse for flat things."""
    (i, first, ground), (j, second, _) = lower, upper
    above = second.volumes[second.volumes[:, 6] >= first.high - 0.03]
    above = above[above[:, 6] <= first.high + UNDER_GAP]
    if not len(above) or (i, "in", j) in found or (j, "on", i) in found or (j, "in", i) in found:
        return
    over = _ground(above)
    shared = over.intersection(ground).area
    share = shared / max(ground.area, 1e-9)
    if first.high - first.low < FLAT and first.low < GROUND:
        share = max(share, shared / max(over.area, 1e-9))
    _decide(found, (i, "under", j), share, UNDER_SHARE)


def _add_next_to(found, one, other):
    """Add "next to" if two things on the same thing, or on the floor or walls, are close and not otherwise related."""
    (i, first, ground), (j, second, other_ground) = one, other
    if any(found.get((a, name, b)) for a, b in ((i, j), (j, i)) for name in ("on", "in", "under")):
        return
    limits = NEXT_GAP if first.support is None else NEXT_GAP_CARRIED
    lower, upper = sorted((first, second), key=lambda place: place.low)
    if first.support != second.support or upper.low > lower.high + (REACH if upper.hung != lower.hung else 0.0):
        return
    if -1 in (first.support, second.support):
        return
    _decide(found, (i, "next to", j), -ground.distance(other_ground), tuple(-limit for limit in limits))


def _decide(found, key, value, limits):
    """Enter a relation whose measure is above both limits; one between them is undecided."""
    if value > limits[0]:
        found[key] = True if value >= limits[1] else None
