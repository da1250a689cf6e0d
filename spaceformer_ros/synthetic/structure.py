# SPDX-License-Identifier: Apache-2.0
"""The structure of a building: floors, walls with openings, ceilings; and doors, windows and curtains."""

import itertools
import math

from .colors import Paint, draw_color, draw_pastel, draw_shade, plain
from .floorplan import WALL_THICKNESS, draw_windows
from .placement import RESERVED, Thing, make_thing
from .shapes import Shape
from .things.parts import between, chance, pick

FLOORS = {}  # finish -> function(rng) that draws a Paint
WALLS = {}  # finish -> function(rng, color) that draws horizontal bands (z0, z1, Paint)


def _finish(table, name):
    def register(function):
        table[name] = function
        return function

    return register


@_finish(FLOORS, "planks")
def _planks(rng):
    color = draw_shade(rng, pick(rng, ("brown", "beige", "brown", "gray", "beige")), 12)
    wide = 1 / between(rng, 0.08, 0.2)
    dark = tuple(value * between(rng, 0.5, 0.75) for value in color)
    if chance(rng, 0.5):
        return Paint(color, dark, "planks", (wide, 1 / between(rng, 0.7, 1.4), 0.0), 0.0, 0.1, 0.06)
    return Paint(color, dark, "boards", (1 / between(rng, 0.7, 1.4), wide, 0.0), 0.0, 0.1, 0.06)


@_finish(FLOORS, "tiles")
def _floor_tiles(rng):
    size = 1 / between(rng, 0.15, 0.6)
    pattern = "checks" if chance(rng, 0.2) else "tiles"
    color, other = draw_color(rng, "neutral"), draw_color(rng, "neutral")
    return Paint(color, other, pattern, (size, size, 0.0), between(rng, 0.1, 0.9), 0.1, 0.12)


@_finish(FLOORS, "carpet")
def _carpet(rng):
    color = draw_color(rng, "any" if chance(rng, 0.45) else "neutral")
    pattern = pick(rng, ("speckle", "weave", "speckle", "blobs"))
    second = tuple(value * between(rng, 0.7, 1.2) for value in color)
    frequency = 1 / between(rng, 0.02, 0.05) if pattern != "blobs" else between(rng, 1, 3)
    return Paint(color, second, pattern, (frequency, frequency, 0.0), between(rng, 0, 9), 0.2)


@_finish(FLOORS, "plain")
def _plain_floor(rng):
    color = draw_color(rng, "neutral" if chance(rng, 0.85) else "any")
    return Paint(color, tuple(value * 0.85 for value in color), "blobs", (0.8, 0.9, 0.0), between(rng, 0, 9), 0.3, 0.08)


@_finish(WALLS, "paint")
def _wall_paint(rng, color):
    return [(0.0, 9.0, plain(color))]


@_finish(WALLS, "paper")
def _wall_paper(rng, color):
    pattern = pick(rng, ("stripes", "dots", "blobs", "stripes"))
    size = 1 / (between(rng, 0.1, 0.3) if pattern != "blobs" else between(rng, 0.4, 0.8))
    second = draw_pastel(rng) if chance(rng, 0.7) else draw_color(rng, "any")
    along, up = size, 0.0 if pattern == "stripes" else size
    return [(0.0, 9.0, Paint(color, second, pattern, (along, along, up), between(rng, 0, 9), 0.4))]


@_finish(WALLS, "panel")
def _wall_panel(rng, color):
    high = between(rng, 0.8, 1.2)
    lower = Paint(draw_shade(rng, "brown"), (60, 40, 28), "planks", (1 / 0.12, 1 / 0.12, 0.01), 0.0, 0.1)
    return [(0.0, high, lower if chance(rng, 0.6) else plain(draw_pastel(rng))), (high, 9.0, plain(color))]


@_finish(WALLS, "two tone")
def _two_tone(rng, color):
    lower, high = draw_color(rng, "any") if chance(rng, 0.5) else draw_pastel(rng), between(rng, 0.9, 1.5)
    return [(0.0, high, plain(lower)), (high, 9.0, plain(color))]


