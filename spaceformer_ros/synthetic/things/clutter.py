# SPDX-License-Identifier: Apache-2.0
"""Small things on floors, tables and shelves."""

import math

from ..colors import draw_color, draw_shade, plain
from ..shapes import CUP
from .parts import BLACK, DARK, STEEL, WHITE, between, chance, handle, pick
from .registry import builds


@builds("trash can")
def trash_can(shape, rng, look):
    """An open bucket, a bin with a pedal and a domed lid, a swing top or a big one with wheels."""
    width, height = between(rng, 0.22, 0.34), between(rng, 0.28, 0.45)
    form = rng.random()
    if form < 0.45:
        shape.round((0, 0, height / 2), (width * 0.8, width * 0.8, height), look.main, None, 1.25, CUP)
        if chance(rng, 0.4):
            liner = plain(pick(rng, ((28, 28, 30), (236, 236, 234), (70, 110, 180))), content=True)
            shape.ring((0, 0, height), width / 2 - 0.005, 0.012, liner)
            shape.ball((0, 0, height * 0.6), (width * 0.8, width * 0.8, height * 0.3), liner)
    elif form < 0.7:
        height *= pick(rng, (0.9, 1.5))
        shape.post(0, 0, 0.02, height, width / 2, look.main)
        shape.ball((0, 0, height), (width, width, 0.1), look.second)
        shape.post(0, 0, 0, 0.03, width / 2 + 0.008, BLACK)
        shape.block((0, -width / 2 - 0.03, 0.02), (0.08, 0.07, 0.015), BLACK)
    elif form < 0.88:
        depth = width * between(rng, 0.7, 1.0)
        shape.block((0, 0, height / 2), (width, depth, height), look.main, None, (0, 0), (1.0, 1.0))
        shape.block((0, 0, height + 0.06), (width + 0.02, depth + 0.02, 0.12), look.second, None, (0, 0), (0.85, 0.5))
    else:
        width, depth, height = 0.5, 0.55, between(rng, 0.9, 1.05)
        shape.block((0, 0, height / 2), (width * 1.0, depth, height), look.main)
        shape.block((0, -0.02, height + 0.03), (width + 0.04, depth + 0.06, 0.07), look.main.shaded(0.8), (0, 0, -0.06))
        for x in (-width / 2, width / 2):
            shape.round((x, depth / 2 - 0.02, 0.1), (0.2, 0.2, 0.05), BLACK, (0, math.pi / 2, 0))


@builds("box")
def box(shape, rng, look):
    """A carton with tape, closed or with open flaps, sometimes with another on top; or a plastic crate."""
    width, depth, height = between(rng, 0.22, 0.58), between(rng, 0.2, 0.45), between(rng, 0.15, 0.42)
    turn = between(rng, -0.05, 0.05)
    if look.material == "plastic":
        for y in (-depth / 2, depth / 2):
            shape.block((0, y, height / 2), (width, 0.015, height), look.main)
        for x in (-width / 2, width / 2):
            shape.block((x, 0, height / 2), (0.015, depth, height), look.main)
        shape.block((0, 0, 0.01), (width, depth, 0.02), look.main)
        if chance(rng, 0.6):
            shape.block((0, 0, height + 0.012), (width + 0.02, depth + 0.02, 0.03), look.second)
        return
    shape.block((0, 0, height / 2), (width, depth, height), look.main, turn)
    tape = look.main.shaded(1.25) if chance(rng, 0.6) else look.main.shaded(0.75)
    if chance(rng, 0.6):
        shape.block((0, 0, height), (width + 0.004, 0.05, 0.006), tape, turn)
        shape.block((0, -depth / 2, height * 0.85), (0.05, 0.006, height * 0.3), tape, turn)
    else:
        for side in (-1, 1):
            shape.block(
                (0, side * (depth / 2 + 0.05), height - 0.03), (width, 0.006, 0.14), look.main, (turn, 0, side * 0.8)
            )
        shape.block((0, 0, height), (width - 0.03, depth - 0.03, 0.006), look.main.shaded(0.55))
    if chance(rng, 0.3):
        label = plain((232, 230, 222), content=True)
        shape.block((width * 0.2, -depth / 2 - 0.003, height * 0.5), (0.12, 0.006, 0.08), label, turn)
    if chance(rng, 0.15):
        shape.block((0.02, 0, height + 0.11), (width * 0.8, depth * 0.85, 0.2), look.main.shaded(0.93), turn + 0.2)


