"""Generated rooms: deterministic, exact ground truth, sensible placement, every kind, words that fit."""

import json
import pickle
from functools import cache

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.synthetic import (
    KIND_NAMES,
    KINDS,
    OBJECT_KINDS,
    STRUCTURE,
    THEME_NAMES,
    RoomConfig,
    make_room,
    object_points,
    write_room,
)
from spaceformer_ros.synthetic.colors import PALETTES, draw_color, plain
from spaceformer_ros.synthetic.covered import covered
from spaceformer_ros.synthetic.fuse import fuse
from spaceformer_ros.synthetic.path import Pose, free_floor
from spaceformer_ros.synthetic.placing import collide, make_thing
from spaceformer_ros.synthetic.room import build
from spaceformer_ros.synthetic.sampling import sample
from spaceformer_ros.synthetic.scan import Scanner, Sensor
from spaceformer_ros.synthetic.shapes import CUP, PIPE, Shape, rotation
from spaceformer_ros.synthetic.surfaces import Surfaces
from spaceformer_ros.synthetic.themes import THEMES
from spaceformer_ros.words.color_words import COLOR_WORDS, color_word

SMALL = RoomConfig(width=(3.0, 4.0), depth=(3.0, 4.0))
SEEDS = (0, 1, 2, 3, 4)


@cache
def scanned(seed):
    return make_room(seed, SMALL)


@cache
def clean(seed):
    return make_room(seed, RoomConfig(scan=False, width=(3.0, 4.0), depth=(3.0, 4.0), fusion_size=(0.025, 0.025)))


@cache
def building(seed, theme=None, rooms=1):
    return build(np.random.default_rng(seed), RoomConfig(theme=theme, rooms=rooms))


def same(a, b):
    arrays = all(
        np.array_equal(x, y)
        for x, y in ((a.cloud.xyz, b.cloud.xyz), (a.cloud.rgb, b.cloud.rgb), (a.instance, b.instance), (a.kind, b.kind))
    )
    boxes = all(np.array_equal(p.box.corners, q.box.corners) for p, q in zip(a.objects, b.objects, strict=False))
    return arrays and boxes and [o.captions() for o in a.objects] == [o.captions() for o in b.objects]


# -- one room is one value -------------------------------------------------------------------------------------------


def test_a_seed_and_a_config_decide_everything():
    again = make_room(3, SMALL)
    assert same(scanned(3), again)
    np.random.seed(1)  # noqa: NPY002 (global state must not matter)
    assert same(make_room(3, SMALL), again)


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


# -- ground truth ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_clean_points_lie_exactly_in_the_box_of_their_object(seed):
    room = clean(seed)
    for thing, index in zip(room.objects, object_points(room), strict=True):
        points = room.cloud.xyz[index]
        assert thing.box.contains(points, 0.002).all(), thing.kind
        # and the box is tight: without its outermost tenth it would lose points on every side it was cut on
        reach = np.abs((points - thing.box.center) @ np.eye(3)).max(axis=0)
        assert reach[2] > 0.4 * thing.box.size[2] or len(index) < 200, thing.kind


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
    assert (room.instance[room.is_structure] == -1).all()


def test_too_little_seen_means_not_listed():
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


# -- placement -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEME_NAMES)
def test_things_do_not_enter_each_other(theme):
    # A window holds its blinds, a counter its sink, and an open door may brush what stands there.
    carriers = {"window", "kitchen counter", "door"}
    for seed in (10, 11):
        things = building(seed, theme).furniture
        volumes = [thing.volumes for thing in things]
        for i, thing in enumerate(things):
            for j in range(i):
                if thing.kind in carriers or things[j].kind in carriers:
                    continue
                hit = collide(volumes[i], volumes[j], touch=0.01).any()
                assert not hit, f"{theme}: {thing.kind} in {things[j].kind}"


def test_collision_knows_turned_boxes_and_heights():
    def box(x, y, yaw, z0=0.0, z1=1.0):
        return np.array([[x, y, 0.5, 0.1, np.cos(yaw), np.sin(yaw), z0, z1]])

    assert collide(box(0, 0, 0), box(0.9, 0, 0)).all()
    assert not collide(box(0, 0, 0), box(1.1, 0, 0)).any()
    assert not collide(box(0, 0, 0), box(0.0, 0.4, 0)).any()
    assert collide(box(0, 0, 0), box(0.0, 0.4, np.pi / 2)).all()
    assert not collide(box(0, 0, np.pi / 4), box(0.45, -0.45, np.pi / 4)).any()
    assert not collide(box(0, 0, 0), box(0, 0, 0, 1.0, 2.0)).any()


