# SPDX-License-Identifier: Apache-2.0
"""Measure masks: sizes, centroids and boxes of instances."""

import numpy as np

from ..instances import Instances
from .mask_boxes import fit_boxes


def measure(masks, voxels, config=None, fit=fit_boxes):
    """Instances of Masks on a VoxelMap with their sizes, centroids and boxes, in the same order.

    config: PostprocessConfig whose min_points and max_instances apply, None to keep all masks;
    fit: function of a list of [n, 3] float32 metres that returns a tuple of OrientedBox.
    """
    counts = voxels.point_counts
    sizes = mask_sums(masks.rows, counts).astype(np.int64)
    if config is not None:
        kept = np.flatnonzero(sizes >= config.min_points)
        best = np.argsort(-masks.confidence[kept], kind="stable")[: config.max_instances]
        kept = kept[np.sort(best)]
        masks, sizes = masks[kept], sizes[kept]
    sums = [mask_sums(masks.rows, counts * axis.astype(np.float64)) for axis in voxels.positions.T]
    return Instances(
        voxels=voxels,
        masks=masks.rows,
        objectness=masks.objectness,
        mask_score=masks.mask_score,
        features=masks.features,
        num_points=sizes,
        centroids=(np.stack(sums, axis=1) / sizes[:, None]).astype(np.float32),
        boxes=tuple(fit([voxels.positions.take(rows, axis=0) for rows in masks.rows])),
    )


def mask_sums(masks, values):
    """[K] float64: sum of the values [M] over each of K int arrays of rows."""
    size = np.array([len(rows) for rows in masks], dtype=np.int64)
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *masks])
    values = np.append(values[rows], 0.0)  # so that an empty array at the end has a start index
    return np.where(size > 0, np.add.reduceat(values, np.cumsum(size) - size), 0.0)