@builds("backpack")
def backpack(shape, rng, look):
    """A soft bag with a front pocket, a top loop and straps at the back."""
    width, depth, height = between(rng, 0.27, 0.36), between(rng, 0.14, 0.2), between(rng, 0.4, 0.52)
    shape.cushion((0, 0, height / 2), (width, depth, height), look.main, (0, 0, -0.1), 4)
    shape.cushion(
        (0, -depth / 2, height * 0.3), (width * 0.75, depth * 0.6, height * 0.45), look.second, (0, 0, -0.1), 4
    )
    shape.tube(
        [(-0.04, 0, height * 0.97), (-0.03, 0, height + 0.05), (0.03, 0, height + 0.05), (0.04, 0, height * 0.97)],
        0.009,
        BLACK,
    )
    for x in (-width * 0.25, width * 0.25):
        shape.tube(
            [
                (x, depth / 2, height * 0.9),
                (x * 1.2, depth / 2 + 0.09, height * 0.6),
                (x * 1.3, depth / 2, height * 0.15),
            ],
            0.018,
            DARK,
        )


@builds("suitcase")
def suitcase(shape, rng, look):
    """A hard or soft case on four wheels with ribs and a pull-out handle; one in five lies flat."""
    width, depth, height = between(rng, 0.36, 0.5), between(rng, 0.2, 0.28), between(rng, 0.48, 0.7)
    if chance(rng, 0.2):
        shape.block((0, 0, depth / 2), (height, width, depth), look.main, None, (7, 7))
        shape.block((0, 0, depth / 2), (height + 0.006, width + 0.006, 0.02), look.second)
        handle(shape, 0, -width / 2, depth / 2, BLACK, 0.14)
        return
    for x in (-width * 0.38, width * 0.38):
        for y in (-depth * 0.3, depth * 0.3):
            shape.ball((x, y, 0.03), 0.06, BLACK)
    shape.block((0, 0, 0.05 + height / 2), (width, depth, height), look.main, None, (7, 7))
    for number in range(4):
        x = (number - 1.5) * width * 0.2
        shape.block(
            (x, 0, 0.05 + height / 2),
            (width * 0.06, depth + 0.016, height * 0.86),
            look.main.shaded(0.85),
            None,
            (7, 7),
        )
    pulled = pick(rng, (0.03, 0.4))
    top = height + 0.04
    shape.tube(
        [
            (-0.08, depth * 0.3, top),
            (-0.08, depth * 0.3, top + pulled),
            (0.08, depth * 0.3, top + pulled),
            (0.08, depth * 0.3, top),
        ],
        0.01,
        STEEL if chance(rng, 0.5) else BLACK,
    )


def _one_book(shape, rng, z, paint):
    width, depth, thick = between(rng, 0.13, 0.22), between(rng, 0.19, 0.3), between(rng, 0.015, 0.05)
    turn = between(rng, -0.4, 0.4)
    shape.block((0, 0, z + thick / 2), (width, depth, thick), paint, turn)
    shape.block((0.004, 0, z + thick / 2), (width, depth - 0.008, thick * 0.7), WHITE.as_content(), turn)
    return z + thick


@builds("book")
def book(shape, rng, look):
    """A book, a stack of books (mostly of one colour, which is its colour word) or a row between ends."""
    form = rng.random()
    if form < 0.4:
        _one_book(shape, rng, 0.0, look.main)
    elif form < 0.75:
        z = 0.0
        for number in range(int(rng.integers(2, 7))):
            paint = look.main if number % 2 == 0 else plain(draw_color(rng, "any"), content=True)
            z = _one_book(shape, rng, z, paint)
    else:
        x = -0.12
        while x < 0.12:
            thick, tall = between(rng, 0.02, 0.05), between(rng, 0.18, 0.28)
            paint = look.main if chance(rng, 0.6) or x < -0.1 else plain(draw_color(rng, "any"), content=True)
            shape.slab((x, -0.09, 0), (x + thick - 0.002, 0.08, tall), paint)
            x += thick


