# SPDX-License-Identifier: Apache-2.0
"""Tables and desks. The seat is at -y."""

from ..colors import plain, wood
from .parts import (
    DARK,
    LEGS,
    between,
    brass,
    chance,
    corners,
    doors,
    drawers,
    legs,
    pedestal,
    pick,
    round_legs,
    sled_legs,
    square_legs,
    tapered_legs,
)
from .registry import builds


def _leg_solids(shape, width, depth, height, inset=0.08):
    """A table top with four legs: chairs may stand between the legs."""
    shape.solid((-width / 2, -depth / 2, height - 0.07), (width / 2, depth / 2, height))
    for x, y in corners(width - inset, depth - inset):
        shape.solid((x - inset / 2, y - inset / 2, 0), (x + inset / 2, y + inset / 2, height - 0.07))


def _rectangle_top(shape, rng, width, depth, height, paint):
    thick = between(rng, 0.02, 0.05)
    edge = (8.0, 12.0) if chance(rng, 0.3) else (0.0, 0.0)
    shape.block((0, 0, height - thick / 2), (width, depth, thick), paint, None, edge)
    shape.top(-width / 2 + 0.04, -depth / 2 + 0.04, width / 2 - 0.04, depth / 2 - 0.04, height)
    return thick


def _round_top(shape, rng, width, depth, height, paint):
    thick = between(rng, 0.02, 0.045)
    shape.round((0, 0, height - thick / 2), (width, depth, thick), paint)
    shape.top(-width * 0.34, -depth * 0.34, width * 0.34, depth * 0.34, height)
    return thick


def _apron(shape, width, depth, height, paint):
    for y in (-depth / 2, depth / 2):
        shape.block((0, y, height - 0.05), (width, 0.02, 0.1), paint)
    for x in (-width / 2, width / 2):
        shape.block((x, 0, height - 0.05), (0.02, depth, 0.1), paint)


@builds("table")
def table(shape, rng, look, round_top=None):
    """A dining table, rectangular on legs or round, mostly on a pedestal."""
    height = between(rng, 0.71, 0.78)
    if chance(rng, 0.3) if round_top is None else round_top:
        width = between(rng, 0.75, 1.25)
        _round_top(shape, rng, width, width * pick(rng, (1.0, 1.0, 0.8)), height, look.main)
        if chance(rng, 0.65):
            pedestal(shape, rng, width * 0.3, height - 0.03, look.trim)
            shape.solid((-0.16, -0.16, 0), (0.16, 0.16, height - 0.05))
        else:
            legs(shape, rng, width * 0.75, width * 0.75, height - 0.03, look.trim, (tapered_legs, round_legs))
            shape.solid((-width * 0.38, -0.1, 0), (width * 0.38, 0.1, height - 0.05))
        shape.solid((-width / 2, -width / 2, height - 0.05), (width / 2, width / 2, height))
        return
    width, depth = between(rng, 0.9, 2.0), between(rng, 0.7, 0.98)
    thick = _rectangle_top(shape, rng, width, depth, height, look.main)
    base = look.main if chance(rng, 0.6) and look.material == "wooden" else look.trim
    legs(shape, rng, width - 0.06, depth - 0.06, height - thick, base, (square_legs, round_legs, tapered_legs))
    if chance(rng, 0.55):
        _apron(shape, width - 0.14, depth - 0.14, height - thick, base)
    _leg_solids(shape, width, depth, height)


@builds("coffee table")
def coffee_table(shape, rng, look):
    """A low table: slab on legs, round, box, or with a lower board."""
    width, depth, height = between(rng, 0.7, 1.3), between(rng, 0.45, 0.75), between(rng, 0.33, 0.5)
    form = rng.random()
    if form < 0.25:
        width = between(rng, 0.6, 0.95)
        _round_top(shape, rng, width, width, height, look.main)
        legs(shape, rng, width * 0.7, width * 0.7, height - 0.03, look.trim, (tapered_legs, round_legs))
    elif form < 0.4:
        shape.slab((-width / 2, -depth / 2, 0.03), (width / 2, depth / 2, height), look.main)
        drawers(shape, rng, (-width / 2, 0.05, width / 2, height - 0.04), -depth / 2, 1, 2, look.second, look.trim)
        shape.top(-width / 2 + 0.03, -depth / 2 + 0.03, width / 2 - 0.03, depth / 2 - 0.03, height)
    else:
        thick = _rectangle_top(shape, rng, width, depth, height, look.main)
        legs(shape, rng, width - 0.06, depth - 0.06, height - thick, look.trim, LEGS)
        if chance(rng, 0.4):
            shape.block((0, 0, height * 0.35), (width - 0.1, depth - 0.1, 0.02), look.main)


