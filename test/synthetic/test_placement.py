# SPDX-License-Identifier: Apache-2.0
"""Things are placed without collisions, face each other, and leave floor to drive on."""

import numpy as np
import pytest
from helpers.rooms import building

from spaceformer_ros.synthetic import (
    THEME_NAMES,
    RoomConfig,
    make_room,
)
from spaceformer_ros.synthetic.camera_path import free_floor
from spaceformer_ros.synthetic.placement import collide


@pytest.mark.parametrize("theme", THEME_NAMES)
def test_things_do_not_collide(theme):
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


def test_chairs_face_their_tables():
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


@pytest.mark.slow
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
