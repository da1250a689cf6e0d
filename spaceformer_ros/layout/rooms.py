# SPDX-License-Identifier: Apache-2.0
"""Rooms as polygons: the parts of the seen area that walls and narrow passages separate, with edges along the walls."""

from dataclasses import replace

import numpy as np
import shapely
from scipy.ndimage import find_objects

from .cells import CELL
from .openings import MIN_ABOVE, find_gaps, has_lintel
from .room_areas import segment_rooms
from .structure import BESIDE

COLUMN = 2  # cells along the side of a column of `segment_rooms`
MIN_AREA = 1.0  # square metres of a room
MIN_FLOOR_SHARE = 0.15  # of a room's area where floor was seen; the space behind a window has none
NEAR_WALL = 0.35  # metres from a room within which a wall bounds it
WHOLE = 0.5  # share of a piece between walls that must be seen for all of it to belong to the room
MIN_PIECE = 0.3  # square metres of a piece that is seen in part, without ...
SLIVER = 0.15  # ... metres at its edge: noise behind a wall is a long strip
MAX_INSIDE = 0.6  # share of a wall that may have the same room on both sides
STRAIGHT = 0.12  # metres by which the outline of a part without walls is smoothed
WALLED = 0.5  # share of the edge of a hole in a room that is at walls if something else is there: rooms, a courtyard
CUT = 0.01  # metres, width of the cut to such a hole


def find_rooms(plan, walls, known):
    """List of (outline [V, 2] in the turned frame, rows of the walls around it).

    plan: PlanView; walls: list of FoundWall; known: KnownResults
    """
    labels = _labels(plan, walls)
    lines = shapely.linestrings([wall.ends for wall in walls]) if walls else np.zeros(0, dtype=object)
    thickness = np.array([wall.thickness for wall in walls])
    found = []
    for number, part in enumerate(find_objects(labels), 1):
        mask = labels[part] == number if part else np.zeros((1, 1), dtype=bool)
        if mask.sum() * (COLUMN * CELL) ** 2 < MIN_AREA or _floor_share(plan, part, mask) < MIN_FLOOR_SHARE:
            continue
        corner = plan.low + [COLUMN * side.start for side in part]
        area = known.of(_area, mask, corner)
        area = _filled(area, lambda hole: _is_walled(hole, lines, thickness))
        near = np.flatnonzero(shapely.distance(area, lines) - thickness / 2 < NEAR_WALL)
        polygon = known.of(_along_walls, area, [replace(walls[row], faces=()) for row in near])
        if polygon is not None and polygon.area >= MIN_AREA:
            near = near[shapely.distance(polygon, lines[near]) - thickness[near] / 2 < NEAR_WALL]
            found.append((polygon, tuple(near.tolist())))
    return _apart(found)


def _floor_share(plan, part, mask):
    """Share of the cells of a room where floor was seen. mask: [X, Y] bool columns; part: their two slices"""
    floor = plan.floor[tuple(slice(COLUMN * side.start, COLUMN * side.stop) for side in part)]
    fine = np.repeat(np.repeat(mask, COLUMN, axis=0), COLUMN, axis=1)[: floor.shape[0], : floor.shape[1]]
    return floor[fine].mean()


def furniture_rows(plan, walls, rooms):
    """Set of the rows of walls of which one face was seen and that stand inside one room: fronts of furniture.

    Rows of low furniture divide a room into parts that look like rooms: walls between rooms reach above doors.

    plan: PlanView; rooms: as `find_rooms` returns them
    """
    polygons = np.array([shapely.Polygon(outline) for outline, _ in rooms])
    rows = set()
    for row, wall in enumerate(walls):
        along = np.arange(wall.low + CELL, wall.high, 2 * COLUMN * CELL)
        if wall.thickness or not len(along) or not len(polygons):
            continue
        sides = [wall.point(along) + out * wall.axes[1] for out in (-BESIDE, BESIDE)]
        seen = [plan.seen[tuple(plan.places(side).T)] for side in sides]
        inside = [shapely.contains_xy(polygons[:, None], *side.T) & here for side, here in zip(sides, seen)]
        same = (inside[0] & inside[1]).any(axis=0)
        both = inside[0].any(axis=0) & inside[1].any(axis=0)
        is_low = plan.share_above(wall.axes, (wall.low, wall.high), wall.faces_span) <= MIN_ABOVE
        if (both if is_low else same).mean() > MAX_INSIDE:
            rows.add(row)
    return rows


