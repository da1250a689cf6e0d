# SPDX-License-Identifier: Apache-2.0
"""Metrics of instances, boxes, labels and answers, on files (`evaluate_files`) or on arrays (`evaluate_sample`).

A sample is one scene of a dataset: the predictions and the ground truth on the same points.

sample     SamplePrediction, GroundTruth, and the points that their instances share
precision  ScanNet's average precision and recall;  boxes: F1 of upright boxes;  semantic: IoU of point classes
calibration  what scores mean: curves and their error;  retrieval  rank of the first right answer to a text
report     all figures of a list of samples as rows, JSON and CSV
classes, files, scannet, answers, pairs   readers;  run: the evaluation of files
"""

from .precision import AP_THRESHOLDS, average_precision, integrate, precision, recall
from .report import EvaluationReport, SampleResult, evaluate_sample, make_report
from .retrieval import RIGHT_IOU, first_right_rank, success
from .run import evaluate_files
from .sample import MIN_REGION_POINTS, NONE, GroundTruth, OverlapTable, SamplePrediction, overlap

__all__ = [
    "AP_THRESHOLDS",
    "MIN_REGION_POINTS",
    "NONE",
    "RIGHT_IOU",
    "EvaluationReport",
    "GroundTruth",
    "OverlapTable",
    "SamplePrediction",
    "SampleResult",
    "average_precision",
    "evaluate_files",
    "evaluate_sample",
    "first_right_rank",
    "integrate",
    "make_report",
    "overlap",
    "precision",
    "recall",
    "success",
]
