# SPDX-License-Identifier: Apache-2.0
"""IoU and accuracy of point classes; every expected number is derived in the comment next to it."""

import numpy as np
import pytest

from spaceformer_ros.evaluation import (
    GroundTruth,
    SamplePrediction,
)
from spaceformer_ros.evaluation.semantic import PointCounts, harmonic_mean


def ten_points():
    """Class 0 on points 0-3, class 1 on 4-6, background on 7 and 8, nothing annotated on 9."""
    instance = np.array([0, 0, 0, 0, 1, 1, 1, -1, -1, -1])
    truth = GroundTruth(instance, np.array([0, 1]), np.arange(10) == 9)
    return SamplePrediction((np.arange(3), np.arange(3, 10)), np.array([0.9, 0.5]), np.array([0, 1])), truth


def test_point_iou_and_accuracy():
    # class 0: right 0-2, predicted 3, true 4 -> 3/4, 3/4; class 1: right 4-6, predicted 3-8 (9 is left out) = 6, true 3
    counts = PointCounts.of(*ten_points(), 3)
    assert counts.iou[:2] == pytest.approx([3 / 4, 3 / 6])
    assert counts.accuracy[:2] == pytest.approx([3 / 4, 1.0])
    assert np.isnan(counts.iou[2])


def test_points_of_scenes_are_pooled_before_dividing():
    # a second scene that has class 0 only and misses its 4 points: class 0 is then 3 / 8
    missed = PointCounts.of(
        SamplePrediction((), np.zeros(0), np.zeros(0, int)), GroundTruth(np.zeros(4, int), np.zeros(1, int)), 1
    )
    counts = PointCounts.total([PointCounts.of(*ten_points(), 3), missed], 3)
    assert counts.iou[0] == pytest.approx(3 / 8)


def test_a_point_has_the_class_of_its_best_mask():
    truth = GroundTruth(np.zeros(4, int), np.zeros(1, int))
    masks = (np.arange(4), np.arange(2))
    for scores, right in (([0.9, 0.5], 4), ([0.5, 0.9], 2)):
        prediction = SamplePrediction(masks, np.array(scores), np.array([0, 1]))
        assert PointCounts.of(prediction, truth, 2).right[0] == right


def test_point_classes_may_be_given():
    prediction, truth = ten_points()
    prediction = SamplePrediction(prediction.masks, prediction.scores, prediction.labels, None, np.zeros(10, int))
    truth = GroundTruth(truth.instance, truth.labels, truth.ignored, None, np.ones(10, int))
    counts = PointCounts.of(prediction, truth, 2)
    assert (counts.right.tolist(), counts.predicted.tolist(), counts.true.tolist()) == ([0, 0], [9, 0], [0, 9])


def test_harmonic_mean():
    assert harmonic_mean(0.6, 0.3) == pytest.approx(0.4)  # 0.36 / 0.9
    assert harmonic_mean(0.0, 0.0) == 0.0
