# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch

from spaceformer_ros.network.decoder import Prediction
from spaceformer_ros.network.seeds import Seeds
from spaceformer_ros.training.losses import (
    BCE_WEIGHT,
    CLASS_WEIGHT,
    DICE_WEIGHT,
    SetCriterion,
    Target,
    assign,
    caption_loss,
    dice_loss,
    mask_iou,
    match,
    objectness_loss,
)


def scene(order=(2, 0), strength=8.0):
    """Two objects on six voxels, four queries; queries order[i] predict object i."""
    masks = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0]], dtype=torch.float32)
    logits = torch.full((6, 4), -strength)
    objectness = torch.tensor([[-strength / 2, strength / 2]]).repeat(4, 1)
    features = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)) * 1e-3
    for g, q in enumerate(order):
        logits[:, q] = (2 * masks[g] - 1) * strength
        objectness[q] = -objectness[q]
        features[q, g] = 1.0
    target = Target(masks, torch.eye(3), torch.tensor([[True, False, False], [False, True, False]]), torch.ones(2))
    return Prediction(logits, objectness, features), target


@pytest.mark.parametrize("order", [(0, 1), (2, 0), (3, 2)])
def test_matching_finds_the_right_queries(order):
    prediction, target = scene(order)
    rows, columns = match(prediction, target.masks)
    assert rows[columns.argsort()].tolist() == list(order)


def test_matching_costs_are_the_published_ones():
    prediction, target = scene(strength=1.0)
    probability = prediction.mask_logits.sigmoid().t()
    bce = torch.stack(
        [torch.stack([torch.nn.functional.binary_cross_entropy(p, mask) for p in probability]) for mask in target.masks]
    )
    dice = torch.stack([dice_loss(probability, mask.expand(4, 6)) for mask in target.masks])
    cost = BCE_WEIGHT * bce + DICE_WEIGHT * dice - CLASS_WEIGHT * prediction.objectness_logits.softmax(dim=1)[:, 0]
    rows, columns = match(prediction, target.masks)
    best = min(float(cost[0, a] + cost[1, b]) for a in range(4) for b in range(4) if a != b)
    assert float(cost[columns, rows].sum()) == pytest.approx(best)


def test_the_loss_is_small_for_the_truth_and_large_for_its_opposite():
    criterion = SetCriterion()
    prediction, target = scene()
    good, parts = criterion([prediction], target)
    wrong = Prediction(-prediction.mask_logits, -prediction.objectness_logits, -prediction.clip_features)
    bad, _ = criterion([wrong], target)
    assert good.item() < 0.05 < 10 < bad.item()
    assert set(parts) == {"objectness", "bce", "dice", "caption"}
    assert criterion([prediction, prediction], target)[0].item() == pytest.approx(2 * good.item())


def test_captions_count_as_much_as_their_object():
    criterion, (prediction, target) = SetCriterion(), scene(strength=1.0)
    wrong = dataclasses.replace(prediction, clip_features=prediction.clip_features.roll(1, dims=1))

    def caption(*weights):
        return criterion([wrong], dataclasses.replace(target, weights=torch.tensor(weights)))[1]

    both, first, second = (caption(*weights)["caption"] for weights in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)))
    assert both == pytest.approx(first + second)
    assert caption(3.0, 0.0)["caption"] == pytest.approx(3 * first)
    assert caption(3.0, 0.0)["dice"] == caption(1.0, 1.0)["dice"]


def test_seeded_queries_are_assigned_to_the_object_at_their_seed():
    prediction, target = scene()
    nowhere = torch.zeros(4, 3)
    seeds = Seeds(torch.tensor([0, 3, 5, 2]), nowhere, torch.zeros(6, 3))  # voxels of objects 0, 1, none, 0
    assignment = assign(dataclasses.replace(prediction, seeds=seeds), target.masks)
    assert sorted(zip(assignment.rows.tolist(), assignment.columns.tolist())) == [(0, 0), (1, 1), (3, 0)]
    weight = dict(zip(assignment.rows.tolist(), assignment.weights.tolist()))
    assert weight == pytest.approx({0: 0.75, 3: 0.75, 1: 1.5})  # both objects count the same, mean 1


def test_objectness_of_a_seeded_query_learns_the_iou_of_its_mask():
    prediction, _ = scene()
    seeds = Seeds(torch.zeros(4, dtype=torch.int64), torch.zeros(4, 3), torch.zeros(6, 3))
    rows, iou = torch.tensor([1]), torch.tensor([0.7])
    losses = {}
    for p in (0.5, 0.7, 0.9):
        logits = torch.full((4, 2), 0.0)
        logits[:, 0] = -20.0
        logits[1, 0] = torch.logit(torch.tensor(p))
        losses[p] = float(
            objectness_loss(dataclasses.replace(prediction, objectness_logits=logits, seeds=seeds), rows, iou)
        )
    assert losses[0.7] < min(losses[0.5], losses[0.9])


def test_mask_iou_of_known_masks():
    logits = torch.tensor([[1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, -1.0]])
    assert mask_iou(logits, torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0, 0, 0]])).tolist() == pytest.approx(
        [1 / 3, 0.0]
    )


def test_dice_of_known_masks():
    assert float(dice_loss(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]]))) == 0.0
    assert float(dice_loss(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]]))) == pytest.approx(0.75)


def test_true_captions_do_not_compete_with_each_other():
    similarity = torch.tensor([[5.0, 5.0, -5.0]])
    both = caption_loss(similarity, torch.tensor([[True, True, False]]))
    assert float(both) == pytest.approx(float(torch.nn.functional.softplus(torch.tensor(-10.0))))
    assert float(caption_loss(similarity, torch.tensor([[True, False, False]]))) > 0.5


def test_all_parameters_receive_gradients():
    prediction, target = scene(strength=1.0)
    columns = (prediction.mask_logits, prediction.objectness_logits, prediction.clip_features)
    leaves = [column.clone().requires_grad_() for column in columns]
    criterion = SetCriterion()
    criterion([Prediction(*leaves)], target)[0].backward()
    assert all(leaf.grad.abs().sum() > 0 for leaf in [*leaves, criterion.log_scale])
