# SPDX-License-Identifier: Apache-2.0
"""Storage: cabinets, shelves, racks. Fronts at -y, backs to the wall."""

import math

from ..colors import draw_color, draw_shade, plain
from ..shapes import CUP
from .parts import (
    DARK,
    STEEL,
    between,
    books,
    brass,
    carcass,
    chance,
    corners,
    doors,
    drawers,
    handle,
    legs,
    no_handle,
    pick,
    square_legs,
    tapered_legs,
)
from .registry import builds


def _body(shape, rng, look, width, depth, height, feet=0.0):
    """A closed box, slightly darker than its fronts, so that the gaps between them are visible."""
    if feet > 0.09:
        legs(shape, rng, width - 0.04, depth - 0.04, feet, look.trim, (square_legs, tapered_legs))
    elif feet:
        shape.slab((-width / 2 + 0.03, -depth / 2 + 0.04, 0), (width / 2 - 0.03, depth / 2, feet), DARK)
    shape.slab((-width / 2, -depth / 2, feet), (width / 2, depth / 2, height), look.main.shaded(0.5))
    for x in (-1, 1):  # the sides have the main paint
        shape.block((x * (width / 2 + 0.003), 0, (feet + height) / 2), (0.006, depth, height - feet), look.main)
    shape.slab(
        (-width / 2 - 0.006, -depth / 2 - 0.012, height), (width / 2 + 0.006, depth / 2, height + 0.02), look.main
    )
    shape.top(-width / 2 + 0.03, -depth / 2 + 0.03, width / 2 - 0.03, depth / 2 - 0.03, height + 0.02)


def _front(rng, look):
    return look.second if chance(rng, 0.2) else look.main


@builds("wardrobe")
def wardrobe(shape, rng, look):
    """A tall closet: hinged or sliding doors, sometimes one with a mirror, sometimes drawers below."""
    count = pick(rng, (2, 2, 3, 4))
    width, depth, height = count * between(rng, 0.4, 0.55), between(rng, 0.5, 0.65), between(rng, 1.8, 2.15)
    feet = pick(rng, (0.0, 0.06, 0.1))
    _body(shape, rng, look, width, depth, height, feet)
    low = feet + (between(rng, 0.2, 0.35) if chance(rng, 0.3) else 0.0)
    face, trim = _front(rng, look), brass(rng)
    if low > feet + 0.1:
        drawers(shape, rng, (-width / 2, feet, width / 2, low), -depth / 2, 1, count, face, trim)
    doors(shape, rng, (-width / 2, low, width / 2, height), -depth / 2, count, face, trim)
    if chance(rng, 0.2):
        each = width / count
        x = -width / 2 + (int(rng.integers(count)) + 0.5) * each
        glass = plain((170, 182, 190), gloss=0.7, content=True)
        shape.block((x, -depth / 2 - 0.025, (low + height) / 2), (each - 0.1, 0.008, (height - low) * 0.85), glass)


@builds("dresser")
def dresser(shape, rng, look):
    """A chest of drawers."""
    width, depth, height = between(rng, 0.7, 1.4), between(rng, 0.4, 0.52), between(rng, 0.72, 1.15)
    feet = pick(rng, (0.0, 0.06, 0.13))
    _body(shape, rng, look, width, depth, height, feet)
    columns = 2 if width > 1.0 or chance(rng, 0.2) else 1
    area = (-width / 2, feet, width / 2, height)
    drawers(shape, rng, area, -depth / 2, int(rng.integers(3, 6)), columns, _front(rng, look), brass(rng))


