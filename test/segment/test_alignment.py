# SPDX-License-Identifier: Apache-2.0
"""Alignment of a map with its walls; it rotates with the map."""

import numpy as np
import pytest
from helpers.networks import segmenter
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config, PostprocessConfig
from spaceformer_ros.geometry.extent import SLACK
from spaceformer_ros.geometry.heading import manhattan_yaw, rotate_z
from spaceformer_ros.segment.alignment import Alignment, is_dense_table_top
from spaceformer_ros.synthetic import make_room
from spaceformer_ros.synthetic.table_top import make_table_top


@pytest.fixture(scope="module")
def room():
    return make_room(7).cloud.xyz


@given(angle=st.floats(-np.pi, np.pi), x=st.floats(-20, 20), y=st.floats(-20, 20), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
@pytest.mark.slow
def test_it_turns_with_the_map_and_no_order_or_place_changes_it(room, angle, x, y, seed):
    points = np.random.default_rng(seed).permutation(rotate_z(room, angle) + np.array([x, y, 0], dtype=np.float32))
    difference = manhattan_yaw(points) - manhattan_yaw(room) - angle
    assert abs(np.angle(np.exp(1j * difference))) < np.radians(0.2)


@pytest.mark.parametrize("degrees", [0, 20, 45, 80])
def test_it_is_aligned_with_the_walls(rng, degrees):
    wall = rng.uniform((0, 0, 0), (5, 0.05, 2.5), (4000, 3))
    other = rng.uniform((0, 0, 0), (0.05, 3, 2.5), (3000, 3))
    clutter = rng.uniform((0, 0, 0), (5, 3, 1), (1000, 3))
    heading = manhattan_yaw(rotate_z(np.concatenate([wall, other, clutter]), np.radians(degrees)))
    apart = np.degrees(heading) - degrees
    assert abs((apart + 45) % 90 - 45) < 0.5


def test_coinciding_points_have_an_alignment():
    assert np.isfinite(manhattan_yaw(np.ones((5, 3), dtype=np.float32)))
    assert np.isfinite(manhattan_yaw(np.zeros((1, 3), dtype=np.float32)))


@pytest.mark.slow
def test_rotation_by_zero_does_not_copy(room):
    assert rotate_z(room, 0) is room
    assert np.allclose(rotate_z(rotate_z(room, 1.0), -1.0), room, atol=1e-5)


def test_strays_hardly_move_the_origin(room, rng):
    strays = rng.uniform((-100, -20, -40), (-2, -8, -1), (len(room) // 300, 3)).astype(np.float32)
    clean, noisy = (
        Alignment.of(Cloud(xyz, np.zeros(xyz.shape, dtype=np.uint8)), along_walls=False).origin
        for xyz in (room, np.concatenate([room, strays]))
    )
    assert np.allclose(noisy, clean, atol=SLACK / 2 + 0.01)


@pytest.mark.parametrize("along_walls", [False, True])
def test_a_view_is_centred_and_can_be_undone(room, along_walls):
    cloud = Cloud(rotate_z(room, 0.4) + np.float32([30, -20, 1]), np.zeros(room.shape, dtype=np.uint8), "map")
    alignment = Alignment.of(cloud, along_walls)
    seen = alignment.from_map(cloud.xyz)
    assert np.allclose((seen.min(axis=0) + seen.max(axis=0))[:2], 0, atol=1e-4)
    assert seen[:, 2].min() == 0
    assert np.allclose(alignment.to_map(seen), cloud.xyz, atol=1e-4)
    assert (alignment.yaw != 0) == along_walls


def test_a_rotated_map_gives_the_same_input(room):
    colors = np.zeros(room.shape, dtype=np.uint8)
    clouds = [Cloud(xyz, colors, "map") for xyz in (room, rotate_z(room, 1.0))]
    first, second = (Alignment.of(cloud, along_walls=True).from_map(cloud.xyz) for cloud in clouds)
    assert np.abs(first - second).max() < 0.02


def test_heights_in_steps_and_a_stray_point_do_not_matter(rng):
    hall = rng.uniform((0, 0, 0), (9, 4, 2.5), (200_000, 3))
    hall[:60_000, 0] = rng.choice([0, 9], 60_000)
    hall[60_000:120_000, 1] = rng.choice([0, 4], 60_000)
    hall[:, 2] = np.round(hall[:, 2] / 0.05) * 0.05
    hall[-1, 2] = -3
    heading = manhattan_yaw(rotate_z(hall, 0.5))
    assert abs((np.degrees(heading - 0.5) + 45) % 90 - 45) < 0.5


@pytest.fixture(scope="module")
def table_top():
    return make_table_top(700_000)


def test_a_table_top_is_enlarged_and_its_results_keep_their_size(table_top):
    config = Config(postprocess=PostprocessConfig(min_points=1))
    result = segmenter().segment(table_top.cloud, config)
    voxels = result.instances.voxels
    plain = segmenter().segment(table_top.cloud, config.with_values({"enlarge": "off"}))
    assert any("table top: enlarged 1.5 times" in remark for remark in result.report.remarks)
    assert not plain.report.remarks
    assert len(voxels) > 1.8 * len(plain.instances.voxels)
    assert voxels.voxel_size == pytest.approx(plain.instances.voxels.voxel_size / 1.5)
    mean = [np.bincount(voxels.point_to_voxel, column) / voxels.point_counts for column in table_top.cloud.xyz.T]
    assert np.allclose(voxels.positions, np.stack(mean, axis=1), atol=1e-4)


def test_only_dense_table_tops_are_enlarged(room, table_top, rng):
    xyz = table_top.cloud.xyz
    assert is_dense_table_top(xyz, 0.03)
    assert is_dense_table_top(np.concatenate([xyz, rng.uniform(-9, 9, (50, 3)).astype(np.float32)]), 0.03)
    assert not is_dense_table_top(xyz[::40], 0.03)
    assert not is_dense_table_top(xyz * np.float32([1, 3, 1]), 0.03)
    assert not is_dense_table_top(room, 0.03)
