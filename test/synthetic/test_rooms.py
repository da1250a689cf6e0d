# SPDX-License-Identifier: Apache-2.0
"""Generated rooms: deterministic, with exact ground truth; settings and files."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from helpers.rooms import SEEDS, SMALL, clean, scanned

from spaceformer_ros import SpaceformerError
from spaceformer_ros.synthetic import (
    KIND_NAMES,
    KINDS,
    STRUCTURE,
    RoomConfig,
    make_room,
    object_points,
    write_room,
)
from spaceformer_ros.synthetic.table_top import TABLES, make_table_top


def same(a, b):
    arrays = all(
        np.array_equal(x, y)
        for x, y in ((a.cloud.xyz, b.cloud.xyz), (a.cloud.rgb, b.cloud.rgb), (a.instance, b.instance), (a.kind, b.kind))
    )
    boxes = all(np.array_equal(p.box.corners, q.box.corners) for p, q in zip(a.objects, b.objects, strict=False))
    return arrays and boxes and [o.captions() for o in a.objects] == [o.captions() for o in b.objects]


@pytest.mark.slow
def test_a_seed_and_a_config_decide_everything():
    again = make_room(3, SMALL)
    assert same(scanned(3), again)
    np.random.seed(1)  # noqa: NPY002 (global state must not matter)
    assert same(make_room(3, SMALL), again)


@pytest.mark.slow
def test_other_seeds_and_configs_give_other_rooms():
    assert not same(scanned(0), scanned(1))
    crowded = make_room(0, RoomConfig(width=(3.0, 4.0), depth=(3.0, 4.0), density=1.8))
    assert not same(scanned(0), crowded)


def test_scan_settings_leave_the_furniture_alone():
    noisy = make_room(2, RoomConfig(width=(3.0, 4.0), depth=(3.0, 4.0), noise=2.0, drift=0.05))
    full = {(o.kind, *np.round(o.box.center, 4)) for o in clean(2).objects}
    assert noisy.objects
    assert {(o.kind, *np.round(o.box.center, 4)) for o in noisy.objects} <= full


def test_a_room_survives_pickling():
    assert same(pickle.loads(pickle.dumps(scanned(1))), scanned(1))


@pytest.mark.parametrize("seed", SEEDS)
def test_arrays_agree_in_shape_type_and_range(seed):
    room = scanned(seed)
    count = len(room.cloud)
    assert count > 3000
    assert np.isfinite(room.cloud.xyz).all()
    assert (room.instance.dtype, room.instance.shape) == (np.int32, (count,))
    assert (room.kind.dtype, room.kind.shape) == (np.int16, (count,))
    assert room.instance.min() == -1
    assert room.instance.max() == len(room.objects) - 1
    assert room.kind.min() >= 0
    assert room.kind.max() < len(KIND_NAMES)
    floor = room.cloud.xyz[room.kind == KIND_NAMES.index("floor"), 2]
    assert abs(np.median(floor)) < 0.06  # floor near z = 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_box_of_an_object_is_the_tight_bound_of_its_clean_points(seed):
    room = clean(seed)
    for thing, index in zip(room.objects, object_points(room), strict=True):
        points = room.cloud.xyz[index]
        assert thing.box.contains(points, 0.002).all(), thing.kind
        c, s = np.cos(thing.box.yaw), np.sin(thing.box.yaw)
        extent = np.ptp((points - thing.box.center) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), axis=0)
        # the box is tight: samples are one per 2.5 cm, so each side of the box has one within this distance
        assert (extent > thing.box.size - 0.03).all(), f"{thing.kind}: {thing.box.size - extent}"


@pytest.mark.parametrize("seed", SEEDS)
def test_scanned_points_lie_in_the_box_grown_by_the_noise(seed):
    room = scanned(seed)
    assert len(room.objects) >= 3
    for thing, index in zip(room.objects, object_points(room), strict=True):
        points = room.cloud.xyz[index]
        assert thing.box.contains(points, 0.25).all(), thing.kind
        assert thing.box.contains(points, 0.1).mean() > 0.93, thing.kind


@pytest.mark.parametrize("seed", SEEDS)
def test_every_object_has_enough_points_and_its_own_kind(seed):
    room = scanned(seed)
    for thing, index in zip(room.objects, object_points(room), strict=True):
        assert len(index) >= SMALL.min_points
        assert (room.kind[index] == KIND_NAMES.index(thing.kind)).all()
        assert not KINDS[thing.kind].structure
    structure = np.isin(room.kind, [KIND_NAMES.index(name) for name in STRUCTURE])
    assert (room.instance[structure] == -1).all()


def test_objects_with_few_points_are_not_listed():
    strict = make_room(0, RoomConfig(width=(3.0, 4.0), depth=(3.0, 4.0), min_points=400))
    assert 0 < len(strict.objects) < len(scanned(0).objects)
    assert all(len(index) >= 400 for index in object_points(strict))


def test_a_scan_sees_less_than_there_is():
    seen = sum(len(scanned(seed).objects) for seed in SEEDS)
    there = sum(len(clean(seed).objects) for seed in SEEDS)
    assert 0.3 * there < seen < 0.95 * there


def test_a_scanned_wall_is_bumpy_and_a_clean_one_is_flat():
    def thickness(room):
        floor = room.cloud.xyz[room.kind == KIND_NAMES.index("floor")]
        return floor[:, 2].std()

    assert thickness(clean(1)) < 1e-6 < 0.001 < thickness(scanned(1)) < 0.06


def test_a_few_frames_are_partial_and_their_depth_has_coarse_steps():
    rooms = RoomConfig(width=(6.0, 6.5), depth=(6.0, 6.5))
    frames = rooms.in_few_frames()
    whole, coarse, smooth = (make_room(0, c) for c in (rooms, *(replace(frames, coarse_depth=s) for s in (1.0, 0.0))))

    def roughness(room):
        return room.cloud.xyz[room.kind == KIND_NAMES.index("floor"), 2].std()

    assert len(coarse.cloud) < 0.5 * len(whole.cloud)
    assert roughness(coarse) > 1.5 * roughness(smooth)


@pytest.mark.parametrize(
    "bad",
    [
        {"rooms": 0},
        {"density": -1},
        {"width": (1, 3)},
        {"fusion_size": (0.03, 0.02)},
        {"tours": (0, 0, 0)},
        {"coarse_depth": 2},
    ],
)
def test_invalid_settings_are_refused(bad):
    with pytest.raises(SpaceformerError, match=next(iter(bad))):
        RoomConfig(**bad)


def test_an_unknown_theme_is_refused():
    with pytest.raises(SpaceformerError, match="ballroom"):
        make_room(0, RoomConfig(theme="ballroom"))


@pytest.mark.slow
def test_an_empty_room_is_a_room():
    room = make_room(0, RoomConfig(density=0, tours=(1, 0, 0)))
    assert len(room.cloud) > 1000
    assert all(o.kind in ("door", "window", "curtain", "blinds", "radiator") for o in room.objects)


def test_a_written_room_can_be_read_back(tmp_path):
    room = scanned(4)
    ply, description = write_room(room, tmp_path / "rooms", "four")
    raw = ply.read_bytes()
    end = raw.index(b"end_header\n") + len(b"end_header\n")
    header = raw[:end].decode("ascii").splitlines()
    assert header[:3] == ["ply", "format binary_little_endian 1.0", f"element vertex {len(room.cloud)}"]
    names = {"float": "<f4", "uchar": "u1", "int": "<i4"}
    fields = [line.split()[1:] for line in header if line.startswith("property")]
    vertex = np.frombuffer(raw[end:], dtype=[(name, names[kind]) for kind, name in fields])
    assert list(vertex.dtype.names) == ["x", "y", "z", "red", "green", "blue", "instance", "kind"]
    assert np.array_equal(np.stack([vertex[a] for a in "xyz"], axis=1), room.cloud.xyz)
    assert np.array_equal(np.stack([vertex[c] for c in ("red", "green", "blue")], axis=1), room.cloud.rgb)
    assert np.array_equal(vertex["instance"], room.instance)
    assert np.array_equal(vertex["kind"], room.kind)
    told = json.loads(description.read_text())
    assert told["seed"] == 4
    assert told["kinds"] == list(KIND_NAMES)
    assert len(told["objects"]) == len(room.objects)
    assert told["objects"][0]["kind"] == room.objects[0].kind
    assert np.allclose(told["objects"][0]["box"]["center"], room.objects[0].box.center, atol=1e-3)


def test_a_table_top_has_its_things_on_one_table():
    scene = make_table_top(3)
    assert 6 <= len(scene.objects) - 1 <= 16
    assert np.ptp(scene.cloud.xyz[:, 2]) < 1.2
    table = next(item for item in scene.objects if item.kind in TABLES)
    assert all(table.box.contains(item.box.center[None], margin=1.0)[0] for item in scene.objects)
    assert np.array_equal(scene.cloud.xyz, make_table_top(3).cloud.xyz)