@builds("cabinet")
def cabinet(shape, rng, look):
    """A cupboard: a low sideboard or a high cabinet, with doors, drawers and sometimes an open part."""
    high = chance(rng, 0.4)
    width = between(rng, 0.6, 1.0) if high else between(rng, 0.8, 1.8)
    depth, height = between(rng, 0.35, 0.5), between(rng, 1.2, 2.0) if high else between(rng, 0.65, 0.95)
    feet = pick(rng, (0.0, 0.06, 0.15))
    _body(shape, rng, look, width, depth, height, feet)
    count, face, trim = max(1, round(width / 0.45)), _front(rng, look), brass(rng)
    if high:
        middle = feet + (height - feet) * between(rng, 0.35, 0.5)
        doors(shape, rng, (-width / 2, feet, width / 2, middle), -depth / 2, count, face, trim)
        upper = plain((150, 165, 172), gloss=0.4, content=True) if chance(rng, 0.3) else face
        doors(shape, rng, (-width / 2, middle, width / 2, height), -depth / 2, count, upper, trim)
        return
    split = feet + (height - feet) * (between(rng, 0.65, 0.8) if chance(rng, 0.5) else 1.0)
    doors(shape, rng, (-width / 2, feet, width / 2, split), -depth / 2, count, face, trim)
    if split < height:
        drawers(shape, rng, (-width / 2, split, width / 2, height), -depth / 2, 1, count, face, trim)


@builds("filing cabinet")
def filing_cabinet(shape, rng, look):
    """Steel drawers with handles and label holders."""
    width, depth, rows = between(rng, 0.38, 0.5), between(rng, 0.5, 0.65), int(rng.integers(2, 5))
    height = 0.06 + rows * between(rng, 0.28, 0.33)
    _body(shape, rng, look, width, depth, height)
    drawers(shape, rng, (-width / 2, 0.04, width / 2, height), -depth / 2, rows, 1, look.main, STEEL, handle)
    for row in range(rows):
        z = 0.04 + (row + 0.8) * (height - 0.04) / rows
        shape.block((0, -depth / 2 - 0.018, z), (0.09, 0.008, 0.045), plain((232, 230, 220), content=True))


@builds("bookshelf")
def bookshelf(shape, rng, look):
    """Boards in a frame, with rows of coloured books, gaps and a few boxes."""
    width, depth, height = between(rng, 0.6, 1.3), between(rng, 0.24, 0.36), between(rng, 1.0, 2.1)
    carcass(shape, width, depth, 0.0, height, look.main, back=chance(rng, 0.8))
    rows = max(2, round(height / between(rng, 0.3, 0.42)))
    step = (height - 0.05) / rows
    split = chance(rng, 0.25)
    if split:
        shape.slab((-0.01, -depth / 2, 0), (0.01, depth / 2, height), look.main)
    for row in range(rows):
        z = 0.025 + row * step
        if row:
            shape.slab((-width / 2, -depth / 2, z - 0.02), (width / 2, depth / 2, z), look.main)
        for x0, x1 in ((-width / 2 + 0.03, -0.01), (0.01, width / 2 - 0.03)):
            _shelf_content(shape, rng, (x0, x1, depth, z, step))
    shape.top(-width / 2 + 0.04, -depth / 2 + 0.03, width / 2 - 0.04, depth / 2 - 0.03, height)


def _shelf_content(shape, rng, room):
    """The contents of one half of a compartment; room: (x0, x1, depth, z, height) metres."""
    x0, x1, depth, z, height = room
    form = rng.random()
    front = -depth / 2 + between(rng, 0.01, 0.06)
    if form < 0.62:
        end = x1 if chance(rng, 0.6) else x0 + (x1 - x0) * between(rng, 0.3, 0.9)
        books(shape, rng, x0, end, front, depth / 2 - 0.02, z, height - 0.03)
    elif form < 0.72:
        paint = plain(draw_color(rng, "any"), content=True)
        shape.slab((x0 + 0.02, front, z), (x1 - 0.02, depth / 2 - 0.03, z + height * between(rng, 0.5, 0.8)), paint)
    elif form < 0.8:
        for number in range(int(rng.integers(2, 5))):
            paint = plain(draw_color(rng, "any"), content=True)
            low = z + number * 0.035
            shape.slab((x0 + 0.03, front, low), (min(x1, x0 + 0.27), front + 0.18, low + 0.033), paint)


