# SPDX-License-Identifier: Apache-2.0
"""Bathroom things. Fronts at -y, backs to the wall."""

import math

from ..colors import draw_shade, plain
from ..shapes import CUP
from .parts import BLACK, DARK, STEEL, between, chance, pick
from .registry import builds

PANE = plain((205, 218, 222), gloss=0.55)


@builds("toilet")
def toilet(shape, rng, look):
    """A bowl with seat and lid (down or up), in front of a cistern or hung on the wall."""
    width, length, seat = between(rng, 0.35, 0.4), between(rng, 0.48, 0.56), between(rng, 0.39, 0.43)
    y = -0.1
    hung = chance(rng, 0.25)
    if hung:
        shape.block((0, y + 0.05, seat - 0.17), (width, length, 0.3), look.main, None, (3, 4), (1.0, 1.0))
        shape.slab((-0.2, y + length / 2, 0.0), (0.2, y + length / 2 + 0.1, 1.1), look.main)
        shape.block((0, y + length / 2 - 0.005, 0.95), (0.2, 0.01, 0.14), STEEL)
    else:
        shape.round((0, y + 0.04, seat * 0.35), (width * 0.6, length * 0.65, seat * 0.7), look.main, None, 1.2)
        shape.round((0, y, seat * 0.75), (width * 0.85, length * 0.85, seat * 0.5), look.main, None, 1.15, CUP)
        tank = between(rng, 0.32, 0.4)
        back = y + length / 2
        shape.slab((-width / 2, back - 0.02, seat - 0.04), (width / 2, back + 0.17, seat + tank), look.main)
        shape.slab(
            (-width / 2 - 0.01, back - 0.03, seat + tank),
            (width / 2 + 0.01, back + 0.18, seat + tank + 0.03),
            look.main,
        )
        shape.round((0, back + 0.07, seat + tank + 0.035), (0.05, 0.05, 0.02), STEEL)
    lid = (
        look.main
        if chance(rng, 0.75)
        else plain(draw_shade(rng, pick(rng, ("black", "brown", "pink", "blue"))), content=True)
    )
    if chance(rng, 0.6) or hung:
        shape.round((0, y, seat + 0.015), (width + 0.01, length, 0.035), lid)
    else:
        shape.ring((0, y, seat + 0.01), width * 0.42, 0.03, lid)
        shape.block((0, y + length / 2 - 0.05, seat + 0.24), (width, 0.035, 0.42), lid, (0, 0, -0.1), (2.6, 4))


@builds("bathtub")
def bathtub(shape, rng, look):
    """A built-in tub with an apron, a rim and a tap; a quarter are free-standing and oval."""
    width, depth, height = between(rng, 1.45, 1.8), between(rng, 0.68, 0.82), between(rng, 0.48, 0.62)
    if chance(rng, 0.25):
        shape.round((0, 0, height / 2), (width * 0.85, depth * 0.85, height), look.main, None, 1.17, CUP)
        shape.tube(
            [
                (width * 0.3, depth / 2 - 0.05, 0),
                (width * 0.3, depth / 2 - 0.05, height + 0.25),
                (width * 0.3, 0.15, height + 0.25),
            ],
            0.016,
            STEEL,
        )
        return
    rim = between(rng, 0.05, 0.09)
    for low, high in (
        ((-width / 2, -depth / 2), (width / 2, -depth / 2 + rim)),
        ((-width / 2, depth / 2 - rim), (width / 2, depth / 2)),
    ):
        shape.slab((*low, 0), (*high, height), look.main)
    for low, high in ((-width / 2, -width / 2 + rim), (width / 2 - 2 * rim, width / 2)):
        shape.slab((low, -depth / 2, 0), (high, depth / 2, height), look.main)
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 0.12), look.main)
    for x, lean in ((-width / 2 + rim + 0.05, -0.5), (width / 2 - 2 * rim - 0.03, 0.15)):
        shape.block((x, 0, height / 2), (0.03, depth - 2 * rim, height), look.main, (0, lean, 0))
    shape.tube(
        [(width / 2 - rim, 0, height), (width / 2 - rim, 0, height + 0.12), (width / 2 - rim - 0.16, 0, height + 0.12)],
        0.017,
        STEEL,
    )
    if chance(rng, 0.3):
        shape.tube(
            [
                (width / 2 - 0.05, depth / 2 - 0.03, height),
                (width / 2 - 0.05, depth / 2 - 0.03, 1.9),
                (width / 2 - 0.25, 0.1, 1.95),
            ],
            0.012,
            STEEL,
        )
    shape.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height))


