# SPDX-License-Identifier: Apache-2.0
"""Arrangements of furniture in homes and offices, such as a table with chairs or a bed with nightstands.

Every arrangement is a function of (site, rng) that places the things that fit; without enough space it places none.
"""

import math

from .groups import family, hang, hang_above, in_the_middle, places_at, rug_under, seat, twin
from .placement import make_thing
from .things.parts import between, chance, pick


def dining_set(site, rng):
    """A table with chairs around that face it, some pulled out, turned or pushed under."""
    round_top = chance(rng, 0.3)
    table = make_thing(rng, "table", round_top=round_top)
    if not in_the_middle(site, rng, table, 0.55):
        return
    kind = "chair" if chance(rng, 0.88) else pick(rng, ("stool", "bench", "armchair"))
    places = places_at(rng, table, round_top and kind != "bench", 1 if kind == "bench" else None)
    for chair, (edge, outwards) in zip(family(rng, kind, len(places), 0.3), places, strict=True):
        if chance(rng, 0.93):
            seat(site, rng, chair, table, edge, outwards, 0.12)
    if chance(rng, 0.5):
        hang_above(site, rng, table)
    if chance(rng, 0.2):
        rug_under(site, rng, table, 0.5)


def meeting_set(site, rng):
    """A conference table with chairs on both sides, a whiteboard or a screen on the wall."""
    table = make_thing(rng, "conference table")
    if not in_the_middle(site, rng, table, 0.6):
        dining_set(site, rng)
        return
    low, high = table.shape.bounds()
    places = places_at(rng, table, False, max(2, int((high[0] - low[0]) / between(rng, 0.66, 0.8))))
    chairs = family(rng, pick(rng, ("office chair", "office chair", "chair")), len(places), 0.2)
    for chair, (edge, outwards) in zip(chairs, places, strict=True):
        if chance(rng, 0.9):
            seat(site, rng, chair, table, edge, outwards, 0.2)
    if chance(rng, 0.5):
        hang(site, rng, "whiteboard", (0.85, 1.1))
    else:
        hang(site, rng, "television", (0.95, 1.2), hung=True)


def waiting_row(site, rng):
    """Chairs in a row along a wall, as in a corridor or a waiting room."""
    chairs = family(rng, pick(rng, ("chair", "chair", "armchair")), int(rng.integers(2, 6)), 0.35)
    first = chairs[0]
    if not site.against_wall(rng, first, front=0.5):
        return
    last = first
    gap = between(rng, 0.02, 0.15)
    for chair in chairs[1:]:
        last = site.beside(chair, last, 1, gap, light=True) or last
    if chance(rng, 0.4):
        site.beside(make_thing(rng, pick(rng, ("side table", "plant", "water dispenser"))), first, -1, 0.1)


def desk_set(site, rng):
    """A desk at a wall with a chair, screens, a keyboard and other office equipment."""
    desk = make_thing(rng, "desk")
    if not site.against_wall(rng, desk, front=0.75):
        return
    _equip_desk(site, rng, desk)
    chair = make_thing(rng, "office chair" if chance(rng, 0.8) else "chair")
    seat(site, rng, chair, desk, (between(rng, -0.2, 0.2), desk.shape.bounds()[0][1]), (0.0, -1.0), 0.4)
    if chance(rng, 0.4):
        site.beside(make_thing(rng, "trash can"), desk, pick(rng, (-1, 1)), between(rng, 0.03, 0.2), light=True)
    if chance(rng, 0.4):
        tower = make_thing(rng, "computer")
        side = pick(rng, (-1, 1))
        half = desk.shape.bounds()[1][0]
        if not site.put(tower, *desk.point(side * (half - 0.22), 0.0), desk.yaw, light=True):
            site.beside(tower, desk, side, light=True)


def _equip_desk(site, rng, desk):
    low, high = desk.shape.bounds()
    x = between(rng, -0.15, 0.15) * (high[0] - low[0])
    screens = pick(rng, (0, 1, 1, 1, 2))
    for number in range(screens):
        offset = (number - (screens - 1) / 2) * 0.62
        at = (x + offset, high[1] - 0.2)
        site.on_top(rng, make_thing(rng, "monitor"), desk, at, rng.normal(0, 0.1) - 0.3 * offset)
    if screens:
        site.on_top(rng, make_thing(rng, "keyboard"), desk, (x, low[1] + 0.16), rng.normal(0, 0.06))
    else:
        site.on_top(rng, make_thing(rng, "laptop"), desk, (x, -0.03), rng.normal(0, 0.15))
    if chance(rng, 0.45):
        side = pick(rng, (-1, 1))
        site.on_top(rng, make_thing(rng, "table lamp"), desk, (side * (high[0] - 0.17), high[1] - 0.2))
    if chance(rng, 0.2):
        site.on_top(rng, make_thing(rng, "printer"), desk)
    if chance(rng, 0.15):
        for side in (-1, 1):
            site.on_top(rng, make_thing(rng, "speaker"), desk, (x + side * 0.5, high[1] - 0.15), 0.0)