@builds("side table")
def side_table(shape, rng, look):
    """A small table beside a seat."""
    width, height = between(rng, 0.35, 0.55), between(rng, 0.42, 0.65)
    if chance(rng, 0.5):
        _round_top(shape, rng, width, width, height, look.main)
        if chance(rng, 0.5):
            pedestal(shape, rng, width * 0.4, height - 0.02, look.trim)
        else:
            legs(shape, rng, width * 0.75, width * 0.75, height - 0.02, look.trim, (tapered_legs, round_legs))
    else:
        thick = _rectangle_top(shape, rng, width, width, height, look.main)
        legs(shape, rng, width - 0.03, width - 0.03, height - thick, look.trim, LEGS)


def _desk_drawers(shape, rng, x0, x1, depth, height, look, wheels=False):
    """A drawer unit under a desk."""
    low = 0.06 if wheels else 0.0
    shape.slab((x0, -depth / 2 + 0.03, low), (x1, depth / 2 - 0.02, height), look.second)
    drawers(shape, rng, (x0, low, x1, height), -depth / 2 + 0.03, int(rng.integers(2, 5)), 1, look.second, look.trim)
    shape.solid((x0, -depth / 2, 0), (x1, depth / 2, height))


@builds("desk")
def desk(shape, rng, look, size=None):
    """A writing desk on legs, side boards or drawer units; knee space at -y. size: (width, depth) metres."""
    width, depth = size or (between(rng, 1.0, 1.8), between(rng, 0.55, 0.82))
    height = between(rng, 0.7, 0.77)
    thick = _rectangle_top(shape, rng, width, depth, height, look.main)
    under = height - thick
    if chance(rng, 0.45):
        legs(
            shape, rng, width - 0.05, depth - 0.05, under, look.trim, (square_legs, sled_legs, round_legs, tapered_legs)
        )
    else:
        for x in (-width / 2 + 0.015, width / 2 - 0.015):
            shape.block((x, 0, under / 2), (0.03, depth - 0.03, under), look.main)
        shape.block((0, depth / 2 - 0.06, under * 0.7), (width - 0.06, 0.018, under * 0.55), look.main)
    sides = pick(rng, ((), (1,), (-1,), (1,), (-1, 1)))
    for side in sides:
        inner = side * (width / 2 - 0.03)
        x0, x1 = sorted((inner, inner - side * between(rng, 0.34, 0.44)))
        _desk_drawers(shape, rng, x0, x1, depth, under, look)
    if chance(rng, 0.12):
        _hutch(shape, rng, width, depth, height, look)
    _leg_solids(shape, width, depth, height, 0.06)


def _hutch(shape, rng, width, depth, height, look):
    """Shelves on the back of a desk."""
    top = height + between(rng, 0.3, 0.5)
    for x in (-width / 2 + 0.01, 0, width / 2 - 0.01):
        shape.slab((x - 0.01, depth / 2 - 0.24, height), (x + 0.01, depth / 2, top), look.main)
    shape.slab((-width / 2, depth / 2 - 0.24, top - 0.02), (width / 2, depth / 2, top), look.main)
    shape.slab((-width / 2, depth / 2 - 0.015, height), (width / 2, depth / 2, top), look.main)
    shape.solid((-width / 2, depth / 2 - 0.24, height), (width / 2, depth / 2, top))


@builds("conference table")
def conference_table(shape, rng, look):
    """A long table for meetings: rectangle, boat or ellipse, on panels or columns."""
    width, depth, height = between(rng, 2.0, 3.2), between(rng, 0.9, 1.25), between(rng, 0.71, 0.76)
    form = int(rng.integers(3))
    if form == 0:
        _round_top(shape, rng, width, depth, height, look.main)
    elif form == 1:
        shape.block((0, 0, height - 0.02), (width, depth, 0.04), look.main, None, (3.5, 12))
        shape.top(-width * 0.42, -depth * 0.4, width * 0.42, depth * 0.4, height)
    else:
        _rectangle_top(shape, rng, width, depth, height, look.main)
    for x in (-width * 0.28, width * 0.28):
        if form == 0:
            shape.round((x, 0, height / 2 - 0.02), (0.4, 0.4, height - 0.05), look.trim, top=0.7)
        else:
            shape.block((x, 0, height / 2 - 0.02), (0.06, depth * 0.6, height - 0.04), look.trim)
        shape.solid((x - 0.2, -depth * 0.3, 0), (x + 0.2, depth * 0.3, height - 0.06))
    shape.solid((-width / 2, -depth / 2, height - 0.06), (width / 2, depth / 2, height))