@builds("shower")
def shower(shape, rng, _look):
    """A tray with glass on two sides in a steel frame, and a shower head."""
    width, height = between(rng, 0.8, 1.0), between(rng, 1.9, 2.05)
    shape.slab(
        (-width / 2, -width / 2, 0), (width / 2, width / 2, between(rng, 0.04, 0.15)), plain(draw_shade(rng, "white"))
    )
    corner = [(-width / 2, -width / 2), (width / 2, -width / 2), (-width / 2, width / 2), (width / 2, width / 2)]
    for x, y in corner[:3]:
        shape.bar((x, y, 0.05), (x, y, height), 0.018, STEEL, square=True)
    for start, end in ((corner[0], corner[1]), (corner[0], corner[2])):
        for z in (0.12, height):
            shape.bar((*start, z), (*end, z), 0.018, STEEL, square=True)
    shape.block((0, -width / 2, height / 2), (width, 0.008, height - 0.2), PANE)
    shape.block((-width / 2, 0, height / 2), (0.008, width, height - 0.2), PANE)
    handle_x = width * 0.3
    shape.bar((handle_x, -width / 2 - 0.03, 0.95), (handle_x, -width / 2 - 0.03, 1.2), 0.012, STEEL)
    shape.tube([(0.1, width / 2 - 0.03, 1.0), (0.1, width / 2 - 0.03, 1.95), (0.1, 0.1, 2.0)], 0.013, STEEL)
    shape.round((0.1, 0.1, 1.97), (0.18, 0.18, 0.03), STEEL)


@builds("washing machine")
def washing_machine(shape, rng, look):
    """A white box with a round glass door, a soap drawer and a knob."""
    width, depth, height = between(rng, 0.57, 0.63), between(rng, 0.5, 0.62), between(rng, 0.82, 0.9)
    shape.slab((-width / 2, -depth / 2, 0.01), (width / 2, depth / 2, height), look.main)
    y, z = -depth / 2, height * between(rng, 0.42, 0.5)
    facing = (0, 0, math.pi / 2)
    ring = look.main.shaded(0.75) if chance(rng, 0.5) else STEEL
    shape.ring((0, y - 0.012, z), 0.165, 0.028, ring, facing)
    shape.round((0, y - 0.012, z), (0.3, 0.3, 0.03), plain((52, 58, 66), gloss=0.3), facing)
    shape.slab((-width / 2, y - 0.006, height - 0.13), (width / 2, y, height - 0.12), DARK)
    shape.slab(
        (-width / 2 + 0.02, y - 0.01, height - 0.11), (-width / 2 + 0.18, y, height - 0.02), look.main.shaded(0.85)
    )
    shape.round((0.06, y - 0.015, height - 0.065), (0.06, 0.06, 0.03), STEEL, facing)
    shape.block((width / 2 - 0.12, y - 0.006, height - 0.065), (0.14, 0.012, 0.05), BLACK)
    shape.top(-width / 2 + 0.05, -depth / 2 + 0.05, width / 2 - 0.05, depth / 2 - 0.05, height)


@builds("towel")
def towel(shape, rng, look):
    """A towel over a rail on the wall; its origin is at its lower edge."""
    width, height = between(rng, 0.35, 0.65), between(rng, 0.45, 0.8)
    shape.bar((-width / 2 - 0.05, -0.02, height), (width / 2 + 0.05, -0.02, height), 0.011, STEEL)
    for x in (-width / 2 - 0.05, width / 2 + 0.05):
        shape.bar((x, -0.02, height), (x, 0.05, height), 0.011, STEEL)
    shape.block((0, -0.04, height / 2 + 0.005), (width, 0.022, height), look.main, None, (5, 9))
    back = height * between(rng, 0.5, 0.9)
    shape.block((0, 0.0, height - back / 2 + 0.01), (width, 0.02, back), look.main, None, (5, 9))
    if chance(rng, 0.4):
        shape.block((0, -0.052, between(rng, 0.06, 0.14)), (width * 0.97, 0.008, 0.05), look.second)
