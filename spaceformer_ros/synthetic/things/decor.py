# SPDX-License-Identifier: Apache-2.0
"""Decoration: plants, vases, pictures, mirrors, clocks, rugs, pillows. The backs of things on walls are at +y."""

import math
from dataclasses import replace

from ..colors import Paint, cloth, draw_color, draw_shade, plain, wood
from ..shapes import CUP
from .parts import BLACK, DARK, STEEL, WHITE, between, chance, pick
from .registry import builds

EARTH = plain((62, 46, 36), content=True)


def _pot(shape, rng, width, height):
    """A flower pot with earth."""
    paint = pick(rng, (plain((176, 92, 62)), plain(draw_color(rng, "any")), plain(draw_shade(rng, "white"))))
    paint = paint.as_content()
    if chance(rng, 0.25):
        shape.block((0, 0, height / 2), (width, width, height), paint)
    else:
        shape.round((0, 0, height / 2), (width * 0.75, width * 0.75, height), paint, None, 1.33, CUP)
    shape.round((0, 0, height - 0.02), (width * 0.9, width * 0.9, 0.02), EARTH)


def _bush(shape, rng, base, height, spread, leaf):
    for _ in range(int(rng.integers(22, 42))):
        angle, out, up = between(rng, 0, 6.28), between(rng, 0.1, 0.5) * spread, between(rng, 0.15, 0.95)
        center = (out * math.cos(angle), out * math.sin(angle), base + up * (height - base))
        size = (between(rng, 0.16, 0.3) * spread + 0.04, between(rng, 0.12, 0.2) * spread + 0.03, 0.025)
        turn = (angle, between(rng, -0.8, 0.4), between(rng, -0.4, 0.4))
        shape.ball(center, size, leaf.shaded(between(rng, 0.75, 1.2)), turn)
    shape.bar((0, 0, base - 0.02), (0, 0, base + 0.6 * (height - base)), 0.012, plain((86, 72, 44)))


def _blades(shape, rng, base, height, spread, leaf):
    """Long leaves that rise from the pot: snake plant, palm or spider plant."""
    tall = height - base
    bow = between(rng, 0.1, 1.0)
    for number in range(int(rng.integers(10, 20))):
        angle = number * 2.4 + between(rng, -0.3, 0.3)
        out, up = spread * 0.5 * bow, tall * between(rng, 0.6, 1.0)
        middle = (out * 0.5 * math.cos(angle), out * 0.5 * math.sin(angle), base + up * 0.75)
        tip = (out * math.cos(angle), out * math.sin(angle), base + up * (1 - 0.35 * bow))
        shade = leaf.shaded(between(rng, 0.8, 1.15))
        shape.bar((0, 0, base - 0.02), middle, 0.018, shade, 1.4)
        shape.bar(middle, tip, 0.025, shade, 0.3)


def _tree(shape, rng, base, height, spread, leaf):
    """A thin trunk with a crown."""
    crown = base + between(rng, 0.4, 0.6) * (height - base)
    shape.bar((0, 0, base - 0.02), (between(rng, -0.05, 0.05), 0, crown + 0.1), 0.016, plain((96, 74, 50)))
    for _ in range(int(rng.integers(26, 46))):
        angle, out = between(rng, 0, 6.28), spread * 0.5 * between(rng, 0.1, 1) ** 0.5
        center = (out * math.cos(angle), out * math.sin(angle), between(rng, crown, height - 0.03))
        shape.ball(
            center, (0.2, 0.14, 0.035), leaf.shaded(between(rng, 0.7, 1.2)), (angle, between(rng, -0.6, 0.6), 0.3)
        )


@builds("plant")
def plant(shape, rng, look, small=False):
    """A pot with a bush, blades or a small tree; some bloom. small: for a table or a sill."""
    width = between(rng, 0.1, 0.16) if small else between(rng, 0.2, 0.38)
    pot = width * between(rng, 0.7, 1.1)
    height = pot + (between(rng, 0.12, 0.3) if small else between(rng, 0.35, 1.2))
    spread = width * between(rng, 1.4, 2.0)
    _pot(shape, rng, width, pot)
    pick(rng, (_bush, _bush, _blades, _tree if not small else _bush))(shape, rng, pot, height, spread, look.main)
    if chance(rng, 0.2):
        bloom = plain(draw_color(rng, "vivid"), content=True)
        for _ in range(8):
            angle, out = between(rng, 0, 6.28), spread * between(rng, 0.1, 0.45)
            shape.ball(
                (out * math.cos(angle), out * math.sin(angle), between(rng, pot + (height - pot) * 0.6, height)),
                0.05,
                bloom,
            )


