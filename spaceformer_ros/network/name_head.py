# SPDX-License-Identifier: Apache-2.0
"""The name head corrects the CLIP feature of a mask by what the mask contains.

A query's CLIP feature is decoded before its final mask is known. The head receives the mask's size, its height above
the floor, its colours and the backbone's features inside it. Like the seeded queries it is our addition: released
checkpoints have none.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .principal_axes import turned

SAMPLES = 64  # voxels of a mask whose positions and colours are looked at
TAIL = 3  # samples outside the extent at each end of an axis, about 5 %: masks have strays
MIN_EXTENT = 0.03  # metres, of the logarithms
GEOMETRY = 14  # columns of `MaskViews.geometry`
MIN_SCALE = 1e-3  # of an input that is almost constant in training
FEATURE_SCALE = 8.0  # unit vectors of some hundred channels have small entries


@dataclass(frozen=True)
class MaskViews:
    """What the head sees of K masks.

    features: [K, C_text] float32, the CLIP features of the queries
    pooled: [K, 2 C] float32, mean and maximum of the backbone's features over the mask
    geometry: [K, 14] float32: logarithms of length, width and height (metres), heights of bottom and top above the
        floor (metres), logarithm of the number of voxels, objectness, mask score, mean and standard deviation of the
        colours in [-1, 1]
    """

    features: torch.Tensor
    pooled: torch.Tensor
    geometry: torch.Tensor


class NameHead(nn.Module):
    """Two hidden layers on MaskViews; their output is added to the unit CLIP feature. New heads add nothing.

    mean, scale: [14 + 2 C], of geometry and pooled features in training; inputs are standardised with them.
    """

    def __init__(self, text_channels, channels, hidden, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(text_channels + GEOMETRY + 2 * channels, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, text_channels),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)
        self.register_buffer("mean", torch.zeros(GEOMETRY + 2 * channels))
        self.register_buffer("scale", torch.ones(GEOMETRY + 2 * channels))

    @classmethod
    def of(cls, config, dropout=0.0):
        """The head of a SpaCeFormerConfig."""
        return cls(config.text_channels, config.decoder[-1].channels, config.name_head, dropout)

    def standardise(self, views):
        """Take mean and scale from the MaskViews of a training set."""
        seen = torch.cat([views.geometry, views.pooled], dim=1)
        self.mean.copy_(seen.mean(dim=0))
        self.scale.copy_(seen.std(dim=0).clamp(min=MIN_SCALE))

    def forward(self, views):
        """Unit CLIP features of K masks, [K, C_text] float32. views: MaskViews."""
        feature = F.normalize(views.features, dim=1)
        seen = (torch.cat([views.geometry, views.pooled], dim=1) - self.mean) / self.scale
        return F.normalize(feature + self.layers(torch.cat([FEATURE_SCALE * feature, seen], dim=1)), dim=1)


def view_masks(rows, sizes, grid, features, clip_features, objectness, mask_score):
    """MaskViews of K masks.

    rows: [n] int64 voxel rows of all masks, one mask after the other; sizes: [K] int64, voxels of each, none empty
    grid: VoxelGrid, with z = 0 at the floor; features: [M, C] of the backbone
    clip_features: [K, C_text]; objectness, mask_score: [K]
    """
    inside = features.index_select(0, rows).float()
    pooled = [torch.segment_reduce(inside, how, lengths=sizes) for how in ("mean", "max")]
    steps = torch.arange(SAMPLES, device=rows.device)
    start = sizes.cumsum(0) - sizes
    sample = rows[start[:, None] + steps * sizes[:, None] // SAMPLES]  # [K, SAMPLES], evenly spaced
    shape = shape_of(grid.positions[sample])
    colors = grid.features[sample]
    scores = torch.stack([sizes.float().log(), objectness.float(), mask_score.float()], dim=1)
    geometry = torch.cat([shape, scores, colors.mean(dim=1), colors.std(dim=1, correction=0)], dim=1)
    return MaskViews(clip_features.float(), torch.cat(pooled, dim=1), geometry)


def shape_of(positions):
    """Logarithms of length, width and height, and the heights of bottom and top, [K, 5]; strays are left out.

    Length and width are those along the principal axes in the plan, so that the heading of an object has no effect.
    positions: [K, SAMPLES, 3] metres above the floor.
    """
    ordered = turned(positions).sort(dim=1).values
    low, high = ordered[:, TAIL], ordered[:, -1 - TAIL]
    return torch.cat([(high - low).clamp(min=MIN_EXTENT).log(), low[:, 2:], high[:, 2:]], dim=1)
