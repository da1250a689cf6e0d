# SPDX-License-Identifier: Apache-2.0
"""Views of single objects: the points that a scan has of each thing of a generated room, and what lies around them."""

from collections import namedtuple

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..geometry.floor import base_height
from ..network.point_head import SAMPLES
from ..synthetic import KIND_NAMES, STRUCTURE

MAX_POINTS = 768  # of an object that are kept
MAX_AROUND = 256  # points around an object that are kept
AROUND = 0.12  # metres from the object's points
PATCHES = 6  # pieces of walls, floors and ceilings of a room
PATCH_RADIUS = 0.25, 1.5  # metres, along each axis
MIN_PATCH = 40  # points
MILLIMETRES = 1000

Views = namedtuple("Views", "kind count around points colors points_around colors_around")
Views.__doc__ = """K objects: index into KIND_NAMES [K] int64, number of points and of points around [K] int64, and all
points, one object after the other: int16 millimetres from the object's middle and above the floor, uint8 colours."""

_STRUCTURE = [KIND_NAMES.index(name) for name in STRUCTURE]


def views_of_room(room, rng):
    """Views of the objects of a Room and of some pieces of its walls, floors and ceilings."""
    xyz = room.cloud.xyz - np.array([0, 0, base_height(room.cloud.xyz[:, 2])], dtype=np.float32)
    tree = cKDTree(xyz)
    kinds = [KIND_NAMES.index(thing.kind) for thing in room.objects]
    groups = [(kind, np.flatnonzero(room.instance == number)) for number, kind in enumerate(kinds)]
    groups += _patches(xyz, room.kind, tree, rng)
    views = [_view(xyz, room.cloud.rgb, tree, *group, rng) for group in groups]
    return Views(*map(torch.from_numpy, _columns(views)))


def _patches(xyz, kind, tree, rng):
    """Pairs of a kind and the points of that kind in an ellipsoid around a random one."""
    structure = np.flatnonzero(np.isin(kind, _STRUCTURE))
    for _ in range(PATCHES if len(structure) else 0):
        center = rng.choice(structure)
        radius = np.exp(rng.uniform(*np.log(PATCH_RADIUS), 3))
        near = np.array(tree.query_ball_point(xyz[center], radius.max()))
        near = near[kind[near] == kind[center]]
        near = near[(((xyz[near] - xyz[center]) / radius) ** 2).sum(axis=1) < 1]
        if len(near) >= MIN_PATCH:
            yield int(kind[center]), near


def _view(xyz, rgb, tree, kind, points, rng):
    """(kind, points, colours, points around, colours around) of the points of one object."""
    own = _some(points, MAX_POINTS, rng)
    near = tree.query_ball_point(xyz[_some(own, SAMPLES // 8, rng)], 1.25 * AROUND)
    around = np.setdiff1d(np.concatenate(near).astype(np.int64), points)
    around = around[cKDTree(xyz[own]).query(xyz[around], distance_upper_bound=AROUND)[0] < AROUND]
    around = _some(around, MAX_AROUND, rng)
    middle = (xyz[own].min(axis=0) + xyz[own].max(axis=0)) / 2 * (1, 1, 0)
    places = (np.rint((xyz[rows] - middle) * MILLIMETRES).clip(-32767, 32767) for rows in (own, around))
    own_places, around_places = (place.astype(np.int16) for place in places)
    return kind, own_places, rgb[own], around_places, rgb[around]


def _some(rows, count, rng):
    return rows if len(rows) <= count else rng.choice(rows, count, replace=False)


def _columns(views):
    """The arrays of Views."""
    kinds, *parts = zip(*views, strict=True)
    counts = (np.array([len(part) for part in parts[column]], dtype=np.int64) for column in (0, 2))
    return np.array(kinds, dtype=np.int64), *counts, *map(np.concatenate, parts)
