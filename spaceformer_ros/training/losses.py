"""Losses of the mask transformer: Hungarian matching, masks, objectness and captions.

Weights as published for this model family: matching costs class 2, mask BCE 5, dice 2; losses objectness 2 (weight of
"no object" 0.1), mask BCE 5, dice 2, on the prediction of every decoder iteration; captions are contrastive with a
learned temperature that starts at 0.07.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import nn

CLASS_WEIGHT, BCE_WEIGHT, DICE_WEIGHT, CAPTION_WEIGHT = 2.0, 5.0, 2.0, 1.0
NO_OBJECT_WEIGHT = 0.1
OBJECT, NO_OBJECT = 0, 1


@dataclass(frozen=True)
class Target:
    """What one scene should come out as.

    masks: [G, M] float32 of 0 and 1 on voxels; texts: [T, C] unit vectors of candidate captions; describes: [G, T]
    bool, which captions are true of which object.
    """

    masks: torch.Tensor
    texts: torch.Tensor
    describes: torch.Tensor


class SetCriterion(nn.Module):
    """Loss of a scene's predictions; holds the learned temperature of the captions."""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, predictions, target):
        """Sum over the iterations' predictions. Returns (loss, dict of the last iteration's parts as floats)."""
        total, parts = 0.0, {}
        for prediction in predictions:
            rows, columns = match(prediction, target.masks)
            parts = self.parts(prediction, target, rows, columns)
            total = total + sum(parts.values())
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def parts(self, prediction, target, rows, columns):
        """Weighted loss terms where query rows[i] is matched with object columns[i]."""
        labels = torch.full((len(prediction.objectness_logits),), NO_OBJECT, device=rows.device)
        labels[rows] = OBJECT
        weight = prediction.objectness_logits.new_tensor([1.0, NO_OBJECT_WEIGHT]).float()
        objectness = F.cross_entropy(prediction.objectness_logits.float(), labels, weight)
        logits, masks = prediction.mask_logits.float().t()[rows], target.masks[columns]
        similarity = self.log_scale.exp().clamp(max=100) * (
            F.normalize(prediction.clip_features.float()[rows], dim=1) @ target.texts.t()
        )
        return {
            "objectness": CLASS_WEIGHT * objectness,
            "bce": BCE_WEIGHT * F.binary_cross_entropy_with_logits(logits, masks),
            "dice": DICE_WEIGHT * dice_loss(logits.sigmoid(), masks).mean(),
            "caption": CAPTION_WEIGHT * caption_loss(similarity, target.describes[columns]),
        }


def dice_loss(probabilities, masks):
    """1 - Dice coefficient per row, smoothed by 1. Both [K, M]."""
    overlap = (probabilities * masks).sum(dim=1)
    return 1 - (2 * overlap + 1) / (probabilities.sum(dim=1) + masks.sum(dim=1) + 1)


def caption_loss(similarity, describes):
    """Mean over objects and their true captions of -log softmax of the true caption against all false ones.

    True captions do not compete with each other: an object is "chair" and "red chair" at once.
    similarity: [K, T]; describes: [K, T] bool, at least one True per row.
    """
    false_mass = similarity.masked_fill(describes, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = F.softplus(false_mass - similarity) * describes
    return (losses.sum(dim=1) / describes.sum(dim=1)).mean()


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
