# SPDX-License-Identifier: Apache-2.0
"""Counts of benchmarks/floor.py against what PyTorch counts and holds, and the naive network of benchmarks/naive.py."""

import pytest
import torch
from helpers.networks import made_grid
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmarks import floor, naive
from benchmarks.measure import TensorMemory
from spaceformer_ros.network import backbone, groups, layers, neighbours
from spaceformer_ros.network.model import StageConfig
from spaceformer_ros.network.voxels import Level


def sdpa_flops(query, key, value, *rest, out_shape=None, **options):
    return sdpa_flop_count(query, key, value)


@pytest.mark.slow
@pytest.mark.parametrize("seeded", [False, True])
def test_counted_multiply_adds_are_those_that_run(monkeypatch, tiny_model, seeded):
    monkeypatch.setattr(neighbours, "padded_length", lambda length: length)  # padding is not needed work,
    monkeypatch.setattr(layers, "NARROW", 0)  # nor are the products with missing neighbours
    model, grid = tiny_model(seeded_queries=seeded), made_grid()
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping={kernel: sdpa_flops}) as counter:
        model(grid)
    expected = sum(floor.count_multiply_adds(model, Level(grid.level.key)).values())
    assert counter.get_total_flops() == pytest.approx(2 * expected, rel=1e-3)


@pytest.mark.slow
def test_the_naive_network_gives_the_same(tiny_model):
    model, grid = tiny_model(), made_grid(points=400)  # one point per voxel, where points and voxels are the same keys
    with torch.no_grad():
        (ours,) = model(grid)
        masks, objectness, features = naive.predict(model, grid.positions, grid.features)
    torch.testing.assert_close(ours.mask_logits, masks, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.objectness_logits, objectness, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(ours.clip_features, features, atol=1e-4, rtol=1e-3)


def test_tensors_are_counted_from_their_making_to_their_end():
    given = torch.zeros(100)
    with TensorMemory() as memory:
        a = given + 1  # 400 bytes
        a[10:].mul_(2)  # a view, written in place
        b = torch.cat([a, given])  # 800 bytes
        del a
        c = b.double()  # 1600 bytes
    assert (memory.now, memory.peak) == (2400, 2400)
    del b, c
    assert memory.now == 0


WIDE_BELOW = {"encoder": (StageConfig(8, 1, "space", 8, 1), StageConfig(512, 2, "curve", 64, 1))}


@pytest.mark.parametrize("changes", [{}, {"seeded_queries": True}, WIDE_BELOW])
def test_counted_features_are_what_the_layers_read_write_and_keep(monkeypatch, tiny_model, changes):
    model, grid = tiny_model(**changes), made_grid()
    skips, moments = [], []

    def after(module, inputs, output):
        kept = sum(skip.nbytes for skip in skips)
        if isinstance(module, backbone.Down):
            skips.append(inputs[0])
        elif isinstance(module, backbone.Up):
            moments.append(kept + inputs[0].nbytes + output.nbytes)
            skips.pop()
        else:
            moments.append(kept + inputs[0].nbytes + output.nbytes)

    for module in model.modules():
        if isinstance(module, (backbone.Block, backbone.Down, backbone.Up)):
            module.register_forward_hook(after)
    make_keys, predict, made = model.make_keys, model.predict, []

    def remember_keys(features, *rest):
        keys = make_keys(features, *rest)
        made.append(keys.key.nbytes + keys.value.nbytes)
        moments.append(features.nbytes + made[0] + made[0] // 2)  # mask features: as large as the keys
        return keys

    def remember_masks(query, mask_features, seeds=None):
        prediction = predict(query, mask_features, seeds)
        moments.append(made[0] + mask_features.nbytes + prediction.mask_logits.nbytes)
        return prediction

    monkeypatch.setattr(model, "make_keys", remember_keys)
    monkeypatch.setattr(model, "predict", remember_masks)
    with torch.no_grad():
        model(grid)
    assert floor.count_feature_bytes(model, Level(grid.level.key), 4) == max(moments)


WIDE_BLOCKS = {
    "encoder": (StageConfig(8, 1, "space", 8, 1),) * 3,
    "decoder": (StageConfig(16, 2, "space", 8, 1), StageConfig(192, 2, "space", 4, 2)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("widths", "limit"), [(WIDE_BLOCKS, 800), ({"decoder_channels": 96}, 350)])
def test_memory_beyond_the_features_is_small(monkeypatch, tiny_model, widths, limit):
    """limit: bytes per voxel, little more than tables and pieces take; one more tensor of full width is above it."""
    monkeypatch.setitem(layers.PIECE_VALUES, "cpu", 1 << 12)
    monkeypatch.setitem(layers.CONVOLUTION_SUMS, "cpu", 1 << 16)
    monkeypatch.setitem(groups.GROUP_ROWS, "cpu", 64)
    model, grid = tiny_model(stem_kernel_size=3, **widths), made_grid(points=4000)
    with torch.no_grad(), TensorMemory() as memory:
        model(grid)
    features = floor.count_feature_bytes(model, Level(grid.level.key), 4)
    assert features <= memory.peak <= features + limit * len(grid)
