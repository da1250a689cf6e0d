# SPDX-License-Identifier: Apache-2.0
"""What a layout consists of: storeys, walls, doors, windows, rooms. Plain data, also as a dict for JSON.

Positions are in metres, z up, in the coordinates of the cloud that the layout was found in, as those of a scene's
objects. Ids are positive and unique among the things of one kind; 0 stands for none: outdoors, or not known.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import shapely
from shapely.ops import polylabel

from .. import SpaceformerError
from ..geometry.storeys import room_at, storey_at

OPEN, CLOSED, UNKNOWN = DOOR_STATES = ("open", "closed", "unknown")
BESIDE = 0.2  # metres from the face of a wall at which the room beside it is looked up


@dataclass(frozen=True)
class Storey:
    """floor_z, ceiling_z: heights in metres; ceiling_z is the highest point seen where there is no ceiling."""

    id: int
    floor_z: float
    ceiling_z: float


@dataclass(frozen=True)
class Wall:
    """A straight wall with everything in it: its doors and windows do not interrupt it.

    start, end: (x, y) of its centre line
    z: of its lower edge
    height: metres
    thickness: metres between its two faces; 0 where only one was seen: start and end then lie on that face
    storey: id
    """

    id: int
    start: tuple
    end: tuple
    z: float
    height: float
    thickness: float
    storey: int

    @property
    def length(self):
        """Metres."""
        return float(np.hypot(*np.subtract(self.end, self.start)))

    @property
    def direction(self):
        """[2] unit vector from start to end; (1, 0) for a wall without length."""
        return np.subtract(self.end, self.start) / self.length if self.length else np.array([1.0, 0.0])

    def local(self, xy):
        """Positions [..., 2] as metres along the wall from its start, and to the left of its centre line: two [...]."""
        offset, (c, s) = np.asarray(xy, dtype=np.float64) - self.start, self.direction
        return offset @ (c, s), offset @ (-s, c)


@dataclass(frozen=True)
class Door:
    """An opening of a wall that reaches the floor.

    wall: id
    center: (x, y, z) of the middle of the opening, on the wall's centre line
    width, height: metres
    state: one of DOOR_STATES
    rooms: ids of the rooms on its two sides, the one to the left of the wall's direction first
    """

    id: int
    wall: int
    center: tuple
    width: float
    height: float
    state: str
    rooms: tuple


@dataclass(frozen=True)
class Window:
    """An opening of a wall above the floor, or its pane.

    wall: id
    center: (x, y, z), on the wall's centre line
    width, height: metres
    sill: metres from the storey's floor to the lower edge
    """

    id: int
    wall: int
    center: tuple
    width: float
    height: float
    sill: float


@dataclass(frozen=True)
class Room:
    """A room, or a part of a larger one that narrow passages separate from the rest.

    outline: ((x, y), ...), V >= 3 corners, counter-clockwise, the first one not repeated; area: square metres; storey:
    id; walls: ids of the walls around it. `outline` and `area` cover what was seen of the room.
    """

    id: int
    outline: tuple
    area: float
    storey: int
    walls: tuple

    @cached_property
    def polygon(self):
        """The outline as a shapely.Polygon."""
        return shapely.Polygon(self.outline)

    @property
    def center(self):
        """(x, y) inside the room, in its middle: where a name is written and a robot may be sent."""
        place = polylabel(self.polygon, 0.05)
        return float(place.x), float(place.y)


KINDS = {"storeys": Storey, "walls": Wall, "doors": Door, "windows": Window, "rooms": Room}


@dataclass(frozen=True)
class Layout:
    """Tuples of Storey, Wall, Door, Window and Room, each in the order of their ids."""

    storeys: tuple = ()
    walls: tuple = ()
    doors: tuple = ()
    windows: tuple = ()
    rooms: tuple = ()

    def storey_at(self, z):
        """The Storey with the highest floor that is not above a height z in metres; below all floors the lowest one.

        None without storeys.
        """
        found = storey_at([storey.floor_z for storey in self.storeys], z)
        return None if found is None else self.storeys[found]

    def room_at(self, xyz):
        """The Room that contains a place (x, y, z), otherwise the nearest one nearby (`room_at`), otherwise None."""
        storey = self.storey_at(xyz[2])
        rooms = [room for room in self.rooms if storey is not None and room.storey == storey.id]
        found = room_at([room.polygon for room in rooms], xyz)
        return None if found is None else rooms[found]

    def rooms_beside(self, wall, xy):
        """Ids of the rooms to the left and to the right of a Wall at a place [2] on it, 0 for none."""
        left = np.array([-wall.direction[1], wall.direction[0]])
        reach = wall.thickness / 2 + BESIDE
        places = [shapely.Point(np.asarray(xy[:2]) + sign * reach * left) for sign in (1, -1)]
        rooms = [room for room in self.rooms if room.storey == wall.storey]
        return tuple(next((room.id for room in rooms if room.polygon.contains(place)), 0) for place in places)

    def item(self, kind, item_id):
        """The thing with an id, or None. kind: a key of KINDS, such as "walls"."""
        return next((item for item in getattr(self, kind) if item.id == item_id), None)

    def moved(self, transform):
        """This layout after a RigidTransform that rotates about z only."""
        lift = float(transform.translation[2])

        def place(position):
            xyz = transform.apply((*position, 0.0)[:3])
            return tuple(map(float, xyz[: len(position)]))

        return Layout(
            tuple(replace(s, floor_z=s.floor_z + lift, ceiling_z=s.ceiling_z + lift) for s in self.storeys),
            tuple(replace(w, start=place(w.start), end=place(w.end), z=w.z + lift) for w in self.walls),
            tuple(replace(door, center=place(door.center)) for door in self.doors),
            tuple(replace(window, center=place(window.center)) for window in self.windows),
            tuple(replace(room, outline=tuple(map(place, room.outline))) for room in self.rooms),
        )

    def to_dict(self):
        """Lists of dicts for JSON: the fields of every thing by name."""
        return {kind: [plain(vars_of(item)) for item in getattr(self, kind)] for kind in KINDS}

    @classmethod
    def from_dict(cls, content):
        """Inverse of `to_dict`. Raises SpaceformerError for anything else."""
        try:
            return cls(**{kind: tuple(_read(KINDS[kind], row) for row in content[kind]) for kind in KINDS})
        except (KeyError, TypeError, ValueError) as error:
            raise SpaceformerError(
                f"layout cannot be read ({type(error).__name__}: {error}); expected what Layout.to_dict returns"
            ) from error


def vars_of(item):
    """Dict of the fields of a thing of a layout."""
    return {field.name: getattr(item, field.name) for field in fields(item)}


def plain(value):
    """Tuples as lists, numbers rounded to a tenth of a millimetre."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def _read(kind, row):
    """A thing from its dict. Lists become tuples, numbers get the type of the field."""
    values = {field.name: _typed(field.type, row[field.name]) for field in fields(kind)}
    if kind is Door and values["state"] not in DOOR_STATES:
        raise ValueError(f"state is {values['state']!r}, expected one of {', '.join(DOOR_STATES)}")
    return kind(**values)


def _typed(kind, value):
    if kind is tuple:
        return tuple(_typed(tuple, item) if isinstance(item, list) else item for item in value)
    return kind(value)
