# SPDX-License-Identifier: Apache-2.0
"""Lamps, fans, radiators and air conditioners."""

import math

from ..colors import draw_color, draw_shade, plain
from ..shapes import CUP, PIPE
from .parts import BLACK, STEEL, between, chance, pick
from .registry import builds

BULB = plain((255, 246, 220), gloss=0.25)


def _shade(shape, rng, z, width, height, paint):
    """A lamp shade standing on height z: cone, drum, dome or ball."""
    form = rng.random()
    if form < 0.5:
        shape.post(0, 0, z, z + height, width / 2, paint, between(rng, 0.5, 0.75), PIPE)
    elif form < 0.75:
        shape.post(0, 0, z, z + height, width * 0.42, paint, 1.0, PIPE)
    elif form < 0.88:
        shape.ball((0, 0, z + height / 2), (width * 0.8, width * 0.8, height), paint)
    else:
        shape.post(0, 0, z, z + height * 0.8, width / 2, paint, 0.25, PIPE)
    shape.ball((0, 0, z + height * 0.4), 0.07, BULB)


def _lamp_paints(rng, look):
    """The shade carries the colour word; the stand is metal, black or wood."""
    return look.main, pick(rng, (BLACK, STEEL, look.trim, plain((176, 142, 70), gloss=0.1)))


@builds("floor lamp")
def floor_lamp(shape, rng, look):
    """A pole on a foot or three legs with a shade on top, or an arc that reaches forward, or an uplight."""
    shade, stand = _lamp_paints(rng, look)
    height = between(rng, 1.4, 1.85)
    width, high = between(rng, 0.28, 0.5), between(rng, 0.2, 0.38)
    form = rng.random()
    if form < 0.22:
        for number in range(3):
            angle = number * 2 * math.pi / 3
            shape.bar((0.24 * math.cos(angle), 0.24 * math.sin(angle), 0.0), (0, 0, height - high), 0.016, stand)
        _shade(shape, rng, height - high, width, high, shade)
        return
    foot = between(rng, 0.12, 0.18)
    shape.round((0, 0, 0.015), (2 * foot, 2 * foot, 0.03), stand, top=0.85)
    if form < 0.35:
        steps = [
            (0, -0.45 * (1 - math.cos(a)), 0.4 + (height - 0.4) * math.sin(a)) for a in (0, 0.5, 1.0, 1.4, 1.9, 2.2)
        ]
        shape.tube([(0, 0, 0.02), *steps], 0.013, stand)
        end = steps[-1]
        shape.round((0, end[1], end[2] - 0.06), (width, width, 0.2), shade, None, 0.4, PIPE)
    elif form < 0.5:
        shape.post(0, 0, 0, height, 0.014, stand)
        shape.round((0, 0, height), (0.2, 0.2, 0.14), shade, None, 1.7, CUP)
    else:
        shape.post(0, 0, 0, height - high * 0.5, between(rng, 0.011, 0.018), stand)
        _shade(shape, rng, height - high, width, high, shade)


@builds("table lamp")
def table_lamp(shape, rng, look):
    """A base with a shade, or a jointed arm with a small cone."""
    shade, stand = _lamp_paints(rng, look)
    if chance(rng, 0.35):
        bend, tip = (between(rng, -0.06, 0.06), 0.1, 0.26), (0.0, -0.12, between(rng, 0.36, 0.48))
        shape.round((0, 0, 0.012), (0.17, 0.17, 0.024), shade)
        shape.tube([(0, 0, 0.02), bend, tip], 0.011, shade)
        shape.round((tip[0], tip[1] - 0.05, tip[2] - 0.03), (0.15, 0.15, 0.13), shade, (0, 0, -0.5), 0.4, PIPE)
        return
    base, high, width = between(rng, 0.14, 0.3), between(rng, 0.14, 0.24), between(rng, 0.18, 0.34)
    form = int(rng.integers(3))
    body = plain(draw_color(rng, "any"), content=True) if chance(rng, 0.5) else stand
    if form == 0:
        shape.ball((0, 0, base * 0.45), (base * 0.8, base * 0.8, base * 0.9), body)
    elif form == 1:
        shape.post(0, 0, 0.0, base, 0.06, body, 0.5)
    else:
        shape.round((0, 0, 0.01), (0.15, 0.15, 0.02), body)
    shape.post(0, 0, 0, base + high * 0.5, 0.01, stand)
    _shade(shape, rng, base, width, high, shade)


