# SPDX-License-Identifier: Apache-2.0
"""Kitchen furniture and machines. Fronts at -y, backs to the wall."""

from ..colors import draw_color, draw_shade, plain, wood
from ..shapes import CUP
from .parts import BLACK, DARK, STEEL, WHITE, between, brass, chance, doors, drawers, handle, pick
from .registry import builds

GLASS = plain((40, 44, 48), gloss=0.35)
COUNTER_HEIGHT = 0.9


def _machine(shape, width, depth, height, paint):
    shape.slab((-width / 2, -depth / 2, 0.03), (width / 2, depth / 2, height), paint)
    shape.slab((-width / 2 + 0.02, -depth / 2 + 0.03, 0), (width / 2 - 0.02, depth / 2, 0.03), DARK)
    shape.top(-width / 2 + 0.03, -depth / 2 + 0.05, width / 2 - 0.03, depth / 2 - 0.05, height)


@builds("refrigerator")
def refrigerator(shape, rng, look):
    """One door, freezer above or below, or side by side; magnets and notes on some."""
    wide = chance(rng, 0.2)
    width = between(rng, 0.85, 0.95) if wide else between(rng, 0.54, 0.72)
    depth, height = between(rng, 0.58, 0.72), between(rng, 1.35, 1.95)
    shape.slab((-width / 2, -depth / 2 + 0.06, 0), (width / 2, depth / 2, height), look.main)
    face, y = look.main.shaded(1.04), -depth / 2
    grip = STEEL if chance(rng, 0.6) else look.second
    if wide:
        for side in (-1, 1):
            x0, x1 = sorted((side * 0.004, side * width / 2))
            shape.slab((x0, y, 0.05), (x1, y + 0.055, height), face)
            handle(shape, side * 0.05, y, height * 0.55, grip, height * 0.5, True)
        shape.block((-width / 4, y - 0.004, height * 0.62), (0.2, 0.012, 0.32), BLACK)
    else:
        split = height * pick(rng, (0.3, 0.36, 0.64, 0.7, 1.0))
        for low, high in ((0.05, split - 0.012), (split + 0.012, height)):
            if high - low > 0.1:
                shape.slab((-width / 2, y, low), (width / 2, y + 0.055, high), face)
                z = high - 0.25 if low < 0.1 and high < height * 0.9 else low + 0.3
                handle(shape, -width / 2 + 0.07, y, min(z, high - 0.15), grip, 0.3, True)
    if chance(rng, 0.4):
        for _ in range(int(rng.integers(2, 7))):
            note = plain(draw_color(rng, "any"), content=True)
            x, z = between(rng, -width * 0.3, width * 0.4), between(rng, height * 0.4, height * 0.9)
            shape.block((x, y - 0.004, z), (between(rng, 0.04, 0.12), 0.006, between(rng, 0.04, 0.14)), note)
    shape.top(-width / 2 + 0.05, -depth / 2 + 0.1, width / 2 - 0.05, depth / 2 - 0.05, height)


@builds("stove")
def stove(shape, rng, look):
    """A free-standing cooker: oven door with a window, knobs, four burners or a glass top."""
    width, depth, height = between(rng, 0.5, 0.75), between(rng, 0.56, 0.64), between(rng, 0.86, 0.92)
    _machine(shape, width, depth, height, look.main)
    y = -depth / 2
    shape.slab((-width / 2 + 0.02, y - 0.025, 0.2), (width / 2 - 0.02, y, height - 0.14), look.main)
    shape.slab((-width / 2 + 0.1, y - 0.03, 0.3), (width / 2 - 0.1, y - 0.02, height - 0.28), GLASS)
    handle(shape, 0, y - 0.025, height - 0.18, STEEL, width * 0.75)
    for number in range(5):
        x = (number - 2) * width / 6
        shape.round((x, y - 0.015, height - 0.07), (0.045, 0.045, 0.03), BLACK, (0, 0, 1.5708))
    glass = chance(rng, 0.5)
    plate = GLASS if glass else look.main.shaded(0.8)
    shape.block((0, 0, height + 0.006), (width - 0.02, depth - 0.03, 0.012), plate)
    for sx, sy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        center = (sx * width * 0.23, sy * depth * 0.23, height + 0.018)
        if glass:
            shape.round(center, (0.19, 0.19, 0.005), plain((88, 40, 38)) if chance(rng, 0.3) else DARK)
        else:
            shape.ring(center, 0.085, 0.014, BLACK)
            shape.round(center, (0.09, 0.09, 0.02), BLACK)
    if chance(rng, 0.3):
        shape.slab((-width / 2, depth / 2 - 0.04, height), (width / 2, depth / 2, height + 0.16), look.main)
    if chance(rng, 0.35):
        pot = plain(draw_color(rng, "any"), content=True)
        shape.round((width * 0.23, depth * 0.2, height + 0.1), (0.22, 0.22, 0.15), pot, None, 1.0, CUP)