@_finish(WALLS, "tiles")
def _wall_tiles(rng, color):
    size, up = 1 / between(rng, 0.1, 0.35), 1 / between(rng, 0.1, 0.35)
    grout = draw_shade(rng, pick(rng, ("gray", "white")))
    return [(0.0, 9.0, Paint(color, grout, "tiles", (size, size, up), 0.4, 0.1, 0.15))]


@_finish(WALLS, "half tiles")
def _half_tiles(rng, color):
    (_, _, tiles), high = _wall_tiles(rng, draw_pastel(rng))[0], between(rng, 1.1, 1.9)
    return [(0.0, high, tiles), (high, 9.0, plain(color))]


@_finish(WALLS, "brick")
def _brick(rng, _color):
    stone = draw_shade(rng, pick(rng, ("red", "brown", "orange", "white")))
    return [(0.0, 9.0, Paint(stone, draw_shade(rng, "gray"), "tiles", (1 / 0.25, 1 / 0.25, 1 / 0.08), 0.4, 0.1))]


def _upright(paint, direction):
    """The paint for a wall along x or along y, with a pattern that is constant across the wall."""
    fx, fy, fz = paint.frequency
    frequency = (fx, 0.0, fz) if abs(direction[0]) > 0.5 else (0.0, fy, fz)
    return Paint(paint.color, paint.second, paint.pattern, frequency, paint.phase, paint.share, paint.gloss)


def _thing(kind, shape):
    return Thing(kind, shape, None, 0, {})


def build_structure(rng, plan, theme, ceiling):
    """Floor, walls and perhaps a ceiling of one room, as Things.

    theme: a Theme, for its finishes; ceiling: share of the room with a ceiling, None for no ceiling.
    """
    floor, walls, parts = Shape(), Shape(), []
    paint = FLOORS[pick(rng, theme.floors)](rng)
    for x0, y0, x1, y1 in plan.rectangles():
        _level(floor, (x0, y0, x1, y1), 0.0, paint, True)
    finish = WALLS[pick(rng, theme.walls)]
    common = finish(rng, draw_pastel(rng) if chance(rng, 0.88) else draw_color(rng, "any"))
    board = plain(draw_shade(rng, pick(rng, ("white", "white", "brown", "gray")))) if chance(rng, 0.7) else None
    accent = int(rng.integers(len(plan.walls))) if chance(rng, 0.2) else -1
    for number, wall in enumerate(plan.walls):
        bands = _wall_paint(rng, draw_color(rng, "any")) if number == accent else common
        _wall(walls, wall, bands)
        if board:
            _skirting(walls, wall, board)
        _sockets(rng, walls, wall)
    parts = [_thing("floor", floor), _thing("wall", walls)]
    if ceiling:
        above = Shape()
        white = plain(draw_shade(rng, "white"))
        x0, y0, x1, y1 = plan.bounds
        for a, b, c, d in plan.rectangles():
            _level(above, (a, b, min(c, x0 + ceiling * (x1 - x0)), d), plan.height, white, False)
        parts.append(_thing("ceiling", above))
    return parts


def _level(shape, area, z, paint, up):
    """A horizontal surface that is visible from above (up) or from below."""
    x0, y0, x1, y1 = area
    if x1 - x0 < 0.01:
        return
    side = 1.0 if up else -1.0
    axes = ((side, 0.0, 0.0), (0.0, 0.0, -side), (0.0, 1.0, 0.0))
    shape.sheet(((x0 + x1) / 2, (y0 + y1) / 2, z), (x1 - x0, 0.0, y1 - y0), paint, axes, one_sided=True)