def desk_block(site, rng):
    """Two or four desks face to face in the middle of an office."""
    first = make_thing(rng, "desk", size=(between(rng, 1.2, 1.6), between(rng, 0.65, 0.8)))
    low, high = first.shape.bounds()
    width = high[0] - low[0]
    if not in_the_middle(site, rng, first, 0.9):
        return
    spots = [(0, 2 * high[1] + 0.02, math.pi)]
    if chance(rng, 0.4):
        spots += [(width + 0.02, 0, 0.0), (width + 0.02, 2 * high[1] + 0.02, math.pi)]
    desks = [first]
    for x, y, yaw in spots:
        other = twin(rng, first)
        if site.put(other, *first.point(x, y), first.yaw + yaw):
            desks.append(other)
    for desk in desks:
        _equip_desk(site, rng, desk)
    for desk, chair in zip(desks, family(rng, "office chair", len(desks), 0.4), strict=True):
        seat(site, rng, chair, desk, (between(rng, -0.2, 0.2), low[1]), (0.0, -1.0), 0.5)
    if chance(rng, 0.3):
        hang_above(site, rng, first)


def sofa_group(site, rng):
    """A sofa with a coffee table on a rug, a television opposite, armchairs and a lamp at the side."""
    sofas = (make_thing(rng, "sofa") for _ in range(4))  # a shorter one may fit where the first does not
    sofa = next((sofa for sofa in sofas if site.against_wall(rng, sofa, front=1.1)), None)
    if sofa is None:
        return
    gap = between(rng, 0.3, 0.5)
    table = None
    if chance(rng, 0.8):
        table = site.before(make_thing(rng, "coffee table"), sofa, between(rng, -0.2, 0.2), gap, light=True)
    if table and chance(rng, 0.5):
        rug_under(site, rng, table, between(rng, 0.25, 0.7))
    _television_opposite(site, rng, sofa)
    for side in (-1, 1):
        if chance(rng, 0.4):
            corner = make_thing(rng, pick(rng, ("side table", "floor lamp", "plant", "side table")))
            site.beside(corner, sofa, side, between(rng, 0.04, 0.15), light=True)
    if chance(rng, 0.5):
        chair = make_thing(rng, pick(rng, ("armchair", "armchair", "ottoman")))
        side = pick(rng, (-1, 1))
        reach = sofa.shape.bounds()[1][0]
        pose = sofa.point(side * (reach + 0.15), sofa.shape.bounds()[0][1] - between(rng, 0.5, 0.9))
        site.put(chair, *pose, sofa.yaw - side * between(rng, 0.9, 1.5), light=True)


def _television_opposite(site, rng, sofa):
    """A television on a stand, or on the wall, that faces the sofa."""
    stand = make_thing(rng, "tv stand")
    normal = (math.sin(sofa.yaw), -math.cos(sofa.yaw))
    facing = [w for w in site.plan.walls if w.normal[0] * normal[0] + w.normal[1] * normal[1] < -0.9]
    for wall in facing:
        along = wall.local(sofa.x, sofa.y)[0] + between(rng, -0.3, 0.3)
        low, high = stand.shape.bounds()
        along = min(max(along, high[0] + 0.02), wall.length + low[0] - 0.02)
        if chance(rng, 0.25):
            if hang(site, rng, "television", (1.0, 1.35), wall, hung=True):
                return
        elif site.against_wall(rng, stand, wall, along, tries=1, front=0.4):
            site.on_top(rng, make_thing(rng, "television"), stand, (0.0, 0.03), rng.normal(0, 0.05))
            return


def reading_corner(site, rng):
    """An armchair in a corner that faces the room, with a lamp and a side table."""
    chair = make_thing(rng, "armchair")
    if not site.in_corner(rng, chair, front=0.5):
        return
    for kind in ("floor lamp", "side table", "ottoman"):
        if chance(rng, 0.5):
            side = pick(rng, (-1, 1))
            if kind == "ottoman":
                site.before(make_thing(rng, kind), chair, 0.0, between(rng, 0.1, 0.3), light=True)
            else:
                site.beside(make_thing(rng, kind), chair, side, between(rng, 0.05, 0.2), light=True)


def bed_group(site, rng):
    """A bed with its head at a wall, with nightstands; sometimes a rug, sometimes a bench at the foot."""
    bed = make_thing(rng, "bed")
    if not site.against_wall(rng, bed, tries=20):
        return
    stands = family(rng, "nightstand", 2, 0.15)
    for side, stand in zip((-1, 1), stands, strict=True):
        if chance(rng, 0.8):
            site.beside(stand, bed, side, between(rng, 0.04, 0.15))
    if chance(rng, 0.3):
        site.before(make_thing(rng, pick(rng, ("bench", "ottoman"))), bed, 0.0, between(rng, 0.05, 0.15))
    if chance(rng, 0.4):
        side = pick(rng, (-1, 1))
        rug = make_thing(rng, "rug", size=(between(rng, 0.7, 1.1), between(rng, 1.2, 1.8)))
        site.beside(rug, bed, side, between(rng, 0.05, 0.3), y=between(rng, -0.6, 0.0), light=True)


def music_corner(site, rng):
    """A piano with a stool, or a guitar."""
    piano = make_thing(rng, "piano")
    if chance(rng, 0.8) and site.against_wall(rng, piano, front=0.7):
        stool = make_thing(rng, pick(rng, ("stool", "bench", "ottoman")))
        site.before(stool, piano, 0.0, between(rng, 0.0, 0.25), light=True)
    site.against_wall(rng, make_thing(rng, "guitar"), gap=between(rng, 0.02, 0.2))
