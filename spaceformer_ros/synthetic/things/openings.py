# SPDX-License-Identifier: Apache-2.0
"""Doors, windows, curtains and blinds, sized to their opening; z = 0 is the lower edge."""

import math

from ..colors import Paint, draw_shade, plain
from .parts import BLACK, STEEL, between, brass, chance, pick
from .registry import builds


@builds("window")
def window(shape, rng, look, width=None, height=None):
    """A frame with one to three casements, bright panes and a sill. width, height: metres."""
    width, height = width or between(rng, 0.7, 1.8), height or between(rng, 0.9, 1.4)
    rim, count = between(rng, 0.04, 0.07), max(1, round(width / between(rng, 0.55, 0.9)))
    sky = pick(rng, ((214, 228, 244), (236, 240, 244), (170, 196, 226), (120, 140, 110), (52, 58, 74)))
    pane = plain(sky, gloss=between(rng, 0.55, 0.9), content=True)
    shape.block((0, 0.02, height / 2), (width - rim, 0.012, height - rim), pane)
    for x in (-width / 2 + rim / 2, width / 2 - rim / 2):
        shape.block((x, 0, height / 2), (rim, 0.07, height), look.main)
    for z in (rim / 2, height - rim / 2):
        shape.block((0, 0, z), (width, 0.07, rim), look.main)
    for number in range(1, count):
        shape.block((-width / 2 + number * width / count, 0, height / 2), (rim * 1.3, 0.06, height), look.main)
    if chance(rng, 0.3):
        shape.block((0, 0.005, height * pick(rng, (0.5, 0.72))), (width, 0.05, rim * 0.8), look.main)
    if chance(rng, 0.7):
        shape.block((0, -0.03, -0.015), (width + 0.1, 0.1, 0.03), look.main)
    shape.bar(
        (width / count / 2 - width / 2 + 0.06, -0.045, height * 0.45),
        (width / count / 2 - width / 2 + 0.06, -0.045, height * 0.55),
        0.012,
        STEEL,
    )
    shape.solid((-width / 2, -0.05, 0), (width / 2, 0.05, height))


def _panels(shape, rng, width, height, y, paint):
    """Raised or sunken fields on a door leaf, or glass."""
    form = rng.random()
    shade = paint.shaded(between(rng, 0.72, 0.88))
    if form < 0.25:
        return
    if form < 0.4:
        pane = plain((190, 206, 212), gloss=0.45, content=True)
        shape.block((0, y, height * 0.62), (width * 0.6, 0.01, height * 0.5), pane)
        return
    rows = pick(rng, (((0.3, 0.4), (0.74, 0.36)), ((0.2, 0.22), (0.5, 0.26), (0.82, 0.24)), ((0.5, 0.8),)))
    columns = pick(rng, (1, 2))
    for center, high in rows:
        for column in range(columns):
            x = (column + 0.5) / columns * width * 0.86 - width * 0.43
            shape.block((x, y, center * height), (width * 0.72 / columns, 0.008, high * height), shade)


@builds("door")
def door(shape, rng, look, width=None, height=None, swing=0.0):
    """A leaf in a frame, closed, or open by `swing` radians about its left edge, into the room (-y)."""
    width, height = width or between(rng, 0.75, 1.0), height or between(rng, 1.95, 2.1)
    frame = (
        look.main if chance(rng, 0.5) else plain(draw_shade(rng, pick(rng, ("white", "gray", "brown"))), content=True)
    )
    rim = between(rng, 0.05, 0.09)
    for x in (-width / 2 + rim / 2, width / 2 - rim / 2):
        shape.block((x, 0, height / 2), (rim, 0.07, height), frame)
    shape.block((0, 0, height - rim / 2), (width, 0.07, rim), frame)
    leaf, inner, high = type(shape)(), width - 2 * rim, height - rim - 0.01
    leaf.slab((0, -0.02, 0.01), (inner, 0.02, high), look.main)
    faces = type(shape)()
    for y in (-0.024, 0.024):
        _panels(faces, rng, inner, high, y, look.main)
    grip = brass(rng)
    for y in (-0.05, 0.05):
        faces.bar((inner / 2 - 0.07, y, 1.02), (inner / 2 - 0.19, y, 1.02), 0.012, grip)
        faces.bar((inner / 2 - 0.07, 0, 1.02), (inner / 2 - 0.07, y, 1.02), 0.012, grip)
        faces.block((inner / 2 - 0.07, y * 0.5, 1.0), (0.045, 0.01, 0.2), grip)
    leaf.add(faces, (inner / 2, 0, 0))
    hinge = (-width / 2 + rim, 0.0 if swing == 0 else -0.03, 0)
    shape.add(leaf, hinge, -swing)
    if swing:
        tip = (hinge[0] + inner * math.cos(swing), hinge[1] - inner * math.sin(swing))
        shape.solid((min(hinge[0], tip[0]) - 0.03, tip[1] - 0.05, 0), (max(hinge[0], tip[0]) + 0.03, -0.02, height))


@builds("curtain")
def curtain(shape, rng, look, width=None, height=None, parts=None):
    """One or two pleated cloths on a rod. width: of the rod; height: of the cloth, metres."""
    width, height = width or between(rng, 1.2, 2.4), height or between(rng, 1.4, 2.2)
    paint, parts = look.main, parts or pick(rng, (1, 2, 2, 2))
    cover = between(rng, 0.2, 0.48) if parts == 2 else between(rng, 0.25, 0.9)
    depth = between(rng, 0.04, 0.09)
    for number in range(parts):
        wide = width * cover
        x = (-width / 2 + wide / 2) if number == 0 else (width / 2 - wide / 2)
        folds = max(3.0, 2 * round(wide / between(rng, 0.11, 0.18)) / 2)
        shape.sheet((x, 0, height / 2), (wide, depth, height), paint, None, folds)
    shape.bar(
        (-width / 2 - 0.06, 0, height + 0.02),
        (width / 2 + 0.06, 0, height + 0.02),
        0.014,
        pick(rng, (BLACK, STEEL, look.trim)),
    )


@builds("blinds")
def blinds(shape, rng, look, width=None, height=None):
    """A roller blind or slats in front of a window, drawn down by some part. width, height: metres of the window."""
    width, height = width or between(rng, 0.8, 1.6), height or between(rng, 0.9, 1.4)
    drop = height * between(rng, 0.35, 1.0)
    if chance(rng, 0.5):
        shape.block((0, 0, drop / 2), (width, 0.012, drop), look.main)
        shape.bar((-width / 2, 0, drop + 0.02), (width / 2, 0, drop + 0.02), 0.03, look.main)
        shape.bar((-width / 2, 0, 0.01), (width / 2, 0, 0.01), 0.012, look.main.shaded(0.8))
    else:
        slats = Paint(look.main.color, look.main.shaded(0.72).color, "stripes", (0.0, 0.0, 1 / 0.05), 0.0, 0.4)
        count = max(4, int(drop / 0.05))
        tilt = between(rng, 0.3, 1.2)
        for number in range(count):
            z = (number + 0.5) * drop / count
            shape.block((0, 0, z), (width, 0.045, 0.006), slats if number % 2 else look.main, (0, 0, tilt))
        shape.block((0, 0, drop + 0.025), (width, 0.06, 0.05), look.main)
