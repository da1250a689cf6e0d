# SPDX-License-Identifier: Apache-2.0
"""Screens, computers, sound. Fronts at -y."""

import math

from ..colors import draw_color, plain
from .parts import BLACK, DARK, STEEL, WHITE, between, chance, pick
from .registry import builds

SCREEN = plain((24, 25, 30), gloss=0.3)


def _picture_on(shape, rng, center, width, height):
    """A lit screen: a background and a few windows."""
    x, y, z = center
    base = plain(draw_color(rng, "any"), content=True)
    shape.block((x, y, z), (width * 0.96, 0.004, height * 0.94), base)
    for number in range(int(rng.integers(1, 4))):
        w, h = between(rng, 0.2, 0.6) * width, between(rng, 0.2, 0.6) * height
        offset = (between(rng, -0.2, 0.2) * width, between(rng, -0.15, 0.15) * height)
        pane = plain(draw_color(rng, "any") if chance(rng, 0.5) else (236, 238, 240), content=True)
        shape.block((x + offset[0], y - 0.003 - 0.003 * number, z + offset[1]), (w, 0.004, h), pane)


@builds("television")
def television(shape, rng, look, hung=False):
    """A flat screen on feet or a foot (`hung`: on the wall); a few old boxy ones."""
    width = between(rng, 0.7, 1.45)
    height = width * 0.575
    if not hung and chance(rng, 0.08):
        width, height = width * 0.55, width * 0.45
        shape.slab((-width / 2, -0.2, 0), (width / 2, 0.0, height), look.main)
        shape.block((0, 0.12, height / 2), (width * 0.7, 0.26, height * 0.75), look.main)
        shape.block((0, -0.205, height * 0.55), (width * 0.85, 0.014, height * 0.75), SCREEN, None, (5, 5))
        return
    low = 0.0 if hung else between(rng, 0.05, 0.1)
    thick = between(rng, 0.03, 0.07)
    edge = look.main if chance(rng, 0.85) else STEEL
    shape.slab((-width / 2, -thick / 2, low), (width / 2, thick / 2, low + height), edge)
    face = (0, -thick / 2 - 0.003, low + height / 2)
    shape.block(face, (width - 0.03, 0.006, height - 0.03), SCREEN)
    if chance(rng, 0.15):
        _picture_on(shape, rng, (0, -thick / 2 - 0.008, low + height / 2), width - 0.03, height - 0.03)
    if hung:
        shape.block((0, thick / 2 + 0.02, low + height / 2), (0.3, 0.04, 0.25), DARK)
    elif chance(rng, 0.5):
        shape.block((0, 0, 0.01), (width * 0.4, 0.22, 0.02), edge)
        shape.block((0, 0.01, low / 2 + 0.02), (0.12, 0.03, low + 0.04), edge)
    else:
        for x in (-width * 0.36, width * 0.36):
            shape.bar((x, -0.11, 0.008), (x, 0, low + 0.02), 0.01, edge)
            shape.bar((x, 0.11, 0.008), (x, 0, low + 0.02), 0.01, edge)


@builds("monitor")
def monitor(shape, rng, look):
    """A computer screen on a stand."""
    width = between(rng, 0.42, 0.72)
    height, low = width * between(rng, 0.56, 0.65), between(rng, 0.08, 0.18)
    frame = look.main
    shape.block((0, -0.02, low + height / 2), (width, 0.03, height), frame)
    shape.block((0, 0.01, low + height / 2), (width * 0.5, 0.04, height * 0.5), frame)
    shape.block((0, -0.037, low + height / 2), (width - 0.02, 0.005, height - 0.02), SCREEN)
    if chance(rng, 0.4):
        _picture_on(shape, rng, (0, -0.042, low + height / 2), width - 0.02, height - 0.02)
    shape.bar((0, 0.04, 0.01), (0, 0.03, low + height * 0.5), 0.02, frame, square=True)
    if chance(rng, 0.5):
        shape.round((0, 0.02, 0.008), (0.24, 0.2, 0.016), frame)
    else:
        shape.block((0, 0.02, 0.008), (0.22, 0.19, 0.016), frame)


