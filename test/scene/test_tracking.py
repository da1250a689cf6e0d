# SPDX-License-Identifier: Apache-2.0
"""Tracking: properties on synthetic objects, and complete sequences with ground truth."""

import dataclasses
import itertools
import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.sequences import DIM, Tally, TruthPipeline, make_sequence, name_vector, play
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import SceneConfig
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.geometry.transform import IDENTITY, RigidTransform
from spaceformer_ros.grids.keys import cell_keys
from spaceformer_ros.instances import Instances, VoxelMap
from spaceformer_ros.scene.absence import CLEAR_VIEW, FILLED_VIEW, NO_VIEW, missed_view_weights
from spaceformer_ros.scene.continuation import to_tracks
from spaceformer_ros.scene.map_shift import find_transforms, fit_transform
from spaceformer_ros.scene.matching import associate
from spaceformer_ros.scene.occupancy import FINE_CELL, ISOLATED, SURROUNDINGS, CloudOccupancy, Occupancy, fine_keys_near
from spaceformer_ros.scene.store import SceneStore
from spaceformer_ros.scene.tracks import Tracks
from spaceformer_ros.words.label_space import LabelSpace
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.vocabulary import Vocabulary

NAMES = ("chair", "sofa", "table", "lamp", "box")
SPACE = LabelSpace(
    Vocabulary(tuple((name,) for name in NAMES)), np.stack([*map(name_vector, NAMES)]), Similarity(True, 20.0)
)
SIDES = (0.3, 0.5, 0.8)  # metres
SLOT = 1.2  # metres between the slots in which objects stand
WIDE = 4  # slots in a row


def block(size):
    """[N, 3] points on the outside of a cube that stands on the floor, 4 cm apart."""
    line = np.linspace(-size / 2, size / 2, int(size / 0.04) + 2)
    xyz = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    return xyz[(np.abs(xyz).max(axis=1) > size / 2 - 1e-9)] + (0, 0, size / 2 + 0.03)


def floor():
    line = np.arange(-0.5, WIDE * SLOT, 0.05)
    return np.stack(np.meshgrid(line, line, [0.0]), axis=-1).reshape(-1, 3)


@dataclasses.dataclass(frozen=True)
class Thing:
    """A cube in a slot: index of its name in NAMES, side in metres."""

    slot: int
    name: int
    size: float

    @property
    def xyz(self):
        return block(self.size) + (SLOT * (self.slot % WIDE), SLOT * (self.slot // WIDE), 0.0)


things = st.lists(
    st.builds(Thing, st.integers(0, WIDE * WIDE - 1), st.integers(0, len(NAMES) - 1), st.sampled_from(SIDES)),
    max_size=8,
    unique_by=lambda thing: thing.slot,
)


def see(there, found=None, shift=IDENTITY, number=1, floor=floor):
    """(Cloud, Instances) of things on a floor, moved by a RigidTransform; instances: `found`, or all."""
    found = there if found is None else found
    parts = [floor(), *(thing.xyz for thing in there)]
    xyz = shift.apply(np.concatenate(parts)).astype(np.float32)
    starts = np.cumsum([len(part) for part in parts])
    masks = [np.arange(starts[there.index(thing)], starts[there.index(thing) + 1], dtype=np.int32) for thing in found]
    ones = np.ones(len(found), dtype=np.float32)
    instances = Instances(
        VoxelMap(xyz, np.arange(len(xyz), dtype=np.int32), 0.02),
        tuple(masks),
        ones,
        ones,
        np.array([name_vector(NAMES[thing.name]) for thing in found], dtype=np.float32).reshape(-1, DIM),
        np.array([len(mask) for mask in masks], dtype=np.int64),
        np.array([xyz[mask].mean(axis=0) for mask in masks], dtype=np.float32).reshape(-1, 3),
        tuple(OrientedBox.fit(xyz[mask]) for mask in masks),
    )
    return Cloud(xyz, np.full(xyz.shape, 99, np.uint8), "map", number), instances


def update(store, *arguments, **keywords):
    return store.update(*see(*arguments, **keywords), SPACE, SceneConfig())


def ids(scene, found):
    """Dict thing -> id of what was found."""
    assert [item.row for item in scene.objects] == list(range(len(scene.objects)))
    return {thing: scene.objects[k].id for k, thing in enumerate(found)}


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(things, st.booleans()), min_size=1, max_size=5))
def test_ids_are_unique_and_never_reused(history):
    store, ended, highest, living = SceneStore(), set(), 0, set()
    for there, forget in history:
        if forget:
            store.clear()
        scene = update(store, there)
        numbers = [item.id for item in scene.objects]
        assert len(set(numbers)) == len(numbers)
        assert min(numbers, default=1) > 0
        assert not ended & set(numbers)
        assert all(number > highest for number in set(numbers) - living)
        assert len(scene.instances) == len(scene.objects)
        ended, living, highest = ended | (living - set(numbers)), set(numbers), max([highest, *numbers])


