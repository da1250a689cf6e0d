# SPDX-License-Identifier: Apache-2.0
"""Levelling: a tilted floor is found, a level map is left as it is."""

import numpy as np
import pytest
from helpers.networks import segmenter

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.segment.alignment import Alignment
from spaceformer_ros.segment.levelling import UP, directions, rotation_to, upward_direction
from spaceformer_ros.segment.mask_boxes import Surroundings, fit_box
from spaceformer_ros.synthetic import make_room

LEVEL_OFF = Config().with_values({"level": "off"})


@pytest.fixture(scope="module")
def room():
    return make_room(7).cloud


def pitched(cloud, degrees, heading=0.7):
    """The cloud in a frame whose floor has the returned normal, tilted by `degrees`."""
    up = directions(np.array([[degrees * np.cos(heading), degrees * np.sin(heading)]]))[0]
    xyz = (cloud.xyz @ rotation_to(up)).astype(np.float32)
    return Cloud(xyz, cloud.rgb), up


def degrees_between(first, second):
    return np.degrees(np.arccos(np.clip(np.dot(first, second), -1, 1)))


def test_a_rotation_turns_the_direction_to_the_z_axis():
    for up in directions(np.array([[0.0, 0.0], [30.0, 0.0], [-10.0, 25.0]])):
        rotation = rotation_to(up)
        assert np.allclose(rotation @ up, UP)
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.isclose(np.linalg.det(rotation), 1)


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [3, 12, 33])
def test_the_direction_of_a_tilted_floor_is_found_in_any_order_of_the_points(room, degrees, rng):
    cloud, up = pitched(room, degrees)
    found = upward_direction(cloud.xyz)
    assert degrees_between(found, up) < 0.5
    assert np.array_equal(found, upward_direction(rng.permutation(cloud.xyz)))


def test_points_below_the_floor_do_not_matter(room, rng):
    cloud, up = pitched(room, 5)
    strays = rng.uniform(cloud.xyz.min(axis=0) - 2, cloud.xyz.min(axis=0), (50, 3)).astype(np.float32)
    assert degrees_between(upward_direction(np.concatenate([cloud.xyz, strays])), up) < 0.5


def test_a_level_map_is_left_as_it_is(room):
    assert tuple(upward_direction(room.xyz)) == UP
    level, plain = (Alignment.of(room, along_walls=True, level=level) for level in (True, False))
    assert np.array_equal(level.from_map(room.xyz), plain.from_map(room.xyz))


@pytest.mark.parametrize("name", ["one point", "one place", "line", "noise", "wall"])
def test_without_a_clear_floor_z_stays_up(name, rng):
    xyz = {
        "one point": np.ones((1, 3)),
        "one place": np.ones((9, 3)),
        "line": np.linspace(0, 3, 500)[:, None] * [0, 0, 1],
        "noise": rng.normal(0, 1, (3000, 3)),
        "wall": rng.uniform((0, 0, 0), (4, 0.03, 2.5), (5000, 3)),
    }[name]
    assert tuple(upward_direction(xyz.astype(np.float32))) == UP


@pytest.mark.slow
def test_a_levelled_map_stays_at_its_points_and_the_result_says_the_angle(room):
    cloud, _ = pitched(room[::5], 20)
    result = segmenter(along_walls=True).segment(cloud, Config())
    voxels = result.instances.voxels
    mean = [np.bincount(voxels.point_to_voxel, column) / voxels.point_counts for column in cloud.xyz.T]
    assert np.allclose(voxels.positions, np.stack(mean, axis=1), atol=1e-4)
    assert any("tilted by 20.0 degrees" in remark for remark in result.report.remarks)
    assert not segmenter(along_walls=True).segment(cloud, LEVEL_OFF).report.remarks


def test_a_tilted_map_gives_the_input_of_the_level_map(room):
    level = Alignment.of(room, along_walls=True, level=True).from_map(room.xyz)
    cloud, _ = pitched(room, 20)
    alignment = Alignment.of(cloud, along_walls=True, level=True)
    seen = alignment.from_map(cloud.xyz)
    assert np.abs(seen - level).max() < 0.06
    assert np.allclose(alignment.to_map(seen), cloud.xyz, atol=1e-5)


def test_boxes_reach_down_to_the_tilted_floor():
    up = tuple(directions(np.array([[0.0, 5.0]]))[0])
    ground = np.stack(np.meshgrid(np.arange(0, 6, 0.05), np.arange(0, 6, 0.05)), axis=-1).reshape(-1, 2)
    height = -ground @ up[:2] / up[2]
    surroundings = Surroundings.of(np.column_stack([ground, height]), wall_yaw=0.0, up=up)
    part = np.abs(ground - 4.5).max(axis=1) < 0.3
    seat = np.column_stack([ground[part], height[part] + 0.25])
    box = fit_box(seat, surroundings)
    assert abs(box.center[2] - box.size[2] / 2 - surroundings.floor_below(4.5, 4.5)) < 0.01
    assert abs(surroundings.floor_below(4.5, 4.5) - height[part].mean()) < 0.02
