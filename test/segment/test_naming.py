# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from helpers.networks import ON_CPU, tiny_config

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config, PostprocessConfig, TilingConfig
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, Checkpoint
from spaceformer_ros.words.similarity import Similarity

KEEP_ALL = PostprocessConfig(nms_iou=1.0, min_points=1)
WHOLE = Config(postprocess=KEEP_ALL)


@pytest.fixture
def cloud(rng):
    xyz = rng.uniform((0, 0, 0), (1.5, 1.2, 0.8), (3000, 3)).astype(np.float32)
    return Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8))


def model(**changes):
    torch.manual_seed(0)
    made = SpaCeFormer(tiny_config(seeded_queries=True, **changes)).eval()
    if made.name_head is not None:
        torch.nn.init.normal_(made.name_head.layers[-1].weight)
    return made


def segment(cloud, network, config=WHOLE, settings=ON_CPU):
    checkpoint = Checkpoint(network, DEMO_TEXT_MODEL, Similarity(), "0" * 64, "tiny")
    return Segmenter(checkpoint, settings).segment(cloud, config).instances


def test_a_head_changes_features_and_nothing_else(cloud):
    plain, network = model(), model(name_head=16)
    head = network.name_head
    network.load_state_dict(plain.state_dict(), strict=False)
    expected, found = segment(cloud, plain), segment(cloud, network)
    assert len(found) == len(expected) > 1
    assert all(map(np.array_equal, found.masks, expected.masks))
    assert np.allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-5)
    unit = expected.features / np.linalg.norm(expected.features, axis=1, keepdims=True)
    assert not np.allclose(found.features, unit, atol=0.01)
    torch.nn.init.zeros_(head.layers[-1].weight)
    torch.nn.init.zeros_(head.layers[-1].bias)
    assert np.allclose(segment(cloud, network).features, unit, atol=1e-5)


@pytest.mark.slow
def test_each_part_of_a_split_mask_gets_its_own_feature(cloud):
    config = Config(
        postprocess=PostprocessConfig(nms_iou=1.0, min_points=1, split_components=True, split_distance=0.06)
    )
    found = segment(cloud, model(name_head=16), config)
    assert len(found) > len(segment(cloud, model(name_head=16)))
    assert len(np.unique(found.features.round(4), axis=0)) > len(np.unique(found.objectness))


def test_tiles_have_corrected_features(cloud):
    config = Config(postprocess=KEEP_ALL, tiling=TilingConfig(tile_voxels=1200))
    found = segment(cloud, model(name_head=16), config)
    assert np.allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-4)


def test_the_head_computes_in_float32_whatever_the_precision(cloud):
    settings = type(ON_CPU)(device="cpu", precision="bfloat16")
    found = segment(cloud, model(name_head=16), settings=settings)
    assert found.features.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-5)
