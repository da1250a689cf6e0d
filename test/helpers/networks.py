# SPDX-License-Identifier: Apache-2.0
"""Tiny networks, grids and segmenters."""

import numpy as np
import torch

from spaceformer_ros.config import ModelConfig
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig, StageConfig
from spaceformer_ros.network.packing import pack
from spaceformer_ros.network.voxels import Level, VoxelGrid
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, Checkpoint
from spaceformer_ros.words.similarity import Similarity

ON_CPU = ModelConfig(device="cpu", precision="float32")


def tiny_config(**changes):
    """A network of a few thousand parameters with both kinds of attention."""
    values = {
        "encoder": (StageConfig(8, 1, "space", 8, 1), StageConfig(12, 2, "curve", 64, 1)),
        "decoder": (StageConfig(16, 2, "space", 8, 1),),
        "voxel_size": 0.05,
        "feature_channels": 24,
        "text_channels": 6,
        "decoder_channels": 24,
        "decoder_heads": 2,
        "decoder_hidden": 32,
        "num_queries": 10,
    }
    return SpaCeFormerConfig(**{**values, **changes})


def level_of(coords, scene=None):
    coords = torch.as_tensor(coords)
    scene = torch.zeros(len(coords), dtype=torch.int64) if scene is None else torch.as_tensor(scene)
    return Level(torch.unique(pack(coords, scene)))


def random_level(extent=9, count=200, low=-4, seed=0):
    rng = np.random.default_rng(seed)
    return level_of(rng.integers(low, low + extent, (count, 3)))


def made_grid(seed=0, points=1500, voxel_size=0.05, scenes=1):
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(points, 3, generator=generator) * torch.tensor([1.5, 1.2, 0.8])
    colors = torch.rand(points, 3, generator=generator) * 2 - 1
    scene = torch.arange(points) * scenes // points
    return VoxelGrid.from_points(xyz, colors, voxel_size, scene)


def segmenter(config=ON_CPU, **changes):
    torch.manual_seed(0)
    model = SpaCeFormer(tiny_config(seeded_queries=True, **changes)).eval().requires_grad_(False)
    return Segmenter(Checkpoint(model, DEMO_TEXT_MODEL, Similarity(), "", "tiny"), config)
