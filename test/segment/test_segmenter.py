# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from helpers.instances import PUBLISHED_NMS_IOU
from helpers.networks import segmenter, tiny_config

from spaceformer_ros import Cancelled, SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config, PostprocessConfig
from spaceformer_ros.geometry.heading import rotate_z
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig
from spaceformer_ros.segment.backends import choose_device, choose_precision
from spaceformer_ros.segment.memory import estimated_bytes

KEEP_ALL = PostprocessConfig(nms_iou=1.0, min_points=1)


@pytest.fixture
def cloud(rng):
    xyz = rng.uniform((0, 0, 0), (1.5, 1.2, 0.8), (3000, 3)).astype(np.float32)
    return Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8))


def segment(cloud, config=KEEP_ALL, **changes):
    return segmenter(**changes).segment(cloud, Config(postprocess=config)).instances


def masks(instances, cloud):
    """Each instance as a set of points, by their coordinates; the order of instances and points is left out."""
    return sorted(
        sorted(map(tuple, np.round(cloud.xyz[instances.point_mask(k)] - cloud.floor_center, 3).tolist()))
        for k in range(len(instances))
    )


def test_the_same_cloud_gives_the_same_instances_in_any_order_of_its_points(cloud, rng):
    shuffled = cloud[rng.permutation(len(cloud))]
    first, again, other = segment(cloud), segment(cloud), segment(shuffled)
    assert len(first) > 1
    assert masks(first, cloud) == masks(again, cloud)
    np.testing.assert_array_equal(first.features, again.features)
    assert len(first) == len(other)
    agree = np.mean([a == b for a, b in zip(masks(first, cloud), masks(other, shuffled))])
    assert agree > 0.9  # mean colours of a voxel round differently in another order


@pytest.mark.parametrize("along_walls", [False, True])
def test_voxels_are_at_their_points(cloud, along_walls):
    turned = dataclasses.replace(cloud, xyz=rotate_z(cloud.xyz, 0.6))
    voxels = segment(turned, along_walls=along_walls).voxels
    mean = [np.bincount(voxels.point_to_voxel, column) / voxels.point_counts for column in turned.xyz.T]
    assert np.allclose(voxels.positions, np.stack(mean, axis=1), atol=1e-5)


def test_nms_iou_is_that_of_the_checkpoint_unless_set(cloud):
    by_checkpoint = PostprocessConfig(min_points=1)
    assert by_checkpoint.nms_iou < 0
    everything = len(segment(cloud, nms_iou=0.1))
    assert len(segment(cloud, by_checkpoint, nms_iou=1.0)) == everything
    assert len(segment(cloud, by_checkpoint, nms_iou=0.1)) < everything
    assert len(segment(cloud, dataclasses.replace(by_checkpoint, nms_iou=0.1), nms_iou=1.0)) < everything


def test_a_network_has_the_published_limits_by_default():
    config = SpaCeFormer(tiny_config()).config
    assert (config.nms_iou, config.fuse_iou) == (PUBLISHED_NMS_IOU, 1.0)


def test_a_cloud_that_is_too_big_is_refused_with_the_figures(cloud):
    with pytest.raises(SpaceformerError, match=r"occupies \d+ voxels of 0.05 m, more than max_voxels 100: set roi"):
        segmenter().segment(cloud, Config().with_values({"max_voxels": 100}))


def test_a_cancelled_segmenter_stops(cloud):
    busy = segmenter()
    busy.cancel()
    with pytest.raises(Cancelled):
        busy.segment(cloud, Config())


def test_unavailable_devices_and_precisions_are_refused():
    for name in ("toaster", "meta", "mps:0"):  # torch knows the last two, the network does not run there
        with pytest.raises(SpaceformerError, match=f"text_device '{name}' cannot be used.*expected auto, cpu, cuda or"):
            choose_device(name, "text_device")
    with pytest.raises(SpaceformerError, match="float16 needs a CUDA device"):
        choose_precision("float16", torch.device("cpu"))
    assert choose_precision("float32", torch.device("cpu")) == torch.float32


@pytest.mark.parametrize(("capability", "wanted"), [((7, 5), torch.float32), ((8, 7), torch.bfloat16)])
def test_a_gpu_gets_a_range_that_is_large_enough(monkeypatch, capability, wanted):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda:0")) == wanted
    assert choose_precision("float16", torch.device("cuda:0")) == torch.float16


@pytest.mark.parametrize("far", [1e6, 1e19, -3e38])
def test_clouds_too_far_out_for_float32_are_refused(cloud, far):
    xyz = cloud.xyz.copy()
    xyz[:, 1] += np.float32(far)
    with pytest.raises(SpaceformerError, match=r"from the origin of its frame, where float32 .* remove far outliers"):
        segment(Cloud(xyz, cloud.rgb))


@pytest.mark.parametrize("network", [SpaCeFormerConfig.released(), SpaCeFormerConfig.demo()], ids=["released", "demo"])
def test_a_first_estimate_of_memory_lies_above_the_features_and_not_far_above(network):
    features = 4 * 2 * max(network.decoder[-1].channels, network.decoder_channels)
    on_cpu, on_gpu = (estimated_bytes(network, 2, on_cpu=on_cpu) for on_cpu in (True, False))
    assert features < on_cpu < features + 24_000  # benchmarks.md: the first run takes at most 15,000 beyond them
    assert 2 * features < on_gpu < 7 * features