@builds("ceiling lamp")
def ceiling_lamp(shape, rng, look):
    """A lamp that hangs from the ceiling: pendant, disc, tube light, chandelier; the origin is its lowest point."""
    form = rng.random()
    if form < 0.4:
        width, high, cord = between(rng, 0.25, 0.55), between(rng, 0.18, 0.32), between(rng, 0.3, 0.8)
        _shade(shape, rng, 0.0, width, high, look.main)
        shape.post(0, 0, high * 0.5, high + cord, 0.008, BLACK)
        shape.post(0, 0, high + cord - 0.03, high + cord, 0.05, look.trim)
    elif form < 0.65:
        width = between(rng, 0.28, 0.55)
        shape.ball((0, 0, 0.05), (width, width, 0.1), look.main)
        shape.round((0, 0, 0.075), (width * 1.02, width * 1.02, 0.05), look.trim)
    elif form < 0.88:
        length = between(rng, 0.6, 1.3)
        shape.block((0, 0, 0.06), (length, 0.2, 0.05), look.main)
        for y in (-0.05, 0.05):
            shape.bar((-length / 2 + 0.04, y, 0.02), (length / 2 - 0.04, y, 0.02), 0.018, BULB)
    else:
        _chandelier(shape, rng, look)


def _chandelier(shape, rng, look):
    count, reach = int(rng.integers(3, 7)), between(rng, 0.22, 0.36)
    shape.ball((0, 0, 0.06), 0.1, look.trim)
    shape.post(0, 0, 0.06, 0.6, 0.012, look.trim)
    for number in range(count):
        angle = number * 2 * math.pi / count
        x, y = reach * math.cos(angle), reach * math.sin(angle)
        shape.tube([(0, 0, 0.1), (x * 0.6, y * 0.6, 0.03), (x, y, 0.1)], 0.01, look.trim)
        shape.round((x, y, 0.17), (0.1, 0.1, 0.12), look.main, None, 1.4, PIPE)


@builds("fan")
def fan(shape, rng, look):
    """A round cage with blades on a pole or a short stand."""
    radius, height = between(rng, 0.15, 0.24), pick(rng, (between(rng, 0.3, 0.4), between(rng, 0.9, 1.2)))
    shape.round((0, 0, 0.02), (1.4 * radius, 1.4 * radius, 0.04), look.main, top=0.8)
    shape.post(0, 0, 0, height, 0.016, look.trim)
    shape.round((0, 0.06, height), (0.1, 0.1, 0.14), look.main, (0, 0, math.pi / 2))
    facing = (0, 0, math.pi / 2)
    for y in (-0.09, -0.03):
        shape.ring((0, y, height), radius, 0.01, look.main, facing)
    for scale in (0.35, 0.68):
        shape.ring((0, -0.1, height), radius * scale, 0.006, look.main, facing)
    for number in range(10):
        angle = number * math.pi / 5
        end = (radius * math.cos(angle), -0.09, height + radius * math.sin(angle))
        shape.bar((0, -0.11, height), end, 0.005, look.main)
    for number in range(3):
        angle = number * 2 * math.pi / 3 + 0.4
        center = (radius * 0.5 * math.cos(angle), -0.05, height + radius * 0.5 * math.sin(angle))
        shape.block(center, (radius * 0.8, 0.012, radius * 0.5), look.second, (0.0, -angle, 0.3), (3, 3))


@builds("radiator")
def radiator(shape, rng, look, width=None):
    """Ribs or a flat panel under a window. width: metres."""
    width, height = width or between(rng, 0.6, 1.4), between(rng, 0.45, 0.65)
    low = 0.12
    if chance(rng, 0.6):
        count = max(4, int(width / 0.075))
        for number in range(count):
            x = -width / 2 + (number + 0.5) * width / count
            shape.block((x, 0, low + height / 2), (0.045, 0.11, height), look.main, None, (4, 12))
        for z in (low + 0.06, low + height - 0.06):
            shape.bar((-width / 2, 0.02, z), (width / 2, 0.02, z), 0.022, look.main)
    else:
        shape.slab((-width / 2, -0.05, low), (width / 2, 0.02, low + height), look.main)
        for number in range(int(width / 0.06)):
            x = -width / 2 + 0.03 + number * 0.06
            shape.block((x, -0.056, low + height / 2), (0.026, 0.012, height - 0.06), look.main)
    shape.bar((width / 2, 0.02, low + 0.05), (width / 2 + 0.06, 0.02, 0.0), 0.012, look.main)
    shape.round((width / 2 + 0.05, -0.02, low + 0.1), (0.05, 0.05, 0.08), plain(draw_shade(rng, "white")), (0, 0, 1.5))


@builds("air conditioner")
def air_conditioner(shape, rng, look):
    """A long rounded box high on the wall, with an air slot."""
    width, height = between(rng, 0.72, 0.98), between(rng, 0.26, 0.32)
    shape.block((0, 0, height / 2), (width, 0.2, height), look.main, None, (9, 7))
    shape.block((0, -0.08, 0.03), (width * 0.85, 0.06, 0.025), BLACK, (0, 0, 0.5))
    shape.block((0, -0.1, height * 0.62), (width * 0.96, 0.006, 0.012), look.main.shaded(0.6))
    shape.block((width * 0.36, -0.102, height * 0.4), (0.07, 0.006, 0.03), plain((90, 200, 140)))
