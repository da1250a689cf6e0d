# SPDX-License-Identifier: Apache-2.0
"""The layout of a map: from a cloud and its labelled objects to storeys, walls, doors, windows and rooms."""

import shapely

from ..geometry.heading import manhattan_yaw
from ..geometry.transform import RigidTransform
from .cells import PlanView, occupied
from .faces import find_faces
from .levels import find_levels
from .openings import find_openings
from .rooms import find_rooms
from .structure import Door, Layout, Room, Storey, Wall, Window
from .walls import find_walls


def find_layout(cloud, objects=()):
    """The Layout of a Cloud, in its coordinates; empty where nothing is found.

    objects: with `label` and `box` (OrientedBox) in the same coordinates. Doors and windows among them are set into
    their walls; without objects only openings that nothing fills are found.
    """
    if not len(cloud):
        return Layout()
    yaw = manhattan_yaw(cloud.xyz)
    turn = RigidTransform.about_z(-yaw)
    cells = occupied(cloud.xyz, -yaw)
    boxes = [(item.label, item.box.moved(turn)) for item in objects]
    parts = [Layout()]
    for number, (floor_z, ceiling_z) in enumerate(find_levels(cells), 1):
        parts.append(_storey(cells, boxes, Storey(number, floor_z, ceiling_z), parts[-1]))
    everything = Layout(*(tuple(x for part in parts for x in getattr(part, kind)) for kind in Layout.__match_args__))
    return everything.moved(turn.inverse)


def _storey(cells, boxes, storey, before):
    """Layout of one storey in the turned frame; ids continue after those of the storey `before`."""
    plan = PlanView.of(cells, storey.floor_z, storey.ceiling_z)
    if plan is None:
        return Layout((storey,))
    height = storey.ceiling_z - storey.floor_z
    boxes = [(label, _above(box, storey)) for label, box in boxes]
    boxes = [(label, box) for label, box in boxes if -0.3 < box.center[2] < height + 0.3]
    found = find_walls(find_faces(plan))
    doors, windows = find_openings(plan, found, boxes)
    first = {kind: max((item.id for item in getattr(before, kind)), default=0) + 1 for kind in Layout.__match_args__}
    walls = tuple(_wall(first["walls"] + row, wall, storey) for row, wall in enumerate(found))
    rooms = tuple(
        _room(first["rooms"] + row, outline, [walls[k].id for k in near], storey)
        for row, (outline, near) in enumerate(find_rooms(plan, found))
    )
    layout = Layout((storey,), walls, (), (), rooms)
    doors = tuple(_door(first["doors"] + row, door, found, layout) for row, door in enumerate(doors))
    windows = tuple(_window(first["windows"] + row, item, found, layout) for row, item in enumerate(windows))
    return Layout((storey,), walls, doors, windows, rooms)


def _above(box, storey):
    """A box with its height above the floor of a storey."""
    return box.moved(RigidTransform.about_z(0.0, (0.0, 0.0, -storey.floor_z)))


def _wall(number, wall, storey):
    start, end = (tuple(map(float, place)) for place in wall.ends)
    height = storey.ceiling_z - storey.floor_z
    return Wall(number, start, end, storey.floor_z, float(height), float(wall.thickness), storey.id)


def _room(number, outline, walls, storey):
    corners = tuple((float(x), float(y)) for x, y in outline)
    return Room(number, corners, float(shapely.Polygon(outline).area), storey.id, tuple(walls))


def _door(number, opening, found, layout):
    wall, center, width, height = _placed(opening, found, layout)
    return Door(number, wall.id, center, width, height, opening.state, layout.rooms_beside(wall, center))


def _window(number, opening, found, layout):
    wall, center, width, height = _placed(opening, found, layout)
    return Window(number, wall.id, center, width, height, float(max(opening.bottom, 0.0)))


def _placed(opening, found, layout):
    """The Wall of an Opening, its centre (x, y, z), width and height."""
    wall = layout.walls[opening.wall]
    x, y = found[opening.wall].point((opening.low + opening.high) / 2)
    center = float(x), float(y), float(wall.z + (opening.bottom + opening.top) / 2)
    return wall, center, float(opening.high - opening.low), float(opening.top - opening.bottom)
