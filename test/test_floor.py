"""Counts of benchmarks/floor.py against what PyTorch counts, and the naive network of benchmarks/naive.py."""

import pathlib
import sys

import pytest
import torch
from test_network import made_grid
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from spaceformer_ros import voxels
from spaceformer_ros.voxels import Level

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "benchmarks"))

import floor
import naive


def sdpa_flops(query, key, value, *rest, out_shape=None, **options):
    return sdpa_flop_count(query, key, value)


@pytest.mark.parametrize("seeded", [False, True])
def test_counted_multiply_adds_are_those_that_run(monkeypatch, tiny_model, seeded):
    monkeypatch.setattr(voxels, "padded_length", lambda length: length)  # padding is not needed work
    model, grid = tiny_model(seeded_queries=seeded), made_grid()
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping={kernel: sdpa_flops}) as counter:
        model(grid)
    expected = sum(floor.count_multiply_adds(model, Level(grid.level.key)).values())
    assert counter.get_total_flops() == pytest.approx(2 * expected, rel=1e-3)


def test_the_naive_network_gives_the_same(tiny_model):
    model, grid = tiny_model(), made_grid(points=400)  # one point per voxel, where points and voxels are the same keys
    with torch.no_grad():
        (ours,) = model(grid)
        masks, objectness, features = naive.predict(model, grid.positions, grid.features)
    torch.testing.assert_close(ours.mask_logits, masks, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.objectness_logits, objectness, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(ours.clip_features, features, atol=1e-4, rtol=1e-3)