@builds("shelf")
def shelf(shape, rng, look):
    """An open storage rack: four uprights and boards, with boxes and cans on them."""
    width, depth, height = between(rng, 0.8, 1.6), between(rng, 0.35, 0.6), between(rng, 1.4, 2.1)
    for x, y in corners(width - 0.04, depth - 0.04):
        shape.block((x, y, height / 2), (0.04, 0.04, height), look.main)
    rows = int(rng.integers(3, 6))
    board = look.main if chance(rng, 0.5) else look.second
    boxed, step = draw_shade(rng, "brown"), (height - 0.12) / (rows - 1)
    for row in range(rows):
        z = 0.12 + row * step
        shape.block((0, 0, z - 0.015), (width, depth, 0.03), board)
        if row < rows - 1:
            _rack_content(shape, rng, (width - 0.1, depth - 0.06, z, step - 0.05), boxed)
    shape.top(-width / 2 + 0.06, -depth / 2 + 0.04, width / 2 - 0.06, depth / 2 - 0.04, height)


def _rack_content(shape, rng, room, cardboard):
    width, depth, z, height = room
    x = -width / 2
    while x < width / 2 - 0.15:
        wide = min(between(rng, 0.12, 0.42), width / 2 - x)
        tall = height * between(rng, 0.3, 0.9)
        paint = plain(cardboard if chance(rng, 0.4) else draw_color(rng, "any"), content=True)
        form = rng.random()
        if form < 0.55:
            deep = depth * between(rng, 0.5, 0.95)
            shape.block((x + wide / 2, between(rng, -0.03, 0.03), z + tall / 2), (wide - 0.02, deep, tall), paint)
        elif form < 0.75:
            wide = min(wide, 0.2)
            shape.post(x + wide / 2, 0, z, z + tall, wide / 2 - 0.01, paint)
        x += wide


@builds("wall shelf")
def wall_shelf(shape, rng, look):
    """One to three boards on a wall with a few books and small things; its origin is at its lowest point."""
    width, depth = between(rng, 0.5, 1.1), between(rng, 0.18, 0.28)
    for row in range(int(rng.integers(1, 3))):
        z = 0.06 + row * 0.33
        shape.block((0, 0, z), (width, depth, 0.03), look.main)
        for x in (-width * 0.35, width * 0.35):
            shape.bar((x, depth / 2 - 0.01, z - 0.06), (x, -depth / 2 + 0.03, z), 0.008, look.trim)
        if chance(rng, 0.7):
            x0 = between(rng, -width / 2, 0)
            books(
                shape,
                rng,
                x0,
                min(width / 2, x0 + between(rng, 0.15, 0.6)),
                -depth / 2 + 0.02,
                depth / 2,
                z + 0.015,
                0.25,
            )
    shape.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, z + 0.28))


@builds("tv stand")
def tv_stand(shape, rng, look):
    """A low, wide cabinet with doors, drawers and open compartments."""
    width, depth, height = between(rng, 1.0, 1.9), between(rng, 0.36, 0.48), between(rng, 0.38, 0.58)
    feet = pick(rng, (0.0, 0.06, 0.14))
    if feet > 0.1:
        legs(shape, rng, width - 0.1, depth - 0.04, feet, look.trim, (square_legs, tapered_legs))
    carcass(shape, width, depth, feet, height, look.main)
    cells = int(rng.integers(2, 5))
    face = _front(rng, look)
    for number in range(cells):
        x0 = -width / 2 + number * width / cells
        x1 = x0 + width / cells
        shape.slab((x0 - 0.01, -depth / 2, feet), (x0 + 0.01, depth / 2, height), look.main)
        area = (x0, feet + 0.02, x1, height - 0.02)
        form = rng.random()
        if form < 0.4:
            doors(shape, rng, area, -depth / 2, 1, face, look.trim)
        elif form < 0.65:
            drawers(shape, rng, area, -depth / 2, 2, 1, face, look.trim, no_handle)
        else:
            shape.block(((x0 + x1) / 2, 0, (feet + height) / 2), (width / cells - 0.02, depth - 0.04, 0.02), look.main)
            shape.block(((x0 + x1) / 2, 0, feet + 0.07), (min(0.36, width / cells - 0.06), 0.24, 0.06), DARK)
    shape.top(-width / 2 + 0.05, -depth / 2 + 0.05, width / 2 - 0.05, depth / 2 - 0.03, height)