def test_things_stay_in_their_room_and_leave_floor_to_drive_on():
    for seed in range(6):
        made = building(seed)
        plan = made.plans[0]
        x0, y0, x1, y1 = plan.bounds
        for thing in made.furniture:
            if thing.kind not in ("door", "window"):  # they fill holes in the wall
                v = thing.volumes
                assert (v[:, :2] > np.array([x0, y0]) - 0.02).all(), thing.kind
                assert (v[:, :2] < np.array([x1, y1]) + 0.02).all(), thing.kind
        free = free_floor(made.plans, made.doorways, made.furniture, 0.8)
        assert len(free) * 0.01 > 0.08 * plan.area


def test_chairs_at_tables_look_at_them():
    looking, total = 0, 0
    for seed in range(6):
        things = building(seed, "dining room").furniture
        for table in (thing for thing in things if thing.kind == "table"):
            for chair in (thing for thing in things if thing.kind == "chair"):
                ahead = np.array([np.sin(chair.yaw), -np.cos(chair.yaw)])
                towards = np.array([table.x - chair.x, table.y - chair.y])
                distance = np.linalg.norm(towards)
                if distance < 1.2:
                    total += 1
                    looking += ahead @ towards / distance > 0.5
    assert total >= 10
    assert looking > 0.8 * total


def test_several_rooms_are_connected():
    made = building(5, None, 4)
    assert len(made.plans) == 4
    assert len(made.doorways) == 3
    reached = {0}
    for doorway in made.doorways:
        assert doorway.rooms[0] in reached
        reached.add(doorway.rooms[1])
    for doorway in made.doorways:  # each cuts a hole into both walls
        for number in doorway.rooms:
            width = max(doorway.area[3] - doorway.area[1], doorway.area[2] - doorway.area[0])
            holes = [o[1] - o[0] for wall in made.plans[number].walls for o in wall.openings if o[2] == 0.0]
            assert any(abs(hole - width) < 1e-6 for hole in holes)
    room = make_room(5, RoomConfig(rooms=3, width=(2.5, 3.5), depth=(2.5, 3.5), tours=(1, 0, 0)))
    low, high = room.cloud.bounds
    assert max(high[:2] - low[:2]) > 4.5  # more than one room was seen


# -- kinds and words -------------------------------------------------------------------------------------------------


def test_there_are_many_kinds_and_names_are_not_ambiguous():
    assert len(OBJECT_KINDS) >= 45
    assert set(STRUCTURE) == {"wall", "floor", "ceiling"}
    names = [name for kind in KINDS.values() for name in (*kind.names, *kind.held_out)]
    assert len(names) == len(set(names))
    assert all(kind.held_out for kind in KINDS.values())


@pytest.mark.parametrize(
    ("kind", "held_out"),
    [
        ("sofa", "couch"),
        ("refrigerator", "fridge"),
        ("trash can", "bin"),
        ("bookshelf", "bookcase"),
        ("television", "telly"),
    ],
)
def test_known_synonyms_are_held_out(kind, held_out):
    assert held_out in KINDS[kind].held_out


@pytest.mark.parametrize("kind", OBJECT_KINDS)
def test_every_kind_can_be_built_in_many_forms(kind):
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(6):
        shape = make_thing(rng, kind).shape
        low, high = shape.bounds()
        xyz, normal, primitive = sample(shape.table, 0.02, rng)
        assert len(xyz) > 20
        assert abs(low[2]) < 1e-9
        assert (xyz > low - 1e-4).all()
        assert (xyz < high + 1e-4).all()
        assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-3)
        assert primitive.max() < len(shape.table)
        assert 0.05 < (high - low).max() < 4.5
        sizes.append(tuple(np.round(high - low, 4)))
    assert len(set(sizes)) > 1


def test_every_kind_occurs_in_some_room():
    # themes x seeds in a fixed order, until all have been seen
    missing = set(OBJECT_KINDS)
    for seed in range(20):
        for theme in THEME_NAMES:
            if missing:
                things = build(np.random.default_rng([seed, 7]), RoomConfig(theme=theme, density=1.5)).furniture
                missing -= {thing.kind for thing in things}
    assert not missing


def test_themes_name_known_kinds_only():
    for theme in THEMES.values():
        assert {*theme.along, *theme.corners, *theme.hung, *theme.loose} <= set(OBJECT_KINDS)


def test_held_out_names_are_in_no_caption():
    held_out = {name for kind in KINDS.values() for name in kind.held_out}
    phrases = {f" {c} " for seed in SEEDS for o in clean(seed).objects for c in o.captions()}
    phrases |= {f" {name} " for kind in KINDS.values() for name in kind.names}
    found = {name for name in held_out for phrase in phrases if f" {name} " in phrase}
    assert not found


