"""Two looks at one map: as it is and in a mirror. What both see is surer, and what one of them misses is found.

The mirror stands on a border between voxels, so both looks are at the same voxels and their masks can be put side by
side; duplicates are then removed, and averaged, as those of one look are.
"""

import torch

from ..network.decoder import Prediction
from ..network.voxels import Level, VoxelGrid, pack


def look(backend, grid, orders, looks=1):
    """Prediction of a VoxelGrid with one scene, from one look or from two: the queries of both, one after the other."""
    first = backend.predict(grid, orders)
    if looks == 1:
        return first
    grid, row = mirrored(grid)
    second = backend.predict(grid, orders)
    return Prediction(
        torch.cat([first.mask_logits, second.mask_logits[row]], dim=1),
        torch.cat([first.objectness_logits, second.objectness_logits]),
        torch.cat([first.clip_features, second.clip_features]),
    )


def mirrored(grid):
    """The VoxelGrid seen in a mirror at x = 0, and [M] int64: where each voxel's mirror image stands in it."""
    coords, positions = grid.level.coords.clone(), grid.positions.clone()
    coords[:, 0] = -1 - coords[:, 0]
    positions[:, 0] = -positions[:, 0]
    key = pack(coords, grid.level.cloud_index)
    order = torch.argsort(key)
    row = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    columns = positions[order], grid.features[order], row[grid.point_to_voxel].int(), grid.counts[order]
    return VoxelGrid(Level(key[order]), *columns, grid.voxel_size), row
