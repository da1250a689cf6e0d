import numpy as np
import pytest
import torch
from helpers.networks import tiny_config

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.network.decoder import Prediction
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.voxels import VoxelGrid
from spaceformer_ros.segment.flip_tta import look, mirrored
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.weights.checkpoint import Checkpoint
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.text_model import TextModelId


@pytest.fixture
def grid(rng):
    xyz = torch.from_numpy(rng.uniform(-1, 1, (3000, 3)).astype(np.float32))
    return VoxelGrid.from_points(xyz, torch.from_numpy(rng.random((3000, 3)).astype(np.float32)), 0.05)


class Sees:
    """A backend whose prediction says where every voxel is: mask logits are x and the first colour."""

    def predict(self, grid, orders):
        logits = torch.stack([grid.positions[:, 0], grid.features[:, 0]], dim=1)
        return Prediction(logits, torch.ones(2, 2), torch.ones(2, 6))


def test_a_mirror_image_has_the_same_voxels_elsewhere(grid):
    other, row = mirrored(grid)
    assert torch.equal(other.positions[row][:, 0], -grid.positions[:, 0])
    assert torch.equal(other.positions[row][:, 1:], grid.positions[:, 1:])
    assert torch.equal(other.features[row], grid.features)
    assert torch.equal(other.point_to_voxel, row[grid.point_to_voxel])
    assert bool((other.level.key.diff() > 0).all())
    inside = other.positions / 0.05 - other.level.coords
    assert float(inside.min()) > -1e-3
    assert float(inside.max()) < 1 + 1e-3
    twice, back = mirrored(other)
    assert torch.equal(twice.level.key, grid.level.key)
    assert torch.equal(back[row], torch.arange(len(grid)))


def test_masks_of_both_looks_lie_on_the_voxels_of_the_first(grid):
    seen = look(Sees(), grid, None, looks=2)
    assert torch.equal(seen.mask_logits[:, 2], -seen.mask_logits[:, 0])
    assert torch.equal(seen.mask_logits[:, 3], grid.features[:, 0])
    assert seen.mask_logits.shape[1] == len(seen.objectness_logits) == len(seen.clip_features) == 4
    assert look(Sees(), grid, None, looks=1).mask_logits.shape[1] == 2


@pytest.mark.parametrize(("setting", "of_checkpoint", "looks"), [(0, 1, 1), (0, 2, 2), (1, 2, 1), (2, 1, 2)])
def test_the_checkpoint_says_how_many_looks_unless_the_user_does(rng, setting, of_checkpoint, looks):
    torch.manual_seed(0)
    model = SpaCeFormer(tiny_config(looks=of_checkpoint)).eval().requires_grad_(False)
    checkpoint = Checkpoint(model, TextModelId("words"), Similarity(), "", "tiny")
    config = Config().with_values(
        {"device": "cpu", "precision": "float32", "looks": setting, "nms_iou": 1.0, "min_points": 1}
    )
    segmenter = Segmenter(checkpoint, config.model)
    calls, predict = [], segmenter.backend.predict
    segmenter.backend.predict = lambda *arguments: calls.append(1) or predict(*arguments)
    cloud = Cloud(rng.uniform(-1, 1, (3000, 3)).astype(np.float32), rng.integers(0, 255, (3000, 3), dtype=np.uint8))
    found = segmenter.segment(cloud, config)
    assert len(calls) == looks
    assert len(found) <= 10 * looks
    assert looks == 1 or len(found) > 10
