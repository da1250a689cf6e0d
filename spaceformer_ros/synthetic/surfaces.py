# SPDX-License-Identifier: Apache-2.0
"""The surfaces of a furnished building as points: position, normal, colour, owner; and the colour words of things."""

import math
from dataclasses import dataclass

import numpy as np

from ..words.color_words import color_word
from .hidden import hidden_points
from .patterns import colorize
from .sampling import sample
from .shapes import place

# Share of the second colour in the base colour of soft patterns, which blend their two colours.
_BLENDED = {"wood": 0.4, "weave": 0.25, "planks": 0.15, "boards": 0.15}


@dataclass(frozen=True)
class Surfaces:
    """N surface points.

    xyz: [N, 3] float32 metres
    normal: [N, 3] float32 unit vectors, outwards
    rgb: [N, 3] float32 in 0..255
    gloss: [N] float32 in 0..1, see `Paint`
    thing: [N] int32 index of the thing
    """

    xyz: np.ndarray
    normal: np.ndarray
    rgb: np.ndarray
    gloss: np.ndarray
    thing: np.ndarray

    def __getitem__(self, index):
        return Surfaces(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def sample_surfaces(things, spacing, rng):
    """Surfaces of all things, about one point per spacing^2 (metres); and (colour word, second word) of each thing."""
    tables, paints, owner = [], [], []
    for number, thing in enumerate(things):
        table = thing.shape.table.copy()
        place(table, (thing.x, thing.y, thing.z), thing.yaw)
        table[:, 17] += len(paints)
        paints.extend(thing.shape.paints)
        tables.append(table)
        owner.append(np.full(len(table), number))
    table, owner = np.concatenate(tables), np.concatenate(owner)
    xyz, normal, primitive = sample(table, spacing, rng)
    shown = ~hidden_points(table, owner, xyz, normal, primitive)
    xyz, normal, primitive = xyz[shown], normal[shown], primitive[shown]
    paint, thing = table[:, 17].astype(np.int64)[primitive], owner[primitive]
    rgb = colorize(paints, paint, lambda chosen: _local(things, thing[chosen], xyz[chosen]))
    parts = [(xyz, normal, rgb, paint, thing), *_point_shapes(things, spacing, rng)]
    xyz, normal, rgb, paint, thing = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    gloss = np.array([p.gloss for p in paints], dtype=np.float32)[paint]
    words = _color_words(things, np.bincount(paint, minlength=len(paints)))
    return Surfaces(xyz, normal, rgb, gloss, thing.astype(np.int32)), words


def _point_shapes(things, spacing, rng):
    """Rows (xyz, normal, rgb, paint, thing) of the things whose shape is made of points (`assets.shape`)."""
    rows, first = [], 0
    for number, thing in enumerate(things):
        if hasattr(thing.shape, "sample"):
            points = thing.shape.sample(spacing, rng)
            c, s = math.cos(thing.yaw), math.sin(thing.yaw)
            turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], dtype=np.float32)
            xyz = points.xyz @ turn + np.array([thing.x, thing.y, thing.z], dtype=np.float32)
            owner = np.full(len(xyz), number)
            rows.append((xyz, points.normal @ turn, points.rgb, first + points.paint, owner))
        first += len(thing.shape.paints)
    return rows


def _local(things, owner, xyz):
    """Points in the frames of their things: [n, 3] metres."""
    pose = np.array([(t.x, t.y, t.z, math.cos(t.yaw), math.sin(t.yaw)) for t in things], dtype=np.float32)[owner]
    x, y = xyz[:, 0] - pose[:, 0], xyz[:, 1] - pose[:, 1]
    return np.stack([pose[:, 3] * x + pose[:, 4] * y, pose[:, 3] * y - pose[:, 4] * x, xyz[:, 2] - pose[:, 2]], axis=1)


def _color_words(things, area):
    """(word, second word or None) per thing; area: points per paint, in the order of the things' paints."""
    words, first = [], 0
    for thing in things:
        paints = thing.shape.paints
        words.append(_dominant(paints, area[first : first + len(paints)]))
        first += len(paints)
    return words


def _dominant(paints, area):
    """The word of the largest area, and a second one above a quarter. Contents count if there are no other parts."""
    shares = {}
    for content in (False, True):
        for paint, points in zip(paints, area, strict=True):
            if paint.content == content and points:
                blend = _BLENDED.get(paint.pattern, 0.0)
                base = [a + (b - a) * blend for a, b in zip(paint.color, paint.second, strict=True)]
                for color, share in ((base, 1 - paint.share), (paint.second, paint.share)):
                    if share:
                        word = color_word(color)
                        shares[word] = shares.get(word, 0.0) + share * points
        if shares:
            break
    ranked = sorted(shares, key=shares.get, reverse=True)
    total = sum(shares.values())
    second = ranked[1] if len(ranked) > 1 and shares[ranked[1]] > 0.25 * total else None
    return (ranked[0] if ranked else "gray"), second
