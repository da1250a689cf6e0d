# SPDX-License-Identifier: Apache-2.0
"""F1 of boxes; every expected number is derived in the comment next to it."""

import math

import numpy as np
import pytest
from helpers.boxes import box, box_prediction, box_truth

from spaceformer_ros.evaluation import (
    NONE,
    SamplePrediction,
)
from spaceformer_ros.evaluation.boxes import box_iou, class_f1, f1, sample_f1


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (box(), 1.0),
        (box(x=0.5), 1 / 3),  # 0.5 shared of 1.5
        (box(yaw=math.pi / 4), 1 / math.sqrt(2)),  # an octagon of area s = 2 (sqrt 2 - 1); s / (2 - s)
        (box(size=(2.0, 1.0, 1.0), yaw=math.pi / 2), 0.5),
        (box(x=5.0), 0.0),
        (box(size=(1.0, 1.0, 0.0)), 0.1),  # no height: taken as 0.1 m
    ],
)
def test_box_iou_of_turned_and_flat_boxes(other, expected):
    assert box_iou([box()], [other])[0, 0] == pytest.approx(expected)
    assert box_iou([other, box(x=9.0)], [box()])[:, 0] == pytest.approx([expected, 0.0])


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    assert f1(np.array([[1.0], [0.9]]), 0.5) == pytest.approx(2 / 3)  # P 1/2, R 1: one box, one partner
    assert f1(np.array([[0.25]]), 0.25) == 1.0  # from the threshold on
    assert f1(np.array([[0.3]]), 0.5) == 0.0
    assert f1(np.zeros((0, 3)), 0.25) == 0.0
    assert f1(np.zeros((2, 0)), 0.25) == 0.0
    assert math.isnan(f1(np.zeros((0, 0)), 0.25))


def test_boxes_are_paired_so_that_most_fit():
    # the first fits both, the second only the first truth: greedily one pair, by the Hungarian method two
    assert f1(np.array([[0.9, 0.6], [0.8, 0.0]]), 0.5) == 1.0


def test_box_f1_is_the_mean_over_the_scenes_that_have_the_class():
    scenes = [
        sample_f1(box_prediction(box(x=0.5)), box_truth(box())),  # IoU 1/3: F1 1 at 0.25, 0 at 0.5
        sample_f1(box_prediction(box()), box_truth(box())),  # 1, 1
        sample_f1(box_prediction(box()), box_truth(box(), labels=[1])),  # classes 0 and 1: 0, 0
        sample_f1(box_prediction(), box_truth()),  # has it in neither
        sample_f1(box_prediction(box(), labels=[NONE]), box_truth()),  # of a class that is not evaluated
    ]
    assert class_f1(scenes, 0) == pytest.approx([2 / 3, 1 / 3])
    assert class_f1(scenes, 1) == pytest.approx([0.0, 0.0])
    assert np.isnan(class_f1(scenes, 2)).all()


def test_without_boxes_there_is_no_box_figure():
    assert sample_f1(SamplePrediction((), np.zeros(0), np.zeros(0, int)), box_truth(box())) is None
