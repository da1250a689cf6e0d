# SPDX-License-Identifier: Apache-2.0
"""SpaCeFormer: configuration and the whole network, from a voxel grid to one prediction per cloud."""

from collections import deque
from dataclasses import asdict, dataclass

import torch

from .. import SpaceformerError
from .backbone import Backbone
from .decoder import QueryDecoder
from .groups import CURVE_ORDERS, RANDOM_ORDER, SPACE_ORDERS, check_order


@dataclass(frozen=True)
class StageConfig:
    """Blocks of one level: `kind` "space" (size = window side in voxels) or "curve" (size = voxels per patch)."""

    channels: int
    heads: int
    kind: str
    size: int
    depth: int = 2


@dataclass(frozen=True)
class SpaCeFormerConfig:
    """The shapes and the arithmetic of a network; stored in every checkpoint.

    encoder: StageConfigs, finest level first;
    decoder: StageConfigs from the second coarsest level to the finest;
    voxel_size: metres, fixed by training;
    feature_channels: width of the backbone's output;
    text_channels: width of the text embeddings;
    position_octaves: 0 for the published input, colours only; n > 0 adds each voxel's position and n octaves of its
        sines and cosines (`network_input`);
    voxel_offsets: adds the mean point's offset from the voxel's centre, which shows details smaller than a voxel;
    seeded_queries: False for the published queries, learned constants; True to start them at voxels (`seeds.py`);
    name_head: 0 for the published output; n > 0 adds a NameHead with n hidden channels (`name_head.py`);
    point_head: 0 for the published output; n > 0 adds a PointHead with n channels in its first level (`point_head.py`);
    nms_iou: mask IoU above which two predictions are the same object;
    fuse_iou: mask IoU above which a worse prediction is averaged into the better one; 1 disables this, as published;
    along_walls: maps are rotated to align their walls with the axes before voxelisation, as in training.
    """

    encoder: tuple
    decoder: tuple
    voxel_size: float
    feature_channels: int
    text_channels: int
    decoder_channels: int
    decoder_heads: int
    decoder_hidden: int
    num_queries: int
    iterations: int = 3
    position_octaves: int = 0
    voxel_offsets: bool = False
    seeded_queries: bool = False
    name_head: int = 0
    point_head: int = 0
    stem_kernel_size: int = 5
    nms_iou: float = 0.7
    fuse_iou: float = 1.0
    along_walls: bool = False
    mlp_ratio: float = 2.0
    rope_base: float = 2000.0

    @classmethod
    def released(cls):
        """The published network (arXiv 2604.20395): 85,801,090 parameters, 2 cm voxels, SigLIP2 text space."""
        return cls(
            encoder=(
                StageConfig(32, 2, "space", 64),
                StageConfig(64, 4, "space", 48),
                StageConfig(128, 8, "curve", 1024),
                StageConfig(256, 16, "curve", 1024, depth=6),
                StageConfig(512, 32, "curve", 1024),
            ),
            decoder=(
                StageConfig(256, 16, "curve", 1024),
                StageConfig(256, 8, "curve", 1024),
                StageConfig(384, 8, "space", 48),
                StageConfig(512, 8, "space", 64),
            ),
            voxel_size=0.02,
            feature_channels=1152,
            text_channels=1152,
            decoder_channels=512,
            decoder_heads=8,
            decoder_hidden=1024,
            num_queries=200,
        )

    @classmethod
    def demo(cls):
        """A small network for 5 cm voxels and the text space of all-MiniLM-L6-v2, trainable on a CPU."""
        return cls(
            encoder=(
                StageConfig(32, 1, "space", 12, depth=1),
                StageConfig(64, 1, "space", 10, depth=1),
                StageConfig(96, 3, "curve", 512),
                StageConfig(128, 4, "curve", 512),
            ),
            decoder=(
                StageConfig(96, 3, "curve", 512, depth=1),
                StageConfig(64, 1, "space", 10, depth=1),
                StageConfig(64, 1, "space", 12, depth=1),
            ),
            voxel_size=0.05,
            feature_channels=128,
            text_channels=384,
            decoder_channels=128,
            decoder_heads=4,
            decoder_hidden=256,
            num_queries=100,
            position_octaves=5,
            voxel_offsets=True,
            seeded_queries=True,
            name_head=384,
            along_walls=True,
            nms_iou=0.3,  # several queries have their seed on one object
            fuse_iou=0.5,
            stem_kernel_size=3,
        )

    @property
    def in_channels(self):
        """Width of the stem's input, see `network_input`."""
        return 3 + (3 + 6 * self.position_octaves if self.position_octaves else 0) + 3 * self.voxel_offsets

    @property
    def block_kinds(self):
        """Kind of every block in the order of execution."""
        return tuple(stage.kind for stage in (*self.encoder, *self.decoder) for _ in range(stage.depth))

    def to_dict(self):
        """Plain values for a checkpoint; the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Inverse of `to_dict`. Raises SpaceformerError for unknown or missing entries."""
        try:
            values = dict(values)
            for part in ("encoder", "decoder"):
                values[part] = tuple(StageConfig(**stage) for stage in values[part])
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise SpaceformerError(f"this is not the configuration of a SpaCeFormer network: {error}") from error


