# SPDX-License-Identifier: Apache-2.0
import contextlib
from itertools import pairwise

import numpy as np
import pytest

from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.geometry.footprint import Footprint, footprint_of
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.scene.approach import NoApproach, find_approach, find_approaches, floor_below, ring

RADIUS, STANDOFF = 0.25, 0.6
ROBOT = Footprint(RADIUS)
CHAIR = OrientedBox(np.array([0.0, 0.0, 0.5]), np.array([0.6, 0.6, 1.0]), 0.3)


def plane(low, high, z, step=0.03):
    x, y = np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], step))
    return np.column_stack([x.ravel(), y.ravel(), np.full(x.size, z)])


def wall(start, end, height=2.0, step=0.03):
    along = np.linspace(start, end, int(np.linalg.norm(np.subtract(end, start)) / step) + 2)
    z = np.arange(0.0, height, step)
    return np.column_stack([np.repeat(along, len(z), axis=0), np.tile(z, len(along))])


def solid(box, count=4000):
    local = np.random.default_rng(0).uniform(-0.5, 0.5, (count, 3)) * box.size
    return np.column_stack([local[:, :2] @ box.axes, local[:, 2]]) + box.center


@pytest.fixture
def floor():
    return plane((-3, -3), (3, 3), 0.0)


def faces(approach, box):
    toward = box.center[:2] - approach.position[:2]
    return np.cos(approach.yaw - np.arctan2(toward[1], toward[0])) > 0.999


def test_the_robot_stands_before_the_object_on_its_own_side_and_faces_it(floor):
    xyz, robot = np.concatenate([floor, solid(CHAIR)]), np.array([2.0, 1.0, 0.0])
    approach = find_approach(xyz, CHAIR, STANDOFF, ROBOT, robot)
    assert faces(approach, CHAIR)
    assert approach.position[2] == pytest.approx(0.0, abs=0.01)
    distance = np.linalg.norm(approach.position[:2])
    assert STANDOFF + 0.3 - 0.02 <= distance <= STANDOFF + 0.3 * 2**0.5 + 0.02
    assert np.dot(approach.position[:2], robot[:2]) / distance / np.linalg.norm(robot[:2]) > 0.95


def test_an_object_at_a_wall_is_approached_from_the_room(floor):
    room = floor[floor[:, 1] > -0.35]
    xyz = np.concatenate([room, wall((-3, -0.35), (3, -0.35)), solid(CHAIR)])
    for robot in (None, np.array([0.0, -2.5, 0.0])):  # also for a robot behind the wall
        approach = find_approach(xyz, CHAIR, STANDOFF, ROBOT, robot)
        assert approach.position[1] > -0.35 + RADIUS
        assert faces(approach, CHAIR)


def test_a_position_without_a_clear_view_is_not_used(floor):
    screen = wall((0.6, -0.5), (0.6, 0.5))
    xyz = np.concatenate([floor, solid(CHAIR), screen])
    approach = find_approach(xyz, CHAIR, STANDOFF, ROBOT, robot=np.array([2.5, 0.0, 0.0]))
    assert not (approach.position[0] > 0.6 and abs(approach.position[1]) < 0.5)


def test_an_object_on_a_table_is_approached_at_the_edge_of_the_table(floor):
    table = OrientedBox(np.array([0.0, 0.0, 0.35]), np.array([2.4, 1.2, 0.7]), 0.0)
    cup = OrientedBox(np.array([0.0, 0.0, 0.75]), np.array([0.1, 0.1, 0.1]), 0.0)
    xyz = np.concatenate([floor, solid(table, 50_000), solid(cup)])
    approach = find_approach(xyz, cup, STANDOFF, ROBOT, robot=np.array([0.3, 2.5, 0.0]))
    assert 0.6 + RADIUS <= approach.position[1] <= 1.3
    assert faces(approach, cup)


def test_an_object_behind_walls_has_no_approach(floor):
    corners = [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9)]
    walls = [wall(a, b) for a, b in pairwise(corners)]
    inside = np.abs(floor[:, :2]).max(axis=1) < 0.9
    xyz = np.concatenate([floor[~inside], *walls, solid(CHAIR)])
    with pytest.raises(NoApproach, match=r"it is hidden from all free floor within 1\.8 m"):
        find_approach(xyz, CHAIR, STANDOFF, ROBOT)


def test_unseen_floor_is_not_used():
    xyz = np.concatenate([plane((0.3, -3), (3, 3), 0.0), solid(CHAIR)])
    approach = find_approach(xyz, CHAIR, STANDOFF, ROBOT, robot=np.array([-2.0, 0.0, 0.0]))
    assert approach.position[0] > 0.25
    with pytest.raises(NoApproach, match=r"no floor is visible 0\.6 to 1\.8 m from it"):
        find_approach(solid(CHAIR), CHAIR, STANDOFF, ROBOT)


def test_no_point_of_the_map_is_closer_than_the_robots_radius(floor, rng):
    for _ in range(20):
        posts = rng.uniform(-2, 2, (12, 2))
        posts = np.concatenate([wall(post, post + 0.001, height=1.0) for post in posts])
        obstacles = np.concatenate([solid(CHAIR), posts])
        for radius in (0.25, 0.4):
            approach = find_approach(np.concatenate([floor, obstacles]), CHAIR, 0.0, Footprint(radius))
            low = obstacles[(obstacles[:, 2] > 0.11) & (obstacles[:, 2] < 1.5)]
            assert np.linalg.norm(low[:, :2] - approach.position[:2], axis=1).min() >= radius


