"""Seeded queries: every query starts at a voxel and expects its object around the centre that this voxel votes for.

Not part of the published network, whose queries are learned constants and take hundreds of GPU hours to specialise.
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
    """Q starting places in one scene. row: [Q] int64 voxel; centre: [Q, 3] and votes: [M, 3], float32 metres."""

    row: torch.Tensor
    centre: torch.Tensor
    votes: torch.Tensor


class QuerySeeds(nn.Module):
    """Picks the starting voxels and says how much the place of a voxel speaks for a query's mask."""

    def __init__(self, in_channels, channels):
        super().__init__()
        self.foreground = nn.Linear(in_channels, 1)
        self.offset = nn.Linear(in_channels, 3)
        self.content = nn.Linear(in_channels, channels)
        self.place = nn.Linear(channels, 5)  # shift of the centre (3), sharpness, bias
        nn.init.zeros_(self.place.weight)
        with torch.no_grad():
            self.place.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 4.0, 1.0]))  # a ball of half a metre

    def vote(self, features, positions):
        """Place of the object's centre as each voxel sees it. features: [M, C]; positions: [M, 3] metres."""
        return positions.float() + self.offset(features).float()

    def pick(self, features, positions, count):
        """Seeds of a scene: voxels that look like part of an object, their votes as far apart as possible."""
        votes = self.vote(features, positions)
        with torch.no_grad():
            foreground = self.foreground(features)[:, 0].float()
            count = min(count, len(foreground))
            threshold = foreground.topk(count).values[-1].clamp(max=0.0)
            candidates = torch.nonzero(foreground >= threshold)[:, 0]
            if not len(candidates):
                raise SpaceformerError(
                    f"the network's values are not finite in {str(features.dtype)[6:]}: set precision to auto"
                )
            row = candidates[farthest_points(votes[candidates], count)]
        return Seeds(row, votes[row], votes)

    def place_logits(self, query, centre, votes):
        """What distance to the expected centre adds to the mask logits, [Q, M] float32.

        query: [Q, C]; centre: [Q, 3] and votes: [M, 3] of its Seeds.
        """
        shift, sharpness, bias = self.place(query).float().split([3, 1, 1], dim=1)
        centre, sharpness = centre + shift, F.softplus(sharpness)
        square = lambda x: (x * x).sum(dim=1, keepdim=True)  # noqa: E731
        with torch.autocast(query.device.type, enabled=False):
            # bias - sharpness * |vote - centre|^2 as one product
            ours = torch.cat([2 * sharpness * centre, -sharpness, bias - sharpness * square(centre)], dim=1)
            return ours @ torch.cat([votes, square(votes), torch.ones_like(votes[:, :1])], dim=1).t()


def farthest_points(points, count):
    """Indices [count] of points, each the farthest from those before it; the first is the one farthest from the mean.

    points: [K, 3] float, K >= 1; indices repeat once all points are taken.
    """
    chosen = torch.empty(count, dtype=torch.int64, device=points.device)
    pick = (points - points.mean(dim=0)).square().sum(dim=1).argmax()
    distance = torch.full((len(points),), torch.inf, device=points.device)
    for i in range(count):
        chosen[i] = pick
        nearest = points.index_select(0, pick[None])  # not points[pick], which would wait for a GPU
        distance = torch.minimum(distance, (points - nearest).square().sum(dim=1))
        pick = distance.argmax()
    return chosen
