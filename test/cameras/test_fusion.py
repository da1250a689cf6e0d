# SPDX-License-Identifier: Apache-2.0
"""Fusion of depth images: what is seen through goes, and nothing else."""

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cameras.depth import DepthFrame
from spaceformer_ros.cameras.fusion import DepthFusion
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.clouds.accumulator import VoxelMapAccumulator
from spaceformer_ros.config import CameraConfig, Config

CAMERA = CameraModel(160, 120, 131.0, 131.0, 79.5, 59.5)
WALL = 3.0  # metres along x
BOX = (1.5, 0.25, (0.8, 1.2))  # x of the front of a box, half its width in y, lowest and highest z; metres


@pytest.fixture
def fusion():
    return DepthFusion(VoxelMapAccumulator(voxel_size=0.02, max_voxels=10**6), CameraConfig(depth_step=1))


def pose_of(number):
    """A camera that moves sideways by 6 cm with every number and looks along x."""
    return optical_pose((0.0, 0.06 * number, 1.0), 0.0)


def image(number, box=True, rng=None):
    """Depth of a wall, and of a box in front of it."""
    x, y = CAMERA.rays
    front, half, (low, high) = BOX
    across, up = 0.06 * number - x * front, 1.0 - y * front
    on_box = (np.abs(across) < half) & (up > low) & (up < high)
    depth = np.where(on_box & box, front, WALL).astype(np.float32)
    return depth if rng is None else depth + rng.normal(0, 0.004, depth.shape).astype(np.float32)


def add(fusion, depth, number):
    """Add an image from the pose of a number."""
    color = np.full((120, 160, 3), 90, dtype=np.uint8)
    add.clock += 1.0
    fusion.add(DepthFrame(depth, CAMERA, color), pose_of(number), add.clock)


add.clock = 0.0


def in_front(fusion):
    """Number of voxels that are clearly before the wall."""
    return int((fusion.map.snapshot().cloud.xyz[:, 0] < 2.5).sum())


def test_what_has_gone_is_removed_after_three_views(fusion):
    for number in range(3):
        add(fusion, image(number), number)
    there = in_front(fusion)
    assert there > 400
    for number in range(2):
        add(fusion, image(number, box=False), number)
    assert in_front(fusion) == there
    add(fusion, image(2, box=False), 2)
    assert in_front(fusion) == 0
    assert fusion.removed == there


def test_one_noisy_frame_removes_nothing_and_a_new_point_starts_the_count_again(fusion):
    add(fusion, image(0), 0)
    kept = in_front(fusion)
    for _ in range(4):
        add(fusion, image(1, box=False), 1)
        add(fusion, image(2, box=False), 2)
        add(fusion, image(0), 0)
    assert in_front(fusion) == kept
    assert fusion.removed == 0


def test_images_from_one_place_within_a_short_time_are_one_view(fusion):
    color = np.zeros((120, 160, 3), dtype=np.uint8)
    add(fusion, image(0), 0)
    empty = DepthFrame(image(0, box=False), CAMERA, color)
    for number in range(10):
        fusion.add(empty, pose_of(0), 1000.0 + 0.02 * number)
    assert fusion.removed == 0
    fusion.add(empty, pose_of(0), 1001.0)
    fusion.add(empty, pose_of(0), 1002.0)
    assert in_front(fusion) == 0


def test_what_is_hidden_or_not_measured_stays(fusion):
    add(fusion, image(0), 0)
    kept = len(fusion.map)
    for number in range(6):
        add(fusion, np.zeros((120, 160), dtype=np.float32), number)
    assert len(fusion.map) == kept
    for number in range(6):
        add(fusion, np.full((120, 160), 1.0, dtype=np.float32), number)
    assert in_front(fusion) > 400
    assert fusion.removed == 0


def test_noise_removes_nothing_of_what_is_there(fusion, rng):
    for number in range(12):
        add(fusion, image(number % 4, rng=rng), number % 4)
    assert fusion.removed < 0.002 * len(fusion.map)


def test_nothing_is_removed_without_carving():
    fusion = DepthFusion(
        VoxelMapAccumulator(voxel_size=0.02, max_voxels=10**6), CameraConfig(depth_step=1, carve_views=0)
    )
    add(fusion, image(0), 0)
    for number in range(4):
        add(fusion, image(number, box=False), number)
    assert in_front(fusion) > 400


def test_removed_voxels_make_room_and_can_come_back(fusion):
    sizes = []
    for _ in range(3):
        add(fusion, image(0), 0)
        assert in_front(fusion) > 400
        for number in range(3):
            add(fusion, image(number, box=False), number)
        assert in_front(fusion) == 0
        sizes.append(len(fusion.map))
        assert len(fusion.map.snapshot().cloud) == len(fusion.map)
    assert sizes[0] == sizes[2]


def test_the_range_of_depth_is_a_setting():
    far = CameraConfig(depth_step=1, depth_near=1.0, depth_far=2.0)
    fusion = DepthFusion(VoxelMapAccumulator(voxel_size=0.02, max_voxels=10**6), far)
    add(fusion, image(0), 0)
    assert len(fusion.map) == in_front(fusion) > 400
    with pytest.raises(SpaceformerError, match="depth_near 3 m must be below depth_far 2 m"):
        Config().with_values({"depth_near": 3.0, "depth_far": 2.0})
