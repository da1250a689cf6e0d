# SPDX-License-Identifier: Apache-2.0
"""Seats. Fronts face -y."""

import math

from ..colors import plain
from .parts import (
    BLACK,
    STEEL,
    between,
    chance,
    corners,
    legs,
    pedestal,
    pick,
    round_legs,
    sled_legs,
    square_legs,
    star_base,
    tapered_legs,
    wheel,
)
from .registry import builds


def _slat_back(shape, rng, width, y, z0, z1, look):
    """Two posts, a rail and upright slats."""
    lean = between(rng, 0.02, 0.08)
    for x in (-width / 2 + 0.02, width / 2 - 0.02):
        shape.bar((x, y, z0), (x, y + lean, z1), 0.02, look.main, square=True)
    shape.block((0, y + lean, z1 - 0.035), (width, 0.026, between(rng, 0.06, 0.12)), look.main)
    count = int(rng.integers(3, 7))
    for number in range(count):
        x = (number + 0.5) / count * (width - 0.08) - (width - 0.08) / 2
        shape.bar((x, y, z0), (x, y + lean, z1 - 0.05), 0.012, look.main, square=True)


def _ladder_back(shape, rng, width, y, z0, z1, look):
    """Two posts and two to four boards across."""
    lean = between(rng, 0.02, 0.09)
    for x in (-width / 2 + 0.02, width / 2 - 0.02):
        shape.bar((x, y, z0), (x, y + lean, z1), 0.019, look.main, square=True)
    count = int(rng.integers(2, 5))
    for number in range(count):
        part = (number + 1) / count
        shape.block((0, y + lean * part, z0 + (z1 - z0) * part - 0.05), (width - 0.04, 0.02, 0.055), look.main)


def _panel_back(shape, rng, width, y, z0, z1, look):
    """One board, sometimes with a gap above the seat."""
    gap = between(rng, 0, 0.5 * (z1 - z0))
    lean = between(rng, 0.03, 0.2)
    shape.block((0, y + 0.03, (z0 + gap + z1) / 2), (width, 0.03, z1 - z0 - gap), look.main, (0, 0, -lean))
    if gap > 0.05:
        for x in (-width / 2 + 0.04, width / 2 - 0.04):
            shape.bar((x, y, z0), (x, y + 0.03, z0 + gap + 0.1), 0.014, look.trim)


def _cushion_back(shape, rng, width, y, z0, z1, look):
    """An upholstered back."""
    shape.cushion((0, y + 0.02, (z0 + z1) / 2), (width, 0.08, z1 - z0), look.main, (0, 0, -between(rng, 0.03, 0.15)), 6)


def _shell_back(shape, _rng, width, y, z0, z1, look):
    """A bent plastic shell: three panels around the back."""
    for turn, x in ((-0.5, width * 0.42), (0.0, 0.0), (0.5, -width * 0.42)):
        back = y + 0.02 - (0.05 if x else 0.0)
        size = (width * (0.3 if x else 0.75), 0.02, (z1 - z0) * (0.8 if x else 1.0))
        shape.block((x, back, z0 + size[2] / 2), size, look.main, (turn, 0, -0.12), (5, 5))


def _spindle_back(shape, _rng, width, y, z0, z1, look):
    """A bow over round spindles."""
    steps = 8
    points = [
        (width / 2 * math.cos(math.pi * i / steps), y + 0.05, z0 + (z1 - z0) * math.sin(math.pi * i / steps) ** 0.6)
        for i in range(steps + 1)
    ]
    shape.tube(points, 0.014, look.main)
    for point in points[1:-1]:
        shape.bar((point[0] * 0.8, y, z0), point, 0.008, look.main)


_BACKS = {
    "wooden": (_slat_back, _ladder_back, _panel_back, _spindle_back),
    "metal": (_ladder_back, _panel_back, _slat_back),
    "plastic": (_shell_back, _panel_back, _shell_back),
    "fabric": (_cushion_back, _panel_back, _cushion_back),
}


