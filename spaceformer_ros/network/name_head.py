# SPDX-License-Identifier: Apache-2.0
"""A second look at each mask: its CLIP feature is corrected by what the mask shows as a whole.

A query is decoded while its mask is still being found, and sees neither the size of the mask nor its height above the
floor. This head receives both, with the colours and the backbone's features inside the mask. Like the seeded queries it
is our addition: released checkpoints have none.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

SAMPLES = 64  # voxels of a mask whose positions and colours are looked at
TAIL = 3  # samples outside the extent at each end of an axis, about 5 %: masks have strays
MIN_EXTENT = 0.03  # metres, of the logarithms
GEOMETRY = 14  # columns of `MaskViews.geometry`
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
    """Two hidden layers on MaskViews; the result is added to the unit CLIP feature."""

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

    def forward(self, views):
        """Unit CLIP features of K masks, [K, C_text] float32. views: MaskViews."""
        feature = F.normalize(views.features, dim=1)
        seen = torch.cat([FEATURE_SCALE * feature, views.geometry, views.pooled], dim=1)
        return F.normalize(feature + self.layers(seen), dim=1)


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
    plan = positions[..., :2] - positions[..., :2].mean(dim=1, keepdim=True)
    xx, yy, xy = (plan[..., a] * plan[..., b] for a, b in ((0, 0), (1, 1), (0, 1)))
    angle = 0.5 * torch.atan2(2 * xy.mean(dim=1), xx.mean(dim=1) - yy.mean(dim=1))
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    x, y = plan.unbind(dim=-1)
    turned = torch.stack([c * x + s * y, c * y - s * x, positions[..., 2]], dim=-1)
    ordered = turned.sort(dim=1).values
    low, high = ordered[:, TAIL], ordered[:, -1 - TAIL]
    return torch.cat([(high - low).clamp(min=MIN_EXTENT).log(), low[:, 2:], high[:, 2:]], dim=1)
