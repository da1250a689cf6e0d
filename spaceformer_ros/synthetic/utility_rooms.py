# SPDX-License-Identifier: Apache-2.0
"""Arrangements of kitchens, bathrooms, hospital wards, workshops and store rooms.

As in `arrangements`, each is a function of (site, rng) that places the things that fit.
"""

import math

from .groups import family, hang
from .placement import make_thing
from .things.parts import between, chance, pick


def kitchen_line(site, rng):
    """A kitchen along a wall: counters with a sink, a stove, a refrigerator; cabinets and a hood above."""
    walls = sorted(site.plan.walls, key=lambda wall: -wall.length)
    wall = pick(rng, walls[:2])
    base = make_thing(rng, "kitchen counter", width=0.6)
    machines = [name for name, p in (("stove", 0.85), ("dishwasher", 0.5), ("washing machine", 0.15)) if chance(rng, p)]
    rng.shuffle(machines)
    row = ["refrigerator"] if chance(rng, 0.8) else []
    row += ["sink unit", *machines[:1], "counter", *machines[1:], "counter"]
    if chance(rng, 0.5):
        row.reverse()
    along = between(rng, 0.02, 0.4)
    for name in row:
        along = _kitchen_piece(site, rng, wall, along, name, base)
    if chance(rng, 0.6):
        _wall_cabinets(site, rng, wall, base)
    counters = [thing for thing in site.own if thing.kind == "kitchen counter"]
    for kind in ("microwave", "kettle", "toaster", "coffee machine"):
        if counters and chance(rng, 0.6):
            site.on_top(rng, make_thing(rng, kind), pick(rng, counters), yaw=rng.normal(0, 0.06), tries=10)


def _kitchen_piece(site, rng, wall, along, name, base):
    """Place one element of the kitchen; returns the start of the next one, metres along the wall."""
    width = between(rng, 0.8, 1.1) if name == "sink unit" else between(rng, 0.5, 1.4)
    if name == "sink unit":
        hole = (-0.28, 0.28)
        piece = make_thing(rng, "kitchen counter", base.look, base.seed, width=width, hole=hole)
    elif name == "counter":
        piece = make_thing(rng, "kitchen counter", base.look, base.seed, width=width)
    else:
        piece = make_thing(rng, name)
    low, high = piece.shape.bounds()
    if not site.against_wall(rng, piece, wall, along + high[0], 0.01, tries=1, front=0.7):
        return along + 0.15
    if name == "sink unit":
        sink = make_thing(rng, "sink", inset=True)
        sink.support, sink.enclosed = piece, True
        site.put(sink, *piece.point(0.0, 0.0), piece.yaw, 0.9 - 0.19, light=True, on=piece)
    if name == "stove" and chance(rng, 0.7):
        hood = make_thing(rng, "range hood")
        hood.hung = True
        z = min(between(rng, 1.55, 1.7), site.plan.height - hood.shape.bounds()[1][2])
        site.against_wall(rng, hood, wall, along + high[0], 0.004, tries=1, z=z, light=True)
    return along + high[0] - low[0] + 0.01


def _wall_cabinets(site, rng, wall, base):
    """Wall cabinets above the counters of a wall, in the same paint."""
    for counter in [thing for thing in site.own if thing.kind == "kitchen counter"]:
        low, high = counter.shape.bounds()
        above = make_thing(rng, "kitchen cabinet", base.look, width=high[0] - low[0] - 0.02)
        above.hung = True
        z = min(between(rng, 1.4, 1.5), site.plan.height - 0.8)
        site.against_wall(rng, above, wall, wall.local(counter.x, counter.y)[0], 0.004, tries=1, z=z, light=True)


def bath_set(site, rng):
    """Toilet, wash basin with a mirror, tub or shower, towels."""
    tub = make_thing(rng, "bathtub") if chance(rng, 0.6) else make_thing(rng, "shower")
    site.in_corner(rng, tub, front=0.4) or site.against_wall(rng, tub, front=0.4)
    if chance(rng, 0.9):
        site.against_wall(rng, make_thing(rng, "toilet"), front=0.5)
    sink = make_thing(rng, "sink")
    if site.against_wall(rng, sink, front=0.5) and chance(rng, 0.75):
        mirror = make_thing(rng, "mirror")
        mirror.hung = True
        z = min(1.15, site.plan.height - mirror.shape.bounds()[1][2] - 0.05)
        wall = min(
            (w for w in site.plan.walls if abs(w.yaw - sink.yaw) < 0.1), key=lambda w: abs(w.local(sink.x, sink.y)[1])
        )
        site.against_wall(rng, mirror, wall, wall.local(sink.x, sink.y)[0], 0.004, tries=1, z=max(z, 0.9), light=True)
    for _ in range(int(rng.integers(0, 3))):
        hang(site, rng, "towel", (0.7, 1.2))


def ward(site, rng):
    """Hospital beds side by side, each with a nightstand, an IV stand and a chair."""
    wall = max(site.plan.walls, key=lambda w: w.length)
    beds = family(rng, "hospital bed", int(rng.integers(1, 4)), 0.2)
    along = between(rng, 0.8, 1.2)
    for bed in beds:
        if site.against_wall(rng, bed, wall, along, between(rng, 0.02, 0.15), tries=1):
            for kind, side in zip(("nightstand", "iv stand"), pick(rng, ((-1, 1), (1, -1))), strict=True):
                if chance(rng, 0.75):
                    site.beside(make_thing(rng, kind), bed, side, between(rng, 0.05, 0.15))
            if chance(rng, 0.4):
                chair = make_thing(rng, pick(rng, ("chair", "wheelchair", "stool")))
                y, yaw = between(rng, -0.8, 0.0), pick(rng, (1.4, -1.4, 0.3))
                site.beside(chair, bed, pick(rng, (-1, 1)), between(rng, 0.1, 0.4), y, yaw, light=True)
        along += between(rng, 1.9, 2.4)


def bench_line(site, rng):
    """A workbench at a wall, perhaps with a stool in front of it."""
    bench = make_thing(rng, "workbench")
    if site.against_wall(rng, bench, front=0.8) and chance(rng, 0.5):
        stool = make_thing(rng, pick(rng, ("stool", "office chair")))
        site.before(stool, bench, between(rng, -0.3, 0.3), between(rng, 0.0, 0.3), math.pi, light=True)


def box_pile(site, rng):
    """Boxes beside and on top of each other."""
    first = make_thing(rng, "box")
    if not site.against_wall(rng, first):
        return
    for _ in range(int(rng.integers(1, 4))):
        box = make_thing(rng, "box")
        if chance(rng, 0.5):
            box.support = first
            z = first.z + first.shape.bounds()[1][2] + 0.005
            site.put(box, first.x, first.y, first.yaw + rng.normal(0, 0.2), z, light=True)
        else:
            site.beside(box, first, pick(rng, (-1, 1)), between(rng, 0.02, 0.2), light=True)