@builds("chair")
def chair(shape, rng, look):
    """A seat on legs with a back; sometimes armrests or a seat cushion."""
    width, depth = between(rng, 0.38, 0.52), between(rng, 0.38, 0.5)
    seat, back = between(rng, 0.42, 0.48), between(rng, 0.34, 0.58)
    wooden = look.material == "wooden"
    leg_paint = look.main if wooden or chance(rng, 0.3) else look.trim
    styles = (square_legs, tapered_legs, round_legs) if wooden else (round_legs, tapered_legs, sled_legs)
    legs(shape, rng, width, depth, seat - 0.02, leg_paint, styles)
    if look.material == "fabric":
        shape.cushion((0, 0, seat - 0.01), (width, depth, 0.09), look.main, None, 6)
    else:
        shape.block((0, 0, seat - 0.015), (width, depth, 0.03), look.main, None, (6, 6) if chance(rng, 0.5) else (0, 0))
        if chance(rng, 0.25):
            shape.cushion((0, 0, seat + 0.02), (width - 0.04, depth - 0.04, 0.05), look.second, None, 5)
    y = depth / 2 - 0.02
    pick(rng, _BACKS.get(look.material, _BACKS["fabric"]))(shape, rng, width - 0.01, y, seat, seat + back, look)
    if chance(rng, 0.15):
        for x in (-width / 2, width / 2):
            shape.tube([(x, -depth * 0.3, seat), (x, -depth * 0.3, seat + 0.2), (x, y, seat + 0.22)], 0.015, leg_paint)
    low, high = shape.bounds()
    shape.top(-width * 0.4, -depth * 0.45, width * 0.4, depth * 0.25, seat + 0.04)
    shape.solid((low[0], low[1], 0), (high[0], high[1], seat + 0.04))
    shape.solid((low[0], y - 0.1, seat), (high[0], high[1], high[2]))


@builds("office chair")
def office_chair(shape, rng, look):
    """A swivel chair: star base with casters, seat, back and mostly armrests."""
    width, depth, seat = between(rng, 0.44, 0.54), between(rng, 0.42, 0.52), between(rng, 0.43, 0.54)
    base = pick(rng, (BLACK, STEEL, look.trim))
    star_base(shape, rng, between(rng, 0.27, 0.34), seat - 0.05, base)
    shape.cushion((0, 0, seat - 0.02), (width, depth, 0.1), look.main, None, 5)
    high = pick(rng, (between(rng, 0.4, 0.5), between(rng, 0.5, 0.62), between(rng, 0.62, 0.75)))
    y, lean = depth / 2 - 0.01, -between(rng, 0.05, 0.2)
    rise = between(rng, 0.06, 0.14)
    back = look.second if chance(rng, 0.2) else look.main
    bulge = pick(rng, (0.05, 0.09, 0.12))
    shape.cushion((0, y + 0.04, seat + rise + high / 2), (width * 0.93, bulge, high), back, (0, 0, lean), 5)
    shape.bar((0, y - 0.1, seat - 0.04), (0, y + 0.07, seat + rise + 0.1), 0.03, base, square=True)
    if chance(rng, 0.25):
        shape.cushion((0, y + 0.13, seat + rise + high + 0.07), (width * 0.5, 0.07, 0.14), back, (0, 0, lean), 4)
    if chance(rng, 0.72):
        rest = seat + between(rng, 0.17, 0.24)
        for x in (-width / 2 - 0.04, width / 2 + 0.04):
            shape.bar((x * 0.8, 0, seat - 0.05), (x, 0.02, seat - 0.03), 0.018, base, square=True)
            shape.bar((x, 0.02, seat - 0.04), (x, 0.02, rest), 0.018, base, square=True)
            shape.cushion((x, 0, rest), (0.07, 0.26, 0.04), BLACK, None, 5)
    low, top = shape.bounds()
    shape.solid((low[0], low[1], 0), (top[0], top[1], seat + 0.03))
    shape.solid((low[0] * 0.8, y - 0.08, seat), (top[0] * 0.8, top[1], top[2]))


def _upholstered(shape, rng, look, width, depth, places):
    """A sofa's body: base, seat and back cushions, arms; shared by armchairs and sofas."""
    seat, back = between(rng, 0.38, 0.46), between(rng, 0.34, 0.5)
    arm, arm_height = between(rng, 0.08, 0.24), between(rng, 0.12, 0.24)
    feet, thick = between(rng, 0.03, 0.14), between(rng, 0.14, 0.22)
    soft = between(rng, 4, 9)
    for x, y in corners(width - 0.14, depth - 0.14):
        shape.post(x, y, 0, feet, 0.022, look.trim)
    inner = width - 2 * arm
    shape.block(
        (0, 0.01, (feet + seat - thick) / 2), (width - 0.02, depth - 0.04, seat - thick - feet + 0.02), look.main
    )
    shape.cushion(
        (0, depth / 2 - 0.09, (feet + seat + back - 0.05) / 2),
        (width, 0.18, seat + back - 0.05 - feet),
        look.main,
        None,
        9,
    )
    for side in (-1, 1):
        x, top = side * (width - arm) / 2, seat + arm_height
        shape.cushion((x, 0, (feet + top) / 2), (arm, depth, top - feet), look.main, None, soft + 2)
        if chance(rng, 0.2):
            shape.round((x, 0, top - 0.02), (arm + 0.05, arm + 0.05, depth), look.main, (0, 0, math.pi / 2))
    cushion = look.second if chance(rng, 0.3) else look.main
    each, deep = inner / places, depth - 0.2
    for number in range(places):
        x = -inner / 2 + (number + 0.5) * each
        shape.cushion((x, -0.09, seat - thick / 2 + 0.02), (each - 0.005, deep, thick), cushion, None, soft)
        shape.cushion(
            (x, depth / 2 - 0.24, seat + back / 2), (each - 0.01, 0.2, back), cushion, (0, 0, -0.2), soft * 0.7
        )
    shape.top(-inner / 2, -depth / 2 + 0.1, inner / 2, depth / 2 - 0.3, seat + 0.02)
    shape.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2 + 0.02, seat + 0.02))
    shape.solid((-width / 2, depth / 2 - 0.28, seat), (width / 2, depth / 2 + 0.04, seat + back + 0.04))
    for side in (-1, 1):
        inner_x, outer_x = sorted((side * width / 2, side * inner / 2))
        shape.solid((inner_x, -depth / 2, seat), (outer_x, depth / 2, seat + arm_height))
    return seat


