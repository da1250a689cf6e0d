# SPDX-License-Identifier: Apache-2.0
"""The layout of simple buildings: every part is known exactly."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.buildings import HEIGHT, cloud_of, floor, two_rooms, wall

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.layout import painted as painted_doors
from spaceformer_ros.layout import rooms as room_outlines
from spaceformer_ros.layout.find import LayoutFinder, find_layout
from spaceformer_ros.layout.structure import Layout


@pytest.mark.parametrize("yaw", [0.0, 0.5, 2.2])
def test_two_rooms_with_a_door_and_a_window(yaw):
    shift = np.array([10.0, -20.0, 1.0])
    layout = find_layout(cloud_of(*two_rooms(), yaw=yaw, shift=shift))
    straight = layout.moved(RigidTransform.about_z(yaw, shift).inverse)
    assert sorted(round(room.area, 0) for room in straight.rooms) == [9.0, 12.0]
    (storey,) = straight.storeys
    assert (storey.floor_z, storey.ceiling_z) == pytest.approx((0.0, HEIGHT), abs=0.06)

    (door,) = straight.doors
    between = straight.item("walls", door.wall)
    assert between.thickness == pytest.approx(0.14, abs=0.04)
    assert door.center == pytest.approx((4.07, 1.45, 1.0), abs=0.08)
    assert (door.width, door.height, door.state) == (pytest.approx(0.9, abs=0.12), pytest.approx(2.0, abs=0.12), "open")
    assert sorted(door.rooms) == sorted((straight.room_at((1, 1, 1)).id, straight.room_at((6, 1, 1)).id))

    (window,) = straight.windows
    assert window.center == pytest.approx((1.8, 0.0, 1.45), abs=0.1)
    assert (window.width, window.sill) == (pytest.approx(1.2, abs=0.15), pytest.approx(0.9, abs=0.12))
    assert all(item.thickness == 0 for item in straight.walls if item.id != between.id)


def test_storeys_are_separated():
    upper = [*two_rooms(2.8), floor(0, 0, 7.14, 3, HEIGHT)]
    layout = find_layout(cloud_of(*two_rooms(), *upper))
    assert [storey.floor_z for storey in layout.storeys] == pytest.approx([0.0, 2.8], abs=0.06)
    assert layout.storeys[0].ceiling_z == pytest.approx(HEIGHT, abs=0.06)
    assert len({room.id for room in layout.rooms}) == len(layout.rooms) == 4
    assert layout.room_at((1, 1, 3.5)).storey == 2
    assert all(layout.item("walls", door.wall).storey == layout.storey_at(door.center[2]).id for door in layout.doors)


def test_a_house_with_a_small_cellar():
    """A wall of the house has as many points at each height as a third of the cellar's floor."""
    cellar = [floor(0, 0, 2.5, 2, -2.8), *(wall(a, b, z=-2.8) for a, b in (((0, 0), (2.5, 0)), ((0, 2), (2.5, 2))))]
    cellar += [wall((0, 0), (0, 2), z=-2.8), wall((2.5, 0), (2.5, 2), z=-2.8)]
    layout = find_layout(cloud_of(*cellar, *two_rooms(), floor(0, 0, 7.14, 3, HEIGHT)))
    assert [storey.floor_z for storey in layout.storeys] == pytest.approx([-2.8, 0.0], abs=0.06)
    assert [room.storey for room in layout.rooms] == [1, 2, 2]


def test_ceiling_is_no_storey():
    layout = find_layout(cloud_of(*two_rooms(), floor(0, 0, 7.14, 3, HEIGHT)))
    assert len(layout.storeys) == 1


def test_a_loft_in_which_nobody_can_stand_is_no_storey():
    low = [
        floor(0, 0, 7.14, 3, 2.2),
        *(wall(a, b, z=2.2, height=1.1) for a, b in (((0, 0), (7.14, 0)), ((0, 3), (7.14, 3)))),
    ]
    layout = find_layout(cloud_of(floor(0, 0, 7.14, 3), wall((0, 0), (7.14, 0), height=2.2), *low))
    assert len(layout.storeys) == 1


