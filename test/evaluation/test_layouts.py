# SPDX-License-Identifier: Apache-2.0
"""Scores of layouts: by hand, and unchanged when both layouts are turned and shifted together."""

import dataclasses

import pytest

from spaceformer_ros.evaluation.layouts import rectangles, score_layout, thin_iou
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.layout.structure import Layout, Room, Storey, Wall


def layout(*lengths, away=0.0):
    """Parallel walls of some lengths, 3 m apart, and a room beside the first."""
    walls = [Wall(n, (0.0, 3.0 * n + away), (x, 3.0 * n + away), 0.0, 2.5, 0.0, 1) for n, x in enumerate(lengths, 1)]
    room = Room(1, ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0 + away), (0.0, 3.0 + away)), 12.0, 1, (1,))
    return Layout((Storey(1, 0.0, 2.5),), tuple(walls), (), (), (room,))


def test_iou_of_walls_by_hand():
    found, truth = layout(4.0), layout(2.0)
    assert thin_iou(rectangles(found, "wall"), rectangles(truth, "wall")) == pytest.approx(0.5)


@pytest.mark.parametrize("away", [-0.5, 0.5])
def test_a_distant_wall_does_not_count_on_either_side(away):
    assert score_layout(layout(4.0, away=away), layout(4.0)).classes["wall"] == (0.0, 0.0)


@pytest.mark.parametrize("yaw", [0.0, 0.7, 2.5, -1.6])
def test_scores_of_turned_and_shifted_pairs(yaw):
    transform = RigidTransform.about_z(yaw, (5.0, -7.0, 1.0))
    found, truth = (item.moved(transform) for item in (layout(4.0, 1.2, 4.0), layout(4.0, 4.0)))
    scores = score_layout(found, truth).classes
    assert scores["wall"] == pytest.approx((2 * 2 / 5, 2 * 1 / 5))
    assert scores["room"] == (1.0, 1.0)


def test_walls_that_are_not_parallel_do_not_count():
    truth = layout(4.0)
    turned = dataclasses.replace(truth.walls[0], end=(3.9, 3.0 + 0.5))
    assert score_layout(dataclasses.replace(truth, walls=(turned,)), truth).classes["wall"] == (0.0, 0.0)