def test_captions_describe_the_object():
    thing = next(o for o in clean(0).objects if o.second_color is None)
    captions = thing.captions()
    assert thing.kind in captions
    assert f"{thing.color} {thing.kind}" in captions
    assert f"{thing.color} {thing.material} {thing.kind}" in captions
    assert all(any(name in caption for name in thing.names) for caption in captions)
    assert thing.captions(np.random.default_rng(0))[0] in captions


def test_captions_are_english():
    phrases = {c for seed in SEEDS for o in clean(seed).objects for c in o.captions()}
    assert any(phrase.startswith("an o") for phrase in phrases)
    assert not any(phrase.startswith(("a a", "a o", "an b", "an r")) for phrase in phrases)
    assert not any(phrase.startswith("a ") and phrase.endswith(("blinds", "drapes", "sneakers")) for phrase in phrases)


@pytest.mark.parametrize("word", COLOR_WORDS)
def test_a_shade_of_a_word_reads_as_this_word(word):
    rng = np.random.default_rng(0)
    palette = next(name for name, words in PALETTES.items() if word in words)
    colors = [draw_color(rng, palette) for _ in range(200)]
    named = [color for color in colors if color_word(color) == word]
    assert named
    assert min(min(color) for color in named) >= 0
    assert {color_word(color) for color in colors} <= set(PALETTES[palette])


def test_color_words_match_the_points_of_plain_objects():
    one_color = {
        "ball",
        "trash can",
        "refrigerator",
        "office chair",
        "sofa",
        "armchair",
        "bottle",
        "cup",
        "towel",
        "suitcase",
    }
    near = {
        ("white", "gray"),
        ("beige", "gray"),
        ("gray", "black"),
        ("beige", "brown"),
        ("brown", "black"),
        ("yellow", "beige"),
    }
    right, total = 0, 0
    for seed in range(12):
        room = make_room(seed, RoomConfig(scan=False, fusion_size=(0.04, 0.04)))
        for thing, index in zip(room.objects, object_points(room), strict=True):
            if thing.kind in one_color:
                seen = color_word(np.median(room.cloud.rgb[index], axis=0))
                total += 1
                right += seen in (thing.color, thing.second_color) or (thing.color, seen) in near
    assert total > 20
    assert right >= 0.88 * total


# -- geometry and fusion ---------------------------------------------------------------------------------------------


def test_bounds_are_exact_for_turned_primitives():
    paint, turn = plain((200, 10, 10)), (0.4, 0.3, -0.7)
    shape = Shape()
    shape.block((1, 2, 3), (0.5, 0.3, 0.2), paint, turn)
    shape.ball((0, 0, 0), (0.5, 0.2, 0.9), paint, turn)
    shape.cushion((0, 0, 0), (0.5, 0.6, 0.9), paint, turn, 5)
    shape.round((0, 0, 0), (0.4, 0.4, 0.7), paint, turn, 0.5, CUP)
    shape.round((0, 0, 0), (0.4, 0.2, 0.7), paint, turn, 1.3, PIPE)
    shape.ring((0, 0, 0), 0.3, 0.05, paint, turn)
    shape.sheet((0, 0, 0), (0.5, 0.05, 0.9), paint, None, 6)
    for row in range(len(shape.table)):
        one = Shape()
        one._tables, one.paints = [shape.table[row : row + 1]], shape.paints
        low, high = one.bounds()
        xyz, _, _ = sample(one.table, 0.004, np.random.default_rng(0))
        assert (xyz > low - 1e-5).all()
        assert (xyz < high + 1e-5).all()
        assert np.abs(xyz.min(axis=0) - low).max() < 0.012
        assert np.abs(xyz.max(axis=0) - high).max() < 0.012


def test_normals_point_outwards_and_density_follows_the_spacing():
    shape = Shape()
    shape.ball((0, 0, 5), 2.0, plain((9, 9, 9)))
    xyz, normal, _ = sample(shape.table, 0.05, np.random.default_rng(0))
    assert (normal * (xyz - [0, 0, 5])).sum(axis=1).min() > 0.95
    assert len(xyz) == pytest.approx(6 * 4 / 0.05**2, rel=0.05)  # a cube's faces, pushed onto the ball
    cup = Shape()
    cup.post(0, 0, 1, 2, 0.5, plain((9, 9, 9)), form=CUP)
    xyz, normal, _ = sample(cup.table, 0.05, np.random.default_rng(0))
    side = np.abs(normal[:, 2]) < 0.5
    outwards = (normal * xyz)[side, :2].sum(axis=1) > 0
    radius = np.linalg.norm(xyz[side, :2], axis=1)
    assert radius[outwards].min() > 0.495 > radius[~outwards].max()  # the inner wall looks at the axis
    x, y, z = np.array(rotation(0.3, 0.2, 0.1))
    assert np.allclose(np.cross(x, y), z)