def test_slanted_wall():
    corners = [(0, 0), (5, 0), (5, 2), (3.5, 4), (0, 4)]
    sides = [wall(a, b) for a, b in zip(corners, corners[1:] + corners[:1])]
    ground = floor(0, 0, 5, 4)
    inside = ground[(ground[:, 0] - 3.5) * 2 + (ground[:, 1] - 4) * 1.5 < 0]
    layout = find_layout(cloud_of(inside, *sides, yaw=0.3))
    assert sorted(round(item.length, 1) for item in layout.walls) == pytest.approx([2.0, 2.5, 3.5, 4.0, 5.0], abs=0.15)
    assert [room.area for room in layout.rooms] == pytest.approx([18.5], abs=0.4)


def test_l_shaped_room_is_one_room():
    corners = [(0, 0), (5, 0), (5, 2.5), (3, 2.5), (3, 5), (0, 5)]
    sides = [wall(a, b) for a, b in zip(corners, corners[1:] + corners[:1])]
    layout = find_layout(cloud_of(floor(0, 0, 5, 2.5), floor(0, 2.5, 3, 5), *sides))
    (room,) = layout.rooms
    assert (len(room.outline), room.area) == (6, pytest.approx(20.0, abs=0.3))


@pytest.mark.parametrize("inside", [(), (floor(2, 2, 5, 4),)])
def test_a_corridor_around_a_room_or_a_courtyard(inside):
    """Its outline is one ring around what it surrounds, which is no part of it."""
    parts = [floor(0, 0, 7, 1.86), floor(0, 4.14, 7, 6), floor(0, 1.8, 1.86, 4.2), floor(5.14, 1.8, 7, 4.2), *inside]
    for x0, y0, x1, y1 in ((0, 0, 7, 6), (1.86, 1.86, 5.14, 4.14), *((2, 2, 5, 4) for _ in inside)):
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        parts += [wall(a, b) for a, b in zip(corners, corners[1:] + corners[:1])]
    layout = find_layout(cloud_of(*parts, yaw=0.3))
    areas = [round(room.polygon.area, 1) for room in layout.rooms]
    assert areas == pytest.approx([42 - 3.28 * 2.28, *(6.0 for _ in inside)], abs=0.2)
    assert all(room.polygon.is_valid for room in layout.rooms)


def test_what_was_seen_through_a_window_is_no_part_of_a_room():
    sides = (
        wall((0, 0), (4, 0)),
        wall((4, 0), (4, 3)),
        wall((4, 3), (0, 3)),
        wall((0, 0), (0, 3), [(0.6, 2.4, 0.3, 2.0)]),
    )
    behind = [floor(-0.2, -0.1, -0.05, 3.1, z) for z in np.arange(0.0, 2.0, 0.1)]
    layout = find_layout(cloud_of(floor(0, 0, 4, 3), *sides, *behind))
    assert [room.area for room in layout.rooms] == pytest.approx([12.0], abs=0.2)


def test_a_wall_is_not_continued_across_open_floor():
    corners = [(0, 0), (5, 0), (5, 1.8), (3, 1.8), (3, 5), (0, 5)]
    sides = [wall(a, b) for a, b in zip(corners, corners[1:] + corners[:1])]
    del sides[2]  # a wall of glass: the wall before it ends nowhere
    layout = find_layout(cloud_of(floor(0, 0, 5, 1.8), floor(0, 1.8, 3, 5), *sides))
    assert [room.area for room in layout.rooms] == pytest.approx([18.6], abs=0.3)
    assert layout.doors == ()


def test_a_doorway_as_wide_as_its_wall_is_found_by_its_lintel():
    door = [(0.2, 2.75, 0.0, 2.05)]
    parts = [*two_rooms()[:-2], floor(4, 0.2, 4.14, 2.75), wall((4, 0), (4, 3), door), wall((4.14, 0), (4.14, 3), door)]
    layout = find_layout(cloud_of(*parts))
    assert sorted(room.area for room in layout.rooms) == pytest.approx([9.0, 12.0], abs=0.4)
    assert [found.width for found in layout.doors] == pytest.approx([2.5], abs=0.15)


def test_a_wall_seen_from_one_side_before_a_doorway_and_from_the_other_behind_it():
    rooms = (0, 0, 4, 5), (4.14, 0, 8, 5)
    sides = [wall((a, y), (b, y)) for a, _, b, _ in rooms for y in (0, 5)] + [wall((x, 0), (x, 5)) for x in (0, 8)]
    between = wall((4, 0), (4, 2.0)), wall((4.14, 2.8), (4.14, 5))
    layout = find_layout(cloud_of(*(floor(*room) for room in rooms), *sides, *between))
    (door,) = layout.doors
    assert layout.item("walls", door.wall).thickness == pytest.approx(0.14, abs=0.04)
    assert (door.center, door.width) == (pytest.approx((4.07, 2.4, 1.0), abs=0.1), pytest.approx(0.8, abs=0.12))
    assert len(layout.rooms) == 2


