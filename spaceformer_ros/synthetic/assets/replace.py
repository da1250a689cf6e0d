# SPDX-License-Identifier: Apache-2.0
"""Replace generated things by furniture models: the same pose and box, a real shape.

The layout of a room stays that of the generator. A model is scaled per axis to the box of the thing that it replaces;
among the models of a kind, one with similar proportions is drawn. What stands on a replaced thing moves to the new
surface.
"""

from dataclasses import dataclass

import numpy as np

from ..kinds import KINDS, MODEL_KINDS, OBJECT_KINDS
from ..placement import Thing, collide
from .shape import AssetShape, asset_paints, recolour
from .table import read_table

# Kinds that are fitted to the building: they keep their generated shape.
KEPT = frozenset({"window", "door", "curtain", "blinds", "kitchen counter", "rug"})
MAX_STRETCH = 1.45  # of an axis relative to the mean scale
MAX_SCALE = 1.6  # mean scale, and its inverse
THIN = 0.06  # metres: how thin a thin side is does not matter
MAX_DROP = 0.3  # metres that things on top may move
TRIES = 3  # models per thing
TOUCH = 0.04  # metres that a model's solid boxes may overlap those of its neighbours


@dataclass(frozen=True)
class AssetLook:
    """The look of a model, with the attribute of `colors.Look` that descriptions need. material: "" if unknown."""

    material: str
    main: object = None


def replace_things(rng, things, library, config):
    """List of things in which a share of those with a model are replaced.

    library: AssetLibrary; config: RoomConfig, of which only `asset_share`, `asset_split`, `assets_only` and
    `model_kinds_share` are used. assets_only: things without a fitting model of their kind get one of another kind, and
    what cannot be replaced is left out with everything on it.
    """
    assets = [asset for kind in library.of_split(config.asset_split).values() for asset in kind]
    models = [asset for asset in assets if asset.kind in OBJECT_KINDS]
    strangers = [asset for asset in assets if asset.kind in MODEL_KINDS]
    carried = carriers(things)
    result = list(things)
    for i, thing in enumerate(things):
        if thing.kind in KEPT or thing.fit.get("inset") or rng.random() >= config.asset_share:
            continue
        on_top = [result[j] for j, carrier in carried.items() if carrier == i]
        others = [other for j, other in enumerate(result) if j != i and carried.get(j) != i]
        size = np.subtract(*thing.shape.bounds()[::-1])
        place = "furniture" if i in carried else read_table().placement.get(thing.kind, "floor")
        fitting = []
        if config.model_kinds_share and rng.random() < config.model_kinds_share:
            fitting = _standing_in(strangers, size, place)
        fitting = fitting or _of_kind(models, thing.kind, size)
        if not fitting and config.assets_only:
            fitting = _standing_in(models, size, place)
        result[i] = _replaced(rng, thing, fitting, library, on_top, others) or thing
    if not config.assets_only:
        return result
    replaced = {i for i, thing in enumerate(result) if isinstance(thing.shape, AssetShape)}
    return [result[i] for i in sorted(replaced) if i not in carried or carried[i] in replaced]


def _of_kind(models, kind, size):
    """Models of a kind that fit a box."""
    return [asset for asset in models if asset.kind == kind and fits_box(asset.size, size)]


def _standing_in(models, size, place):
    """Models of any kind with a placement that fit a box."""
    placement = read_table().placement
    others = (asset for asset in models if asset.kind not in KEPT and placement.get(asset.kind, "floor") == place)
    return [asset for asset in others if fits_box(asset.size, size)]


def carriers(things):
    """Dict index -> index of the thing that it stands on, for things that stand on others."""
    found = {}
    bounds = [thing.shape.bounds() for thing in things]
    for i, thing in enumerate(things):
        if thing.z < 0.03:
            continue
        for j, other in enumerate(things):
            low, high = bounds[j]
            x, y = _local(other, thing.x, thing.y)
            inside = low[0] <= x <= high[0] and low[1] <= y <= high[1]
            if i != j and inside and other.z + 0.02 < thing.z <= other.z + high[2] + 0.03:
                found[i] = j
    return found


def _local(thing, x, y):
    """A map position (x, y) in the frame of a thing."""
    c, s = np.cos(thing.yaw), np.sin(thing.yaw)
    dx, dy = x - thing.x, y - thing.y
    return c * dx + s * dy, c * dy - s * dx


def _replaced(rng, thing, fitting, library, on_top, others):
    """The Thing of one of the `fitting` models in the place of `thing`, or None; moves the things on top."""
    low, high = thing.shape.bounds()
    size, middle = high - low, (low + high) / 2
    for _ in range(TRIES if fitting else 0):
        asset = fitting[int(rng.integers(len(fitting)))]
        new = _thing(rng, asset.kind, asset, library.points(asset), size)
        new.moved(*thing.point(middle[0], middle[1]), thing.z + low[2], thing.yaw)
        heights = [_height_below(new, item) for item in on_top]
        moved = all(z is not None and abs(z - item.z) < MAX_DROP for z, item in zip(heights, on_top, strict=True))
        if moved and not _collides(new, others):
            for z, item in zip(heights, on_top, strict=True):
                item.z = z
                item.support = new if item.support is thing else item.support
            new.support, new.enclosed, new.hung, new.plan = thing.support, thing.enclosed, thing.hung, thing.plan
            return new
    return None


def fits_box(natural, size):
    """Whether a model of a natural size can be scaled to a box without looking stretched. Both (x, y, z) metres."""
    sides = np.array([size, natural])
    thick = sides.max(axis=0) > THIN
    scale = np.divide(*np.maximum(sides, THIN))[thick if thick.any() else [True] * 3]
    mean = float(np.exp(np.log(scale).mean()))
    return 1 / MAX_SCALE < mean < MAX_SCALE and bool((np.abs(np.log(scale / mean)) < np.log(MAX_STRETCH)).all())


def _thing(rng, kind, asset, points, size):
    """A new Thing of a kind with the shape of an Asset, half of the time mirrored, half of the time recoloured."""
    paints, changed, material = asset_paints(asset), (), ""
    mirrored = rng.random() < 0.5
    if rng.random() < 0.5:
        area = np.bincount(points.material, minlength=len(paints))
        paints, changed, material = recolour(rng, paints, area, KINDS[kind])
    shape = AssetShape(points, paints, size, mirrored, changed)
    return Thing(kind, shape, AssetLook(material), 0, {})


def _height_below(carrier, item):
    """Height in the map of the carrier's surface below an item, or None."""
    x, y = _local(carrier, item.x, item.y)
    z = carrier.shape.height_at(x, y, 0.06, item.z - carrier.z)
    return None if z is None else carrier.z + z + 0.001


def _collides(thing, others):
    volumes = thing.volumes
    return any(collide(volumes, other.volumes, TOUCH).any() for other in others)
