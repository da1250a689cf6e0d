# SPDX-License-Identifier: Apache-2.0
"""How surely each point belongs to one object: the probability of its mask, as in the heat maps of Mask3D.

Masks are kept as lists of voxels. The probabilities behind them would take 2 bytes per voxel and query (200 MB for
500,000 voxels and 200 queries), for a picture that is rarely asked for: the network runs again instead.
"""

import numpy as np
import torch

from ..network.transfer import to_device, to_host


def mask_probability(prediction, inside, mask_threshold, fuse_iou=1.0):
    """[M] float32: the probability that each voxel belongs to an object, by the queries that found it.

    The query is the one whose mask has the highest IoU with the object's; of a network whose masks are averaged, the
    mean of those above fuse_iou too, weighted by objectness. 0 everywhere if no mask overlaps with the object's.

    prediction: Prediction of M voxels; inside: [M] bool, the object's mask; mask_threshold, fuse_iou: see `find_masks`.
    """
    inside = to_device(inside, prediction.mask_logits.device)
    masks = prediction.mask_logits > mask_threshold
    common = masks[inside].sum(dim=0)
    iou = common / (masks.sum(dim=0) + inside.sum() - common).clamp(min=1)
    best = int(iou.argmax())
    if not common[best]:
        return np.zeros(len(inside), dtype=np.float32)
    weights = prediction.objectness_logits.float().softmax(dim=1)[:, 0] * (iou > fuse_iou)
    weights[best] = weights[best].clamp(min=torch.finfo(torch.float32).tiny) if fuse_iou < 1 else 1
    queries = torch.nonzero(weights)[:, 0]
    weights = weights[queries] / weights[queries].sum()
    (heat,) = to_host(prediction.mask_logits[:, queries].float().sigmoid() @ weights)
    return heat