def test_a_row_of_low_furniture_does_not_divide_a_room():
    row = wall((3.0, 0), (3.0, 1.6), height=1.7), wall((3.0, 2.4), (3.0, 4), height=1.7)
    sides = wall((0, 0), (6, 0)), wall((0, 4), (6, 4)), wall((0, 0), (0, 4)), wall((6, 0), (6, 4))
    layout = find_layout(cloud_of(floor(0, 0, 6, 4), *sides, *row))
    assert [len(layout.rooms), len(layout.walls), len(layout.doors)] == [1, 4, 0]


def test_walls_are_no_thicker_than_two_faces_allow():
    faces = [wall((x, 0), (x, 3)) for x in (4.0, 4.3, 4.6)]
    layout = find_layout(cloud_of(*two_rooms()[:-2], *faces))
    assert max(item.thickness for item in layout.walls) < 0.45


def test_a_room_seen_in_part_has_no_wall_where_nothing_was_seen():
    layout = find_layout(cloud_of(floor(0, 0, 3, 3), wall((0, 0), (0, 3)), wall((0, 0), (3, 0)), wall((0, 3), (3, 3))))
    assert len(layout.walls) == 3
    assert [room.area for room in layout.rooms] == pytest.approx([9.0], abs=0.5)


def box(label, center, size):
    return SimpleNamespace(label=label, score=0.9, box=OrientedBox(np.array(center), np.array(size), 0.0))


def test_instances_become_doors_and_windows():
    closed, pane = box("door", (1.0, 3.0, 1.0), (0.9, 0.06, 2.0)), box("window", (5.6, 3.0, 1.5), (1.2, 0.1, 1.0))
    elsewhere, cabinet = (
        box("door", (2.0, 1.5, 1.0), (0.9, 0.1, 2.0)),
        box("cabinet door", (3.0, 3.0, 1.0), (0.6, 0.1, 2)),
    )
    layout = find_layout(cloud_of(*two_rooms()), [closed, pane, elsewhere, cabinet])
    assert sorted(door.state for door in layout.doors) == ["closed", "open"]
    door = next(door for door in layout.doors if door.state == "closed")
    assert sorted(door.rooms) == [0, layout.room_at((1, 1, 1)).id]
    assert len(layout.windows) == 2


@pytest.mark.parametrize(
    ("score", "size", "found"),
    [
        (0.5, (0.9, 0.06, 2.0), True),
        (0.5, (1.25, 0.06, 2.0), False),  # wider than a leaf
        (0.5, (0.9, 0.06, 2.3), False),  # as high as the wall
        (0.3, (0.9, 0.06, 2.0), False),
        (0.9, (1.25, 0.06, 2.0), False),
        (0.9, (0.9, 0.06, 1.5), False),
    ],
)
def test_doors_of_the_colour_of_their_wall_need_a_score_and_the_size_of_a_leaf(score, size, found):
    door = box("door", (1.9, 3.0, size[2] / 2), size)
    door.score = score
    layout = find_layout(cloud_of(*two_rooms()), [door])
    assert [door.state for door in layout.doors].count("closed") == found


def test_a_door_whose_upper_part_was_not_seen():
    cut = box("door", (1.95, 3.0, 0.7), (0.9, 0.06, 1.4))
    bare = painted(cloud_of(*two_rooms()), (BROWN, 1.5, 2.4, -0.1, 2.6))  # no door by its colour alone
    (door,) = [door for door in find_layout(bare, [cut]).doors if door.state == "closed"]
    assert (door.width, door.height) == (pytest.approx(0.9, abs=0.1), 2.05)


def painted(cloud, *patches):
    """The cloud, whose upper wall (y = 3) has other colours. patches: (colour, x from, to, z from, to)"""
    x, y, z = cloud.xyz.T
    rgb = cloud.rgb.copy()
    for color, x0, x1, z0, z1 in patches:
        rgb[(y > 2.9) & (x >= x0) & (x <= x1) & (z >= z0) & (z <= z1)] = color
    return dataclasses.replace(cloud, rgb=rgb)


BROWN, GLASS, DADO = (90, 50, 20), (128, 128, 128), (60, 100, 140)
LEAF = (BROWN, 1.5, 2.4, -0.1, 2.0)