@builds("armchair")
def armchair(shape, rng, look):
    """An upholstered seat for one; a third have an open wooden frame, some have wings."""
    width, depth = between(rng, 0.68, 0.98), between(rng, 0.72, 0.92)
    if chance(rng, 0.3):
        _frame_armchair(shape, rng, look, width * 0.85, depth)
        return
    seat = _upholstered(shape, rng, look, width, depth, 1)
    if chance(rng, 0.2):
        for x in (-width / 2 + 0.06, width / 2 - 0.06):
            shape.cushion((x, depth / 2 - 0.2, seat + 0.35), (0.08, 0.28, 0.5), look.main, None, 5)


def _frame_armchair(shape, rng, look, width, depth):
    seat, lean = between(rng, 0.36, 0.42), between(rng, 0.2, 0.4)
    for x in (-width / 2, width / 2):
        front, back, arm = -depth * 0.4, depth * 0.4, seat + 0.2
        shape.bar((x, front, 0), (x, front, arm), 0.022, look.trim, square=True)
        shape.bar((x, back, 0), (x, back - 0.05, arm), 0.022, look.trim, square=True)
        shape.bar((x, front - 0.04, arm), (x, back + 0.02, arm), 0.028, look.trim, square=True)
        shape.bar((x, front, seat - 0.08), (x, back, seat - 0.12), 0.02, look.trim, square=True)
    shape.cushion((0, -0.02, seat - 0.02), (width - 0.05, depth * 0.8, 0.13), look.main, (0, 0, -0.08), 6)
    shape.cushion((0, depth * 0.42, seat + 0.27), (width - 0.06, 0.13, 0.6), look.main, (0, 0, -lean), 6)
    low, high = shape.bounds()
    shape.solid((low[0], low[1], 0), (high[0], high[1], seat + 0.2))
    shape.solid((low[0], depth * 0.25, seat), (high[0], high[1], high[2]))


@builds("sofa")
def sofa(shape, rng, look):
    """Two to four seats; one in eight with a chaise longue in front of one end."""
    places = pick(rng, (2, 2, 3, 3, 3, 4))
    depth = between(rng, 0.78, 1.0)
    width = places * between(rng, 0.55, 0.7) + between(rng, 0.2, 0.45)
    seat = _upholstered(shape, rng, look, width, depth, places)
    if chance(rng, 0.12) and places >= 3:
        side = pick(rng, (-1, 1))
        x, deep = side * (width / 2 - 0.4), between(rng, 0.5, 0.8)
        shape.cushion((x, -depth / 2 - deep / 2 + 0.02, seat / 2 + 0.03), (0.75, deep, seat - 0.06), look.main, None, 9)
        shape.solid((x - 0.38, -depth / 2 - deep, 0), (x + 0.38, -depth / 2, seat))
    if chance(rng, 0.35):
        for x in (-width / 2 + 0.35, width / 2 - 0.35)[: int(rng.integers(1, 3))]:
            accent = look.second.as_content()
            shape.cushion(
                (x, depth / 2 - 0.38, seat + 0.2), (0.4, 0.14, 0.4), accent, (between(rng, -0.4, 0.4), 0, -0.35), 3
            )


@builds("stool")
def stool(shape, rng, look):
    """A seat without a back, low or bar high, on legs or a column."""
    high = pick(rng, (between(rng, 0.42, 0.5), between(rng, 0.6, 0.8)))
    width = between(rng, 0.28, 0.42)
    base = look.main if chance(rng, 0.5) else look.trim
    if chance(rng, 0.35):
        pedestal(shape, rng, width * 0.5, high - 0.02, base)
    else:
        legs(shape, rng, width, width, high - 0.02, base, (square_legs, tapered_legs, round_legs))
        if high > 0.55:
            shape.ring((0, 0, high * 0.35), width * 0.45, 0.012, base)
    thick = pick(rng, (0.03, 0.05, 0.09))
    if chance(rng, 0.6):
        shape.round((0, 0, high), (width, width, thick), look.main, top=0.96)
    else:
        shape.cushion((0, 0, high), (width, width, thick), look.main, None, 8)


