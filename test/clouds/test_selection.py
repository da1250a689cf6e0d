# SPDX-License-Identifier: Apache-2.0
"""Isolated points of a cloud are left out where they are few, and nothing else is."""

import dataclasses

import numpy as np
import pytest

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.plausibility import plausibility_remarks
from spaceformer_ros.clouds.selection import isolated_points, select_points
from spaceformer_ros.config import InputConfig
from spaceformer_ros.synthetic import RoomConfig, make_room

CONFIG = InputConfig()


@pytest.fixture(scope="module")
def room():
    return make_room(1, RoomConfig(width=(3.5, 3.6), depth=(3.5, 3.6))).cloud


def noisy(room, rng, share, reach):
    low, high = room.bounds
    noise = rng.uniform(low - reach, high + reach, (int(share * len(room)), 3)).astype(np.float32)
    return Cloud(np.concatenate([room.xyz, noise]), np.concatenate([room.rgb, np.zeros(noise.shape, np.uint8)]))


@pytest.mark.parametrize(("share", "reach"), [(0.01, 1.0), (0.03, 5.0), (0.1, 40.0)])
def test_noise_is_left_out_and_the_room_stays(room, rng, share, reach):
    cloud = noisy(room, rng, share, reach)
    kept, (remark,) = select_points(cloud, CONFIG)
    isolated = isolated_points(cloud.xyz)
    assert isolated[len(room) :].mean() > 0.7  # the others are close to a surface or to each other
    assert isolated[: len(room)].mean() < 0.01
    assert len(kept) == np.count_nonzero(~isolated)
    assert f"left out {isolated.sum()} isolated points" in remark
    assert plausibility_remarks(kept, voxel_size=0.05) == ()


@pytest.mark.parametrize("count", [1, 30])
def test_few_strays_outside_are_left_out(room, rng, count):
    strays = rng.uniform((-50, -50, 6), (50, 50, 40), (count, 3)) + room.bounds[1]
    xyz = np.concatenate([room.xyz, strays.astype(np.float32)])
    kept, (remark,) = select_points(Cloud(xyz, np.zeros(xyz.shape, np.uint8)), CONFIG)
    assert (kept.xyz == room.xyz).all()
    assert f"left out {count} isolated points" in remark


def test_noise_is_kept_on_request(room, rng):
    cloud = noisy(room, rng, share=0.03, reach=5.0)
    assert select_points(cloud, dataclasses.replace(CONFIG, isolated_points="keep")) == (cloud, ())


def test_clean_and_sparse_clouds_stay_as_they_are(room, rng):
    assert select_points(room, CONFIG) == (room, ())
    sparse = Cloud(rng.uniform(0, 10, (5000, 3)).astype(np.float32), np.zeros((5000, 3), np.uint8))
    assert select_points(sparse, CONFIG) == (sparse, ())
    single = sparse[:1]
    assert select_points(single, CONFIG) == (single, ())


def test_points_far_beyond_any_map_are_left_to_the_segmenter(rng, recwarn):
    xyz = (rng.random((1000, 3)) * 1e12).astype(np.float32)
    assert not isolated_points(xyz).any()
    assert not recwarn.list