@builds("microwave")
def microwave(shape, rng, look):
    """A box with a dark glass door and a panel with buttons on the right."""
    width, depth, height = between(rng, 0.42, 0.54), between(rng, 0.3, 0.38), between(rng, 0.25, 0.32)
    shape.slab((-width / 2, -depth / 2, 0.01), (width / 2, depth / 2, height), look.main)
    y, edge = -depth / 2, width * 0.22
    shape.slab((-width / 2 + 0.02, y - 0.012, 0.03), (width / 2 - edge, y, height - 0.02), GLASS)
    shape.slab((width / 2 - edge + 0.01, y - 0.008, 0.03), (width / 2 - 0.02, y, height - 0.02), DARK)
    shape.block((width / 2 - edge / 2, y - 0.012, height - 0.06), (edge * 0.6, 0.006, 0.03), plain((90, 200, 130)))
    for row in range(3):
        shape.block((width / 2 - edge / 2, y - 0.012, 0.06 + row * 0.04), (edge * 0.6, 0.006, 0.018), WHITE)
    handle(shape, width / 2 - edge - 0.02, y - 0.01, height / 2, STEEL, height * 0.7, True)
    shape.top(-width / 2 + 0.04, -depth / 2 + 0.04, width / 2 - 0.04, depth / 2 - 0.04, height)


@builds("kitchen counter")
def kitchen_counter(shape, rng, look, width=None, hole=None):
    """Base cupboards under a worktop with an overhang. hole: (x0, x1) metres left open in the worktop for a sink."""
    width, depth, height = width or between(rng, 1.0, 2.4), 0.6, COUNTER_HEIGHT
    shape.slab((-width / 2, -depth / 2 + 0.06, 0), (width / 2, depth / 2, 0.1), DARK)
    body = height - (0.24 if hole else 0.04)
    shape.slab((-width / 2, -depth / 2 + 0.03, 0.1), (width / 2, depth / 2, body), look.main.shaded(0.7))
    if hole:
        shape.slab((-width / 2, -depth / 2 + 0.03, body), (width / 2, -depth / 2 + 0.05, height - 0.04), look.main)
    tops = (wood(rng), plain(draw_color(rng, "neutral"), gloss=0.05), look.second)
    top, y = pick(rng, tops), -depth / 2 + 0.03
    count, trim = max(1, round(width / 0.5)), brass(rng)
    for number in range(count):
        x0 = -width / 2 + number * width / count
        area = (x0, 0.1, x0 + width / count, height - 0.04)
        if chance(rng, 0.3):
            drawers(shape, rng, area, y, int(rng.integers(2, 5)), 1, look.main, trim)
        else:
            doors(shape, rng, area, y, 1, look.main, trim)
    left, right = hole or (0.0, 0.0)
    for x0, x1 in ((-width / 2, left), (right, width / 2)):
        shape.slab((x0, -depth / 2, height - 0.04), (x1, depth / 2, height), top)
        if x1 - x0 > 0.25:
            shape.top(x0 + 0.02, -depth / 2 + 0.03, x1 - 0.02, depth / 2 - 0.02, height)
        shape.solid((x0, -depth / 2, height - 0.24), (x1, depth / 2, height))
    if hole:
        for y0, y1 in ((-depth / 2, -depth / 2 + 0.07), (depth / 2 - 0.07, depth / 2)):
            shape.slab((left, y0, height - 0.04), (right, y1, height), top)
    shape.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height - 0.24))


@builds("kitchen cabinet")
def kitchen_cabinet(shape, rng, look, width=None):
    """Cupboards on the wall above a counter."""
    width, depth, height = width or between(rng, 0.6, 1.8), between(rng, 0.3, 0.38), between(rng, 0.5, 0.75)
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height), look.main.shaded(0.7))
    count = max(1, round(width / 0.45))
    area = (-width / 2, 0, width / 2, height)
    doors(shape, rng, area, -depth / 2, count, look.main, brass(rng))


