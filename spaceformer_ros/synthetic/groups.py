# SPDX-License-Identifier: Apache-2.0
"""Building blocks of arrangements: sets of equal things, seats at a table, the middle of a room, lamps above things.

Functions that place something take the `Site` of a room and an rng, and return the placed thing, or None if it does not
fit.
"""

import math

from .colors import recolored
from .kinds import KINDS
from .placement import make_thing
from .things.parts import between, chance, pick


def twin(rng, thing, other_color=False):
    """A copy of a thing: the same geometry, in the same paints or in another colour."""
    look = recolored(rng, thing.look, KINDS[thing.kind].palette) if other_color else thing.look
    return make_thing(rng, thing.kind, look, thing.seed, **thing.fit)


def family(rng, kind, count, mixed=0.25):
    """`count` things of one kind: usually equal, else one form in several colours, else all different.

    mixed: probability that they are not all equal.
    """
    first = make_thing(rng, kind)
    style = rng.random()
    others = []
    for _ in range(count - 1):
        if style < mixed * 0.5:
            others.append(make_thing(rng, kind))
        else:
            others.append(twin(rng, first, style < mixed))
    return [first, *others]


def places_at(rng, table, around, per_side=None):
    """Seats as (edge point, outward unit vector) in the table's frame: around it, or along sides and perhaps ends."""
    low, high = table.shape.bounds()
    width, depth = high[0] - low[0], high[1] - low[1]
    if around:
        count, first = int(rng.integers(3, 4 + int(width > 0.95) + int(width > 1.1))), between(rng, 0, 6.28)
        angles = [first + number * 2 * math.pi / count for number in range(count)]
        unit = [(math.cos(angle), math.sin(angle)) for angle in angles]
        return [((x * width / 2, y * depth / 2), (x, y)) for x, y in unit]
    per_side = per_side or max(1, int(width / between(rng, 0.55, 0.7)))
    spots = [(number + 0.5) / per_side * width - width / 2 for number in range(per_side)]
    places = [((x, side * depth / 2), (0.0, float(side))) for x in spots for side in (-1, 1)]
    if depth > 0.6 and chance(rng, 0.5):
        places += [((side * width / 2, 0.0), (float(side), 0.0)) for side in (-1, 1)]
    return places


def seat(site, rng, chair, table, edge, outwards, disorder):
    """Place a chair that faces a point on a table's edge, pushed under as far as possible, or pulled out.

    edge: (x, y) metres in the table's frame; outwards: unit vector at that point; disorder: standard deviation of the
    chair's heading, radians.
    """
    yaw = math.atan2(-outwards[0], outwards[1]) + rng.normal(0, disorder)
    reach = -chair.shape.bounds()[0][1] + between(rng, -0.22, 0.25)  # of the chair's middle from the edge
    for _ in range(5):
        x, y = edge[0] + reach * outwards[0], edge[1] + reach * outwards[1]
        if site.put(chair, *table.point(x, y), table.yaw + yaw, light=True):
            return chair
        reach += 0.1
    return None


def in_the_middle(site, rng, thing, margin):
    """Place a thing away from the walls, aligned with them or nearly so; margin: metres of free floor around it."""
    low, high = thing.shape.bounds()
    reach = math.hypot(high[0] - low[0], high[1] - low[1]) / 2
    x0, y0, x1, y1 = site.plan.bounds
    inset = min(reach + margin, (x1 - x0) / 2 - 0.05, (y1 - y0) / 2 - 0.05)
    for _ in range(12):
        x, y = between(rng, x0 + inset, x1 - inset), between(rng, y0 + inset, y1 - inset)
        yaw = pick(rng, (0.0, math.pi / 2, math.pi, -math.pi / 2)) + (rng.normal(0, 0.25) if chance(rng, 0.3) else 0)
        if site.put(thing, x, y, yaw):
            return thing
    return None


def hang(site, rng, kind, heights, wall=None, **fit):
    """Hang a new flat thing on a wall, its lower edge at a height drawn from the range `heights` (metres)."""
    thing = make_thing(rng, kind, **fit)
    tall = thing.shape.bounds()[1][2]
    for _ in range(4):
        z = min(between(rng, *heights), site.plan.height - tall - 0.05)
        if site.against_wall(rng, thing, wall, gap=0.004, tries=3, z=max(z, 0.05), light=True):
            thing.hung = True
            return thing
    return None


def hang_above(site, rng, thing):
    """Hang a ceiling lamp above a thing."""
    lamp = make_thing(rng, "ceiling lamp")
    height, lamp.hung = lamp.shape.bounds()[1][2], True
    return site.put(lamp, thing.x, thing.y, thing.yaw, site.plan.height - height)


def rug_under(site, rng, thing, beyond):
    """Place a rug under a thing, `beyond` metres larger on every side."""
    low, high = thing.shape.bounds()
    size = (high[0] - low[0] + 2 * beyond, high[1] - low[1] + 2 * beyond)
    return site.put(make_thing(rng, "rug", size=size), thing.x, thing.y, thing.yaw)