@builds("vase")
def vase(shape, rng, look):
    """A turned vessel with a belly and a neck, often with flowers."""
    high, belly = between(rng, 0.16, 0.34), between(rng, 0.1, 0.18)
    form = int(rng.integers(3))
    if form == 0:
        shape.ball((0, 0, high * 0.38), (belly, belly, high * 0.76), look.main)
        shape.post(0, 0, high * 0.6, high, belly * 0.22, look.main, 1.3, CUP)
        shape.post(0, 0, 0, 0.02, belly * 0.3, look.main)
    elif form == 1:
        shape.post(0, 0, 0, high * 0.55, belly * 0.3, look.main, 1.7)
        shape.post(0, 0, high * 0.55, high, belly * 0.51, look.main, 0.6, CUP)
    else:
        shape.post(0, 0, 0, high, belly * 0.4, look.main, between(rng, 0.7, 1.3), CUP)
    if chance(rng, 0.55):
        bloom = plain(draw_color(rng, "vivid"), content=True)
        stem = plain((70, 116, 60), content=True)
        for _ in range(int(rng.integers(3, 8))):
            angle, out = between(rng, 0, 6.28), between(rng, 0.02, 0.11)
            tip = (out * math.cos(angle), out * math.sin(angle), high + between(rng, 0.1, 0.24))
            shape.bar((0, 0, high - 0.03), tip, 0.006, stem)
            shape.ball(tip, (0.06, 0.06, 0.045), bloom)


def _frame(shape, width, height, y, rim, paint):
    for x in (-width / 2 + rim / 2, width / 2 - rim / 2):
        shape.block((x, y, height / 2), (rim, 0.03, height), paint)
    for z in (rim / 2, height - rim / 2):
        shape.block((0, y, z), (width, 0.03, rim), paint)


@builds("picture")
def picture(shape, rng, look):
    """A framed canvas: landscape, stripes, abstract shapes or a portrait. The canvas decides the colour word."""
    width, height = between(rng, 0.3, 1.1), between(rng, 0.3, 0.85)
    rim = between(rng, 0.02, 0.06)
    frame = pick(rng, (BLACK, WHITE, wood(rng), plain((176, 142, 70)), look.trim)).as_content()
    if chance(rng, 0.85):
        _frame(shape, width, height, 0, rim, frame)
    shape.block((0, 0.005, height / 2), (width - rim, 0.015, height - rim), look.main)
    inner = (width - 2 * rim, height - 2 * rim)
    if chance(rng, 0.3):
        shape.block((0, -0.004, height / 2), (inner[0], 0.006, inner[1]), WHITE.as_content())
        inner = (inner[0] * 0.72, inner[1] * 0.72)
        shape.block((0, -0.008, height / 2), (inner[0], 0.006, inner[1]), look.main)
    for number in range(int(rng.integers(2, 8))):
        paint, y = plain(draw_color(rng, "any"), content=True), -0.0125 - 0.003 * number
        w, h = between(rng, 0.1, 0.6) * inner[0], between(rng, 0.08, 0.5) * inner[1]
        x, z = between(rng, -0.5, 0.5) * (inner[0] - w), height / 2 + between(rng, -0.5, 0.5) * (inner[1] - h)
        if chance(rng, 0.5):
            shape.block((x, y, z), (w, 0.004, h), paint)
        else:
            shape.round((x, y, z), (w, h, 0.004), paint, (0, 0, math.pi / 2))


@builds("mirror")
def mirror(shape, rng, _look):
    """A sheet of glass, rectangular or oval, with a frame; most of its depth is lost."""
    width, height = between(rng, 0.4, 0.8), between(rng, 0.5, 1.5)
    glass = plain(pick(rng, ((172, 184, 192), (150, 160, 170), (190, 196, 200))), gloss=0.75)
    frame = pick(rng, (BLACK, WHITE, wood(rng), plain((176, 142, 70)), STEEL)).as_content()
    if chance(rng, 0.3):
        facing = (0, 0, math.pi / 2)
        shape.round((0, 0, height / 2), (width, height, 0.02), frame, facing)
        shape.round((0, -0.008, height / 2), (width - 0.07, height - 0.07, 0.02), glass, facing)
    else:
        rim = between(rng, 0.015, 0.06)
        _frame(shape, width, height, 0, rim, frame)
        shape.block((0, 0, height / 2), (width - rim, 0.015, height - rim), glass)


@builds("whiteboard")
def whiteboard(shape, rng, look):
    """A white board in a metal frame with a pen tray, scribbles and magnets."""
    width, height = between(rng, 0.9, 2.2), between(rng, 0.8, 1.2)
    shape.block((0, 0, height / 2), (width, 0.02, height), look.main)
    _frame(shape, width, height, -0.004, 0.025, STEEL.as_content())
    shape.block((0, -0.05, 0.01), (width * 0.6, 0.08, 0.015), STEEL.as_content())
    ink = [plain(color, content=True) for color in ((30, 60, 160), (180, 40, 40), (30, 30, 34), (40, 120, 60))]
    for _ in range(int(rng.integers(0, 16))):
        x, z = between(rng, -width * 0.4, width * 0.35), between(rng, height * 0.2, height * 0.85)
        size = (between(rng, 0.08, 0.35), 0.004, between(rng, 0.012, 0.03))
        shape.block((x, -0.013, z), size, pick(rng, ink))


