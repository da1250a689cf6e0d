# SPDX-License-Identifier: Apache-2.0
"""Generated sequences of maps with ground truth: a room revealed step by step, slow drift, one loop closure that shifts
the whole map, objects moved and removed midway. `play` evaluates the ids in a sequence.
"""

import collections
import math
from dataclasses import dataclass, field

import numpy as np

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import SceneConfig
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.grids.groups import unique_rows
from spaceformer_ros.instances import Instances, VoxelMap
from spaceformer_ros.scene.store import SceneStore
from spaceformer_ros.synthetic.camera_path import draw_path
from spaceformer_ros.synthetic.config import RoomConfig
from spaceformer_ros.synthetic.kinds import KINDS, OBJECT_KINDS, STRUCTURE
from spaceformer_ros.synthetic.placement import collide
from spaceformer_ros.synthetic.room import build
from spaceformer_ros.synthetic.scan import Scanner, draw_sensor
from spaceformer_ros.synthetic.surfaces import sample_surfaces
from spaceformer_ros.words.label_space import LabelSpace
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.vocabulary import Vocabulary

DIM = 32  # channels of the features
SPACING = 0.03  # metres between the points of a map
DRIFT = 0.012  # metres per step, drift of new parts of the map until the loop is closed
WOBBLE = 0.004  # metres, standard deviation of the offset of each map
NOISE = 0.004  # metres, standard deviation of each point
MIN_POINTS = 40  # objects with fewer visible points are not in the truth
CLEAR_VIEWS = 3  # steps after which a removed object must be gone


def name_vector(name):
    """[DIM] float32 unit vector of a kind's name; those of different kinds are almost orthogonal."""
    vector = np.random.default_rng([*name.encode()]).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass(frozen=True)
class Step:
    """One map: its Cloud, and [N] int64 thing (index into `Sequence.kinds`) that each point belongs to."""

    cloud: Cloud
    thing: np.ndarray


@dataclass(frozen=True)
class Sequence:
    """steps: tuple of Step; kinds: kind of every thing; changed_at: step in which things are elsewhere or gone;
    closed_at: step in which the loop is closed; moved, removed: frozensets of things."""

    steps: tuple
    kinds: tuple
    closed_at: int
    changed_at: int
    moved: frozenset
    removed: frozenset


def make_sequence(seed, steps=14, closed_at=6, changed_at=9, shift=1.0, turn=0.12, rooms=1):
    """A Sequence. shift: metres, turn: radians by which the loop closure moves the map."""
    rng = np.random.default_rng([seed, 77])
    config = RoomConfig(rooms=rooms, tours=(1.0, 0.0, 0.0), noise=0.0, drift=0.0, color_shift=0.0, ceiling=0.0)
    building = build(rng, config)
    things = building.furniture + building.structure
    surfaces, _ = sample_surfaces(things, SPACING, rng)
    seen_at = _first_seen(surfaces, building, steps, config, rng)
    counts = np.bincount(surfaces.thing[seen_at < changed_at], minlength=len(things))
    moves, removed = _changes(building, counts, rng)
    heading = rng.uniform(0, 2 * math.pi)
    drift = DRIFT * np.array([math.cos(heading), math.sin(heading), 0.1])
    noise = rng.normal(0, NOISE, surfaces.xyz.shape)
    angle = rng.uniform(0, 2 * math.pi)
    jump = np.array([shift * math.cos(angle), shift * math.sin(angle), 0.0])
    made = []
    for step in range(steps):
        shown = seen_at <= step
        xyz = surfaces.xyz + noise
        if step < closed_at:
            xyz = xyz + drift * np.minimum(seen_at, steps)[:, None]
        if step >= changed_at:
            for thing, offset in moves.items():
                xyz[surfaces.thing == thing] += offset
            shown &= ~np.isin(surfaces.thing, list(removed))
        if step >= closed_at:
            c, s = math.cos(turn), math.sin(turn)
            xyz = xyz @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + jump
        xyz = (xyz + rng.normal(0, WOBBLE, 3))[shown].astype(np.float32)
        cloud = Cloud(xyz, np.rint(surfaces.rgb[shown]).astype(np.uint8), "map", (step + 1) * 10**9)
        made.append(Step(cloud, surfaces.thing[shown].astype(np.int64)))
    kinds = tuple(thing.kind for thing in things)
    return Sequence(tuple(made), kinds, closed_at, changed_at, frozenset(moves), frozenset(removed))


