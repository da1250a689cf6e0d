# SPDX-License-Identifier: Apache-2.0
"""The features of masks, corrected by the network's name head."""

from dataclasses import replace

import numpy as np

from ..network.name_head import view_masks
from ..network.transfer import to_device, to_host


def rename_masks(masks, prediction, grid, name_head):
    """Masks whose features are those of the NameHead; unchanged if it is None.

    prediction: Prediction from which they were found; grid: its VoxelGrid.
    """
    if name_head is None or not len(masks):
        return masks
    (features,) = to_host(name_head(views_of(masks, prediction, grid)))
    return replace(masks, features=features)


def views_of(masks, prediction, grid):
    """MaskViews of Masks that contain at least one voxel each. Arguments as in `rename_masks`."""
    device = grid.positions.device
    rows = to_device(np.concatenate(masks.rows).astype(np.int64), device)
    sizes = to_device(np.array([len(part) for part in masks.rows]), device)
    columns = (masks.features, masks.objectness, masks.mask_score)
    return view_masks(rows, sizes, grid, prediction.features, *(to_device(column, device) for column in columns))