@builds("bottle")
def bottle(shape, rng, look):
    """A cylinder with shoulders, a neck and a cap; some with a label."""
    high, radius = between(rng, 0.2, 0.34), between(rng, 0.032, 0.05)
    shape.post(0, 0, 0, high * 0.6, radius, look.main)
    shape.post(0, 0, high * 0.6, high * 0.8, radius, look.main, 0.4)
    shape.post(0, 0, high * 0.8, high * 0.95, radius * 0.4, look.main)
    shape.post(
        0, 0, high * 0.93, high, radius * 0.5, pick(rng, (BLACK, WHITE, plain((60, 100, 190)), plain((190, 40, 40))))
    )
    if chance(rng, 0.5):
        shape.post(0, 0, high * 0.2, high * 0.48, radius + 0.002, plain(draw_color(rng, "any"), content=True))


@builds("cup")
def cup(shape, rng, look):
    """A mug with an ear, or a tumbler; often on a saucer or with coffee in it."""
    high, radius = between(rng, 0.08, 0.13), between(rng, 0.036, 0.05)
    low = 0.0
    if chance(rng, 0.25):
        shape.round((0, 0, 0.008), (radius * 3.2, radius * 3.2, 0.016), look.main, top=1.0)
        low = 0.016
    shape.post(0, 0, low, low + high, radius, look.main, between(rng, 1.0, 1.25), CUP)
    if chance(rng, 0.75):
        shape.ring((radius + 0.014, 0, low + high * 0.5), high * 0.26, 0.008, look.main, (0, 0, math.pi / 2))
    if chance(rng, 0.5):
        shape.post(0, 0, low + high * 0.75, low + high * 0.8, radius * 0.96, plain((70, 44, 30), content=True))


@builds("bowl")
def bowl(shape, rng, look):
    """A dish that opens upwards, empty or with fruit."""
    width, high = between(rng, 0.16, 0.32), between(rng, 0.06, 0.11)
    shape.round((0, 0, 0.01), (width * 0.45, width * 0.45, 0.02), look.main)
    shape.round((0, 0, high * 0.35 + 0.01), (width * 0.5, width * 0.5, high * 0.7), look.main, None, 1.6, CUP)
    shape.round((0, 0, high * 0.85), (width * 0.8, width * 0.8, high * 0.3), look.main, None, 1.25, CUP)
    if chance(rng, 0.4):
        for _ in range(5):
            fruit = plain(draw_shade(rng, pick(rng, ("red", "orange", "yellow", "green"))), content=True)
            angle, out = between(rng, 0, 6.28), between(rng, 0, 0.25) * width
            shape.ball((out * math.cos(angle), out * math.sin(angle), high * 0.95), between(rng, 0.06, 0.08), fruit)


@builds("teddy bear")
def teddy_bear(shape, rng, look):
    """A sitting bear: belly, head, ears, muzzle, arms and legs."""
    size = between(rng, 0.25, 0.5)
    fur, light = look.main, look.main.shaded(1.3)
    shape.ball((0, 0, size * 0.32), (size * 0.5, size * 0.44, size * 0.6), fur)
    shape.ball((0, -size * 0.02, size * 0.76), size * 0.42, fur)
    shape.ball((0, -size * 0.2, size * 0.71), (size * 0.2, size * 0.16, size * 0.16), light)
    shape.ball((0, -size * 0.28, size * 0.74), size * 0.06, BLACK)
    for side in (-1, 1):
        shape.ball((side * size * 0.17, 0, size * 0.94), (size * 0.15, size * 0.09, size * 0.15), fur)
        shape.ball((side * size * 0.08, -size * 0.19, size * 0.82), size * 0.045, BLACK)
        shape.ball(
            (side * size * 0.27, -size * 0.12, size * 0.42), (size * 0.17, size * 0.36, size * 0.17), fur, (0, 0, 0.5)
        )
        shape.ball((side * size * 0.2, -size * 0.27, size * 0.1), (size * 0.2, size * 0.42, size * 0.2), fur)
    if chance(rng, 0.4):
        shape.ring((0, -size * 0.02, size * 0.57), size * 0.14, size * 0.03, plain(draw_color(rng, "vivid")))


