# SPDX-License-Identifier: Apache-2.0
"""Relations of boxes whose arrangement is plain, and of generated rooms, whose relations are known."""

import numpy as np
import pytest
from helpers.rooms import clean

from spaceformer_ros.graph.relations import ATTACHED_TO, BUILDING, IN, NEXT_TO, ON, UNDER, find_relations
from spaceformer_ros.graph.surfaces import Body
from spaceformer_ros.synthetic import object_points
from spaceformer_ros.synthetic.relations import WALLS, true_relations

STEP = 0.02


def plate(low, high):
    """Points on the horizontal rectangle between two corners (x, y), at height z: rows of both are (x, y, z)."""
    axes = [np.arange(a, b + 1e-6, STEP) for a, b in zip(low, high)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def shell(low, high, open_top=False):
    """Points on the faces of a box without its bottom."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    faces = [plate((x0, y0, z0), (x0, y1, z1)), plate((x1, y0, z0), (x1, y1, z1))]
    faces += [plate((x0, y0, z0), (x1, y0, z1)), plate((x0, y1, z0), (x1, y1, z1))]
    faces += [] if open_top else [plate((x0, y0, z1), (x1, y1, z1))]
    return np.concatenate(faces)


def table(x=0.0, y=0.0, height=0.7):
    """A table of 1.2 m x 0.8 m with four legs."""
    top = plate((x - 0.6, y - 0.4, height), (x + 0.6, y + 0.4, height))
    legs = [plate((x + a, y + b, 0), (x + a, y + b, height)) for a in (-0.58, 0.58) for b in (-0.38, 0.38)]
    return np.concatenate([top, *legs])


def shelf(x=0.0, y=0.0):
    """A shelf of 0.8 m x 0.35 m with boards every 0.4 m and sides."""
    boards = [plate((x, y, z), (x + 0.8, y + 0.35, z)) for z in (0.1, 0.5, 0.9, 1.3)]
    sides = [plate((x + a, y, 0), (x + a, y + 0.35, 1.3)) for a in (0.0, 0.8)]
    return np.concatenate([*boards, *sides])


WALL = plate((-3, 2, 0), (3, 2, 2.5))
FLOOR = plate((-3, -3, 0), (3, 2, 0))
CUP = shell((0.1, 0.1, 0.71), (0.18, 0.18, 0.81))
RUG = plate((-1.2, -1.0, 0.01), (1.2, 1.0, 0.01))
BASKET = np.concatenate([shell((-0.2, -0.2, 0), (0.2, 0.2, 0.4), True), plate((-0.2, -0.2, 0.02), (0.2, 0.2, 0.02))])
PICTURE = shell((0, 1.96, 1.2), (0.6, 1.98, 1.6))
BIN = shell((-0.1, -0.1, 0), (0.1, 0.1, 0.4))
ARMS = [shell((x, -0.4, 0), (x + 0.2, 0.4, 0.65)) for x in (-1.0, 0.8)]
SOFA = np.concatenate([*ARMS, shell((-0.8, -0.4, 0), (0.8, 0.4, 0.45)), shell((-1.0, 0.4, 0), (1.0, 0.6, 0.8))])
CURTAIN = shell((-0.6, 1.9, 0.75), (0.6, 1.98, 2.4))
RADIATOR = shell((-0.5, 1.9, 0), (0.5, 1.96, 0.6))
CASES = {
    "a ball above the seat of a sofa, between its arms": (
        {"ball": shell((-0.1, -0.2, 0.55), (0.1, 0.0, 0.75)), "sofa": SOFA},
        {("ball", ON, "sofa")},
    ),
    "a radiator below a curtain": (
        {"radiator": RADIATOR, "curtain": CURTAIN},
        {("radiator", UNDER, "curtain"), ("curtain", ATTACHED_TO, WALLS)},
    ),
    "a cup on a table": ({"cup": CUP, "table": table()}, {("cup", ON, "table")}),
    "a box in a shelf": ({"box": shell((0.2, 0.05, 0.51), (0.5, 0.3, 0.75)), "shelf": shelf()}, {("box", IN, "shelf")}),
    "a box on a shelf": ({"box": shell((0.2, 0.05, 1.31), (0.5, 0.3, 1.6)), "shelf": shelf()}, {("box", ON, "shelf")}),
    "a ball in a basket": (
        {
            "ball": shell((-0.1, -0.1, 0.03), (0.1, 0.1, 0.23)),
            "basket": BASKET,
        },
        {("ball", IN, "basket")},
    ),
    "a bin under a table": ({"bin": BIN, "table": table()}, {("bin", UNDER, "table")}),
    "a table on a rug": ({"rug": RUG, "table": table()}, {("rug", UNDER, "table"), ("table", ON, "rug")}),
    "chairs beside a table": (
        {"chair": shell((0.8, 0, 0), (1.2, 0.4, 0.8)), "table": table(), "far": shell((2.4, 0, 0), (2.8, 0.4, 0.8))},
        {("chair", NEXT_TO, "table"), ("table", NEXT_TO, "chair")},
    ),
    "a picture on the wall": ({"picture": PICTURE}, {("picture", ATTACHED_TO, "building")}),
    "a stack": (
        {"cup": CUP + (0, 0, 0.15), "box": shell((0, 0, 0.71), (0.3, 0.3, 0.85)), "table": table()},
        {("cup", ON, "box"), ("box", ON, "table")},
    ),
}


def relations_of(things, rooms=None):
    """Set of (name, kind, name or "building") of things, dict name -> points [n, 3], in a room with floor and wall."""
    names, bodies = list(things), [Body.of(points) for points in things.values()]
    found = find_relations(bodies, np.concatenate([FLOOR, WALL]), [0.0], rooms)
    assert all(0 < relation.score <= 1 for relation in found)
    return {(names[r.subject], r.kind, "building" if r.target == BUILDING else names[r.target]) for r in found}


@pytest.mark.parametrize("case", CASES)
def test_plain_arrangements(case):
    things, expected = CASES[case]
    assert relations_of(things) == expected


def test_the_order_of_the_objects_does_not_matter():
    things, expected = CASES["a stack"]
    assert relations_of(dict(reversed(things.items()))) == expected


def test_things_in_different_rooms_are_not_next_to_each_other():
    things, _ = CASES["chairs beside a table"]
    assert relations_of(things, rooms=[1, 2, 1]) == set()
    assert relations_of(things, rooms=[1, 1, 2]) == CASES["chairs beside a table"][1]


def test_no_objects_and_no_surroundings():
    assert find_relations([], np.zeros((0, 3)), [0.0]) == []
    lonely = find_relations([Body.of(CUP), Body.of(table())], np.zeros((0, 3)), [0.0])
    assert [(relation.subject, relation.kind, relation.target) for relation in lonely] == [(0, ON, 1)]


@pytest.mark.slow
def test_relations_of_generated_rooms_are_found():
    right = {True: 0, None: 0}
    for seed in (0, 1, 2):
        room = clean(seed)
        xyz = room.cloud.xyz
        bodies = [Body.of(xyz[rows]) for rows in object_points(room)]
        found = find_relations(bodies, xyz[room.instance < 0], [0.0])
        true = true_relations(room)
        wanted = {key for key, holds in true.items() if holds and key[1] in (ON, IN)}
        got = {(r.subject, r.kind, WALLS if r.target == BUILDING else r.target) for r in found if r.kind in (ON, IN)}
        right[True] += len(wanted & got)
        right[None] += len(wanted ^ got) - len({key for key in got if key in true and true[key] is None})
    assert right[True] >= 10
    assert right[None] <= 0.1 * right[True]


def test_things_in_different_storeys_have_no_relation():
    lamp, upstairs = shell((-0.2, -0.2, 2.0), (0.2, 0.2, 2.3)), table() + [0.0, 0.0, 2.6]
    assert [r.kind for r in find_relations([Body.of(lamp), Body.of(upstairs)], FLOOR, [0.0])] == [UNDER]
    assert not find_relations([Body.of(lamp), Body.of(upstairs)], FLOOR, [0.0, 2.6])
