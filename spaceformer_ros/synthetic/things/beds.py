# SPDX-License-Identifier: Apache-2.0
"""Beds: the head end is at the back (+y), the sleeper's feet at the front."""

import math

from ..colors import cloth, draw_color, draw_shade, plain
from .parts import BLACK, STEEL, WHITE, between, chance, corners, pick
from .registry import builds


def _bedding(shape, rng, look, size, top, pillows):
    """Mattress, sheet, blanket and pillows. size: (width, length); top: height of the mattress."""
    width, length = size
    sheet = plain(draw_color(rng, "pale"), content=True)
    thick = between(rng, 0.16, 0.28)
    shape.cushion((0, 0, top - thick / 2), (width, length, thick), sheet, None, 10)
    cover = between(rng, 0.45, 0.8) * length  # the blanket reaches this far from the foot
    y = -length / 2 + cover / 2
    shape.cushion((0, y - 0.02, top - 0.06), (width + 0.1, cover + 0.06, 0.2), look.main, None, 9)
    if chance(rng, 0.4):  # folded back
        shape.cushion((0, y + cover / 2 - 0.1, top + 0.03), (width + 0.04, 0.22, 0.08), look.second, None, 6)
    if chance(rng, 0.35):  # a rumpled spot
        x, y = between(rng, -0.25, 0.25) * width, y + between(rng, -0.2, 0.2)
        shape.ball((x, y, top + 0.03), (between(rng, 0.3, 0.6), between(rng, 0.3, 0.6), 0.14), look.main, 0.4)
    pillow = plain(draw_color(rng, "pale"), content=True) if chance(rng, 0.7) else look.second.as_content()
    for number in range(pillows):
        x = (number + 0.5) / pillows * width - width / 2
        size = (min(0.68, width / pillows - 0.06), 0.42, between(rng, 0.12, 0.18))
        shape.cushion((x, length / 2 - 0.28, top + 0.05), size, pillow, (between(rng, -0.1, 0.1), 0, 0.2), 3)
    return top + 0.045


@builds("bed")
def bed(shape, rng, look):
    """Single to king size: frame, headboard (board, bars or upholstered), bedding; sometimes a footboard."""
    width, length = pick(rng, (0.9, 0.9, 1.2, 1.4, 1.6, 1.8)), between(rng, 1.92, 2.08)
    top, head = between(rng, 0.42, 0.62), between(rng, 0.75, 1.2)
    frame = look.trim.as_content()
    edge, low = width + 0.08, between(rng, 0.0, 0.16)
    if low > 0.06:
        for x, y in corners(edge - 0.1, length - 0.1):
            shape.post(x, y, 0, low + 0.02, 0.035, frame)
    else:
        low = 0.0
    shape.slab((-edge / 2, -length / 2 - 0.04, low), (edge / 2, length / 2, max(low + 0.1, top - 0.2)), frame)
    back = length / 2 + 0.04
    form = rng.random()
    if form < 0.5:
        shape.slab((-edge / 2, back - 0.06, 0), (edge / 2, back, head), frame)
    elif form < 0.75:
        shape.cushion((0, back - 0.04, head / 2), (edge, 0.1, head), look.second.as_content(), None, 9)
    else:
        for number in range(9):
            x = -edge / 2 + number * edge / 8
            shape.post(x, back - 0.03, 0, head, 0.015, frame)
        shape.bar((-edge / 2, back - 0.03, head), (edge / 2, back - 0.03, head), 0.022, frame)
    if chance(rng, 0.25):
        shape.slab((-edge / 2, -length / 2 - 0.08, 0), (edge / 2, -length / 2 - 0.03, top + 0.12), frame)
    high = _bedding(shape, rng, look, (width, length), top, 1 if width < 1.3 else 2)
    low_corner, high_corner = shape.bounds()
    shape.solid(low_corner, (high_corner[0], high_corner[1], high))
    shape.solid((low_corner[0], length / 2 - 0.05, 0), high_corner)
    shape.top(-width / 2 + 0.1, -length / 2 + 0.2, width / 2 - 0.1, length / 2 - 0.6, high)


