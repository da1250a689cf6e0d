# SPDX-License-Identifier: Apache-2.0
"""Seeded queries: each query starts at a voxel, and its object is expected around the centre this voxel votes for.

Not part of the published network, whose queries are learned constants and need hundreds of GPU hours of training.
Votes are those of VoteNet (Qi et al. 2019, arXiv 1904.09664), sampled farthest first as in Mask3D (Schult et al. 2023,
arXiv 2210.03105). The demo configuration uses them; the released one does not.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn

from .. import SpaceformerError
from .layers import kernels_of


@dataclass(frozen=True)
class Seeds:
    """Seeds of the Q queries of one cloud.

    row: [Q] int64 the query's voxel; centre: [Q, 3] float32 metres, the vote of that voxel; votes: [M, 3] float32
    metres, of all voxels.
    """

    row: torch.Tensor
    centre: torch.Tensor
    votes: torch.Tensor

    @cached_property
    def factors(self):
        """`vote_factors` of all voxels, [M, 5] float32."""
        return vote_factors(self.votes)


class QuerySeeds(nn.Module):
    """Picks the seed voxels, and adds the distance to the expected centre to the mask logits."""

    kernels = None  # see `kernels_of`

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
            row = candidates[self.spread(votes[candidates], count)]
        return Seeds(row, votes[row], votes)

    def spread(self, points, count):
        """`farthest_points`, in a kernel where there is one."""
        kernels = kernels_of(self)
        return (kernels.farthest_points if kernels else farthest_points)(points, count)

    def place_factors(self, query, centre):
        """Factors [Q, 5] float32 of an addend of the mask logits, learned per query: with `vote_factors` [M, 5],
        factors @ votes.t() is bias - sharpness * |vote - centre|^2.

        query: [Q, C]; centre: [Q, 3] metres, of Seeds.
        """
        offset, sharpness, bias = self.place(query).float().split([3, 1, 1], dim=1)
        centre, sharpness = centre + offset, F.softplus(sharpness)
        with torch.autocast(query.device.type, enabled=False):
            return torch.cat([2 * sharpness * centre, -sharpness, bias - sharpness * square_norm(centre)], dim=1)


def vote_factors(votes):
    """[M, 5] float32: x, y, z, the square of their length, and 1, see `QuerySeeds.place_factors`. votes: [M, 3]."""
    return torch.cat([votes, square_norm(votes), torch.ones_like(votes[:, :1])], dim=1)


def square_norm(x):
    """Squared length of each row, [N, 1]. x: [N, C]."""
    return (x * x).sum(dim=1, keepdim=True)


def farthest_points(points, count):
    """Farthest point sampling: [count] int64 indices; the first is the point farthest from the mean.

    points: [K, 3] float, K >= 1; indices repeat after all points were taken.
    """
    chosen, columns = torch.empty(count, dtype=torch.int64, device=points.device), points.t().contiguous()
    pick = farthest_from_mean(columns)
    distance = torch.full((len(points),), torch.inf, device=points.device)
    for i in range(count):
        chosen[i] = pick
        nearest = columns.index_select(1, pick[None])  # columns[:, pick] would wait for the GPU
        distance = torch.minimum(distance, _squared(columns - nearest))
        pick = distance.argmax()
    return chosen


def farthest_from_mean(columns):
    """Index of the point that is farthest from the mean, a scalar int64 tensor. columns: [3, K]."""
    return _squared(columns - columns.mean(dim=1, keepdim=True)).argmax()


def _squared(columns):
    """Squared length of each column, [K]. columns: [3, K]; overwritten."""
    x, y, z = columns.mul_(columns)
    return x.add_(y).add_(z)