@builds("clock")
def clock(shape, rng, look):
    """A round or square wall clock: rim, dial, marks and hands."""
    size = between(rng, 0.22, 0.42)
    facing = (0, 0, math.pi / 2)
    dial = WHITE if chance(rng, 0.75) else plain(draw_color(rng, "any"), content=True)
    if chance(rng, 0.8):
        shape.ring((0, 0, size / 2), size / 2 - 0.02, 0.02, look.main, facing)
        shape.round((0, 0.005, size / 2), (size - 0.04, size - 0.04, 0.03), dial.as_content(), facing)
    else:
        shape.block((0, 0, size / 2), (size, 0.04, size), look.main)
        shape.block((0, -0.02, size / 2), (size - 0.06, 0.006, size - 0.06), dial.as_content())
    hand = BLACK if sum(dial.color) > 300 else WHITE
    for number in range(12):
        angle = number * math.pi / 6
        center = (size * 0.38 * math.sin(angle), -0.022, size / 2 + size * 0.38 * math.cos(angle))
        shape.block(center, (0.012, 0.006, 0.024), hand.as_content(), (0, angle, 0))
    for length, angle in ((0.22, between(rng, 0, 6.28)), (0.33, between(rng, 0, 6.28))):
        tip = (size * length * math.sin(angle), -0.026, size / 2 + size * length * math.cos(angle))
        shape.bar((0, -0.026, size / 2), tip, 0.007, hand.as_content(), square=True)


@builds("rug")
def rug(shape, rng, look, size=None):
    """A thin carpet: plain, bordered, striped, checked or oriental; some round. size: (width, depth) metres."""
    width, depth = size or (between(rng, 1.0, 2.6), between(rng, 0.8, 1.9))
    form, thick = rng.random(), between(rng, 0.008, 0.016)
    if size is None and chance(rng, 0.2):
        shape.round((0, 0, thick / 2), (width, width, thick), look.main)
        if chance(rng, 0.6):
            shape.round((0, 0, thick), (width * 0.7, width * 0.7, 0.003), look.second)
        return
    shape.block((0, 0, thick / 2), (width, depth, thick), look.main)
    if form < 0.35:
        inner = (width - between(rng, 0.2, 0.4), depth - between(rng, 0.2, 0.4))
        field = cloth(rng) if chance(rng, 0.5) else look.second
        shape.block((0, 0, thick), (*inner, 0.003), replace(field, content=inner[0] * inner[1] < 0.5 * width * depth))
    elif form < 0.6:
        motif = Paint(
            look.main.color,
            draw_color(rng, "any"),
            pick(rng, ("blobs", "dots", "checks", "stripes")),
            (between(rng, 2, 6), between(rng, 2, 6), 0.0),
            between(rng, 0, 9),
            0.35,
        )
        shape.block((0, 0, thick), (width - 0.02, depth - 0.02, 0.003), motif)
    if chance(rng, 0.25):
        for x in (-width / 2 - 0.03, width / 2 + 0.03):
            shape.block((x, 0, 0.003), (0.06, depth, 0.006), plain((222, 214, 196), content=True))


@builds("pillow")
def pillow(shape, rng, look):
    """A soft square, lying flat or leaning back."""
    size, thick = between(rng, 0.36, 0.56), between(rng, 0.12, 0.18)
    width = size * pick(rng, (1.0, 1.0, 1.35))
    if chance(rng, 0.5):
        shape.cushion((0, 0, thick / 2), (width, size, thick), look.main, None, 3)
    else:
        shape.cushion((0, 0, size / 2), (width, thick, size), look.main, (0, 0, -between(rng, 0.2, 0.5)), 3)


@builds("fire extinguisher")
def fire_extinguisher(shape, rng, look):
    """A red cylinder with a black hose, a lever and a white label."""
    radius, high = between(rng, 0.07, 0.095), between(rng, 0.4, 0.52)
    shape.post(0, 0, 0, high - 0.06, radius, look.main)
    shape.ball((0, 0, high - 0.06), (2 * radius, 2 * radius, 0.14), look.main)
    shape.post(0, 0, high, high + 0.05, 0.02, DARK)
    shape.block((0.03, 0, high + 0.06), (0.13, 0.025, 0.02), BLACK, (0, -0.25, 0))
    shape.tube([(0, 0, high + 0.04), (-radius - 0.03, 0, high), (-radius - 0.03, 0, 0.14)], 0.012, BLACK)
    shape.block((0, -radius, high * 0.5), (radius * 1.1, 0.012, high * 0.3), WHITE.as_content(), None, (4, 6))
