# SPDX-License-Identifier: Apache-2.0
"""Boxes, classes of points, retrieval and the report; every expected number is worked out in the comment beside it."""

import csv
import json
import math

import numpy as np
import pytest

from spaceformer_ros.evaluation import (
    NONE,
    GroundTruth,
    SamplePrediction,
    evaluate_sample,
    first_right_rank,
    make_report,
    success,
)
from spaceformer_ros.evaluation.boxes import box_iou, class_f1, f1, sample_f1
from spaceformer_ros.evaluation.retrieval import summary
from spaceformer_ros.evaluation.semantic import PointCounts, harmonic_mean
from spaceformer_ros.geometry.boxes import OrientedBox


def box(x=0.0, y=0.0, size=(1.0, 1.0, 1.0), yaw=0.0):
    return OrientedBox(np.array([x, y, 0.0]), np.array(size), yaw)


def boxed(*boxes, labels=None):
    """A SamplePrediction of boxes alone."""
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    return SamplePrediction((np.empty(0, int),) * len(boxes), np.ones(len(boxes)), labels, boxes)


def truly(*boxes, labels=None):
    return GroundTruth(np.empty(0, int), boxed(*boxes, labels=labels).labels, None, boxes)


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
        sample_f1(boxed(box(x=0.5)), truly(box())),  # IoU 1/3: F1 1 at 0.25, 0 at 0.5
        sample_f1(boxed(box()), truly(box())),  # 1, 1
        sample_f1(boxed(box()), truly(box(), labels=[1])),  # predicted, not there: 0, 0; class 1 not found: 0, 0
        sample_f1(boxed(), truly()),  # has it in neither
        sample_f1(boxed(box(), labels=[NONE]), truly()),  # of a class that is not evaluated
    ]
    assert class_f1(scenes, 0) == pytest.approx([2 / 3, 1 / 3])
    assert class_f1(scenes, 1) == pytest.approx([0.0, 0.0])
    assert np.isnan(class_f1(scenes, 2)).all()


def test_without_boxes_there_is_no_box_figure():
    assert sample_f1(SamplePrediction((), np.zeros(0), np.zeros(0, int)), truly(box())) is None


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
    # a second scene that knows class 0 alone and misses its 4 points: class 0 is then 3 / 8
    missed = PointCounts.of(
        SamplePrediction((), np.zeros(0), np.zeros(0, int)), GroundTruth(np.zeros(4, int), np.zeros(1, int)), 1
    )
    counts = PointCounts.total([PointCounts.of(*ten_points(), 3), missed], 3)
    assert counts.iou[0] == pytest.approx(3 / 8)


def test_a_point_has_the_class_of_its_surest_mask():
    truth = GroundTruth(np.zeros(4, int), np.zeros(1, int))
    masks = (np.arange(4), np.arange(2))
    for scores, right in (([0.9, 0.5], 4), ([0.5, 0.9], 2)):
        prediction = SamplePrediction(masks, np.array(scores), np.array([0, 1]))
        assert PointCounts.of(prediction, truth, 2).right[0] == right


def test_classes_of_points_may_be_given():
    prediction, truth = ten_points()
    prediction = SamplePrediction(prediction.masks, prediction.scores, prediction.labels, None, np.zeros(10, int))
    truth = GroundTruth(truth.instance, truth.labels, truth.ignored, None, np.ones(10, int))
    counts = PointCounts.of(prediction, truth, 2)
    assert (counts.right.tolist(), counts.predicted.tolist(), counts.true.tolist()) == ([0, 0], [9, 0], [0, 9])


def test_harmonic_mean():
    assert harmonic_mean(0.6, 0.3) == pytest.approx(0.4)  # 0.36 / 0.9
    assert harmonic_mean(0.0, 0.0) == 0.0


