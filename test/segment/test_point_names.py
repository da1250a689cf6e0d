# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from helpers.networks import ON_CPU, tiny_config

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config, PostprocessConfig, TilingConfig
from spaceformer_ros.instances import Masks, VoxelMap
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.point_head import SAMPLES
from spaceformer_ros.segment.alignment import shows_table_top
from spaceformer_ros.segment.measure import measure
from spaceformer_ros.segment.point_names import draw_points, hash_points
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, Checkpoint
from spaceformer_ros.words.similarity import Similarity

KEEP_ALL = PostprocessConfig(nms_iou=1.0, min_points=1)


@pytest.fixture
def cloud(rng):
    xyz = rng.uniform((0, 0, 0), (1.5, 1.2, 0.8), (3000, 3)).astype(np.float32)
    return Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8))


def network(weight=1.0, point_head=8):
    torch.manual_seed(0)
    plain = SpaCeFormer(tiny_config(seeded_queries=True)).eval()
    made = SpaCeFormer(tiny_config(seeded_queries=True, point_head=point_head)).eval()
    made.load_state_dict(plain.state_dict(), strict=False)
    if made.point_head is not None:
        made.point_head.weight.fill_(weight)
    return made


def made_segmenter(model, settings=ON_CPU):
    return Segmenter(Checkpoint(model, DEMO_TEXT_MODEL, Similarity(), "0" * 64, "tiny"), settings)


def segment(cloud, model, settings=ON_CPU, **changes):
    return made_segmenter(model, settings).segment(cloud, Config(postprocess=KEEP_ALL, **changes)).instances


def unit(features):
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_a_head_changes_features_by_its_weight_and_nothing_else(cloud):
    plain, none, half, whole = (
        segment(cloud, model) for model in (network(point_head=0), network(0.0), network(0.5), network(1.0))
    )
    assert len(plain) == len(whole) > 1
    assert all(map(np.array_equal, plain.masks, whole.masks))
    assert all(np.array_equal(a.center, b.center) for a, b in zip(plain.boxes, whole.boxes))
    assert np.allclose(none.features, unit(plain.features), atol=1e-5)
    added = unit(plain.features) + 0.5 * features_of(cloud, whole)
    assert np.allclose(half.features, unit(added), atol=1e-4)
    assert not np.allclose(half.features, whole.features, atol=0.01)


def features_of(cloud, instances):
    """What the head sees of instances: their points in the network's frame, which has the floor at z = 0."""
    rows = draw_points(instances, cloud)
    xyz = cloud.xyz[rows] - np.array([0, 0, cloud.floor_center[2]], dtype=np.float32)
    with torch.no_grad():
        return network().point_head(torch.from_numpy(xyz), torch.from_numpy(cloud.colors[rows])).numpy()


@pytest.mark.parametrize("tile_voxels", [0, 1200])
def test_the_order_of_the_points_has_no_effect(rng, tile_voxels):
    """On a table top, which is enlarged, with points of several colours at one place, as fused images have them."""
    xyz = np.round(rng.uniform((0, 0, 0), (0.8, 0.6, 0.4), (20_000, 3)), 2).astype(np.float32)
    cloud, model = Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8)), network()
    assert shows_table_top(xyz, model.config.voxel_size)
    tiling = TilingConfig(tile_voxels=tile_voxels)
    found = [segment(one, model, tiling=tiling) for one in (cloud, cloud[rng.permutation(len(cloud))])]
    assert np.allclose(found[0].features, found[1].features, atol=1e-5)


def test_tiles_have_corrected_features(cloud):
    tiling = TilingConfig(tile_voxels=1200)
    found, plain = (segment(cloud, model, tiling=tiling) for model in (network(), network(point_head=0)))
    assert len(found) == len(plain)
    assert np.allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-4)
    assert not np.allclose(found.features, unit(plain.features), atol=0.01)


def test_the_head_computes_in_float32_whatever_the_precision(cloud):
    found = segment(cloud, network(), dataclasses.replace(ON_CPU, precision="bfloat16"))
    assert found.features.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-5)


def test_instances_that_have_not_changed_are_not_looked_at_again(cloud):
    segmenter, config = made_segmenter(network()), Config(postprocess=KEEP_ALL)
    looked = []
    segmenter.backend.point_head.register_forward_pre_hook(lambda _, inputs: looked.append(len(inputs[0])))
    first = segmenter.segment(cloud, config).instances
    again = segmenter.segment(cloud, config).instances
    assert looked == [len(first)]
    assert np.array_equal(first.features, again.features)


def gray(xyz):
    return Cloud(xyz, np.full(xyz.shape, 127, dtype=np.uint8))


def instances(masks, point_to_voxel):
    count = point_to_voxel.max() + 1
    voxels = VoxelMap(np.zeros((count, 3), np.float32), point_to_voxel.astype(np.int32), 0.05)
    scores = np.ones(len(masks), dtype=np.float32)
    rows = tuple(np.array(rows, dtype=np.int32) for rows in masks)
    return measure(Masks(rows, scores, scores, np.ones((len(masks), 4), np.float32)), voxels)


def test_points_are_drawn_inside_each_mask_without_a_preference(rng):
    xyz = rng.uniform(0, 5, (60_000, 3)).astype(np.float32)
    point_to_voxel = rng.integers(0, 100, len(xyz))
    found = instances([range(50), range(40, 100), [7]], point_to_voxel)
    drawn = draw_points(found, gray(xyz))
    assert drawn.shape == (3, SAMPLES)
    for rows, mask in zip(drawn, found.masks):
        assert len(set(rows.tolist())) == SAMPLES
        assert np.isin(point_to_voxel[rows], mask).all()
    assert xyz[drawn[1]].mean(axis=0) == pytest.approx([2.5, 2.5, 2.5], abs=0.3)
    assert 0.2 < np.isin(point_to_voxel[drawn[1]], range(50, 70)).mean() < 0.5


def test_a_mask_with_few_points_has_all_of_them_repeatedly(rng):
    xyz = rng.uniform(0, 5, (30, 3)).astype(np.float32)
    (drawn,) = draw_points(instances([[0]], np.repeat([0, 1], [20, 10])), gray(xyz))
    assert set(drawn.tolist()) == set(range(20))
    assert np.bincount(drawn).min() >= SAMPLES // 20


def test_a_mask_of_many_points_at_one_place_has_them(rng):
    for place in rng.uniform(0, 5, (8, 3)).astype(np.float32):  # most of them have a hash that leaves them out
        (drawn,) = draw_points(instances([[0]], np.repeat([0, 1], [9000, 10])), gray(np.tile(place, (9010, 1))))
        assert drawn.max() < 9000


def test_features_that_are_not_finite_are_an_error(cloud):
    with pytest.raises(SpaceformerError, match=r"not finite in float32.*another checkpoint"):
        segment(cloud, network(weight=float("nan")))


def test_hashes_are_even_and_depend_on_every_coordinate(rng):
    xyz = np.round(rng.uniform(-3, 3, (20_000, 3)), 2).astype(np.float32)
    numbers = hash_points(np.unique(xyz, axis=0))
    counts = np.histogram(numbers, bins=16, range=(0, 2**32))[0]
    assert counts.min() > 0.8 * counts.mean()
    place = np.zeros((4, 3), dtype=np.float32)
    place[[1, 2, 3], [0, 1, 2]] = 0.01
    assert len(set(hash_points(place).tolist())) == 4
    assert hash_points(-np.zeros((1, 3), np.float32)) == hash_points(place[:1])
