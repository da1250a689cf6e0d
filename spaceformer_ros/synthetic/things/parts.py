# SPDX-License-Identifier: Apache-2.0
"""Parts that several kinds have: legs, drawers, doors, handles, casters, wheels, rows of books."""

import math

from ..colors import draw_color, draw_shade, plain
from ..shapes import SOLID

DARK = plain((38, 38, 40))
BLACK = plain((22, 22, 24))
STEEL = plain((150, 152, 156), gloss=0.15)
WHITE = plain((238, 238, 234))


def pick(rng, options):
    """A random element of a sequence."""
    return options[int(rng.integers(len(options)))]


def between(rng, low, high):
    """A uniform random float in [low, high)."""
    return low + (high - low) * float(rng.random())


def chance(rng, probability):
    """True with the given probability."""
    return bool(rng.random() < probability)


def square_legs(shape, rng, width, depth, height, paint):
    """Four straight square legs."""
    side = between(rng, 0.03, 0.06)
    for x, y in corners(width - side, depth - side):
        shape.slab((x - side / 2, y - side / 2, 0), (x + side / 2, y + side / 2, height), paint)


def round_legs(shape, rng, width, depth, height, paint):
    """Four straight round legs."""
    radius = between(rng, 0.014, 0.035)
    for x, y in corners(width - 2 * radius, depth - 2 * radius):
        shape.post(x, y, 0, height, radius, paint)


def tapered_legs(shape, rng, width, depth, height, paint):
    """Four splayed legs that taper towards the floor."""
    spread, radius = between(rng, 0.0, 0.06), between(rng, 0.02, 0.032)
    for x, y in corners(width - 0.1, depth - 0.1):
        foot = (x + math.copysign(spread, x), y + math.copysign(spread, y), 0)
        shape.bar(foot, (x, y, height), radius * 0.65, paint, top=1.6)


def sled_legs(shape, rng, width, depth, height, paint):
    """Two bent metal frames, one on each side."""
    radius = between(rng, 0.011, 0.018)
    for x in (-width / 2 + radius, width / 2 - radius):
        front, back = -depth / 2 + radius, depth / 2 - radius
        shape.tube([(x, front, height), (x, front, radius), (x, back, radius), (x, back, height)], radius, paint)


LEGS = (square_legs, round_legs, tapered_legs, sled_legs)


def legs(shape, rng, width, depth, height, paint, styles=LEGS):
    """Four legs of a random style below a top of width x depth at `height`."""
    pick(rng, styles)(shape, rng, width, depth, height, paint)


def pedestal(shape, rng, radius, height, paint):
    """One column on a round foot or a cross."""
    column = between(rng, 0.03, 0.06)
    shape.post(0, 0, 0, height, column, paint)
    if chance(rng, 0.5):
        shape.round((0, 0, 0.02), (2 * radius, 2 * radius, 0.04), paint, top=0.7)
        return
    for angle in (0.0, math.pi / 2):
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        shape.bar((-x, -y, 0.03), (x, y, 0.03), 0.03, paint, square=True)


def star_base(shape, rng, radius, height, paint, casters=True):
    """Five arms from a gas spring to casters, as under a swivel chair."""
    turn = between(rng, 0, 2)
    shape.post(0, 0, 0.08, height, 0.028, paint)
    for number in range(5):
        angle = turn + number * 2 * math.pi / 5
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        shape.bar((0, 0, 0.12), (x, y, 0.075), 0.03, paint, top=0.6)
        if casters:
            shape.ball((x, y, 0.028), (0.05, 0.05, 0.056), BLACK)


def corners(width, depth):
    """The four corners (x, y) of a centred rectangle."""
    return [(sx * width / 2, sy * depth / 2) for sx in (-1, 1) for sy in (-1, 1)]


def handle(shape, x, y, z, paint, length=0.12, upright=False):
    """A bar handle in front of a face at y."""
    if upright:
        shape.bar((x, y - 0.025, z - length / 2), (x, y - 0.025, z + length / 2), 0.009, paint)
    else:
        shape.bar((x - length / 2, y - 0.025, z), (x + length / 2, y - 0.025, z), 0.009, paint)


def knob(shape, x, y, z, paint, length=0.0, upright=False):
    """A round knob in front of a face at y."""
    shape.ball((x, y - 0.02, z), 0.036, paint)


def no_handle(shape, x, y, z, paint, length=0.0, upright=False):
    """Push to open."""