@builds("range hood")
def range_hood(shape, rng, look):
    """A funnel above the stove with a duct to the ceiling."""
    width, depth = between(rng, 0.55, 0.75), between(rng, 0.45, 0.5)
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 0.06), look.main)
    if chance(rng, 0.7):
        shape.block((0, 0, 0.15), (width, depth, 0.18), look.main, None, (0, 0), (0.45, 0.6))
    shape.slab((-0.14, -0.1, 0.06), (0.14, 0.16, between(rng, 0.5, 0.75)), look.main)
    shape.block((0, 0, 0.004), (width - 0.08, depth - 0.08, 0.008), DARK)


@builds("dishwasher")
def dishwasher(shape, rng, look):
    """A machine with a flat door, a handle and a row of buttons."""
    width, depth, height = between(rng, 0.45, 0.6), between(rng, 0.56, 0.62), between(rng, 0.82, 0.88)
    _machine(shape, width, depth, height, look.main)
    y = -depth / 2
    shape.slab((-width / 2 + 0.01, y - 0.02, 0.12), (width / 2 - 0.01, y, height - 0.13), look.main)
    shape.slab((-width / 2 + 0.01, y - 0.025, height - 0.115), (width / 2 - 0.01, y, height - 0.01), look.second)
    handle(shape, 0, y - 0.02, height - 0.16, STEEL, width * 0.7)
    for number in range(4):
        shape.block((0.04 + number * 0.045, y - 0.03, height - 0.06), (0.02, 0.01, 0.02), BLACK)


@builds("sink")
def sink(shape, rng, look, inset=False):
    """A wash basin on a column, on the wall or on a cabinet; inset: a kitchen sink to drop into a counter."""
    if inset:
        _kitchen_sink(shape, rng)
        return
    width, depth, height = between(rng, 0.42, 0.7), between(rng, 0.36, 0.48), between(rng, 0.8, 0.88)
    form = rng.random()
    if form < 0.4:
        shape.round((0, 0.06, height / 2 - 0.07), (0.2, 0.18, height - 0.14), look.main, top=0.85)
    elif form < 0.8:
        body = wood(rng) if chance(rng, 0.6) else plain(draw_color(rng, "pale"))
        body = body.as_content()
        shape.slab(
            (-width / 2 + 0.02, -depth / 2 + 0.03, 0), (width / 2 - 0.02, depth / 2, height - 0.14), body.shaded(0.7)
        )
        doors(shape, rng, (-width / 2 + 0.02, 0.04, width / 2 - 0.02, height - 0.14), -depth / 2 + 0.03, 2, body, STEEL)
    if chance(rng, 0.6):
        shape.round((0, 0, height - 0.08), (width * 0.75, depth * 0.75, 0.16), look.main, None, 1.3, CUP)
        shape.slab((-width * 0.4, depth / 2 - 0.1, height - 0.04), (width * 0.4, depth / 2, height), look.main)
    else:
        _basin(shape, (width, depth), height, 0.14, look.main)
    _tap(shape, 0, depth / 2 - 0.06, height)
    if form >= 0.8 and chance(rng, 0.5):
        shape.tube([(0, 0.05, height - 0.15), (0, 0.05, height - 0.35), (0, depth / 2, height - 0.35)], 0.02, STEEL)


def _basin(shape, size, height, deep, paint):
    """A box that is open at the top: four walls and a bottom."""
    width, depth = size
    wall = 0.035
    shape.slab((-width / 2, -depth / 2, height - deep), (width / 2, -depth / 2 + wall, height), paint)
    shape.slab((-width / 2, depth / 2 - 0.09, height - deep), (width / 2, depth / 2, height), paint)
    for x in (-width / 2, width / 2 - wall):
        shape.slab((x, -depth / 2, height - deep), (x + wall, depth / 2, height), paint)
    shape.slab((-width / 2, -depth / 2, height - deep), (width / 2, depth / 2, height - deep + 0.03), paint)
    shape.round((0, 0, height - deep + 0.032), (0.045, 0.045, 0.006), STEEL)


