# SPDX-License-Identifier: Apache-2.0
"""Workshop, street, shop and hospital things, mostly on wheels."""

import itertools
import math

from ..colors import draw_shade, plain
from .parts import BLACK, DARK, STEEL, WHITE, between, chance, corners, drawers, pick, wheel
from .registry import builds


@builds("toolbox")
def toolbox(shape, rng, look):
    """A case with a lid, a handle and latches; one in four a roller cabinet with drawers."""
    if chance(rng, 0.25):
        width, depth, height = between(rng, 0.6, 0.75), 0.42, between(rng, 0.75, 0.95)
        shape.slab((-width / 2, -depth / 2, 0.12), (width / 2, depth / 2, height), look.main.shaded(0.8))
        drawers(
            shape, rng, (-width / 2, 0.12, width / 2, height), -depth / 2, int(rng.integers(4, 7)), 1, look.main, STEEL
        )
        for x, y in corners(width - 0.1, depth - 0.1):
            shape.ball((x, y, 0.06), (0.05, 0.12, 0.12), BLACK)
        shape.block((0, 0, height + 0.012), (width, depth, 0.024), BLACK)
        shape.top(-width / 2, -depth / 2, width / 2, depth / 2, height + 0.024)
        return
    width, depth, height = between(rng, 0.38, 0.58), between(rng, 0.18, 0.26), between(rng, 0.16, 0.24)
    lid = look.second if chance(rng, 0.5) else look.main
    shape.slab((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height * 0.65), look.main)
    shape.block((0, 0, height * 0.83), (width + 0.01, depth + 0.01, height * 0.36), lid, None, (0, 0), (0.95, 0.6))
    for x in (-width * 0.3, width * 0.3):
        shape.block((x, -depth / 2 - 0.008, height * 0.65), (0.04, 0.02, 0.06), BLACK)
    grip = height + 0.06
    shape.tube([(-0.11, 0, height), (-0.09, 0, grip), (0.09, 0, grip), (0.11, 0, height)], 0.013, BLACK)


@builds("ladder")
def ladder(shape, rng, look):
    """An open step ladder with flat steps and back legs."""
    height, width, spread = between(rng, 1.1, 2.1), between(rng, 0.42, 0.52), between(rng, 0.22, 0.32)
    depth = height * spread
    for side in (-1, 1):
        x, narrow = side * width / 2, side * width * 0.34
        shape.bar((x, -depth, 0), (narrow, 0, height), 0.022, look.main, square=True)
        shape.bar((x, depth, 0), (narrow, 0.03, height), 0.018, look.second, square=True)
    count = int(height / 0.26)
    for number in range(1, count + 1):
        part = number / (count + 0.3)
        wide = width * (1 - 0.32 * part)
        shape.block((0, -depth * (1 - part), height * part), (wide, 0.1, 0.025), look.main)
        if number % 2:
            shape.bar(
                (-wide / 2, depth * (1 - part), height * part),
                (wide / 2, depth * (1 - part), height * part),
                0.011,
                look.second,
            )
    shape.block((0, 0.01, height), (width * 0.7, 0.2, 0.04), pick(rng, (BLACK, look.main, plain((210, 50, 40)))))


@builds("barrel")
def barrel(shape, rng, look):
    """A steel drum with hoops, or a wooden barrel with a belly."""
    width, height = between(rng, 0.42, 0.6), between(rng, 0.6, 0.9)
    if look.material == "wooden":
        for z0, z1, radius, top in ((0, height / 2, width * 0.42, 1.19), (height / 2, height, width * 0.5, 0.84)):
            shape.post(0, 0, z0, z1, radius, look.main, top)
        for z, scale in ((0.12, 0.45), (0.33, 0.49), (0.67, 0.49), (0.88, 0.45)):
            shape.post(0, 0, height * z - 0.02, height * z + 0.02, width * scale, DARK)
        return
    shape.post(0, 0, 0, height, width / 2, look.main)
    for z in (0.01, 0.34, 0.67, 0.99):
        shape.ring((0, 0, height * z), width / 2, 0.013, look.main.shaded(0.8))
    shape.round((width * 0.28, 0, height + 0.008), (0.06, 0.06, 0.016), STEEL)
    if chance(rng, 0.4):
        shape.post(0, 0, height * 0.4, height * 0.6, width / 2 + 0.003, WHITE.as_content())


