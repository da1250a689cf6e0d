# SPDX-License-Identifier: Apache-2.0
"""The port against outputs of the official implementation (warpconvnet 1.8.2) on the released architecture.

data/golden_small.pt holds a scene of 3000 points and two result sets: `fp32core` without rounding in the attention
core, which checks the structure, and `fp16core` with it, as the official code runs on a GPU.

A query may attend to a voxel where its mask logit is at least 0. Of 592,000 logits some are closer to 0 than float32
can tell, so that their signs depend on the CPU, and one other sign moves a query's results by far more than rounding
does. Tests with tight limits therefore take the signs of logits within MASK_LIMIT of 0 from the reference.
data/golden_mask_edges.json holds them for `fp32core`: rows (voxel, query, whether it is inside the mask) per decoder
iteration, from a run of the port in float64, which agrees with the official outputs within the limits below.
"""

import json

import pytest
import torch
from helpers.paths import DATA
from helpers.reference import golden_value

from spaceformer_ros.network import decoder
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig
from spaceformer_ros.network.voxels import VoxelGrid

pytestmark = pytest.mark.slow

MASK_LIMIT = 1e-3  # of mask logits in float32, whose largest are about 80


@pytest.fixture(scope="module")
def keys():
    return json.loads((DATA / "state_dict_keys.json").read_text())


@pytest.fixture(scope="module")
def network(keys):
    model = SpaCeFormer(SpaCeFormerConfig.released()).eval().requires_grad_(False)
    model.load_state_dict({key: golden_value(key, shape) for key, shape in keys.items()}, strict=True)
    return model


@pytest.fixture(scope="module")
def golden():
    return torch.load(DATA / "golden_small.pt", weights_only=True)


@pytest.fixture(scope="module")
def grid(golden):
    return VoxelGrid.from_points(golden["coord"], golden["feat"], 0.02)


@pytest.fixture(scope="module")
def exact_features(network, golden, grid):
    """Features of the backbone, without rounding in the attention core."""
    return network.backbone_features(grid, golden["orders"])


@pytest.fixture
def decide(monkeypatch):
    """A function: for the next run, fix the signs of mask logits near 0; rows (voxel, query, inside) per iteration."""

    def fix(edges):
        iterations, original = iter(edges), decoder.blocked_voxels

        def blocked_voxels(mask_logits):
            blocked = original(mask_logits)
            voxel, query, inside = torch.tensor(next(iterations)).t()
            assert mask_logits[voxel, query].abs().max() < 2 * MASK_LIMIT
            blocked[voxel, query] = ~inside.bool()
            return blocked

        monkeypatch.setattr(decoder, "blocked_voxels", blocked_voxels)

    return fix


def edges_of(mask_logits):
    """Rows (voxel, query, inside) of mask logits within MASK_LIMIT of 0. mask_logits: [M, Q]."""
    rows = torch.nonzero(mask_logits.abs() < MASK_LIMIT)
    return [(*row, bool(mask_logits[tuple(row)] >= 0)) for row in rows.tolist()]


def test_state_dict_has_the_released_keys_and_shapes(keys):
    with torch.device("meta"):
        state = SpaCeFormer(SpaCeFormerConfig.released()).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == keys
    assert len(keys) == 486


@pytest.mark.parametrize(
    ("name", "core_dtype", "limits"),
    [
        ("fp32core", None, {"features": 5e-5, "logit": 2e-5, "clip_feat": 2e-5, "mask": MASK_LIMIT}),
        ("fp16core", torch.float16, {"features": 5e-3, "logit": 5e-3, "clip_feat": 1e-2, "mask": 0.2}),
    ],
)
def test_outputs_agree(network, golden, grid, exact_features, decide, name, core_dtype, limits):
    expected = golden[name]
    if core_dtype is None:
        decide(json.loads((DATA / "golden_mask_edges.json").read_text()))
    assert len(grid) == 2960
    features = network.backbone_features(grid, golden["orders"], core_dtype) if core_dtype else exact_features
    (iterations,) = network.predictions_per_cloud(features, grid, points=golden["coord"])
    prediction = list(iterations)[-1]
    difference = {
        "features": network.final(features)[grid.point_to_voxel][:256] - expected["point_features_first256"],
        "logit": prediction.objectness_logits - expected["logit"].reshape(200, 2),
        "clip_feat": prediction.clip_features - expected["clip_feat"].reshape(200, 1152),
        "mask": prediction.mask_logits[grid.point_to_voxel] - expected["mask"],
    }
    worst = {key: value.abs().max().item() for key, value in difference.items()}
    assert all(worst[key] <= limit for key, limit in limits.items()), worst


def test_voxel_keys_equal_point_keys_for_one_point_per_voxel(network, grid, exact_features, decide):
    """The memory-lean path is exact for clouds that hold one point per voxel."""
    points, features = grid.positions, exact_features
    grid = VoxelGrid.from_points(points, grid.features, 0.02)
    assert torch.equal(grid.point_to_voxel, torch.arange(len(points)))
    (exact,) = network.predictions_per_cloud(features, grid, points=points)
    exact = list(exact)
    decide([edges_of(prediction.mask_logits) for prediction in exact])
    (lean,) = network.predictions_per_cloud(features, grid)
    for a, b in zip(lean, exact, strict=True):
        torch.testing.assert_close(a.mask_logits, b.mask_logits, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(a.clip_features, b.clip_features, atol=1e-4, rtol=1e-4)