@settings(max_examples=12, deadline=None)
@given(things, st.integers(1, 4))
def test_the_same_cloud_again_changes_nothing_but_the_count(there, times):
    store = SceneStore()
    first = update(store, there)
    for number in range(times):
        again = update(store, there, number=2 + number)
    assert ids(again, there) == ids(first, there)
    for a, b in zip(first.objects, again.objects):
        assert (a.label, a.label_score, a.num_points, a.first_seen_ns) == (b.label, b.label_score, b.num_points, 1)
        assert (b.num_observations, b.last_seen_ns, b.missed_views) == (times + 1, times + 1, 0.0)
    assert np.array_equal(first.instances.features, again.instances.features)


@settings(max_examples=12, deadline=None)
@given(things, things, st.randoms(use_true_random=False))
@pytest.mark.slow
def test_the_order_of_instances_does_not_matter(before, after, draw):
    orders = [after, draw.sample(after, len(after))]
    results = []
    for order in orders:
        store = SceneStore()
        known = {item.id for item in update(store, before).objects}
        found = ids(update(store, after, order), order)
        results.append({thing: number if number in known else "new" for thing, number in found.items()})
    assert results[0] == results[1]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(things, st.floats(-20, 20), st.floats(-20, 20), st.floats(-0.5, 0.5), st.floats(-0.3, 0.3))