@builds("laptop")
def laptop(shape, rng, look):
    """A base with keys and a lid: open at some angle, or closed."""
    width = between(rng, 0.3, 0.39)
    depth = width * 0.68
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 0.018), look.main)
    if chance(rng, 0.15):
        shape.slab((-width / 2, -depth / 2, 0.018), (width / 2, depth / 2, 0.026), look.main)
        return
    shape.block((0, depth * 0.12, 0.02), (width * 0.88, depth * 0.5, 0.006), BLACK if chance(rng, 0.8) else WHITE)
    shape.block((0, -depth * 0.3, 0.02), (width * 0.3, depth * 0.24, 0.004), look.main.shaded(0.85))
    lean = between(rng, 0.1, 0.5)
    y, z = depth / 2 + math.sin(lean) * depth / 2, 0.015 + math.cos(lean) * depth / 2
    shape.block((0, y, z), (width, 0.01, depth), look.main, (0, 0, -lean))
    y, z = y - 0.008 * math.cos(lean), z - 0.008 * math.sin(lean)
    lit = plain(draw_color(rng, "any"), content=True) if chance(rng, 0.45) else SCREEN
    shape.block((0, y, z), (width * 0.94, 0.004, depth * 0.9), lit, (0, 0, -lean))


@builds("keyboard")
def keyboard(shape, rng, look):
    """A flat board with blocks of keys."""
    width, depth = pick(rng, (between(rng, 0.42, 0.47), between(rng, 0.28, 0.34))), between(rng, 0.13, 0.17)
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 0.016), look.main)
    keys = look.main.shaded(0.8) if sum(look.main.color) > 380 else plain([value + 40 for value in look.main.color])
    for row in range(4):
        y = -depth / 2 + 0.025 + row * (depth - 0.05) / 3
        shape.block((-width * 0.1, y, 0.02), (width * 0.72, depth / 6, 0.012), keys)
        shape.block((width * 0.38, y, 0.02), (width * 0.16, depth / 6, 0.012), keys)


@builds("computer")
def computer(shape, rng, look):
    """A tower case with a drive, buttons and vents."""
    width, depth, height = between(rng, 0.16, 0.22), between(rng, 0.38, 0.5), between(rng, 0.36, 0.5)
    shape.slab((-width / 2, -depth / 2, 0.01), (width / 2, depth / 2, height), look.main)
    y = -depth / 2
    shape.block((0, y - 0.004, height * 0.85), (width * 0.75, 0.01, 0.045), look.main.shaded(0.7))
    shape.block((0, y - 0.004, height * 0.7), (width * 0.75, 0.01, 0.03), look.second)
    shape.round((0, y - 0.006, height * 0.55), (0.03, 0.03, 0.014), plain((90, 160, 230)), (0, 0, math.pi / 2))
    for number in range(4):
        shape.block((0, y - 0.004, height * (0.1 + 0.08 * number)), (width * 0.6, 0.008, 0.014), BLACK)


@builds("printer")
def printer(shape, rng, look):
    """A desk printer, or one in six a copier that stands on the floor."""
    if chance(rng, 0.16):
        width, depth, height = between(rng, 0.55, 0.65), between(rng, 0.55, 0.65), between(rng, 0.95, 1.15)
        shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height - 0.12), look.main)
        for row in range(3):
            z = 0.1 + row * 0.2
            shape.slab(
                (-width / 2 + 0.02, -depth / 2 - 0.015, z), (width / 2 - 0.02, -depth / 2, z + 0.17), look.second
            )
        shape.slab((-width / 2, -depth / 2, height - 0.08), (width / 2, depth / 2, height), look.main)
        shape.block((width * 0.2, -depth / 2 - 0.08, height - 0.1), (0.35, 0.16, 0.03), DARK, (0, 0, 0.4))
        return
    width, depth, height = between(rng, 0.38, 0.5), between(rng, 0.3, 0.42), between(rng, 0.16, 0.32)
    shape.block((0, 0, height / 2), (width, depth, height), look.main, None, (9, 9))
    shape.slab(
        (-width / 2 + 0.03, -depth / 2 + 0.02, height - 0.02),
        (width / 2 - 0.03, depth / 2 - 0.03, height + 0.006),
        look.second,
    )
    shape.block((0, -depth / 2 - 0.06, 0.05), (width * 0.65, 0.16, 0.014), DARK)
    shape.block((0, -depth / 2 - 0.05, 0.06), (width * 0.5, 0.14, 0.006), WHITE)
    shape.block((0, -depth / 2 + 0.01, height * 0.4), (width * 0.75, 0.03, 0.05), BLACK)
    if chance(rng, 0.5):
        shape.block((0, depth / 2 - 0.02, height + 0.08), (width * 0.55, 0.012, 0.2), WHITE, (0, 0, -0.4))


