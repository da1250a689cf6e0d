# SPDX-License-Identifier: Apache-2.0
"""Test-time augmentation: the network also sees the map turned by quarters about the vertical axis.

A quarter turn maps voxels onto voxels, so the masks of all views are masks of the same voxels. Duplicates among their
queries are removed, and averaged, as those of one view are.
"""

from dataclasses import replace

import torch

from ..network.packing import pack
from ..network.voxels import Level, VoxelGrid


def predict_views(backend, grid, orders, views):
    """Prediction of a VoxelGrid with one scene: the queries of `views` predictions, and their mean features."""
    predictions = [backend.predict(grid, orders)]
    for quarters in range(1, views):
        turned, row = turn(grid, quarters)
        found = backend.predict(turned, orders)
        features = None if found.features is None else found.features[row]
        predictions.append(replace(found, mask_logits=found.mask_logits[row], features=features))
    return joined(predictions) if views > 1 else predictions[0]


def turn(grid, quarters):
    """The VoxelGrid turned by quarters, without its points, and [M] int64: the row of each voxel in it."""
    coords, positions = grid.level.coords, grid.positions
    for _ in range(quarters):  # the voxel from c to c + 1 becomes the one from -c - 1 to -c
        coords = torch.stack([-coords[:, 1] - 1, coords[:, 0], coords[:, 2]], dim=1)
        positions = torch.stack([-positions[:, 1], positions[:, 0], positions[:, 2]], dim=1)
    key, order = torch.sort(pack(coords, grid.level.cloud_index))
    numbers = torch.arange(len(order), device=order.device)
    row = torch.empty_like(order).scatter_(0, order, numbers)
    parts = positions[order], grid.features[order], numbers.int(), grid.counts[order]
    return VoxelGrid(Level(key), *parts, grid.voxel_size), row


def joined(predictions):
    """One Prediction with the queries of several for the same voxels. Features of voxels are averaged."""
    masks, objectness, features = (
        torch.cat([getattr(one, name) for one in predictions], dim)
        for name, dim in (("mask_logits", 1), ("objectness_logits", 0), ("clip_features", 0))
    )
    voxels = [one.features for one in predictions if one.features is not None]
    return replace(
        predictions[0],
        mask_logits=masks,
        objectness_logits=objectness,
        clip_features=features,
        seeds=None,
        features=torch.stack([part.float() for part in voxels]).mean(dim=0) if voxels else None,
    )