@pytest.mark.parametrize(
    ("patches", "middle"),
    [
        ([LEAF], 1.95),
        ([LEAF, (GLASS, 1.65, 2.25, 1.0, 1.7)], 1.95),  # a pane of the wall's colour
        ([(DADO, 0.0, 4.0, -0.1, 0.9), LEAF], 1.95),  # a wall with two colours
        ([(BROWN, 1.5, 2.4, 0.8, 1.8)], None),  # a picture
        ([(BROWN, 1.5, 2.4, -0.1, 2.6)], None),  # a curtain, or a strip of wallpaper
        ([(BROWN, 1.5, 2.4, -0.1, 1.0)], None),  # a low cupboard
        ([(BROWN, 1.2, 3.0, -0.1, 2.0)], None),  # too wide
    ],
)
def test_closed_doors_of_another_colour_than_their_wall(patches, middle):
    layout = find_layout(painted(cloud_of(*two_rooms()), *patches))
    closed = [door for door in layout.doors if door.state == "closed"]
    assert [door.center[0] for door in closed] == ([] if middle is None else [pytest.approx(middle, abs=0.1)])
    if closed:
        assert (closed[0].width, closed[0].height) == (pytest.approx(0.9, abs=0.15), pytest.approx(2.0, abs=0.15))
        assert closed[0].rooms in ((1, 0), (2, 0), (0, 1), (0, 2))


def test_a_wardrobe_before_the_wall_is_no_door():
    front = wall((1.5, 2.6), (2.4, 2.6), height=2.0)
    layout = find_layout(painted(cloud_of(*two_rooms(), front), LEAF))
    assert not [door for door in layout.doors if door.state == "closed"]


def test_front_of_a_wardrobe_is_no_wall():
    front, side = wall((1, 0.6), (2.8, 0.6), height=2.1), wall((2.8, 0), (2.8, 0.6), height=2.1)
    hidden = [(1.0, 2.8, 0.0, 2.1)]
    parts = [*two_rooms()[:3], *two_rooms()[4:], wall((0, 0), (4, 0), hidden), front, side]
    layout = find_layout(cloud_of(*parts))
    assert not [item for item in layout.walls if 0.3 < item.start[1] < 0.9 and 0.3 < item.end[1] < 0.9]


@pytest.mark.parametrize("count", [0, 1, 50])
def test_hardly_any_points(count):
    xyz = np.random.default_rng(1).normal(0, 3, (count, 3)).astype(np.float32)
    layout = find_layout(Cloud(xyz, np.zeros((count, 3), np.uint8)))
    assert isinstance(layout, Layout)
    assert not layout.rooms


def test_stray_points_far_away():
    far = np.array([[9000.0, 9000.0, 0.0], [-9000.0, 0.0, 2.0]])
    assert isinstance(find_layout(cloud_of(*two_rooms(), far)), Layout)


def test_the_layout_of_a_map_that_grows_is_that_of_its_points():
    whole = painted(cloud_of(*two_rooms(), yaw=0.0), LEAF)
    door = box("door", (1.0, 3.0, 1.0), (0.9, 0.06, 2.0))
    left, other = whole[whole.xyz[:, 0] < 4.07], cloud_of(*two_rooms(), yaw=0.4)
    grows = LayoutFinder()
    for cloud, objects in ((left, ()), (whole, ()), (whole, [door]), (left, ()), (left[:0], ()), (other, ())):
        known = LayoutFinder(grows.yaw)
        assert grows.find(cloud, objects) == known.find(cloud, objects)


def test_parts_of_a_map_that_did_not_change_are_not_computed_again(monkeypatch):
    calls = []
    for module, name in ((painted_doors, "_wall_before"), (room_outlines, "_face_line")):
        kept = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, n=name, f=kept: calls.append(n) or f(*args))

    def computed(finder, cloud):
        calls.clear()
        finder.find(cloud)
        return [calls.count("_wall_before"), calls.count("_face_line")]

    cloud, finder = cloud_of(*two_rooms()), LayoutFinder()
    doors, outlines = computed(finder, cloud)
    assert min(doors, outlines) > 0
    assert computed(finder, cloud) == [0, 0]
    stain = (BROWN, 2.0, 2.5, 0.5, 1.0)
    assert computed(finder, painted(cloud, stain)) == [2, 0]  # of one face, from both ends
    changed, rest = computed(finder, cloud_of(*two_rooms(), floor(0.5, -0.46, 1.0, 0.0)))
    assert changed < doors
    assert rest < outlines
