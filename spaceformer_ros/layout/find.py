# SPDX-License-Identifier: Apache-2.0
"""The layout of a map: from a cloud and its labelled objects to storeys, walls, doors, windows and rooms."""

from dataclasses import replace

import shapely

from ..geometry.transform import RigidTransform
from .faces import find_faces
from .labelled import add_labelled, labelled_openings
from .levels import find_levels
from .map_cells import MapCells
from .openings import find_gaps, find_holes, is_hidden, is_known, is_passage
from .painted import find_painted_doors
from .plan import PlanView
from .results import KnownResults
from .rooms import find_rooms, furniture_rows
from .structure import Door, Layout, Room, Storey, Wall, Window
from .walls import find_walls


def find_layout(cloud, objects=()):
    """The Layout of a Cloud that is asked for once; see `LayoutFinder.find`."""
    return LayoutFinder().find(cloud, objects)


class LayoutFinder:
    """Finds the layouts of one map after another; of a map that has grown, only what changed is computed again.

    Points are read again in tiles that changed only (`MapCells`). Of what follows, which works on cells, the outlines
    of rooms and the closed doors of walls are kept where they depend on nothing new (`KnownResults`). The layout is
    that of the last map alone, but for the heading, see `MapCells`. For one thread at a time.
    """

    def __init__(self, yaw=None):
        """yaw: radians, a known heading of the walls of the first map."""
        self._cells = MapCells(yaw)
        self._known = KnownResults()

    @property
    def yaw(self):
        """Heading of the walls of the last map in radians, None before the first."""
        return self._cells.yaw

    def find(self, cloud, objects=()):
        """The Layout of a Cloud, in its coordinates; empty where nothing is found.

        objects: with `label`, `score` and `box` (OrientedBox) in the same coordinates. Doors and windows among them are
        set into their walls; without objects only openings that nothing fills are found.
        """
        cells, yaw = self._cells.update(cloud)
        self._known.start_run()
        turn = RigidTransform.about_z(-yaw)
        labelled = labelled_openings(objects, turn)
        parts = [Layout()]
        for number, (floor_z, ceiling_z) in enumerate(find_levels(cells.places), 1):
            storey = Storey(number, floor_z, ceiling_z)
            parts.append(_storey(cells, labelled, storey, parts[-1], self._known))
        kinds = (tuple(x for part in parts for x in getattr(part, kind)) for kind in Layout.__match_args__)
        return Layout(*kinds).moved(turn.inverse)


def _storey(cells, labelled, storey, before, known):
    """Layout of one storey in the turned frame; ids continue after those of the storey `before`."""
    plan = PlanView.of(cells, storey.floor_z, storey.ceiling_z)
    if plan is None:
        return Layout((storey,))
    found, outlines = _walls_and_rooms(plan, known)
    first = {kind: max((item.id for item in getattr(before, kind)), default=0) + 1 for kind in Layout.__match_args__}
    walls = tuple(_wall(first["walls"] + row, wall, storey) for row, wall in enumerate(found))
    rooms = tuple(
        _room(first["rooms"] + row, outline, [walls[k].id for k in near], storey)
        for row, (outline, near) in enumerate(outlines)
    )
    layout = Layout((storey,), walls, (), (), rooms)
    labelled = [item.above(storey.floor_z) for item in labelled]
    labelled = [item for item in labelled if -0.3 < item.box.center[2] < plan.top + 0.3]
    doors, windows = _openings(plan, found, labelled, layout, known)
    doors = tuple(_door(first["doors"] + row, door, found, layout) for row, door in enumerate(doors))
    windows = tuple(_window(first["windows"] + row, item, found, layout) for row, item in enumerate(windows))
    return replace(layout, doors=doors, windows=windows)


def _walls_and_rooms(plan, known):
    """The FoundWalls of a PlanView without fronts of furniture, and its rooms as `find_rooms` returns them."""
    walls = find_walls(find_faces(plan))
    rooms = find_rooms(plan, walls, known)
    fronts = furniture_rows(plan, walls, rooms)
    if not fronts:
        return walls, rooms
    walls = [wall for row, wall in enumerate(walls) if row not in fronts]
    return walls, find_rooms(plan, walls, known)


def _openings(plan, found, labelled, layout, known):
    """Lists of the doors and the windows of a storey as Openings.

    found: list of FoundWall; labelled: list of Labelled; layout: Layout with its walls and rooms;
    known: KnownResults
    """
    gaps = [gap for gap in find_gaps(found) if _is_doorway(plan, gap, found, layout)]
    doors, windows = add_labelled(plan, gaps, found, labelled)
    for door in find_painted_doors(plan, found, known):
        if not is_hidden(plan, found[door.wall], door) and not is_known(door, [*doors, *windows]):
            doors.append(door)
    holes = find_holes(plan, found)
    return doors, windows + [hole for hole in holes if not is_known(hole, [*windows, *doors])]


def _is_doorway(plan, gap, found, layout):
    """Whether a gap leads from one room to another or outdoors: where one room is on both sides, a partition ends.

    Between two rooms the wall's two faces are enough, as the floor may be hidden.
    """
    wall, center, _, _ = _placed(gap, found, layout)
    left, right = layout.rooms_beside(wall, center)
    between = left != right and left and right and wall.thickness
    return bool(between) or (not left == right != 0 and is_passage(plan, found[gap.wall], gap))


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