@builds("hand truck")
def hand_truck(shape, rng, look):
    """Two wheels, an upright frame and a plate; sometimes with boxes on it."""
    width, height = between(rng, 0.38, 0.48), between(rng, 1.05, 1.3)
    for side in (-1, 1):
        x = side * width / 2
        shape.tube([(x, 0, 0.05), (x, 0.05, height - 0.1), (x * 0.7, 0.12, height)], 0.016, look.main)
        wheel(shape, (side * (width / 2 + 0.05), 0.08, 0.13), 0.13, 0.035)
    for part in (0.25, 0.5, 0.75):
        shape.bar((-width / 2, 0.05 * part, height * part), (width / 2, 0.05 * part, height * part), 0.013, look.main)
    shape.bar((-width * 0.35, 0.12, height), (width * 0.35, 0.12, height), 0.017, BLACK)
    shape.bar((-width / 2 - 0.05, 0.08, 0.13), (width / 2 + 0.05, 0.08, 0.13), 0.012, STEEL)
    shape.block((0, -0.12, 0.02), (width, 0.26, 0.012), look.main)
    if chance(rng, 0.35):
        z = 0.03
        for _ in range(int(rng.integers(1, 3))):
            high = between(rng, 0.2, 0.35)
            carton = plain(draw_shade(rng, "brown"), content=True)
            shape.block((0, -0.16, z + high / 2), (width * 0.9, 0.28, high), carton)
            z += high


@builds("shopping cart")
def shopping_cart(shape, rng, look):
    """A wire basket on a frame with four casters and a push bar."""
    width, length = between(rng, 0.48, 0.56), between(rng, 0.75, 0.9)
    low, high = between(rng, 0.48, 0.55), between(rng, 0.88, 0.96)
    accent = pick(rng, (plain((200, 40, 40)), plain((40, 90, 180)), plain((240, 190, 40)), BLACK))
    front, back = -length / 2, length / 2
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        z = low + (high - low) * part
        wide, end = width * (0.8 + 0.2 * part) / 2, front + 0.1 * (1 - part)
        shape.tube([(-wide, end, z), (wide, end, z), (wide, back, z), (-wide, back, z)], 0.007, look.main, closed=True)
    for number in range(9):
        y = front + 0.1 + number * (length - 0.1) / 8
        for side in (-1, 1):
            shape.bar((side * width * 0.4, y, low), (side * width * 0.5, y, high), 0.006, look.main)
        shape.bar((-width * 0.4, y, low), (width * 0.4, y, low), 0.006, look.main)
    for number in range(5):
        x = (number - 2) * width * 0.2
        shape.bar((x, front + 0.1, low), (x * 1.2, front, high), 0.006, look.main)
    shape.bar((-width / 2, back + 0.08, high + 0.08), (width / 2, back + 0.08, high + 0.08), 0.018, accent)
    for side in (-1, 1):
        x = side * width * 0.45
        shape.tube(
            [(x, back + 0.08, high + 0.08), (x, back - 0.1, low), (x, back - 0.05, 0.14), (x, front + 0.05, 0.14)],
            0.013,
            look.main,
        )
        for y in (front + 0.05, back - 0.05):
            wheel(shape, (x, y, 0.065), 0.065, 0.018)


@builds("traffic cone")
def traffic_cone(shape, rng, look):
    """An orange cone with white bands on a square foot."""
    height, width = between(rng, 0.4, 0.75), between(rng, 0.26, 0.4)
    shape.block((0, 0, 0.02), (width, width, 0.04), look.main if chance(rng, 0.6) else BLACK)
    radius = width * 0.38
    slope = 0.86
    cuts = (0.0, 0.3, 0.48, 0.62, 0.78, 1.0)
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        paint = WHITE.as_content() if number % 2 else look.main
        lower, upper = radius * (1 - slope * start), radius * (1 - slope * end)
        shape.post(0, 0, 0.04 + height * start, 0.04 + height * end, lower, paint, upper / lower)


@builds("bicycle")
def bicycle(shape, rng, look):
    """Two spoked wheels, a diamond or step-through frame, saddle, handlebar, cranks; its length is along x."""
    radius, base = between(rng, 0.3, 0.35), between(rng, 0.98, 1.08)
    rear, front = (-base / 2, 0, radius), (base / 2, 0, radius)
    for center in (rear, front):
        wheel(shape, center, radius, 0.02, BLACK, False, 6)
        shape.ring(center, radius - 0.045, 0.008, STEEL, (0, 0, math.pi / 2))
    crank, seat, head = (-0.06, 0, 0.28), (-0.2, 0, 0.82), (base / 2 - 0.17, 0, 0.82)
    low_head = (base / 2 - 0.13, 0, 0.66)
    top = seat if chance(rng, 0.65) else (-0.12, 0, 0.5)
    for start, end in ((crank, seat), (top, head), (crank, low_head), (rear, crank), (rear, (seat[0], 0, 0.7))):
        shape.bar(start, end, 0.018, look.main)
    shape.bar(head, front, 0.016, look.main)
    shape.bar(seat, (-0.22, 0, 0.93), 0.013, STEEL)
    shape.block((-0.22, 0, 0.96), (0.26, 0.14, 0.06), BLACK, None, (2.5, 4), (0.9, 0.9))
    shape.bar(head, (head[0] - 0.02, 0, 1.0), 0.014, STEEL)
    shape.bar((head[0] + 0.02, -0.28, 1.01), (head[0] + 0.02, 0.28, 1.01), 0.013, DARK)
    shape.ring(crank, 0.09, 0.01, DARK, (0, 0, math.pi / 2))
    shape.bar((-0.06, -0.08, 0.28), (0.08, -0.12, 0.2), 0.012, DARK)
    shape.bar((-0.06, 0.08, 0.28), (-0.2, 0.12, 0.36), 0.012, DARK)
    if chance(rng, 0.3):
        shape.block(
            (base / 2 - 0.05, 0, 0.98), (0.26, 0.3, 0.2), plain((150, 120, 80), content=True), None, (0, 0), (1.0, 1.0)
        )
    if chance(rng, 0.3):
        shape.bar((rear[0] - 0.15, 0, 0.72), (rear[0] + 0.25, 0, 0.72), 0.05, DARK, square=True)


