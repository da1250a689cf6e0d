# SPDX-License-Identifier: Apache-2.0
"""Seeded queries: each query starts at a voxel, and its object is expected around the centre this voxel votes for.

Not part of the published network, whose queries are learned constants and need hundreds of GPU hours of training.
Votes are those of VoteNet (Qi et al. 2019, arXiv 1904.09664), sampled farthest first as in Mask3D (Schult et al. 2023,
arXiv 2210.03105). The demo configuration uses them; the released one does not.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .. import SpaceformerError


@dataclass(frozen=True)
class Seeds:
    """Seeds of the Q queries of one cloud.

    row: [Q] int64 the query's voxel; centre: [Q, 3] float32 metres, the vote of that voxel; votes: [M, 3] float32
    metres, of all voxels.
    """

    row: torch.Tensor
    centre: torch.Tensor
    votes: torch.Tensor


class QuerySeeds(nn.Module):
    """Picks the seed voxels, and adds the distance to the expected centre to the mask logits."""

    def __init__(self, in_channels, channels):
        super().__init__()
        self.foreground = nn.Linear(in_channels, 1)
        self.offset = nn.Linear(in_channels, 3)
        self.content = nn.Linear(in_channels, channels)
        self.place = nn.Linear(channels, 5)  # offset of the centre (3), sharpness, bias
        nn.init.zeros_(self.place.weight)
        with torch.no_grad():
            self.place.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 4.0, 1.0]))  # logit 0 at a distance of half a metre

    def vote(self, features, positions):
        """Predicted object centre of each voxel, [M, 3] float32 metres. features: [M, C]; positions: [M, 3] metres."""
        return positions.float() + self.offset(features).float()

    def pick(self, features, positions, count):
        """Seeds of a cloud: up to `count` foreground voxels whose votes are as far apart as possible."""
        votes = self.vote(features, positions)
        with torch.no_grad():
            foreground = self.foreground(features)[:, 0].float()
            count = min(count, len(foreground))
            threshold = foreground.topk(count).values[-1].clamp(max=0.0)
            candidates = torch.nonzero(foreground >= threshold)[:, 0]
            if not len(candidates):
                raise SpaceformerError(
                    f"the network's features are not finite in {str(features.dtype)[6:]}: set precision to auto"
                )
            row = candidates[farthest_points(votes[candidates], count)]
        return Seeds(row, votes[row], votes)

    def place_logits(self, query, centre, votes):
        """Addend of the mask logits, [Q, M] float32: bias - sharpness * |vote - centre|^2, learned per query.

        query: [Q, C]; centre: [Q, 3] and votes: [M, 3] metres, of Seeds.
        """
        offset, sharpness, bias = self.place(query).float().split([3, 1, 1], dim=1)
        centre, sharpness = centre + offset, F.softplus(sharpness)
        with torch.autocast(query.device.type, enabled=False):
            # the square expanded, as one matrix product
            left = torch.cat([2 * sharpness * centre, -sharpness, bias - sharpness * square_norm(centre)], dim=1)
            return left @ torch.cat([votes, square_norm(votes), torch.ones_like(votes[:, :1])], dim=1).t()


def square_norm(x):
    """Squared length of each row, [N, 1]. x: [N, C]."""
    return (x * x).sum(dim=1, keepdim=True)


def farthest_points(points, count):
    """Farthest point sampling: [count] int64 indices; the first is the point farthest from the mean.

    points: [K, 3] float, K >= 1; indices repeat after all points were taken.
    """
    chosen = torch.empty(count, dtype=torch.int64, device=points.device)
    pick = (points - points.mean(dim=0)).square().sum(dim=1).argmax()
    distance = torch.full((len(points),), torch.inf, device=points.device)
    for i in range(count):
        chosen[i] = pick
        nearest = points.index_select(0, pick[None])  # points[pick] would wait for the GPU
        distance = torch.minimum(distance, (points - nearest).square().sum(dim=1))
        pick = distance.argmax()
    return chosen