def _wall(shape, wall, bands):
    """The wall's surface around its openings, in horizontal bands (z0, z1, paint)."""
    cuts = sorted({0.0, wall.length, *(t for o in wall.openings for t in o[:2])})
    axes = ((-wall.direction[0], -wall.direction[1], 0.0), (*wall.normal, 0.0), (0.0, 0.0, 1.0))
    paints = [(z0, z1, _upright(paint, wall.direction)) for z0, z1, paint in bands]
    for t0, t1 in itertools.pairwise(cuts):
        holes = sorted((o[2], o[3]) for o in wall.openings if o[0] < t1 - 1e-6 and o[1] > t0 + 1e-6)
        z, free = 0.0, []
        for low, high in holes:
            free.append((z, low))
            z = max(z, high)
        free.append((z, wall.height))
        for low, high in free:
            for z0, z1, paint in paints:
                bottom, top = max(low, z0), min(high, z1)
                if top - bottom > 0.005 and t1 - t0 > 0.005:
                    x, y = wall.point((t0 + t1) / 2)
                    shape.sheet((x, y, (bottom + top) / 2), (t1 - t0, 0.0, top - bottom), paint, axes, one_sided=True)


def _skirting(shape, wall, paint):
    doors = sorted((o[0], o[1]) for o in wall.openings if o[2] < 0.02)
    t = 0.0
    for start, end in [*doors, (wall.length, wall.length)]:
        if start - t > 0.05:
            x, y = wall.point((t + start) / 2, 0.006)
            shape.block((x, y, 0.04), (start - t, 0.012, 0.08), paint, wall.yaw)
        t = max(t, end)


def _sockets(rng, shape, wall):
    """Light switches and sockets."""
    white = plain(draw_shade(rng, "white"))
    for _ in range(int(rng.integers(0, 3))):
        t, z = between(rng, 0.1, max(0.2, wall.length - 0.1)), pick(rng, (0.3, 1.1))
        if wall.is_free(t - 0.05, t + 0.05, z - 0.05, z + 0.05):
            shape.block((*wall.point(t, 0.005), z), (0.085, 0.012, 0.085 * pick(rng, (1, 1, 2))), white, wall.yaw)


def build_passage(rng, doorway):
    """The floor, sides and lintel inside a doorway, as Things."""
    x0, y0, x1, y1 = doorway.area
    floor, frame = Shape(), Shape()
    _level(floor, doorway.area, 0.0, plain(draw_color(rng, "neutral")), True)
    paint = plain(draw_shade(rng, pick(rng, ("white", "white", "brown", "gray"))))
    high, lip = doorway.height, 0.05
    for side in (0, 1):
        if doorway.along_x:
            y = (y0, y1)[side] + (lip / 2 if side else -lip / 2)
            frame.slab((x0 - 0.01, y - lip / 2, 0), (x1 + 0.01, y + lip / 2, high + lip), paint)
        else:
            x = (x0, x1)[side] + (lip / 2 if side else -lip / 2)
            frame.slab((x - lip / 2, y0 - 0.01, 0), (x + lip / 2, y1 + 0.01, high + lip), paint)
    grow = (-0.01, 0.0, 0.01, 0.0) if doorway.along_x else (0.0, -0.01, 0.0, 0.01)
    a, b, c, d = (value + more for value, more in zip(doorway.area, grow, strict=True))
    frame.slab((a, b, high), (c, d, high + lip), paint)
    return [_thing("floor", floor), _thing("wall", frame)]


def fill_openings(rng, site, plans, doorways):
    """Add closed doors in outer walls, open doors in doorways, and windows with curtains, blinds and radiators."""
    number = next(i for i, plan in enumerate(plans) if plan is site.plan)
    for doorway in doorways:
        if number in doorway.rooms:
            _keep_passage_free(site, doorway)
    for doorway in doorways:
        if doorway.rooms[0] == number and chance(rng, 0.4):
            _open_leaf(rng, site, doorway)
    if chance(rng, 0.85 if not doorways else 0.3):
        _outer_door(rng, site)
    for wall, t0, t1, z0, z1 in draw_windows(rng, site.plan, plans):
        _window(rng, site, wall, (t0, t1, z0, z1))