def _labels(plan, walls):
    """[X, Y] int: number of the room of each column, 0 for none."""
    shape = [-(-size // COLUMN) for size in plan.seen.shape]
    wall = np.zeros(shape, dtype=bool)
    gaps = [gap for gap in find_gaps(walls) if not has_lintel(plan, walls[gap.wall], gap)]
    for row, item in enumerate(walls):
        open_parts = [(gap.low, gap.high) for gap in gaps if gap.wall == row]
        wall[tuple((_places_of(plan, item, open_parts) // COLUMN).T)] = True
    squares = np.argwhere(plan.seen)
    seen = np.zeros(shape, dtype=bool)
    seen[tuple((squares // COLUMN).T)] = True
    columns = np.argwhere(seen)
    labels = np.zeros(shape, dtype=np.int64)
    if len(columns):
        room = segment_rooms(squares, columns, wall[tuple(columns.T)], CELL)
        labels[tuple(columns.T)] = room
    return np.where(wall, 0, labels)


def _places_of(plan, wall, left_out=()):
    """[n, 2] cells of a plan on the faces of a wall and between them, without parts (from, to) of its length."""
    along = np.arange(wall.low, wall.high + CELL / 2, CELL / 2)
    for low, high in left_out:
        along = along[(along < low) | (along > high)]
    half = wall.thickness / 2
    across = np.linspace(-half, half, max(round(2 * wall.thickness / CELL), 1))
    line = wall.point(along)
    return plan.places((line[:, None] + across[None, :, None] * wall.axes[1]).reshape(-1, 2))


def _area(mask, corner):
    """The columns of a mask as one shapely polygon in the turned frame. corner: [2] cell of its start"""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    first, last = np.argwhere(edges == 1), np.argwhere(edges == -1)  # of runs along y: few shapes for `union_all`
    low, high = ((places * COLUMN + corner) * CELL for places in (first, last + [1, 0]))
    union = shapely.union_all(shapely.box(*low.T, *high.T))
    union = union.buffer(2 * STRAIGHT, join_style="mitre").buffer(-2 * STRAIGHT, join_style="mitre")
    return _largest(union)


def _largest(shape):
    """The largest polygon of a shape; an empty polygon without any."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if part.geom_type == "Polygon"]
    return max(parts, key=lambda part: part.area, default=shapely.Polygon())


def _filled(polygon, is_kept):
    """A polygon without its holes but for large ones for which a function of a shapely polygon is true."""
    holes = map(shapely.Polygon, polygon.interiors)
    return shapely.Polygon(
        polygon.exterior, [hole.exterior for hole in holes if hole.area >= MIN_AREA and is_kept(hole)]
    )


def _is_walled(hole, lines, thickness):
    """Whether walls go around a hole of a room. lines, thickness: [W] of the walls"""
    walls = shapely.union_all(shapely.buffer(lines, thickness / 2 + NEAR_WALL))
    return hole.exterior.intersection(walls).length > WALLED * hole.exterior.length


def _as_ring(polygon):
    """A polygon without holes: each is joined to what is outside by a cut across the narrowest place."""
    for _ in polygon.interiors:
        if polygon.interiors:
            cut = shapely.shortest_line(polygon.interiors[0], polygon.exterior).buffer(CUT / 2, cap_style="square")
            polygon = _largest(polygon.difference(cut))
    return shapely.Polygon(polygon.exterior)


def _along_walls(area, walls):
    """The polygon of a room whose edges are the faces of its walls, where there are any; None if nothing remains.

    walls: list of FoundWall, without their faces, so that the result is known while they keep their place.
    The lines of the faces divide the plane into pieces; a piece that is mostly seen belongs to the room entirely.
    """
    smooth = area.simplify(STRAIGHT)
    frame = shapely.box(*area.bounds).buffer(0.6, join_style="mitre")
    lines = [frame.exterior, *(_face_line(wall, area, frame) for wall in walls)]
    pieces = np.array(list(shapely.polygonize([shapely.union_all(lines)]).geoms))
    inside = shapely.intersection(pieces, smooth)
    seen = shapely.area(inside)
    whole = (seen > WHOLE * shapely.area(pieces)) & (shapely.distance(pieces, frame.exterior) > 1e-6)
    part = ~whole & (shapely.area(shapely.buffer(inside, -SLIVER)) > MIN_PIECE)
    union = shapely.union_all([*pieces[whole], *inside[part]])
    union = union.buffer(0.02, join_style="mitre").buffer(-0.02, join_style="mitre")
    polygon = _filled(_largest(union), lambda hole: hole.intersection(area).area < hole.area / 2).simplify(0.05)
    return polygon if polygon.is_valid and polygon.area > 0 else None


def _face_line(wall, area, frame):
    """The line of the wall's face toward a room, across the frame: the face before which more of the room lies."""
    offset = 0.0
    if wall.thickness:
        line, reach = shapely.LineString(wall.ends), wall.thickness / 2 + NEAR_WALL
        left, right = (area.intersection(line.buffer(side * reach, single_sided=True)).area for side in (1, -1))
        offset = wall.axes[1] * (np.sign(left - right) * wall.thickness / 2)
    length = np.hypot(*np.ptp(np.array(frame.exterior.coords), axis=0)) * 2
    ends = wall.point(np.array([wall.low - length, wall.high + length])) + offset
    return shapely.LineString(ends).intersection(frame)


def _apart(found):
    """The rooms, smaller ones without what larger ones cover, as (outline [V, 2], rows of walls)."""
    rooms, taken = [], shapely.Polygon()
    for polygon, rows in sorted(found, key=lambda room: -room[0].area):
        rest = _largest(polygon.difference(taken.buffer(0.01)))
        if rest.area >= MIN_AREA:
            taken = taken.union(polygon)
            ring = _as_ring(_filled(rest, lambda _: True)).exterior
            outline = np.array(ring.coords)[:-1]
            rooms.append((outline if shapely.is_ccw(ring) else outline[::-1], rows))
    return rooms
