# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from helpers.networks import ON_CPU, made_grid, segmenter

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.network.voxels import VoxelGrid
from spaceformer_ros.segment.views import predict_views, turn

NETWORK = {"position_octaves": 3, "voxel_offsets": True, "name_head": 16}


@pytest.fixture
def work():
    return segmenter(**NETWORK)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_grid_is_the_grid_of_the_turned_points(quarters):
    grid = made_grid()
    turned, row = turn(grid, quarters)
    c, s = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    xyz = grid.positions @ torch.tensor([[c, s, 0.0], [-s, c, 0.0], [0, 0, 1.0]])
    assert torch.equal(turned.positions[row], xyz)
    again = VoxelGrid.from_points(xyz, grid.features, grid.voxel_size)
    assert torch.equal(again.level.key, turned.level.key)
    assert torch.equal(again.features, turned.features)
    assert torch.equal(turned.counts[row], grid.counts)


def test_one_view_is_the_prediction_itself(work):
    grid = made_grid()
    one, plain = predict_views(work.backend, grid, work.orders, 1), work.backend.predict(grid, work.orders)
    assert torch.equal(one.mask_logits, plain.mask_logits)
    assert one.seeds is not None


@torch.inference_mode()
def test_each_view_adds_its_queries_for_the_same_voxels(work):
    grid = made_grid()
    both = predict_views(work.backend, grid, work.orders, 2)
    turned, row = turn(grid, 1)
    first, second = work.backend.predict(grid, work.orders), work.backend.predict(turned, work.orders)
    assert torch.equal(both.mask_logits, torch.cat([first.mask_logits, second.mask_logits[row]], dim=1))
    assert torch.equal(both.objectness_logits, torch.cat([first.objectness_logits, second.objectness_logits]))
    assert torch.equal(both.clip_features, torch.cat([first.clip_features, second.clip_features]))
    torch.testing.assert_close(both.features, (first.features + second.features[row]) / 2)
    assert not torch.equal(first.mask_logits, second.mask_logits[row])  # the network sees another map


def test_the_setting_reaches_the_network_the_heat_and_the_estimate_of_memory(rng, monkeypatch):
    twice = segmenter(dataclasses.replace(ON_CPU, network_views=2), **NETWORK)
    seen = []
    predict = twice.backend.predict
    monkeypatch.setattr(twice.backend, "predict", lambda grid, orders: seen.append(grid) or predict(grid, orders))
    xyz = rng.uniform((0, 0, 0), (1.5, 1.2, 0.8), (3000, 3)).astype(np.float32)
    cloud = Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8))
    instances = twice.segment(cloud, Config()).instances
    assert len(instances)
    assert len(seen) == 2
    heat = twice.mask_heat(cloud, Config(), instances.point_mask(0))
    assert len(seen) == 4
    assert heat[instances.point_mask(0)].mean() > heat.mean()
    assert twice.meter.bytes_per_voxel > segmenter(**NETWORK).meter.bytes_per_voxel