def fixed_orders(config):
    """The default block orders: deterministic, all curves and window offsets in turn."""
    return tuple(
        SPACE_ORDERS[i % len(SPACE_ORDERS)] if kind == "space" else CURVE_ORDERS[i % len(CURVE_ORDERS)]
        for i, kind in enumerate(config.block_kinds)
    )


def drawn_orders(config, seed):
    """The block orders, RANDOM_ORDER among them, that the published inference draws after `torch.manual_seed(seed)`."""
    generator = torch.Generator().manual_seed(seed)
    lists = {"space": SPACE_ORDERS, "curve": (RANDOM_ORDER, *CURVE_ORDERS)}
    return tuple(
        lists[kind][int(torch.randint(0, len(lists[kind]), (1,), generator=generator))] for kind in config.block_kinds
    )


def network_input(grid, config):
    """The stem's input, [M, C_in] float32.

    Colours and, as set in the SpaCeFormerConfig, positions (period of octave i: 16 / 2**i m) and the mean point's
    offset from the centre of its voxel, -0.5 to 0.5 voxels.
    """
    parts = [grid.features]
    if config.position_octaves:
        octaves = torch.arange(config.position_octaves, device=grid.positions.device)
        angles = (2 * torch.pi / 16 * 2.0**octaves * grid.positions[:, :, None]).flatten(1)
        parts += [grid.positions / 4, angles.sin(), angles.cos()]
    if config.voxel_offsets:
        parts.append(grid.positions / grid.voxel_size - grid.level.coords - 0.5)
    return torch.cat(parts, dim=1) if len(parts) > 1 else grid.features


class SpaCeFormer(QueryDecoder):
    """The network. `state_dict()` of the released configuration has the released checkpoint's 486 keys and shapes."""

    def __init__(self, config):
        super().__init__(config)
        self.config = config
        self.iterations, self.rope_base = config.iterations, config.rope_base
        self.backbone = Backbone(config)

    @property
    def final(self):
        """The backbone's last projection (nn.Linear), folded into the decoder's projections."""
        return self.backbone.inner_module.final.block

    def backbone_features(self, grid, orders=None, core_dtype=None, permutation_seed=0):
        """Features of the voxels before `final`, [M, C].

        orders: one block order per block, None for `fixed_orders`; permutation_seed: of the permutations of blocks
        with RANDOM_ORDER, drawn from a separate generator. Raises SpaceformerError for orders that do not fit.
        """
        orders = fixed_orders(self.config) if orders is None else tuple(orders)
        kinds = self.config.block_kinds
        if len(orders) != len(kinds):
            raise SpaceformerError(f"{len(orders)} block orders given; this network has {len(kinds)} blocks")
        for order, kind in zip(orders, kinds):
            check_order(order, kind)
        generator = torch.Generator().manual_seed(permutation_seed)
        features = network_input(grid, self.config).to(self.final.weight.dtype)
        return self.backbone.inner_module(grid.level, features, orders, core_dtype, generator)

    def forward(self, grid, orders=None, core_dtype=None, points=None, num_queries=None, chunk_size=4096):
        """One Prediction per cloud of the grid, as a list.

        points: [N, 3] float32 metres of the points of `grid.point_to_voxel` (one cloud only) to use every point as a
        key of the cross attention, exactly as published. By default the keys are the voxels at their mean position,
        which is equivalent for clouds with one point per voxel.
        """
        features = self.backbone_features(grid, orders, core_dtype)
        clouds = self.predictions_per_cloud(features, grid, points, num_queries, chunk_size)
        del features  # the generators release them after use
        return [deque(iterations, maxlen=1)[0] for iterations in clouds]

    def predictions_per_cloud(self, features, grid, points=None, num_queries=None, chunk_size=4096):
        """For each cloud, an iterator over the Predictions of all decoder iterations; arguments as in `forward`."""
        sizes = grid.level.cloud_sizes
        if points is not None:
            if len(sizes) != 1:
                raise SpaceformerError(
                    f"points as keys need a grid of one cloud, this one has {len(sizes)}: pass points=None"
                )
            points = (points, grid.point_to_voxel)
        return [
            self.decode(cloud_features, self.final, positions, points, num_queries, chunk_size)
            for cloud_features, positions in zip(features.split(sizes), grid.positions.split(sizes))
        ]