def test_a_shift_of_the_whole_map_keeps_all_ids(there, x, y, z, yaw):
    """For distinguishable things; if all look the same, the shift is unknown."""
    there = [dataclasses.replace(thing, name=k % 5, size=SIDES[k // 5]) for k, thing in enumerate(there)]
    store = SceneStore()
    first = update(store, there)
    second = update(store, there, shift=RigidTransform.about_z(yaw, (x, y, z)))
    if len(there) >= 3:
        assert ids(second, there) == ids(first, there)
        assert len(second.objects) == len(there)


# --- evidence ---------------------------------------------------------------------------------------------------------

CHAIR, SOFA, TABLE, LAMP = Thing(0, 0, 0.5), Thing(1, 1, 0.8), Thing(5, 2, 0.5), Thing(6, 3, 0.3)


def test_carried_objects_move_with_the_map_and_are_found_again():
    store, shift = SceneStore(), RigidTransform.about_z(0.2, (3.0, -2.0, 0.1))
    before = ids(update(store, [CHAIR, SOFA, TABLE, LAMP]), [CHAIR, SOFA, TABLE, LAMP])
    scene = update(store, [CHAIR, SOFA, TABLE, LAMP], [CHAIR, SOFA, TABLE], shift=shift)
    lamp = scene.find_id(before[LAMP])
    assert not lamp.found
    assert np.allclose(lamp.centroid, shift.apply(LAMP.xyz).mean(axis=0), atol=0.02)
    assert np.allclose(lamp.box.center, lamp.centroid, atol=0.02)
    assert lamp.num_points == pytest.approx(len(LAMP.xyz), rel=0.15)  # and a little floor
    after = update(store, [CHAIR, SOFA, TABLE, LAMP], shift=shift)
    assert ids(after, [CHAIR, SOFA, TABLE, LAMP]) == before


def far_floor():
    """A floor of one point far from all objects."""
    return np.zeros((1, 3)) + 50.0


def test_an_unexplained_jump_is_logged_and_known_objects_are_kept(caplog):
    store = SceneStore()
    before = {item.id for item in update(store, [CHAIR, SOFA, TABLE]).objects}
    others = [Thing(10, 4, 0.3), Thing(11, 3, 0.8), Thing(15, 4, 0.8)]
    with caplog.at_level(logging.INFO):
        scene = update(store, others, floor=far_floor)
    assert "only 0 of 3 known objects match the new result, and no shift of the whole map explains it" in caplog.text
    assert before < {item.id for item in scene.objects}
    assert len(scene.objects) == 6


def test_objects_on_a_removed_object_are_removed_with_it():
    line = np.arange(-0.1, 0.1, 0.04)
    cup = np.stack(np.meshgrid(line, line, 0.6 + np.arange(0, 0.2, 0.04)), axis=-1).reshape(-1, 3)
    table, ground = block(0.5), floor()
    cells = cells_of(ground, table, cup)
    places = [
        cells.of_mask(np.arange(len(ground), len(ground) + len(table))),
        cells.of_mask(np.arange(len(ground) + len(table), len(ground) + len(table) + len(cup))),
    ]
    empty, filled, elsewhere = cells_of(ground), cells, cells_of(ground + (50, 0, 0))
    free, held = (np.full(len(ground) + len(table) + len(cup), value) for value in (False, True))
    assert missed_view_weights(places, [], empty, free).tolist() == [CLEAR_VIEW, CLEAR_VIEW]
    assert missed_view_weights(places, [], filled, free).tolist() == [FILLED_VIEW, FILLED_VIEW]
    assert missed_view_weights(places, [], elsewhere, free).tolist() == [NO_VIEW, NO_VIEW]
    assert missed_view_weights(places, places[:1], filled, free).tolist() == [
        math.inf,
        FILLED_VIEW,
    ]  # not a table
    assert missed_view_weights(places[1:], [], filled, held).tolist() == [CLEAR_VIEW]  # part of another


def cells_of(*parts):
    xyz = np.concatenate(parts).astype(np.float32)
    voxels = VoxelMap(xyz, np.arange(len(xyz), dtype=np.int32), 0.02)
    return CloudOccupancy(Cloud(xyz, np.zeros(xyz.shape, np.uint8), "map"), voxels)


def test_filled_looks_up_all_cells_within_the_slack(rng):
    xyz = (rng.integers(-40, 40, (3000, 3)) * FINE_CELL / 4).astype(np.float32)  # on the borders of cells, too
    cloud = Cloud(xyz, np.zeros((3000, 3), np.uint8), "map")
    cells = CloudOccupancy(cloud, VoxelMap(xyz, np.arange(3000, dtype=np.int32), 0.02))
    asked = (rng.integers(-60, 60, (2000, 3)) * FINE_CELL / 4).astype(np.float32)
    corners = [
        asked.astype(np.float64) + FINE_CELL / 2 * np.array(signs) for signs in itertools.product((-1, 1), repeat=3)
    ]
    near = np.stack([cell_keys(corner, FINE_CELL) for corner in corners], axis=1)
    np.testing.assert_array_equal(fine_keys_near(asked), near)
    filled = np.isin(near, cell_keys(xyz, FINE_CELL)).any(axis=1)
    assert 0 < filled.sum() < len(filled)
    np.testing.assert_array_equal(cells.filled(asked), filled)


def test_occupancy_has_isolated_contact_and_surrounding_points():
    table, ground = block(0.5), floor()
    cells = cells_of(ground, table)
    place = cells.of_mask(np.arange(len(ground), len(ground) + len(table)))
    assert (place.xyz[place.kind == SURROUNDINGS][:, 2] < FINE_CELL).all()
    assert (place.xyz[place.kind == ISOLATED][:, 2] > FINE_CELL).all()
    assert len(np.unique(np.floor(place.own / FINE_CELL), axis=0)) == len(place.own)
    assert cells.filled(place.xyz).all()
    assert np.isin(cells.mask_of(place), np.arange(len(ground), len(ground) + len(table))).mean() > 0.8


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.floats(-3, 3), st.floats(-100, 100))
def test_a_shift_is_fitted_exactly(seed, yaw, length):
    rng = np.random.default_rng(seed)
    points, shift = rng.normal(size=(5, 3)) * 4, RigidTransform.about_z(yaw, rng.normal(size=3) * length)
    found = fit_transform(shift.apply(points), points, rotate=True)
    assert np.allclose(found.apply(points), shift.apply(points), atol=1e-6)
    box = OrientedBox(points[0], np.ones(3), 0.3)
    assert np.allclose(box.moved(shift).center, shift.apply(points)[0])


def test_no_shift_is_proposed_for_things_that_share_nothing():
    store = SceneStore()
    first, second = (update(store, there) for there in ([CHAIR, SOFA], [TABLE, LAMP]))
    tracks = [to_tracks(scene.objects, scene.instances.features) for scene in (first, second)]
    assert find_transforms(tracks[0], tracks[0]) == []  # two pairs do not prove a shift
    assert find_transforms(*tracks) == []


def test_the_number_of_carried_objects_is_bounded(monkeypatch):
    monkeypatch.setattr("spaceformer_ros.scene.continuation.MAX_CARRIED", 2)
    store = SceneStore()
    given = [
        ids(update(store, [thing], number=k), [thing])[thing] for k, thing in enumerate((CHAIR, SOFA, TABLE, LAMP))
    ]
    scene = update(store, [], floor=far_floor, number=9)
    assert [item.id for item in scene.objects] == given[:1:-1][:2]  # those found last


def test_occupancies_move_exactly():
    place = Occupancy(np.array([[1.0, 2.0, 3.0]], np.float32), np.zeros(1, np.uint8))
    assert np.allclose(place.moved(RigidTransform.about_z(math.pi / 2, (1, 0, 0))).xyz, [[-1.0, 1.0, 3.0]], atol=1e-6)


def test_the_best_total_overlap_wins():
    def place(low, high):
        x = np.arange(low, high) / 10 + 0.05
        xyz = np.stack([x, np.full_like(x, 0.05), np.full_like(x, 0.05)], axis=1).astype(np.float32)
        return Occupancy(xyz, np.zeros(len(x), np.uint8))

    def tracks(*places):
        centers = np.array([p.xyz.mean(axis=0) for p in places])
        return Tracks(places, ("box",) * len(places), np.ones((len(places), 4)), centers, np.ones((len(places), 3)))

    cells = cells_of(floor())
    known = tracks(place(0, 10), place(9, 24))
    fresh = tracks(place(0, 4), place(0, 10))  # the second is known; the first lies in it, both look alike
    assert associate(fresh, known, cells, 0.2, 0.0).partner[1] == 0
    fresh = tracks(place(8, 22), place(1, 9))
    assert associate(fresh, known, cells, 0.2, 0.0).partner.tolist() == [1, 0]


# --- sequences --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_identities_in_generated_sequences():
    """benchmarks/sequence.py, in small: growth, drift, a loop closure, things moved and removed."""
    total = Tally()
    for seed in range(3):
        sequence = make_sequence(seed, steps=9, closed_at=4, changed_at=6)
        assert sequence.moved | sequence.removed
        truth = TruthPipeline(sequence, seed)
        total += play(sequence, truth.process, truth.identify)
    print(total)
    assert total.observations > 200
    assert total.switches < 0.02 * total.observations, total.notes
    assert (total.ghosts, total.reused) == (0, 0), total.notes
    assert total.lost <= 0.02 * total.known, total.notes
    assert total.taken_away > 10
