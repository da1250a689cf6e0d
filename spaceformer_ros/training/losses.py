# SPDX-License-Identifier: Apache-2.0
"""Losses of the mask transformer: assignment, masks, objectness and captions.

Weights as published for this model family: matching costs class 2, mask BCE 5, dice 2; losses objectness 2 (weight of
"no object" 0.1), mask BCE 5, dice 2, on the prediction of every decoder iteration; the caption loss is contrastive with
a learned temperature that starts at 0.07. Learned queries are assigned to objects by Hungarian matching. Seeded queries
are assigned to the object at their seed, so that an object can have several; their target objectness is the IoU of
their mask.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import nn

CLASS_WEIGHT, BCE_WEIGHT, DICE_WEIGHT = 2.0, 5.0, 2.0
NO_OBJECT_WEIGHT = 0.1
OBJECT, NO_OBJECT = 0, 1


@dataclass(frozen=True)
class Target:
    """Training target of one sample.

    masks: [G, M] float32, 0 or 1 for each voxel;
    texts: [T, C] unit vectors of candidate captions;
    describes: [G, T] bool, which captions are true of which object;
    weights: [G] float32, weight of each object's caption loss.
    """

    masks: torch.Tensor
    texts: torch.Tensor
    describes: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Assignment:
    """Assignment of queries to objects, [K] each: query `rows`, object `columns`, `weights` (mean 1)."""

    rows: torch.Tensor
    columns: torch.Tensor
    weights: torch.Tensor


class SetCriterion(nn.Module):
    """Loss of a sample's predictions, with the learned temperature of the caption loss."""

    def __init__(self, caption_weight=1.0):
        super().__init__()
        self.caption_weight = caption_weight
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, predictions, target):
        """Loss summed over the predictions of all iterations, and a dict of the last one's terms as floats."""
        total, parts = 0.0, {}
        for prediction in predictions:
            parts = self.parts(prediction, target, assign(prediction, target.masks))
            total = total + sum(parts.values())
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def parts(self, prediction, target, assignment):
        """Weighted loss terms under an Assignment."""
        rows, columns, weights = assignment.rows, assignment.columns, assignment.weights
        logits, masks = prediction.mask_logits.float().t()[rows], target.masks[columns]
        similarity = self.log_scale.exp().clamp(max=100) * (
            F.normalize(prediction.clip_features.float()[rows], dim=1) @ target.texts.t()
        )
        bce = F.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean(dim=1)
        captions = caption_loss(similarity, target.describes[columns]) * target.weights[columns]
        return {
            "objectness": CLASS_WEIGHT * objectness_loss(prediction, rows, mask_iou(logits, masks)),
            "bce": BCE_WEIGHT * weighted_mean(bce, weights),
            "dice": DICE_WEIGHT * weighted_mean(dice_loss(logits.sigmoid(), masks), weights),
            "caption": self.caption_weight * weighted_mean(captions, weights),
        }


def weighted_mean(losses, weights):
    """Mean of losses [K] with weights [K]; 0 for K = 0."""
    return (losses * weights).sum() / max(1, len(losses))


def assign(prediction, masks):
    """Assignment of a Prediction's queries to objects. masks: [G, M]."""
    if prediction.seeds is None:
        rows, columns = match(prediction, masks)
        return Assignment(rows, columns, torch.ones(len(rows), device=rows.device))
    at_seed = masks[:, prediction.seeds.row]  # [G, Q]
    columns, rows = torch.nonzero(at_seed, as_tuple=True)
    shares = 1 / at_seed.sum(dim=1)[columns]  # all objects have the same weight, regardless of their number of queries
    return Assignment(rows, columns, shares * len(rows) / shares.sum().clamp(min=1e-6))


def objectness_loss(prediction, rows, iou):
    """Cross entropy of the objectness, where query rows[i] is assigned to an object and its mask has IoU iou[i].

    Learned queries: the target is 1 if assigned, else 0 with NO_OBJECT_WEIGHT, normalised by weight as published.
    Seeded queries: the target is the IoU, with equal weights.
    """
    log_p = prediction.objectness_logits.float().log_softmax(dim=1)
    seeded = prediction.seeds is not None
    target = torch.zeros(len(log_p), device=rows.device)
    target[rows] = iou if seeded else 1.0
    empty = (1 - target) * (1.0 if seeded else NO_OBJECT_WEIGHT)
    return -(target * log_p[:, OBJECT] + empty * log_p[:, NO_OBJECT]).sum() / (target + empty).sum()


@torch.no_grad()
def mask_iou(logits, masks):
    """IoU of predicted (logit above 0) and true masks, [K]. Both [K, M]."""
    predicted = (logits > 0).float()
    overlap = (predicted * masks).sum(dim=1)
    return overlap / (predicted.sum(dim=1) + masks.sum(dim=1) - overlap).clamp(min=1)


def dice_loss(probabilities, masks):
    """1 - Dice coefficient per row, smoothed by 1. Both [K, M]."""
    overlap = (probabilities * masks).sum(dim=1)
    return 1 - (2 * overlap + 1) / (probabilities.sum(dim=1) + masks.sum(dim=1) + 1)


def caption_loss(similarity, describes):
    """Per object the mean over its true captions of -log softmax of the true caption against all false ones, [K].

    True captions do not compete: an object is both "chair" and "red chair".
    similarity: [K, T]; describes: [K, T] bool, at least one True per row.
    """
    false_mass = similarity.masked_fill(describes, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = F.softplus(false_mass - similarity) * describes
    return losses.sum(dim=1) / describes.sum(dim=1)


@torch.no_grad()
def match(prediction, masks):
    """One query per object at minimum cost (Hungarian). Returns query rows and object columns, [G] int64 each."""
    logits = prediction.mask_logits.float()  # [M, Q]
    probabilities = logits.sigmoid()
    voxels = len(logits)
    positive, negative = F.softplus(-logits), F.softplus(logits)  # BCE towards 1 and towards 0
    bce = (masks @ positive + (1 - masks) @ negative) / voxels  # [G, Q]
    overlap = masks @ probabilities
    dice = 1 - (2 * overlap + 1) / (masks.sum(dim=1, keepdim=True) + probabilities.sum(dim=0) + 1)
    objectness = prediction.objectness_logits.float().softmax(dim=1)[:, OBJECT]
    cost = BCE_WEIGHT * bce + DICE_WEIGHT * dice - CLASS_WEIGHT * objectness
    columns, rows = linear_sum_assignment(cost.cpu().numpy())
    return torch.as_tensor(rows, device=masks.device), torch.as_tensor(columns, device=masks.device)