@builds("iv stand")
def iv_stand(shape, rng, look):
    """A thin pole on five casters with hooks, bags of fluid and sometimes a pump."""
    height, foot = between(rng, 1.75, 2.05), between(rng, 0.24, 0.3)
    for number in range(5):
        angle = number * 2 * math.pi / 5
        x, y = foot * math.cos(angle), foot * math.sin(angle)
        shape.bar((0, 0, 0.11), (x, y, 0.07), 0.016, look.main)
        shape.ball((x, y, 0.03), 0.06, BLACK)
    shape.post(0, 0, 0.08, height, 0.016, look.main)
    for side in (-1, 1):
        shape.tube([(0, 0, height - 0.02), (side * 0.13, 0, height), (side * 0.13, 0, height - 0.05)], 0.008, look.main)
        if chance(rng, 0.75):
            fluid = plain(pick(rng, ((226, 234, 240), (232, 220, 160), (220, 228, 232), (170, 40, 50))), content=True)
            shape.cushion((side * 0.13, 0, height - 0.19), (0.13, 0.05, 0.25), fluid, None, 4)
            shape.bar((side * 0.13, 0, height - 0.32), (0.03, 0, height - 0.75), 0.005, WHITE)
    if chance(rng, 0.5):
        pump = plain(pick(rng, ((220, 222, 226), (70, 110, 170), (230, 226, 210))), content=True)
        shape.block((0, -0.06, height * 0.62), (0.16, 0.14, 0.24), pump)
        shape.block((0, -0.132, height * 0.66), (0.1, 0.006, 0.07), DARK)


@builds("medical cart")
def medical_cart(shape, rng, look):
    """A cabinet with coloured drawers or two trays on a frame, on casters, with a push handle."""
    width, depth, height = between(rng, 0.5, 0.7), between(rng, 0.4, 0.5), between(rng, 0.82, 0.98)
    for x, y in corners(width - 0.08, depth - 0.08):
        shape.ball((x, y, 0.05), (0.05, 0.1, 0.1), BLACK)
    if chance(rng, 0.6):
        shape.slab((-width / 2, -depth / 2, 0.1), (width / 2, depth / 2, height), look.main)
        drawers(
            shape,
            rng,
            (-width / 2, 0.12, width / 2, height - 0.03),
            -depth / 2,
            int(rng.integers(3, 6)),
            1,
            look.second,
            STEEL,
        )
    else:
        for x, y in corners(width - 0.04, depth - 0.04):
            shape.post(x, y, 0.08, height, 0.014, STEEL)
        for z in (0.25, height - 0.02):
            shape.block((0, 0, z), (width, depth, 0.03), look.main)
            shape.block((0, -depth / 2, z + 0.03), (width, 0.012, 0.06), look.main)
        shape.block((width * 0.1, 0, 0.36), (width * 0.5, depth * 0.6, 0.18), look.second)
    shape.tube(
        [
            (width / 2, -depth * 0.3, height - 0.06),
            (width / 2 + 0.09, -depth * 0.3, height),
            (width / 2 + 0.09, depth * 0.3, height),
            (width / 2, depth * 0.3, height - 0.06),
        ],
        0.014,
        STEEL,
    )
    tray = 0.06 if shape.bounds()[1][2] > height + 0.02 else 0.0
    shape.solid((-width / 2, -depth / 2 - 0.03, 0), (width / 2, depth / 2, height))
    shape.solid((width / 2, -depth / 2, height - 0.1), (width / 2 + 0.1, depth / 2, height + 0.02))
    shape.top(-width / 2 + 0.04, -depth / 2 + 0.05 + tray, width / 2 - 0.04, depth / 2 - 0.05, height)