@builds("ball")
def ball(shape, rng, look):
    """A ball with a band or a pattern of another colour."""
    size = between(rng, 0.14, 0.34)
    shape.ball((0, 0, size / 2), size, look.main)
    if chance(rng, 0.5):
        shape.round((0, 0, size / 2), (size * 1.005, size * 1.005, size * 0.14), look.second, (0.4, 0.6, 0.2))


@builds("shoes")
def shoes(shape, rng, look):
    """A pair, side by side or kicked off."""
    length = between(rng, 0.22, 0.31)
    for side in (-1, 1):
        turn = between(rng, -0.35, 0.35)
        x, y = side * between(rng, 0.06, 0.09), between(rng, -0.04, 0.04)
        forward = (math.sin(turn), -math.cos(turn))
        shape.block((x, y, 0.012), (0.09, length, 0.024), look.second, turn, (3, 8))
        toe = (x + forward[0] * length * 0.18, y + forward[1] * length * 0.18, 0.045)
        shape.ball(toe, (0.09, length * 0.62, 0.08), look.main, turn)
        heel = (x - forward[0] * length * 0.28, y - forward[1] * length * 0.28, 0.065)
        shape.block(heel, (0.08, length * 0.42, 0.1), look.main, turn, (3, 5))
        shape.ball((heel[0], heel[1], 0.11), (0.05, length * 0.26, 0.02), BLACK, turn)


@builds("bucket")
def bucket(shape, rng, look):
    """A pail with a wire handle, sometimes with a mop in it."""
    width, high = between(rng, 0.24, 0.32), between(rng, 0.22, 0.3)
    shape.round((0, 0, high / 2), (width * 0.78, width * 0.78, high), look.main, None, 1.28, CUP)
    shape.ring((0, 0, high), width / 2, 0.01, look.main.shaded(0.85))
    arc = [
        (width / 2 * math.cos(a), 0, high + 0.02 + width * 0.45 * math.sin(a)) for a in (0, 0.6, 1.2, 1.94, 2.54, 3.14)
    ]
    if chance(rng, 0.5):
        arc = [(x, -width * 0.2 - (z - high) * 0.6, high + 0.01) for x, _, z in arc]
    shape.tube(arc, 0.007, STEEL)
    if chance(rng, 0.25):
        shape.bar((0, 0, 0.05), (0.05, 0.2, 1.25), 0.012, pick(rng, (plain((210, 170, 110)), plain((60, 110, 190)))))
        shape.ball((0, 0.02, 0.16), (0.18, 0.18, 0.2), plain((226, 222, 212), content=True))


@builds("vacuum cleaner")
def vacuum_cleaner(shape, rng, look):
    """A canister on wheels with a hose, a tube and a floor head; or an upright one."""
    if chance(rng, 0.4):
        shape.block((0, -0.12, 0.04), (0.3, 0.26, 0.08), look.main, None, (5, 5))
        shape.block((0, 0.04, 0.42), (0.2, 0.16, 0.6), look.main, (0, 0, -0.2), (5, 7))
        shape.bar((0, 0.08, 0.65), (0, 0.24, 1.1), 0.014, BLACK)
        shape.cushion((0, -0.03, 0.4), (0.15, 0.06, 0.36), look.second, (0, 0, -0.2), 4)
        return
    shape.block((0, 0.1, 0.14), (0.27, 0.42, 0.22), look.main, None, (3.5, 4))
    shape.block((0, 0.02, 0.2), (0.16, 0.2, 0.12), look.second, None, (4, 4))
    for x in (-0.14, 0.14):
        shape.round((x, 0.2, 0.1), (0.2, 0.2, 0.04), BLACK, (0, math.pi / 2, 0))
    hose = [(0, -0.1, 0.18), (0.05, -0.3, 0.42), (0.16, -0.34, 0.7), (0.22, -0.2, 0.86)]
    shape.tube(hose, 0.02, DARK)
    shape.bar((0.22, -0.2, 0.86), (0.3, -0.42, 0.06), 0.015, STEEL)
    shape.block((0.3, -0.46, 0.025), (0.28, 0.1, 0.05), BLACK)