@builds("coat rack")
def coat_rack(shape, rng, look):
    """A pole with hooks on a foot, mostly with coats and a hat."""
    height, foot = between(rng, 1.6, 1.85), between(rng, 0.2, 0.28)
    shape.post(0, 0, 0.02, height, 0.022, look.main)
    if chance(rng, 0.5):
        shape.round((0, 0, 0.015), (2 * foot, 2 * foot, 0.03), look.main)
    else:
        for number in range(4):
            angle = number * math.pi / 2
            shape.bar((foot * math.cos(angle), foot * math.sin(angle), 0.015), (0, 0, 0.16), 0.014, look.main)
    for number in range(6):
        angle, z = number * math.pi / 3, height - 0.08 - 0.12 * (number % 2)
        tip = (0.16 * math.cos(angle), 0.16 * math.sin(angle), z + 0.08)
        shape.bar((0, 0, z), tip, 0.012, look.main)
        if chance(rng, 0.4):
            coat = plain(draw_color(rng, "textile"), content=True)
            long = between(rng, 0.6, 1.0)
            center = (0.15 * math.cos(angle), 0.15 * math.sin(angle), z + 0.04 - long / 2)
            shape.block(center, (0.16, 0.3, long), coat, angle, (3, 5), (0.55, 0.6))


@builds("shoe rack")
def shoe_rack(shape, rng, look):
    """Two or three slatted boards with pairs of shoes."""
    width, depth, rows = between(rng, 0.6, 0.95), between(rng, 0.28, 0.36), int(rng.integers(2, 4))
    height = rows * between(rng, 0.2, 0.25)
    for x in (-width / 2, width / 2):
        shape.slab((x - 0.012, -depth / 2, 0), (x + 0.012, depth / 2, height), look.main)
    for row in range(rows):
        z = 0.06 + row * (height - 0.08) / (rows - 1)
        for y in (-0.09, 0.0, 0.09):
            shape.block((0, y, z), (width, 0.05, 0.018), look.main)
        for number in range(int(width / 0.22)):
            if chance(rng, 0.65):
                x = -width / 2 + 0.14 + number * 0.22
                paint = plain(draw_color(rng, "hide"), content=True)
                for side in (-0.05, 0.05):
                    shape.ball((x + side, 0, z + 0.05), (0.085, 0.26, 0.09), paint)


@builds("locker")
def locker(shape, rng, look):
    """Narrow steel lockers in a row, with air slots and small handles."""
    count, each, tiers = int(rng.integers(1, 4)), between(rng, 0.28, 0.4), pick(rng, (1, 1, 2))
    width, depth, height = count * each, between(rng, 0.42, 0.5), between(rng, 1.7, 1.95)
    _body(shape, rng, look, width, depth, height, 0.07)
    step = (height - 0.07) / tiers
    for tier in range(tiers):
        low = 0.07 + tier * step
        doors(shape, rng, (-width / 2, low, width / 2, low + step), -depth / 2, count, look.main, STEEL)
        for number in range(count):
            x = -width / 2 + (number + 0.5) * each
            for slot in range(3):
                z = low + step - 0.12 - slot * 0.05
                shape.block((x, -depth / 2 - 0.018, z), (each * 0.5, 0.006, 0.02), look.main.shaded(0.4))


@builds("basket")
def basket(shape, rng, look):
    """A laundry basket or hamper: round or square, open with cloth in it, or with a lid."""
    width, height = between(rng, 0.32, 0.48), between(rng, 0.28, 0.6)
    if chance(rng, 0.5):
        shape.round((0, 0, height / 2), (width, width, height), look.main, None, between(rng, 1.0, 1.15), CUP)
        shape.ring((0, 0, height), width / 2 * 1.06, 0.015, look.second)
    else:
        depth = width * between(rng, 0.65, 1.0)
        wall = 0.02
        for y in (-depth / 2, depth / 2):
            shape.block((0, y, height / 2), (width, wall, height), look.main)
        for x in (-width / 2, width / 2):
            shape.block((x, 0, height / 2), (wall, depth, height), look.main)
        shape.block((0, 0, 0.02), (width, depth, 0.03), look.main)
    if chance(rng, 0.6):
        for _ in range(3):
            cloth = plain(draw_color(rng, "textile"), content=True)
            x, y = between(rng, -0.08, 0.08), between(rng, -0.06, 0.06)
            shape.ball((x, y, height * 0.8), (width * 0.55, width * 0.45, height * 0.35), cloth)