@builds("hospital bed")
def hospital_bed(shape, rng, look):
    """Plastic head and foot boards, side rails, a raised back, a steel frame on big casters."""
    width, length, top = 0.92, between(rng, 1.95, 2.1), between(rng, 0.6, 0.75)
    frame, board = STEEL, look.main
    shape.slab((-width / 2, -length / 2, top - 0.28), (width / 2, length / 2, top - 0.2), frame)
    shape.slab((-0.3, -length * 0.35, 0.2), (0.3, length * 0.35, 0.28), frame)
    for y in (-length * 0.25, length * 0.25):
        shape.bar((0, y, 0.25), (0, y * 0.6, top - 0.22), 0.05, frame, square=True)
    for x, y in corners(width - 0.14, length - 0.24):
        shape.bar((x * 0.7, y * 0.8, 0.24), (x, y, 0.12), 0.03, frame, square=True)
        shape.ball((x, y, 0.075), (0.06, 0.15, 0.15), BLACK)
    for y, high in ((length / 2 + 0.03, top + 0.4), (-length / 2 - 0.03, top + 0.22)):
        shape.block((0, y, (top - 0.25 + high) / 2), (width, 0.05, high - top + 0.25), board, None, (6, 10))
        stripe = look.second if chance(rng, 0.6) else board.shaded(0.8)
        shape.block((0, y, high - 0.12), (width * 0.7, 0.06, 0.08), stripe)
    sheet = plain(draw_shade(rng, "white"), content=True)
    back = between(rng, 0.0, 0.75)
    flat = length * 0.6
    shape.cushion((0, -length / 2 + flat / 2, top - 0.09), (width - 0.06, flat, 0.16), sheet, None, 9)
    rest = length - flat
    y, z = -length / 2 + flat + rest / 2 * math.cos(back) - 0.03, top - 0.09 + rest / 2 * math.sin(back)
    shape.cushion((0, y, z), (width - 0.06, rest, 0.16), sheet, (0, 0, back), 9)
    pillow_y, pillow_z = y + 0.18 * math.cos(back), z + 0.18 * math.sin(back) + 0.13
    shape.cushion((0, pillow_y, pillow_z), (0.6, 0.4, 0.14), WHITE.as_content(), (0, 0, back), 3)
    if chance(rng, 0.75):
        blanket = plain(draw_color(rng, "pale"))
        shape.cushion((0, -length / 2 + flat * 0.42, top - 0.07), (width, flat * 0.8, 0.22), blanket, None, 8)
    for x in (-width / 2 - 0.03, width / 2 + 0.03):
        _side_rail(shape, rng, x, top, length, look)
    low, high = shape.bounds()
    shape.solid((low[0], low[1], 0), high)


def _side_rail(shape, rng, x, top, length, look):
    if chance(rng, 0.5):
        shape.block((x, length * 0.18, top + 0.12), (0.035, 0.6, 0.32), look.main, None, (6, 10))
        shape.block((x, -length * 0.18, top + 0.1), (0.035, 0.5, 0.28), look.main, None, (6, 10))
        return
    for z in (top - 0.02, top + 0.1, top + 0.22):
        shape.bar((x, -length * 0.25, z), (x, length * 0.32, z), 0.012, STEEL)
    for part in (-0.25, -0.05, 0.15, 0.32):
        shape.bar((x, length * part, top - 0.22), (x, length * part, top + 0.22), 0.012, STEEL)


@builds("crib")
def crib(shape, rng, look):
    """A baby bed: slatted sides around a small mattress."""
    width, length, high = between(rng, 0.62, 0.75), between(rng, 1.2, 1.4), between(rng, 0.85, 1.05)
    floor = between(rng, 0.25, 0.4)
    for x, y in corners(width, length):
        shape.block((x, y, high / 2), (0.05, 0.05, high), look.main)
    for y in (-length / 2, length / 2):
        for z in (high - 0.03, floor):
            shape.block((0, y, z), (width, 0.03, 0.06), look.main)
        if chance(rng, 0.5):
            shape.block((0, y, (floor + high) / 2), (width, 0.02, high - floor), look.main)
    for x in (-width / 2, width / 2):
        for z in (high - 0.03, floor):
            shape.block((x, 0, z), (0.03, length, 0.06), look.main)
        count = int(length / between(rng, 0.09, 0.13))
        for number in range(1, count):
            y = -length / 2 + number * length / count
            shape.post(x, y, floor, high - 0.03, 0.011, look.main)
    shape.cushion((0, 0, floor + 0.08), (width - 0.06, length - 0.06, 0.12), WHITE.as_content(), None, 9)
    blanket = cloth(rng, "pale")
    shape.cushion((0, -length * 0.15, floor + 0.12), (width - 0.08, length * 0.55, 0.1), blanket, None, 6)
    shape.cushion((0, length / 2 - 0.2, floor + 0.17), (width * 0.6, 0.25, 0.09), WHITE.as_content(), None, 3)