@builds("bench")
def bench(shape, rng, look):
    """A long seat on legs or side boards, sometimes slatted, sometimes with a back."""
    width, depth, high = between(rng, 0.9, 1.8), between(rng, 0.3, 0.45), between(rng, 0.42, 0.48)
    if chance(rng, 0.4):
        for x in (-width / 2 + 0.1, width / 2 - 0.1):
            shape.slab((x - 0.025, -depth / 2 + 0.02, 0), (x + 0.025, depth / 2 - 0.02, high - 0.03), look.main)
    else:
        legs(shape, rng, width - 0.1, depth - 0.02, high - 0.03, look.trim, (square_legs, sled_legs, tapered_legs))
    if look.material == "fabric":
        shape.cushion((0, 0, high - 0.02), (width, depth, 0.11), look.main, None, 9)
    elif chance(rng, 0.5):
        for number in range(4):
            y = (number + 0.5) / 4 * depth - depth / 2
            shape.block((0, y, high - 0.015), (width, depth / 4 - 0.018, 0.03), look.main)
    else:
        shape.block((0, 0, high - 0.02), (width, depth, 0.04), look.main)
    if chance(rng, 0.3):
        for z in (high + 0.18, high + 0.34):
            shape.block((0, depth / 2, z), (width, 0.025, 0.1), look.main, (0, 0, -0.12))
        for x in (-width / 2 + 0.12, width / 2 - 0.12):
            shape.bar((x, depth / 2 - 0.02, high - 0.02), (x, depth / 2 + 0.05, high + 0.4), 0.018, look.trim)
        shape.solid((-width / 2, depth / 2 - 0.03, high), (width / 2, depth / 2 + 0.07, high + 0.42))
    shape.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, high + 0.035))
    shape.top(-width / 2 + 0.05, -depth / 2, width / 2 - 0.05, depth / 2 - 0.02, high + 0.035)


@builds("ottoman")
def ottoman(shape, rng, look):
    """A soft block or drum, as a footrest."""
    width, high = between(rng, 0.4, 0.7), between(rng, 0.34, 0.46)
    feet = pick(rng, (0.0, 0.06))
    if chance(rng, 0.5):
        shape.round((0, 0, feet + (high - feet) / 2), (width, width, high - feet), look.main, top=0.97)
        shape.ring((0, 0, high - 0.02), width / 2 - 0.02, 0.025, look.second)
    else:
        depth = width * between(rng, 0.7, 1.0)
        shape.cushion((0, 0, feet + (high - feet) / 2), (width, depth, high - feet), look.main, None, 9)
    if feet:
        for x, y in corners(width * 0.6, width * 0.5):
            shape.post(x, y, 0, feet + 0.03, 0.02, look.trim)


@builds("wheelchair")
def wheelchair(shape, rng, look):
    """Two big wheels with push rims, small front casters, a seat, footrests and handles."""
    width, seat = between(rng, 0.46, 0.56), between(rng, 0.48, 0.52)
    frame, cover = look.main, plain(pick(rng, ((30, 30, 34), (36, 48, 92), (120, 30, 34), (40, 80, 60))))
    big = between(rng, 0.28, 0.31)
    for side in (-1, 1):
        x = side * (width / 2 + 0.05)
        wheel(shape, (x, 0.14, big), big, 0.02, BLACK, True, 5)
        shape.ring((x + side * 0.035, 0.14, big), big * 0.85, 0.009, STEEL, (0.0, math.pi / 2, 0.0))
        inner = side * width / 2
        wheel(shape, (inner, -0.36, 0.075), 0.075, 0.018)
        shape.tube(
            [(inner, -0.36, 0.1), (inner, -0.34, seat), (inner, 0.22, seat), (inner, 0.28, 0.95), (inner, 0.42, 0.97)],
            0.014,
            frame,
        )
        shape.tube([(inner, -0.2, seat), (inner, -0.2, seat + 0.2), (inner, 0.24, seat + 0.22)], 0.013, frame)
        shape.block((inner, 0.0, seat + 0.22), (0.06, 0.34, 0.03), BLACK)
        shape.bar((inner, -0.34, seat), (inner * 0.8, -0.56, 0.12), 0.013, frame)
        shape.block((inner * 0.55, -0.6, 0.12), (0.16, 0.14, 0.02), BLACK, (0, 0, 0.2))
    shape.cushion((0, -0.05, seat), (width - 0.02, 0.44, 0.06), cover, None, 8)
    shape.cushion((0, 0.25, seat + 0.24), (width - 0.02, 0.04, 0.44), cover, (0, 0, -0.08), 8)