@builds("workbench")
def workbench(shape, rng, look):
    """A heavy bench: thick top, strong legs, a lower board or drawers, sometimes a vice or a tool wall."""
    width, depth, height = between(rng, 1.2, 2.0), between(rng, 0.6, 0.8), between(rng, 0.82, 0.95)
    top = wood(rng) if chance(rng, 0.7) else look.main
    shape.block((0, 0, height - 0.03), (width, depth, 0.06), top)
    for x, y in corners(width - 0.16, depth - 0.14):
        shape.block((x, y, (height - 0.06) / 2), (0.08, 0.08, height - 0.06), look.main)
    shape.block((0, 0, 0.2), (width - 0.18, depth - 0.14, 0.03), look.main)
    if chance(rng, 0.5):
        shape.slab(
            (width / 2 - 0.55, -depth / 2 + 0.05, height - 0.4),
            (width / 2 - 0.1, depth / 2 - 0.1, height - 0.06),
            look.main,
        )
        area = (width / 2 - 0.55, height - 0.4, width / 2 - 0.1, height - 0.06)
        drawers(shape, rng, area, -depth / 2 + 0.05, 2, 1, look.second, DARK)
    if chance(rng, 0.5):
        x = -width / 2 + 0.2
        shape.block((x, -depth / 2 + 0.06, height + 0.06), (0.14, 0.2, 0.12), plain((60, 80, 110)))
        shape.bar((x - 0.12, -depth / 2 - 0.1, height + 0.05), (x + 0.12, -depth / 2 - 0.1, height + 0.05), 0.012, DARK)
        shape.solid((x - 0.12, -depth / 2 - 0.11, height - 0.06), (x + 0.12, -depth / 2 + 0.16, height + 0.12))
    if chance(rng, 0.4):
        wall = plain(pick(rng, ((200, 200, 196), (120, 90, 60), (70, 80, 90))))
        shape.block((0, depth / 2 - 0.02, height + 0.35), (width, 0.03, 0.7), wall)
        shape.solid((-width / 2, depth / 2 - 0.08, height), (width / 2, depth / 2, height + 0.7))
        for number in range(int(rng.integers(4, 9))):
            x, z = between(rng, -width * 0.45, width * 0.45), height + between(rng, 0.2, 0.6)
            grip = plain(pick(rng, ((200, 40, 40), (230, 180, 40), (40, 60, 140), (40, 40, 44))), content=True)
            shape.bar((x, depth / 2 - 0.055, z), (x, depth / 2 - 0.055, z - 0.14), 0.014, grip)
            shape.bar((x, depth / 2 - 0.055, z), (x, depth / 2 - 0.055, z + 0.1), 0.008, DARK, square=number % 2 == 0)
    shape.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height))
    shape.top(-width / 2 + 0.05, -depth / 2 + 0.05, width / 2 - 0.05, depth / 2 - 0.1, height)


@builds("nightstand")
def nightstand(shape, rng, look):
    """A small chest beside a bed, with drawers, a door or an open shelf."""
    width, depth, height = between(rng, 0.36, 0.55), between(rng, 0.34, 0.45), between(rng, 0.42, 0.65)
    feet = pick(rng, (0.0, 0.05, 0.14))
    if feet:
        legs(shape, rng, width, depth, feet + 0.01, look.trim, (square_legs, tapered_legs))
    shape.slab((-width / 2, -depth / 2, feet), (width / 2, depth / 2, height), look.main.shaded(0.6))
    shape.slab((-width / 2 - 0.01, -depth / 2 - 0.01, height - 0.025), (width / 2 + 0.01, depth / 2, height), look.main)
    face, trim = look.second if chance(rng, 0.3) else look.main, brass(rng)
    if chance(rng, 0.7):
        drawers(
            shape, rng, (-width / 2, feet, width / 2, height - 0.02), -depth / 2, int(rng.integers(1, 4)), 1, face, trim
        )
    else:
        doors(shape, rng, (-width / 2, feet, width / 2, height - 0.02), -depth / 2, 1, face, trim)
    shape.top(-width / 2 + 0.02, -depth / 2 + 0.02, width / 2 - 0.02, depth / 2 - 0.02, height)


@builds("ironing board")
def ironing_board(shape, rng, look):
    """A padded board with a pointed end on crossed legs."""
    length, height = between(rng, 1.1, 1.35), between(rng, 0.78, 0.92)
    shape.cushion((-0.08, 0, height), (length - 0.16, 0.36, 0.035), look.main, None, 8)
    shape.ball((length / 2 - 0.2, 0, height), (0.5, 0.34, 0.034), look.main)
    for y in (-0.14, 0.14):
        shape.bar((-0.45, y, 0.012), (0.35, y, height - 0.02), 0.012, look.trim)
        shape.bar((0.45, y, 0.012), (-0.3, y, height - 0.02), 0.012, look.trim)
    for x in (-0.45, 0.45):
        shape.bar((x, -0.22, 0.012), (x, 0.22, 0.012), 0.012, look.trim)