@builds("speaker")
def speaker(shape, rng, look):
    """A box with two round cones; small for desks, tall for the floor."""
    width, height = between(rng, 0.14, 0.26), pick(rng, (between(rng, 0.24, 0.4), between(rng, 0.7, 1.05)))
    depth = width * between(rng, 0.9, 1.3)
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height), look.main)
    cone = DARK if sum(look.main.color) > 200 else plain((96, 96, 100))
    for z, size in ((height * 0.35, 0.75), (height * 0.75, 0.4)):
        for scale, paint in ((1.0, cone), (0.4, STEEL)):
            diameter = width * size * scale
            center = (0, -depth / 2 - 0.006 * (2 - scale), z)
            shape.round(center, (diameter, diameter, 0.014), paint, (0, 0, math.pi / 2))


@builds("piano")
def piano(shape, rng, look):
    """An upright piano: case, keyboard with black and white keys, pedals and a music rest."""
    width, depth, height = between(rng, 1.35, 1.5), between(rng, 0.3, 0.38), between(rng, 1.05, 1.3)
    keys = 0.72
    shape.slab((-width / 2, 0, 0), (width / 2, depth, height), look.main)
    shape.slab((-width / 2 - 0.01, -0.02, height), (width / 2 + 0.01, depth, height + 0.03), look.main)
    for x in (-width / 2, width / 2 - 0.05):
        shape.slab((x, -0.3, 0.0), (x + 0.05, 0, keys + 0.08), look.main)
    shape.slab((-width / 2, -0.28, keys - 0.1), (width / 2, 0, keys - 0.01), look.main)
    shape.slab((-width / 2 + 0.06, -0.27, keys - 0.01), (width / 2 - 0.06, -0.1, keys + 0.01), WHITE.as_content())
    for number in range(36):
        if number % 7 in (2, 6):
            continue
        x = -width / 2 + 0.1 + number * (width - 0.2) / 36
        shape.block((x, -0.14, keys + 0.016), (0.014, 0.09, 0.014), BLACK)
    shape.slab((-width / 2 + 0.05, -0.1, keys), (width / 2 - 0.05, 0, keys + 0.06), look.main)
    shape.block((0, -0.02, keys + 0.28), (width * 0.45, 0.02, 0.22), look.main.shaded(0.8), (0, 0, -0.2))
    if chance(rng, 0.5):
        shape.block((0.0, -0.05, keys + 0.3), (0.42, 0.01, 0.28), WHITE.as_content(), (0, 0, -0.2))
    for x in (-0.08, 0, 0.08):
        shape.block((x, -0.06, 0.05), (0.03, 0.12, 0.015), plain((176, 142, 70)))
    shape.top(-width / 2 + 0.08, 0.02, width / 2 - 0.08, depth - 0.05, height + 0.03)


@builds("guitar")
def guitar(shape, rng, look):
    """A guitar that leans on a stand: body with a waist, sound hole, neck and head."""
    size, lean = between(rng, 0.85, 1.05), between(rng, 0.2, 0.32)
    facing = (0.0, 0.0, math.pi / 2 - lean)

    def up(along, out=0.0):
        """A point on the guitar: metres along its middle from the lower end, and out of its front."""
        y, z = along * math.sin(lean) - out * math.cos(lean), along * math.cos(lean) + out * math.sin(lean)
        return (0, y, 0.1 + z)

    for along, width in ((0.17, 0.38), (0.38, 0.28)):
        shape.round(up(along * size), (width * size, width * size * 0.95, 0.1), look.main, facing)
    shape.round(up(0.3 * size, 0.052), (0.1 * size, 0.1 * size, 0.006), BLACK, facing)
    shape.block(up(0.13 * size, 0.052), (0.14 * size, 0.012, 0.03), DARK, (0, 0, -lean))
    neck = look.second if chance(rng, 0.4) else plain((60, 42, 32))
    shape.bar(up(0.36 * size, 0.05), up(0.86 * size, 0.05), 0.026, neck, square=True)
    shape.block(up(0.93 * size, 0.045), (0.075, 0.025, 0.17 * size), neck, (0, 0, -lean))
    for x in (-0.14, 0.14):
        shape.bar((x, -0.16, 0.01), (x * 0.6, 0.02, 0.14), 0.011, BLACK)
        shape.bar((x, 0.24, 0.01), (0, 0.12, 0.4), 0.011, BLACK)