def _tap(shape, x, y, z, reach=0.14, high=0.14):
    shape.tube([(x, y, z), (x, y, z + high), (x, y - reach, z + high), (x, y - reach, z + high - 0.04)], 0.013, STEEL)
    shape.bar((x + 0.01, y, z + 0.05), (x + 0.07, y, z + 0.08), 0.01, STEEL)


def _kitchen_sink(shape, rng):
    paint = plain(draw_shade(rng, "gray"), gloss=0.15) if chance(rng, 0.7) else plain(draw_shade(rng, "white"))
    width, depth, deep = 0.56, 0.46, 0.19
    _basin(shape, (width, depth), deep, deep, paint)
    _tap(shape, 0, depth / 2 - 0.045, deep, 0.2, 0.26)


@builds("kettle")
def kettle(shape, rng, look):
    """A jug with a spout, a handle and a lid."""
    high, radius = between(rng, 0.17, 0.22), between(rng, 0.07, 0.09)
    shape.post(0, 0, 0, 0.02, radius + 0.01, BLACK)
    shape.post(0, 0, 0.02, high, radius, look.main, 0.72)
    shape.ball((0, 0, high + 0.012), (0.03, 0.03, 0.03), BLACK)
    shape.round((0, 0, high), (radius * 1.3, radius * 1.3, 0.014), look.second)
    shape.bar((radius * 0.7, 0, high * 0.65), (radius * 1.5, 0, high * 0.95), 0.016, look.main)
    shape.tube(
        [
            (-radius * 0.7, 0, high * 0.9),
            (-radius * 1.7, 0, high * 0.85),
            (-radius * 1.6, 0, high * 0.2),
            (-radius * 0.9, 0, high * 0.15),
        ],
        0.011,
        BLACK,
    )


@builds("toaster")
def toaster(shape, rng, look):
    """A rounded box with two slots."""
    width, depth, high = between(rng, 0.24, 0.34), between(rng, 0.15, 0.2), between(rng, 0.17, 0.21)
    shape.block((0, 0, high / 2 + 0.005), (width, depth, high), look.main, None, (6, 7))
    for y in (-0.03, 0.03):
        shape.block((0, y, high), (width * 0.7, 0.026, 0.012), BLACK)
    shape.block((width / 2 + 0.012, 0, high * 0.6), (0.03, 0.04, 0.02), BLACK)


@builds("coffee machine")
def coffee_machine(shape, rng, look):
    """A column and a head above a tray, with a jug or a cup below."""
    width, depth, high = between(rng, 0.2, 0.3), between(rng, 0.26, 0.36), between(rng, 0.3, 0.4)
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 0.05), look.main.shaded(0.7))
    shape.slab((-width / 2, 0.02, 0.05), (width / 2, depth / 2, high), look.main)
    shape.slab((-width / 2, -depth / 2 + 0.02, high - 0.12), (width / 2, 0.02, high), look.main)
    shape.block((0, -depth / 2 + 0.015, high - 0.06), (width * 0.6, 0.012, 0.05), BLACK)
    if chance(rng, 0.6):
        shape.post(0, -depth / 4, 0.05, 0.05 + 0.12, 0.055, GLASS, 0.85)
    else:
        shape.post(0, -depth / 4, 0.05, 0.13, 0.035, WHITE, 1.1, CUP)


@builds("water dispenser")
def water_dispenser(shape, rng, look):
    """A tall stand with two taps and a blue bottle upside down on top."""
    width, high = between(rng, 0.28, 0.34), between(rng, 0.9, 1.02)
    shape.slab((-width / 2, -width / 2, 0), (width / 2, width / 2, high), look.main)
    shape.slab((-width * 0.35, -width / 2 - 0.006, high * 0.6), (width * 0.35, -width / 2, high * 0.9), DARK)
    for x, color in ((-0.05, (200, 40, 40)), (0.05, (50, 90, 200))):
        shape.block((x, -width / 2 - 0.03, high * 0.82), (0.025, 0.05, 0.03), plain(color))
    shape.block((0, -width / 2 - 0.02, high * 0.6), (width * 0.6, 0.09, 0.02), DARK)
    water = plain((110, 160, 215), gloss=0.15, content=True)
    shape.post(0, 0, high, high + 0.06, 0.06, water, 2.2)
    shape.post(0, 0, high + 0.06, high + 0.36, 0.135, water)
