# SPDX-License-Identifier: Apache-2.0
"""Extract masks from a prediction: scores, thresholds, duplicate removal. Defaults are those of the release."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from ..grids.groups import incidence
from ..instances import Masks
from ..network.transfer import to_device, to_host
from .components import split_masks
from .duplicates import without_duplicates

CHUNK = {"cpu": 4096}  # voxels whose mask logits are processed at a time: they fit into a CPU's cache
SPARSE = 1 / 20  # share of voxels in a mask, on average, below which sparse products are faster on a CPU


def find_masks(prediction, positions, counts, config, nms_iou, fuse_iou=1.0):
    """Masks of a Prediction, best first, without duplicates; split into components if the config requests it.

    positions: [M, 3] float32 metres of the voxels;
    counts: [M] int64, points in each voxel;
    config: PostprocessConfig;
    nms_iou: of two masks with a higher IoU the worse one is removed;
    fuse_iou: a removed mask whose IoU with the remaining one is higher is averaged into its mask and feature; 1
        disables this, as published.
    """
    objectness = prediction.objectness_logits.float().softmax(dim=1)[:, 0]
    masks, mask_score, sizes = score_masks(prediction.mask_logits, counts, config.mask_threshold)
    confidence = objectness * mask_score
    rows = torch.nonzero((objectness >= config.objectness_threshold) & (sizes >= config.min_points))[:, 0]
    rows = rows[torch.argsort(-confidence[rows], stable=True)]
    iou = mask_iou(masks[:, rows])
    kept = non_max_suppression(iou, nms_iou)
    if fuse_iou < 1 and len(kept):
        owner, weight = fusion_weights(iou, kept, confidence[rows], fuse_iou)
        masks, mask_score, features = fuse_masks(prediction, rows, owner, weight, config.mask_threshold)
    else:
        masks, mask_score = masks[:, rows[kept]], mask_score[rows[kept]]
        features = prediction.clip_features[rows[kept]].float()
    found = Masks(mask_to_rows(masks), *to_host(objectness[rows[kept]], mask_score, features))
    found = found[np.argsort(-found.confidence, kind="stable")]
    if not config.split_components:
        return found
    parent, parts = split_masks(found.rows, positions, config.split_distance)
    return replace(found[parent], rows=parts)


def score_masks(logits, counts, mask_threshold):
    """Masks [M, Q] bool; mask scores [Q], the mean of sigmoid(logit) inside the mask; and points inside [Q] int64.

    logits: [M, Q]; counts: [M] points in each voxel.
    """
    masks = logits > mask_threshold
    points = torch.as_tensor(counts, dtype=torch.float32, device=logits.device)
    weights = torch.stack([torch.ones_like(points), points], dim=1)
    score = torch.zeros(logits.shape[1], device=logits.device)
    sizes = torch.zeros(2, logits.shape[1], device=logits.device)  # in voxels, in points
    for part, inside, weight in _chunks(logits, masks, weights):
        inside = inside.float()
        score += (part.float().sigmoid() * inside).sum(dim=0)
        sizes += weight.t() @ inside
    return masks, score / sizes[0].clamp(min=1), sizes[1].long()


def non_max_suppression(iou, max_iou):
    """Indices of the masks that stay, in order: class-agnostic greedy suppression.

    iou: [K, K] of masks, best first; a mask is removed if its IoU with a better one that stays is above `max_iou`.
    """
    better, worse = np.nonzero(np.triu(iou.cpu().numpy() > max_iou, k=1))
    kept = without_duplicates(len(iou), better, worse)
    return torch.as_tensor(kept, dtype=torch.int64, device=iou.device)


def fusion_weights(iou, kept, confidence, fuse_iou):
    """For K masks: which of the L remaining masks each is averaged into [K] int64, and its weight [K] float32.

    A mask belongs to the remaining one with which its IoU is highest, weighted by confidence, if that IoU is above
    fuse_iou, else with weight 0. The weights of each remaining mask sum to 1.

    iou: [K, K]; kept: [L] the remaining masks; confidence: [K].
    """
    highest, owner = iou[:, kept].max(dim=1)
    owner[kept] = torch.arange(len(kept), device=owner.device)  # also where two equal masks remain
    weight = torch.where(highest > fuse_iou, confidence, 0)
    weight[kept] = confidence[kept].clamp(min=torch.finfo(weight.dtype).tiny)
    return owner, weight / (weight[:, None] * F.one_hot(owner, len(kept))).sum(dim=0)[owner]


def fuse_masks(prediction, rows, owner, weight, mask_threshold):
    """Masks [M, L] bool, mask scores [L] and features [L, C], averaged over queries that found the same object.

    Queries that start on one object predict slightly different masks; their mean is more stable than the best one.
    Probabilities and unit-length features are averaged.

    rows: [K] queries; owner, weight: [K], see `fusion_weights`.
    """
    limit = torch.tensor(float(mask_threshold)).sigmoid().item()
    counted = weight > 0
    rows, weight, rounds = rows[counted], weight[counted, None], distinct_rounds(owner[counted])
    masks = []
    score = torch.zeros(len(rounds[0][0]), device=weight.device)
    for (logits,) in _chunks(prediction.mask_logits):
        weighted = logits.t().index_select(0, rows).float().sigmoid_().mul_(weight)
        probability = sum_by_owner(weighted, rounds)
        masks.append(probability > limit)
        score += (probability * masks[-1]).sum(dim=1)
    masks = torch.cat(masks, dim=1)
    features = F.normalize(prediction.clip_features[rows].float(), dim=1) * weight
    return masks.t(), score / masks.sum(dim=1).clamp(min=1), sum_by_owner(features, rounds)


def distinct_rounds(owner):
    """Rounds (rows, their owners) of distinct owners: all L owners in order, those with a second row, and so on.

    Sums over rounds have one order on every device. owner: [K] int64 that contains each of 0 to L - 1.
    """
    device, (owner,) = owner.device, to_host(owner)
    order = np.argsort(owner, kind="stable")
    owner = owner[order]
    number = np.arange(len(owner)) - np.searchsorted(owner, owner)
    chosen = [number == n for n in range(number.max() + 1)]
    return [(to_device(order[rows], device), to_device(owner[rows], device)) for rows in chosen]


def sum_by_owner(values, rounds):
    """[L, m] sums of the rows of `values` [K, m] by owner. rounds: see `distinct_rounds`."""
    (first, _), *others = rounds
    total = values[first]
    for rows, owner in others:
        total.index_add_(0, owner, values[rows])
    return total


def mask_iou(masks):
    """[K, K] float32 IoU of every two masks. masks: [M, K] bool."""
    overlap = mask_overlap(masks)
    area = overlap.diagonal()
    return overlap / (area[:, None] + area[None] - overlap)


def mask_overlap(masks):
    """[K, K] float32, number of voxels that two masks share; exact below 2**24. masks: [M, K] bool."""
    if masks.device.type == "cpu" and torch.count_nonzero(masks) < SPARSE * masks.numel():
        voxels = incidence(mask_to_rows(masks), len(masks))
        return torch.from_numpy((voxels @ voxels.T).toarray())
    overlap = torch.zeros(masks.shape[1], masks.shape[1], device=masks.device)
    for (part,) in _chunks(masks):
        part = part.t().float()
        overlap += part @ part.t()
    return overlap


def _chunks(*tensors):
    """Tuples of consecutive rows of the tensors."""
    rows = CHUNK.get(tensors[0].device.type, 1 << 20)
    return zip(*(tensor.split(rows) for tensor in tensors))


def mask_to_rows(masks):
    """Voxel rows of each mask: [M, K] bool -> tuple of K sorted int32 arrays."""
    owner, row = torch.nonzero(masks.t().contiguous(), as_tuple=True)
    row, stops = to_host(row.int(), torch.bincount(owner, minlength=masks.shape[1]).cumsum(0))
    return tuple(np.split(row, stops[:-1])) if masks.shape[1] else ()
