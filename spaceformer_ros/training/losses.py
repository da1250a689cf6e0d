# SPDX-License-Identifier: Apache-2.0
"""Losses of the mask transformer: assignment, masks, objectness and captions.

Weights as published for this model family: matching costs class 2, mask BCE 5, dice 2; losses objectness 2 (weight of
"no object" 0.1), mask BCE 5, dice 2, on the prediction of every decoder iteration; captions are contrastive with a
learned temperature that starts at 0.07. Learned queries are matched with objects (Hungarian); seeded queries answer
for the object that they start on, several of them for one, and their objectness learns the IoU of their mask.
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
    """What one scene should come out as.

    masks: [G, M] float32 of 0 and 1 on voxels; texts: [T, C] unit vectors of candidate captions; describes: [G, T]
    bool, which captions are true of which object; weights: [G] float32, how much each object's captions count.
    """

    masks: torch.Tensor
    texts: torch.Tensor
    describes: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Assignment:
    """Which query answers for which object, [K] each: query `rows`, object `columns`, `weights` (mean 1)."""

    rows: torch.Tensor
    columns: torch.Tensor
    weights: torch.Tensor


class SetCriterion(nn.Module):
    """Loss of a scene's predictions; holds the learned temperature of the captions."""

    def __init__(self, caption_weight=1.0):
        super().__init__()
        self.caption_weight = caption_weight
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, predictions, target):
        """Sum over the iterations' predictions. Returns (loss, dict of the last iteration's parts as floats)."""
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
        mean = lambda losses: (losses * weights).sum() / max(1, len(losses))  # noqa: E731
        return {
            "objectness": CLASS_WEIGHT * objectness_loss(prediction, rows, mask_iou(logits, masks)),
            "bce": BCE_WEIGHT * mean(bce),
            "dice": DICE_WEIGHT * mean(dice_loss(logits.sigmoid(), masks)),
            "caption": self.caption_weight * mean(captions),
        }


def assign(prediction, masks):
    """Assignment of a Prediction's queries to objects. masks: [G, M]."""
    if prediction.seeds is None:
        rows, columns = match(prediction, masks)
        return Assignment(rows, columns, torch.ones(len(rows), device=rows.device))
    started_on = masks[:, prediction.seeds.row]  # [G, Q]
    columns, rows = torch.nonzero(started_on, as_tuple=True)
    shares = 1 / started_on.sum(dim=1)[columns]  # every object counts the same, however many queries it has
    return Assignment(rows, columns, shares * len(rows) / shares.sum().clamp(min=1e-6))


def objectness_loss(prediction, rows, iou):
    """Cross entropy of the objectness where query rows[i] answers for an object with a mask of IoU iou[i].

    Learned queries: "object" if matched, "no object" counting 0.1, normalised by weight as published. Seeded queries:
    towards the IoU, all counting the same.
    """
    log_p = prediction.objectness_logits.float().log_softmax(dim=1)
    seeded = prediction.seeds is not None
    wanted = torch.zeros(len(log_p), device=rows.device)
    wanted[rows] = iou if seeded else 1.0
    empty = (1 - wanted) * (1.0 if seeded else NO_OBJECT_WEIGHT)
    return -(wanted * log_p[:, OBJECT] + empty * log_p[:, NO_OBJECT]).sum() / (wanted + empty).sum()


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

    True captions do not compete with each other: an object is "chair" and "red chair" at once.
    similarity: [K, T]; describes: [K, T] bool, at least one True per row.
    """
    false_mass = similarity.masked_fill(describes, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = F.softplus(false_mass - similarity) * describes
    return losses.sum(dim=1) / describes.sum(dim=1)


@torch.no_grad()
def match(prediction, masks):
    """One query per object at least cost. Returns query rows and object columns, [G] int64 each."""
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
