# SPDX-License-Identifier: Apache-2.0
"""Retrieval and the report of all figures; every expected number is derived in the comment next to it."""

import csv
import json
import math

import numpy as np
import pytest
from helpers.boxes import box, box_prediction, box_truth

from spaceformer_ros.evaluation import (
    GroundTruth,
    SamplePrediction,
    evaluate_sample,
    first_right_rank,
    make_report,
    success,
)
from spaceformer_ros.evaluation.retrieval import summary


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
    results = [evaluate_sample("a", box_prediction(box(), box(x=3.0), labels=[0, 1]), box_truth(box()), 2)]
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


def test_a_truth_without_any_class():
    sample = evaluate_sample("a", box_prediction(), box_truth(), 0)
    report = make_report([sample], ())
    assert report.classes == {}
    assert report.summary["scenes"] == 1