def test_a_front_covers_what_is_behind_it():
    paint, shape = plain((9, 9, 9)), Shape()
    shape.slab((-0.5, -0.5, 1), (0.5, 0.5, 2), paint)
    shape.slab((-0.5, -0.51, 1), (0.5, -0.5, 1.5), paint)  # the lower half of the front face
    table = shape.table
    xyz, normal, primitive = sample(table, 0.02, np.random.default_rng(0))
    hidden = covered(table, np.zeros(2, int), xyz, normal, primitive)
    face = (primitive == 0) & (normal[:, 1] < -0.9)
    assert hidden[face & (xyz[:, 2] < 1.49)].all()
    assert not hidden[face & (xyz[:, 2] > 1.51)].any()
    assert not hidden[(primitive == 1) & (normal[:, 1] < -0.9)].any()


def test_fusion_agrees_with_a_slow_reference():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-0.2, 0.2, (3000, 3)).astype(np.float32)
    rgb = rng.uniform(0, 255, (3000, 3)).astype(np.float32)
    weight, label = rng.uniform(0.5, 2, 3000).astype(np.float32), rng.integers(0, 4, 3000)
    cells = {}
    for i, cell in enumerate(map(tuple, np.floor(xyz * np.float32(1 / 0.05)).astype(int))):
        cells.setdefault(cell, []).append(i)
    expected = sorted(tuple(np.average(xyz[i], axis=0, weights=weight[i])) for i in cells.values() if len(i) >= 2)
    points, colors, labels = fuse(xyz, rgb, weight, label, 0.05, least_hits=2)
    assert np.allclose(sorted(map(tuple, points)), expected, atol=1e-5)
    counts = {c: np.bincount(label[i], minlength=4) for c, i in cells.items()}
    for point, chosen in zip(points, labels, strict=True):
        votes = counts[tuple(np.floor(point * np.float32(1 / 0.05)).astype(int))]
        assert votes[chosen] == votes.max()
    assert colors.dtype == np.uint8


def look_at_planes(distances, widths, noise=1.0):
    """One view along y of square planes of some widths (metres) at some distances; which plane each point is from."""
    shape = Shape()
    for distance, width in zip(distances, widths, strict=True):
        shape.sheet((0, distance, 1), (width, 0, width), plain((150, 150, 150)), None, one_sided=True)
    xyz, normal, plane = sample(shape.table, 0.02, np.random.default_rng(0))
    count = len(xyz)
    surfaces = Surfaces(xyz, normal, np.full((count, 3), 150, np.float32), np.zeros(count, np.float32), plane)
    sensor = Sensor((0.58, 0.42), (0.3, 6.0), noise, 0.0, 0.0, 1.0)
    scanner = Scanner(surfaces, 0.02, sensor, np.random.default_rng(0))
    seen = scanner.view(Pose((0.0, 0.0, 1.0), np.pi / 2, 0.0), np.zeros(3), 0.0, np.random.default_rng(1))
    return seen, plane[seen.source]


def test_a_camera_does_not_see_through_things():
    seen, plane = look_at_planes((1.0, 3.0), (0.5, 2.2))
    behind = seen.xyz[plane == 1]
    shadow = 0.25 / 1.0 * 3.0  # half the width of what the near plane hides of the far one
    hidden = (np.abs(behind[:, [0, 2]] - [0, 1]) < shadow - 0.08).all(axis=1)
    assert (plane == 0).sum() > 300
    assert len(behind) > 1000
    assert hidden.sum() < 0.01 * len(behind)
    alone, _ = look_at_planes((3.0,), (2.2,))
    assert (np.abs(alone.xyz[:, [0, 2]] - [0, 1]) < shadow - 0.08).all(axis=1).sum() > 1000


def test_depth_noise_grows_with_the_distance():
    spread = {distance: look_at_planes((distance,), (1.0,))[0].xyz[:, 1].std() for distance in (1.0, 2.0, 4.0)}
    for distance, measured in spread.items():
        assert measured == pytest.approx(0.0012 + 0.0019 * (distance - 0.4) ** 2, rel=0.4)
    assert look_at_planes((2.0,), (1.0,), noise=0.0)[0].xyz[:, 1].std() < 1e-5


# -- settings and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [{"rooms": 0}, {"density": -1}, {"width": (1, 3)}, {"fusion_size": (0.03, 0.02)}, {"tours": (0, 0, 0)}]
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(SpaceformerError, match=next(iter(bad))):
        RoomConfig(**bad)


def test_an_unknown_theme_is_refused():
    with pytest.raises(SpaceformerError, match="ballroom"):
        make_room(0, RoomConfig(theme="ballroom"))


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
