# SPDX-License-Identifier: Apache-2.0
"""One generated room: its objects with captions, and the map from a simulated scan."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from ..clouds.cloud import Cloud
from ..geometry.boxes import OrientedBox
from ..geometry.transform import RigidTransform
from ..layout.structure import Layout
from .camera_path import draw_path
from .config import RoomConfig
from .floorplan import draw_plans
from .fusion import fuse
from .kinds import KIND_NAMES, KINDS
from .lighting import draw_lamps, draw_tint, illuminate
from .relations import Place
from .scan import Scanner, draw_drift, draw_sensor
from .structure import build_passage, build_structure, fill_openings, map_yaw
from .surfaces import sample_surfaces
from .themes import THEMES, draw_theme, furnish
from .true_layout import true_layout

_KIND_INDEX = {name: index for index, name in enumerate(KIND_NAMES)}
# Probability that cells with one measurement are dropped, as some mapping programs do, by the kind of tour.
_DROP_SINGLE_HITS = {"tour": 0.45, "part": 0.15, "few frames": 0.0}


@dataclass(frozen=True)
class RoomObject:
    """One object of a room.

    kind: canonical name, see `kinds`;
    names: canonical name and training synonyms;
    color, second_color: basic colour words; second_color is None for objects of one colour;
    material: "wooden", "metal", ..., or "" if unknown;
    size_word: "small", "large" or "";
    box: OrientedBox in the map, of the whole object including parts that were not seen;
    place: Place, for its relations to other objects.
    """

    kind: str
    names: tuple
    color: str
    second_color: str | None
    material: str
    size_word: str
    box: OrientedBox
    place: Place

    @property
    def held_out_names(self):
        """Synonyms that are in no caption, for evaluation."""
        return KINDS[self.kind].held_out

    def captions(self, rng=None):
        """Phrases that describe the object, such as "red office chair": all of them, or one drawn with `rng`."""
        phrases = []
        for name in self.names:
            words = [(), (self.color,)]
            if self.material:
                words += [(self.material,), (self.color, self.material)]
            if self.size_word:
                words += [(self.size_word,), (self.size_word, self.color)]
            if self.second_color:
                words.append((self.color, "and", self.second_color))
            plain = [" ".join((*chosen, name)) for chosen in words]
            phrases += plain
            if not _is_plural(name):
                phrases += [f"{'an' if phrase[0] in 'aeio' else 'a'} {phrase}" for phrase in plain]
        return phrases if rng is None else [phrases[int(rng.integers(len(phrases)))]]


def _is_plural(name):
    """Whether a name has no article: "shoes", but not "pair of shoes"."""
    return name.endswith("s") and " of " not in name and " with " not in name


@dataclass(frozen=True)
class Room:
    """A scanned map with its ground truth.

    cloud: Cloud of N points, z up, floor near z = 0;
    instance: [N] int32 index into `objects`; -1 for walls, floor and ceiling, for flying pixels, and for things with
        too few points;
    kind: [N] int16 index into KIND_NAMES, of the surface that was measured, also where instance is -1;
    objects: tuple of RoomObject with at least `RoomConfig.min_points` points;
    seed: argument of `make_room`;
    layout: Layout of the building, parts that were not seen included.
    """

    cloud: Cloud
    instance: np.ndarray
    kind: np.ndarray
    objects: tuple
    seed: int
    layout: Layout


@dataclass
class _Building:
    """A building before it is scanned: plans, doorways and things, furniture apart from the structure."""

    plans: list
    doorways: list
    furniture: list
    structure: list


def make_room(seed, config=RoomConfig()):  # noqa: B008 (frozen: a shared default is safe)
    """A furnished room as a robot maps it. seed: int >= 0. Returns a Room.

    Deterministic in the seed and the config: bit-identical for one version of NumPy on one kind of machine.
    """
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)]
    building = build(streams[0], config)
    if config.asset_share:
        building.furniture = _with_assets(streams[4], building.furniture, config)
    cell = float(streams[1].uniform(*config.fusion_size))
    spacing = cell * (0.9 if config.scan else 1.0)
    things = building.furniture + building.structure
    surfaces, words = sample_surfaces(things, spacing, streams[1])
    lamps = draw_lamps(streams[1], building.plans, things)
    casters = np.arange(len(things)) < len(building.furniture)
    surfaces = illuminate(surfaces, lamps, casters, streams[1])
    if config.scan:
        xyz, rgb, label = _scanned(surfaces, building, cell, spacing, config, streams[2])
    else:
        xyz, rgb, label = surfaces.xyz, np.rint(surfaces.rgb).astype(np.uint8), 2 * surfaces.thing.astype(np.int64)
    layout = true_layout(building.plans, building.doorways)
    return labelled(xyz, rgb, label, things, words, layout, seed, config, streams[3])


def _with_assets(rng, furniture, config):
    """Furniture with real shapes as set in a RoomConfig."""
    from .assets import read_library, replace_things

    return replace_things(rng, furniture, read_library(config.asset_folder), config)


def build(rng, config):
    """The furnished building, before it is scanned."""
    plans, doorways = draw_plans(rng, config)
    furniture, structure = [], []
    for plan in plans:
        plan.theme = draw_theme(rng, config.theme)
    for plan in plans:
        furnish(rng, plan, furniture, config, lambda site: fill_openings(rng, site, plans, doorways))
    ceiling = (1.0 if rng.random() < 0.6 else float(rng.uniform(0.2, 0.8))) if rng.random() < config.ceiling else None
    for plan in plans:
        structure += build_structure(rng, plan, THEMES[plan.theme], ceiling)
    for doorway in doorways:
        structure += build_passage(rng, doorway)
    return _Building(plans, doorways, furniture, structure)


def _scanned(surfaces, building, cell, spacing, config, rng):
    """Fused points of a tour: xyz [N, 3] float32, rgb [N, 3] uint8, label [N] int64 (2 * thing, + 1 if flying)."""
    poses, form = draw_path(rng, building.plans, building.doorways, building.furniture, config)
    sensor = draw_sensor(rng, config)
    surfaces = replace(surfaces, rgb=draw_tint(rng, config.color_shift)(surfaces.rgb))
    scanner = Scanner(surfaces, spacing, sensor, rng)
    offsets, turns = draw_drift(rng, len(poses), config.drift * float(rng.uniform(0.1, 1.25)))
    views = [scanner.view(pose, offset, turn, rng) for pose, offset, turn in zip(poses, offsets, turns, strict=True)]
    xyz, rgb, weight, source, flying = (
        np.concatenate([getattr(view, name) for view in views]) for name in ("xyz", "rgb", "weight", "source", "flying")
    )
    label = 2 * surfaces.thing[source].astype(np.int64) + flying
    min_hits = 2 if rng.random() < _DROP_SINGLE_HITS[form] else 1
    return fuse(xyz, rgb, weight, label, cell, min_hits)


def labelled(xyz, rgb, label, things, words, layout, seed, config, rng):
    """Room from fused points: rotates and shifts the map, and describes the objects with enough points."""
    thing, flying = label // 2, label % 2 == 1
    kind = np.array([_KIND_INDEX[t.kind] for t in things], dtype=np.int16)[thing]
    count = np.bincount(thing[~flying], minlength=len(things))
    listed = [i for i, t in enumerate(things) if count[i] >= config.min_points and not KINDS[t.kind].structure]
    index = np.full(len(things), -1, dtype=np.int32)
    index[listed] = np.arange(len(listed))
    instance = np.where(flying, np.int32(-1), index[thing])
    yaw = map_yaw(rng, config.turned)
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, -s], [s, c]])
    shift = rng.normal(0, 1.5, 3) * [1, 1, 0.007]
    turned = np.column_stack([xyz[:, :2] @ turn.T.astype(np.float32), xyz[:, 2]]) + shift.astype(np.float32)
    places = _places(things, index)
    objects = tuple(_describe(things[i], words[i], places[i], turn, yaw, shift) for i in listed)
    order = rng.permutation(len(turned))
    cloud = Cloud(turned.astype(np.float32)[order], rgb[order], "map")
    layout = layout.moved(RigidTransform.about_z(yaw, shift))
    return Room(cloud, instance[order], kind[order], objects, seed, layout)


def _places(things, index):
    """The Place of every thing. index: [T] row of each thing in the objects of the room, -1 for none."""
    plans = list({id(thing.plan): None for thing in things})
    rows = {id(thing): int(row) for thing, row in zip(things, index)}
    return [
        Place(
            volumes=thing.volumes,
            support=rows.get(id(thing.support)),
            enclosed=thing.enclosed,
            hung=thing.hung,
            room=plans.index(id(thing.plan)),
        )
        for thing in things
    ]


def _describe(thing, words, place, turn, yaw, shift):
    """The RoomObject of a thing in the rotated map."""
    low, high = thing.shape.bounds()
    center, size = (low + high) / 2, high - low
    middle = np.array(thing.point(center[0], center[1]))
    box_yaw = thing.yaw + yaw
    kind = KINDS[thing.kind]
    ratio = float(size.max()) / kind.span
    if size[1] > size[0]:  # as OrientedBox.fit: the longer side is x
        size, box_yaw = size[[1, 0, 2]], box_yaw + math.pi / 2
    box = OrientedBox(
        center=np.array([*(turn @ middle), thing.z + center[2]]) + shift,
        size=size,
        yaw=float((box_yaw + math.pi / 2) % math.pi - math.pi / 2),
    )
    size_word = "small" if ratio < 0.8 else "large" if ratio > 1.25 else ""
    return RoomObject(kind.name, kind.names, words[0], words[1], thing.look.material, size_word, box, place)


def object_points(room):
    """For each object, the indices of its points: list of [n] int arrays."""
    order = np.argsort(room.instance, kind="stable")
    limits = np.searchsorted(room.instance[order], range(len(room.objects) + 1))
    return [order[a:b] for a, b in itertools.pairwise(limits)]