def _first_seen(surfaces, building, steps, config, rng):
    """[N] step in which a camera on a tour sees each surface point first; `steps` for those that are never visible."""
    poses, _ = draw_path(rng, building.plans, building.doorways, building.furniture, config)
    scanner = Scanner(surfaces, SPACING, draw_sensor(rng, config), rng)
    seen_at = np.full(len(surfaces.xyz), steps)
    for number, pose in enumerate(poses):
        source = scanner.view(pose, np.zeros(3), 0.0, rng).source
        seen_at[source] = np.minimum(seen_at[source], number * steps // len(poses))
    return seen_at


def _changes(building, counts, rng):
    """(dict thing -> offset [3] metres of up to three things, set of up to three that are removed)."""
    things = building.furniture
    free = [k for k in range(len(things)) if counts[k] >= 4 * MIN_POINTS and _is_loose(k, things)]
    order, moves, removed = rng.permutation(free).tolist(), {}, set()
    for k in order:
        standing = len(moves) < 3 and things[k].z < 0.05
        offset = _free_offset(k, things, building.plans, rng) if standing else None
        if offset is not None:
            moves[k] = offset
        elif len(removed) < 3:
            removed.add(k)
    return moves, removed


def _is_loose(k, things):
    """Whether an object is not flat and carries nothing, so that it can be moved or removed."""
    low, high = things[k].shape.bounds()
    if min(high - low) < 0.12:
        return False
    above = [_shifted(other, 0, 0, -0.03) for other in things if other is not things[k] and other.z > 0.05]
    return not any(collide(volumes, things[k].volumes).any() for volumes in above)


def _shifted(thing, x, y, z):
    volumes = thing.volumes.copy()
    volumes[:, :2] += x, y
    volumes[:, 6:8] += z
    return volumes


def _free_offset(k, things, plans, rng):
    """[3] metres, an offset to a free position at least 1 m away, or None."""
    others = np.concatenate([thing.volumes for i, thing in enumerate(things) if i != k])
    for _ in range(30):
        angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(1.0, 3.0)
        x, y = length * math.cos(angle), length * math.sin(angle)
        volumes = _shifted(things[k], x, y, 0)
        low, high = (
            f(volumes[:, :2] + sign * volumes[:, 2:4].max(), axis=0) for f, sign in ((np.min, -1), (np.max, 1))
        )
        inside = any((low > plan.bounds[:2]).all() and (high < plan.bounds[2:]).all() for plan in plans)
        if inside and not collide(volumes, others).any():
            return np.array([x, y, 0.0])
    return None


class TruthPipeline:
    """Makes scenes from the truth of Steps, with dropouts, wrong names, noise on features and on masks."""

    voxel_size = 0.04

    def __init__(self, sequence, seed=0, dropout=0.1, misnamed=0.05, noise=0.08, holes=0.1):
        self.kinds, self.rng, self.store = sequence.kinds, np.random.default_rng(seed), SceneStore()
        self.dropout, self.misnamed, self.noise, self.holes = dropout, misnamed, noise, holes
        self.rows = []  # thing of every instance of the latest step
        vocabulary = Vocabulary.parse(OBJECT_KINDS, STRUCTURE)
        embeddings = np.stack([name_vector(text) for text in vocabulary.texts])
        self.space = LabelSpace(vocabulary, embeddings, Similarity(normalize=True, scale=20.0))

    def process(self, step):
        """The Scene after a Step."""
        return self.store.update(step.cloud, self.segment(step), self.space, SceneConfig())

    def segment(self, step):
        """Instances of a Step, in any order."""
        cloud = step.cloud
        cells, voxel = unique_rows(np.floor(cloud.xyz / self.voxel_size).astype(np.int64))
        voxel = voxel.astype(np.int32)
        counts = np.bincount(voxel)
        means = np.stack([np.bincount(voxel, cloud.xyz[:, axis]) / counts for axis in range(3)], axis=1)
        owner = np.zeros(len(cells), dtype=np.int64)
        pairs, hits = np.unique(voxel.astype(np.int64) * len(self.kinds) + step.thing, return_counts=True)
        pairs = pairs[np.argsort(hits, kind="stable")]
        owner[pairs // len(self.kinds)] = pairs % len(self.kinds)  # the last assignment wins: the most frequent
        points = np.bincount(step.thing, minlength=len(self.kinds))
        found = [k for k in np.flatnonzero(points >= MIN_POINTS) if self.rng.random() >= self.dropout]
        masks = {k: np.flatnonzero(owner == k).astype(np.int32) for k in found}
        masks = {k: mask[self.rng.random(len(mask)) >= self.holes] for k, mask in masks.items()}
        self.rows = self.rng.permutation([k for k, mask in masks.items() if len(mask)]).tolist()
        scores = self.rng.uniform(0.6, 0.95, (2, len(self.rows))).astype(np.float32)
        return Instances(
            VoxelMap(means.astype(np.float32), voxel, self.voxel_size),
            tuple(masks[k] for k in self.rows),
            *scores,
            np.array([self._feature(k) for k in self.rows], dtype=np.float32).reshape(-1, DIM),
            np.array([counts[masks[k]].sum() for k in self.rows], dtype=np.int64),
            np.array([means[masks[k]].mean(axis=0) for k in self.rows], dtype=np.float32).reshape(-1, 3),
            tuple(OrientedBox.fit(means[masks[k]]) for k in self.rows),
        )

    def _feature(self, k):
        wrong = self.rng.random() < self.misnamed
        name = OBJECT_KINDS[self.rng.integers(len(OBJECT_KINDS))] if wrong else self.kinds[k]
        return name_vector(name) + self.rng.normal(0, self.noise, DIM)

    def identify(self, scene, step):
        """Dict id -> thing of the objects that were found in the latest Step."""
        return {item.id: self.rows[item.row] for item in scene.objects if item.found}


@dataclass
class Tally:
    """Counts of correct and wrong ids; those of several sequences can be added.

    observations: objects found, summed over the steps;
    switches: found with another id than before;
    passed: ids found on another object than before;
    taken_away: positions whose object was moved or removed;
    ghosts: ids still there CLEAR_VIEWS views later;
    known: objects that ever had an id;
    lost: ids lost while the object was still there;
    reused: ids that came back after their end;
    misnamed: observations with a wrong label;
    renamed: observations with another label than before.
    """

    observations: int = 0
    switches: int = 0
    passed: int = 0
    taken_away: int = 0
    ghosts: int = 0
    known: int = 0
    lost: int = 0
    reused: int = 0
    misnamed: int = 0
    renamed: int = 0
    notes: list = field(default_factory=list)

    def __add__(self, other):
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def play(sequence, process, identify):
    """The Tally of a Sequence. process: function Step -> Scene; identify: function (Scene, Step) -> dict id -> thing.

    A moved object counts as a new one; at its old position an object was removed.
    """
    tally, last, owner, names = Tally(), {}, {}, {}
    living, ended = set(), set()
    for number, step in enumerate(sequence.steps):
        scene = process(step)
        changed = number >= sequence.changed_at
        labels = {item.id: item.label for item in scene.objects}
        for key, thing in identify(scene, step).items():
            if KINDS[sequence.kinds[thing]].structure:
                continue
            truth = (thing, changed and thing in sequence.moved)
            tally.observations += 1
            if last.get(truth, key) != key:
                tally.switches += 1
                tally.notes.append(f"step {number}: {sequence.kinds[thing]} {thing} was {last[truth]}, is {key}")
            tally.passed += owner.get(key, truth) != truth
            tally.misnamed += labels[key] != sequence.kinds[thing]
            tally.renamed += names.get(key, labels[key]) != labels[key]
            last[truth], owner[key], names[key] = key, truth, labels[key]
        ids = set(labels)
        tally.reused += len(ids & ended)
        for key in living - ids:
            thing, place = owner.get(key, (None, False))
            still = thing is not None and thing not in (
                sequence.removed | sequence.moved if changed and not place else ()
            )
            if still and last[thing, place] == key:
                tally.lost += 1
                tally.notes.append(f"step {number}: {sequence.kinds[thing]} {thing} lost {key}")
        ended, living = ended | (living - ids), ids
        if number == sequence.changed_at + CLEAR_VIEWS - 1:
            left = [(thing, False) for thing in sequence.removed | sequence.moved]
            known = [last[truth] for truth in left if truth in last]
            tally.taken_away += len(known)
            ghosts = [key for key in known if key in ids and owner[key] in left]
            tally.ghosts += len(ghosts)
            tally.notes += [f"step {number}: ghost {key} of {sequence.kinds[owner[key][0]]}" for key in ghosts]
    tally.known = len(last)
    return tally


def by_overlap(scene, step, min_iou=0.5):
    """Dict id -> thing for found objects whose masks overlap a thing's points by an IoU of min_iou or more."""
    result, best = {}, collections.defaultdict(float)
    counts = np.bincount(step.thing)
    for item in scene.objects:
        inside = scene.instances.point_mask(item.row)
        if not item.found or item.background or not inside.any():
            continue
        hits = np.bincount(step.thing[inside], minlength=len(counts))
        iou = hits / (counts + inside.sum() - hits)
        thing = int(iou.argmax())
        if iou[thing] >= min_iou and iou[thing] > best[thing]:
            result = {key: other for key, other in result.items() if other != thing}
            result[item.id], best[thing] = thing, iou[thing]
    return result
