# SPDX-License-Identifier: Apache-2.0
"""How good are instances, boxes, labels and answers? On files (`evaluate_files`) or on arrays (`evaluate_sample`).

sample     SamplePrediction, GroundTruth, and how many points their instances share
precision  ScanNet's average precision and recall;  boxes: F1 of upright boxes;  semantic: IoU of point classes
retrieval  rank of the first right answer to a text
report     all figures of a list of scenes as rows, JSON and CSV
classes, files, scannet, answers, pairs   what is read from disk;  run: all of it together
"""

from .precision import AP_THRESHOLDS, average_precision, integrate, recall
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
    "recall",
    "success",
]