def test_rank_of_the_first_right_answer():
    iou = np.array([[0.9, 0.0], [0.0, 0.25], [0.0, 0.26], [0.0, 0.0]])
    assert first_right_rank(iou, [0, 1, 2], {0}) == 1
    assert first_right_rank(iou, [1, 3, 2, 0], {1}) == 3  # 0.25 is not above 0.25
    assert first_right_rank(iou, [1, 3, 2, 0], {0, 1}) == 3
    assert first_right_rank(iou, [3, 1], {0}) == math.inf
    assert first_right_rank(iou, [], {0}) == math.inf


def test_success_counts_the_first_answers():
    ranks = [1, 2, 5, 6, math.inf]
    assert (success(ranks, 1), success(ranks, 5)) == (1 / 5, 3 / 5)
    rows = dict(summary(ranks))
    assert rows["median rank"] == 5
    assert rows["mean 1/rank"] == pytest.approx((1 + 1 / 2 + 1 / 5 + 1 / 6) / 5)
    assert math.isnan(success([], 1))


def three_classes():
    """Classes a (found), b (missed), c (IoU 0.6) and d (absent), 200 points each."""
    instance = np.repeat([0, 1, 2, -1], 200)
    prediction = SamplePrediction((np.arange(200), np.arange(400, 520)), np.array([0.9, 0.8]), np.array([0, 2]))
    return evaluate_sample("hall", prediction, GroundTruth(instance, np.array([0, 1, 2])), 4, {"a chair": 2.0})


def test_report_averages_over_classes_and_groups():
    report = make_report([three_classes()], ["a", "b", "c", "d"], {"head": [0, 3], "base": [0, 1], "novel": [2]})
    assert sorted(report.classes) == ["a", "b", "c"]
    assert report.classes["c"]["AP"] == pytest.approx(2 / 9)  # IoU 0.6: above 0.50 and 0.55
    assert report.summary["AP"] == pytest.approx((1 + 0 + 2 / 9) / 3)
    assert report.summary["AP50"] == pytest.approx(2 / 3)
    assert report.groups["head"]["AP50"] == 1.0  # d is not there
    assert report.groups["base"]["AP50"] == 0.5
    assert report.summary["mIoU"] == pytest.approx((1 + 0 + 0.6) / 3)
    assert report.summary["hIoU"] == pytest.approx(2 * 0.5 * 0.6 / 1.1)
    assert math.isnan(report.summary["box F1@0.25"])
    # as one class: cuts .8: p 1 r 2/3; .9: p 1 r 1/3 -> area 2/3 at IoU 0.5
    assert report.summary["class-agnostic AP50"] == pytest.approx(2 / 3)
    assert report.summary["recall50"] == pytest.approx(2 / 3)
    assert (report.summary["success@1"], report.summary["success@5"], report.summary["texts"]) == (0.0, 1.0, 1.0)


def test_classes_without_ground_truth_do_not_enter_the_mean_of_boxes():
    results = [evaluate_sample("a", boxed(box(), box(x=3.0), labels=[0, 1]), truly(box()), 2)]
    report = make_report(results, ["a", "b"])
    assert report.summary["box F1@0.50"] == 1.0
    assert list(report.classes) == ["a"]


def test_report_is_written_as_json_and_csv(tmp_path):
    report = make_report([three_classes()], ["a", "b", "c", "d"])
    report.write_json(tmp_path / "report.json")
    report.write_csv(tmp_path / "report.csv")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["classes"]["a"]["AP"] == 1.0
    assert content["summary"]["box F1@0.25"] is None
    assert "convolved" in content["settings"]["integration"]
    assert content["texts"] == [{"scene": "hall", "text": "a chair", "rank": 2.0}]
    with open(tmp_path / "report.csv", newline="") as file:
        rows = {(row["scope"], row["figure"]): row["value"] for row in csv.DictReader(file)}
    assert float(rows["class c", "IoU"]) == pytest.approx(0.6)
    assert float(rows["text hall", "a chair"]) == 2.0
    assert rows["all", "box F1@0.25"] == ""