def _keep_passage_free(site, doorway, depth=0.8):
    x0, y0, x1, y1 = doorway.area
    reach = (depth, 0.0) if doorway.along_x else (0.0, depth)
    site.block((x0 - reach[0], y0 - reach[1], x1 + reach[0], y1 + reach[1]), 0.02, 2.0)


def _open_leaf(rng, site, doorway):
    """An open door beside its doorway, in the room."""
    x0, y0, x1, y1 = doorway.area
    wide = (y1 - y0) if doorway.along_x else (x1 - x0)
    if wide > 1.1:
        return
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    for wall in site.plan.walls:
        t, out = wall.local(*middle)
        if not (0 < t < wall.length and -WALL_THICKNESS < out < 0):
            continue
        leaf = make_thing(rng, "door", width=wide, height=doorway.height, swing=between(rng, 1.2, 1.9))
        leaf.moved(*wall.point(t, 0.0), 0.0, wall.yaw)
        if site.fits(leaf, light=True, indoors=False) or chance(rng, 0.5):
            site.add(leaf)
        return


def _outer_door(rng, site):
    """A closed door in some wall, with free floor in front of it."""
    door = make_thing(rng, "door")
    low, high = door.shape.bounds()
    wide, tall = high[0] - low[0], high[2]
    for _ in range(8):
        wall = pick(rng, site.plan.walls)
        if wall.length < wide + 0.4 or tall > wall.height - 0.1:
            continue
        t = between(rng, wide / 2 + 0.15, wall.length - wide / 2 - 0.15)
        if not wall.is_free(t - wide / 2, t + wide / 2, 0.0, tall, 0.1):
            continue
        if site.put(door, *wall.point(t, 0.0), wall.yaw, indoors=False):
            wall.openings.append((t - wide / 2, t + wide / 2, 0.0, tall))
            (x0, y0), (x1, y1) = wall.point(t - wide / 2), wall.point(t + wide / 2, 0.9)
            site.block((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), 0.02, 2.0, RESERVED)
            return


def _window(rng, site, wall, opening):
    """A window in its opening, and its curtain, blinds or radiator."""
    t0, t1, z0, z1 = opening
    t, wide, high = (t0 + t1) / 2, t1 - t0, z1 - z0
    window = make_thing(rng, "window", width=wide, height=high)
    window.hung = True
    window.moved(*wall.point(t, -0.02), max(0.0, z0 - window.shape.bounds()[1][2] + high), wall.yaw)
    site.add(window)
    form = rng.random()
    if form < 0.45:
        length = pick(rng, (high + 0.15, high + 0.15, z1 + 0.08))
        rod = min(wide + 0.5, wall.length - 0.1)
        curtain = make_thing(rng, "curtain", width=rod, height=min(length, z1 + 0.08))
        curtain.hung = True
        z = max(0.02, min(z1 + 0.12, wall.height - 0.02) - curtain.shape.bounds()[1][2])
        center = min(max(t, rod / 2 + 0.08), wall.length - rod / 2 - 0.08)
        site.put(curtain, *wall.point(center, 0.12), wall.yaw, z, light=True)
    elif form < 0.65:
        blinds = make_thing(rng, "blinds", width=wide - 0.02, height=high)
        blinds.hung = True
        top = blinds.shape.bounds()[1][2]
        site.put(blinds, *wall.point(t, 0.06), wall.yaw, z1 - top + 0.04, light=True, on=window)
    if z0 > 0.7 and chance(rng, 0.65):
        radiator = make_thing(rng, "radiator", width=min(wide, between(rng, 0.6, 1.4)))
        site.put(radiator, *wall.point(t, 0.1), wall.yaw, light=True)


def map_yaw(rng, turned):
    """Yaw of the building in the map, radians: arbitrary, as a map's axes are those of the robot at its start."""
    return between(rng, 0, 2 * math.pi) if chance(rng, turned) else pick(rng, (0.0, math.pi / 2, math.pi, -math.pi / 2))