def test_a_long_robot_stands_where_its_outline_fits_with_its_heading(floor):
    """In a corridor 0.9 m wide a robot of 1.2 x 0.4 m fits lengthways; a circle around it does not."""
    turn = RigidTransform.about_z(0.7)
    box = OrientedBox(np.array([0.0, 0.0, 0.5]), np.array([0.4, 0.4, 1.0]), turn.yaw)
    sides = [wall((-3, side), (3, side)) for side in (-0.45, 0.45)]
    xyz = np.concatenate([turn.apply(np.concatenate([floor[np.abs(floor[:, 1]) < 0.45], *sides])), solid(box)])
    long = footprint_of("[[0.6, 0.2], [0.6, -0.2], [-0.6, -0.2], [-0.6, 0.2]]", 0.25)
    for pose in find_approaches(xyz, box, STANDOFF, long, turn.apply((2.0, 0.0, 0.0))):
        assert abs(np.sin(pose.yaw - turn.yaw)) < 0.25
        assert abs(turn.inverse.apply(pose.position)[0]) >= 0.2 + 0.59
    with pytest.raises(NoApproach, match=r"a robot of radius 0\.63 m touches an obstacle"):
        find_approach(xyz, box, STANDOFF, Footprint(long.radius))
    across = footprint_of("[[0.2, 0.6], [0.2, -0.6], [-0.2, -0.6], [-0.2, 0.6]]", 0.25)
    with pytest.raises(NoApproach, match=r"a robot of 0\.40 x 1\.20 m touches an obstacle"):
        find_approach(xyz, box, STANDOFF, across)


def test_a_robot_that_is_too_large_has_no_approach_with_a_reason(floor):
    x, y = np.meshgrid(np.arange(-2.8, 2.8, 0.7), np.arange(-2.8, 2.8, 0.7))
    posts = np.concatenate([wall((a, b), (a, b + 0.001), height=1.0) for a, b in zip(x.ravel(), y.ravel())])
    xyz = np.concatenate([floor, posts])
    assert find_approach(xyz, CHAIR, STANDOFF, Footprint(0.2)).position[2] == pytest.approx(0.0, abs=0.01)
    with pytest.raises(NoApproach, match=r"a robot of radius 0\.60 m touches an obstacle on all floor"):
        find_approach(xyz, CHAIR, STANDOFF, Footprint(0.6))


def test_the_floor_of_a_large_robot_is_looked_at_in_few_places(floor, monkeypatch):
    offsets, counts = Footprint.offsets, []
    monkeypatch.setattr(Footprint, "offsets", lambda *of: (found := offsets(*of), counts.append(len(found)))[0])
    for radius in (0.25, 5.0):
        with contextlib.suppress(NoApproach):
            find_approach(np.concatenate([floor, solid(CHAIR)]), CHAIR, STANDOFF, Footprint(radius))
    assert min(counts) > 50
    assert max(counts) < 1500


@pytest.mark.parametrize("side", [31.0, 1e6, np.inf, np.nan])
def test_a_very_large_box_is_refused_without_a_search(floor, side):
    box = OrientedBox(np.zeros(3), np.array([1.0, side, 1.0]), 0.0)
    with pytest.raises(NoApproach, match="the limit is 30 m"):
        find_approach(floor, box, STANDOFF, ROBOT)


def test_the_ring_keeps_its_distance():
    places = ring(CHAIR, 0.5)
    grown = [CHAIR.contains(np.array([[*place, 0.5]]), margin=0.5 - 0.02)[0] for place in places]
    assert len(places) > 40
    assert sum(grown) < 0.5 * len(grown)  # a rounded rectangle lies inside the square one at its corners only


def test_floor_below_is_where_the_points_begin(floor):
    assert floor_below(floor + (0, 0, 1.5), CHAIR) == pytest.approx(1.5)
    assert floor_below(np.zeros((0, 3)), CHAIR) == pytest.approx(0.0)


def test_several_poses_are_apart_and_pass_a_further_test(floor):
    xyz, robot = np.concatenate([floor, solid(CHAIR)]), np.array([2.0, 1.0, 0.0])
    poses = find_approaches(xyz, CHAIR, 0.6, ROBOT, robot, count=4)
    places = np.array([pose.position[:2] for pose in poses])
    assert len(places) == 4
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    assert apart[np.triu_indices(4, 1)].min() >= 0.5
    assert np.array_equal(poses[0].position, find_approach(xyz, CHAIR, 0.6, ROBOT, robot).position)
    other_side = find_approaches(
        xyz, CHAIR, 0.6, ROBOT, robot, is_free=lambda places, yaws: (places[:, 0] < 0) & (np.cos(yaws) > 0)
    )
    assert all(pose.position[0] < 0 for pose in other_side)
    with pytest.raises(NoApproach, match=r"the costmap has no free place within 1\.8 m of it"):
        find_approaches(xyz, CHAIR, 0.6, ROBOT, robot, is_free=lambda places, yaws: np.zeros(len(places), dtype=bool))