HANDLES = (handle, handle, knob, no_handle)


def drawers(shape, rng, area, y, rows, columns, paint, trim, grip=None):
    """A grid of drawer fronts with handles. area: (x0, z0, x1, z1) metres on the face at y."""
    x0, z0, x1, z1 = area
    grip = grip or pick(rng, HANDLES)
    gap = between(rng, 0.01, 0.02)
    width, height = (x1 - x0) / columns, (z1 - z0) / rows
    for row in range(rows):
        for column in range(columns):
            left, bottom = x0 + column * width, z0 + row * height
            shape.slab((left + gap, y - 0.014, bottom + gap), (left + width - gap, y, bottom + height - gap), paint)
            grip(shape, left + width / 2, y - 0.014, bottom + height * 0.6, trim, min(0.16, width * 0.4))


def doors(shape, rng, area, y, count, paint, trim, low_handle=False):
    """Door fronts side by side with upright handles. area: (x0, z0, x1, z1) metres on the face at y."""
    x0, z0, x1, z1 = area
    gap = between(rng, 0.008, 0.018)
    grip, framed = pick(rng, HANDLES), chance(rng, 0.35)
    width = (x1 - x0) / count
    for number in range(count):
        left = x0 + number * width
        shape.slab((left + gap, y - 0.016, z0 + gap), (left + width - gap, y, z1 - gap), paint)
        if framed and width > 0.25 and z1 - z0 > 0.35:
            inset = 0.07
            shape.slab((left + inset, y - 0.02, z0 + inset), (left + width - inset, y, z1 - inset), paint.shaded(0.85))
        side = left + width - 0.05 if number % 2 == 0 and count > 1 else left + 0.05
        z = z1 - 0.15 if low_handle else (z0 + z1) / 2
        grip(shape, side, y - 0.016, z, trim, min(0.18, (z1 - z0) * 0.3), True)


def carcass(shape, width, depth, low, high, paint, board=0.025, back=True):
    """An open box of boards: sides, top, bottom and back, from height low to high, centred on x and y."""
    x, y = width / 2, depth / 2
    for side in (-1, 1):
        inner, outer = sorted((side * x, side * (x - board)))
        shape.slab((inner, -y, low), (outer, y, high), paint)
    shape.slab((-x, -y, low), (x, y, low + board), paint)
    shape.slab((-x, -y, high - board), (x, y, high), paint)
    if back:
        shape.slab((-x, y - 0.012, low), (x, y, high), paint)


def books(shape, rng, x0, x1, y0, y1, z, height):
    """Books standing in a row from x0 towards x1, fronts at y0, backs before y1, at most `height` metres high."""
    x = x0
    same = draw_color(rng, "any") if chance(rng, 0.15) else None
    while x < x1 - 0.02:
        thick = between(rng, 0.018, 0.06)
        if chance(rng, 0.1):
            x += between(rng, 0.05, 0.2)
            continue
        tall = height * between(rng, 0.6, 0.96)
        deep = min(y1 - y0, between(rng, 0.14, 0.24))
        right = min(x + thick, x1)
        paint = plain(same or draw_color(rng, "any"), content=True)
        shape.slab((x, y0, z), (right - 0.002, y0 + deep, z + tall), paint)
        x = right


def wheel(shape, center, radius, tire, paint=BLACK, axis_x=True, spokes=0, rim=STEEL):
    """A wheel; axis_x: its axle is along x, so that it rolls along y."""
    turn = (0.0, math.pi / 2, 0.0) if axis_x else (0.0, 0.0, math.pi / 2)
    shape.ring(center, radius - tire, tire, paint, turn)
    size = 0.3 if spokes else 1.6
    shape.round(center, (size * radius, size * radius, 0.04), rim, turn, 1.0, SOLID)
    for number in range(spokes):
        angle = math.pi * number / spokes
        a, b = (radius - tire) * math.cos(angle), (radius - tire) * math.sin(angle)
        ends = [(0, a, b), (0, -a, -b)] if axis_x else [(a, 0, b), (-a, 0, -b)]
        shape.bar(*[tuple(c + e for c, e in zip(center, end, strict=True)) for end in ends], 0.004, rim)


def brass(rng):
    """Paint of small fittings: steel, black or brass."""
    return pick(rng, (STEEL, BLACK, plain((176, 142, 70), gloss=0.1), plain(draw_shade(rng, "white"))))
