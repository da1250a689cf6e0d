# SPDX-License-Identifier: Apache-2.0
"""Metrics of one sample, and the report of all samples as table rows, JSON and CSV."""

import csv
import json
import math
from dataclasses import dataclass, field

import numpy as np

from . import retrieval
from .boxes import BOX_THRESHOLDS, class_f1, sample_f1
from .precision import AP_THRESHOLDS, average_precision, precision, recall
from .sample import MIN_REGION_POINTS, OverlapTable, overlap
from .semantic import PointCounts, harmonic_mean

CLASS_FIGURES = ("AP", "AP50", "AP25", *(f"box F1@{t:.2f}" for t in BOX_THRESHOLDS), "IoU", "accuracy")
SUMMARY_FIGURES = (*CLASS_FIGURES[:5], "mIoU", "mAcc")  # of all classes, or of a group of them
INTEGRATION = "step widths of recall convolved with [-0.5, 0, 0.5], as in ScanNet's evaluator; no VOC envelope"


@dataclass(frozen=True)
class SampleResult:
    """The counts of one sample that the report needs: a few numbers per instance.

    overlaps: OverlapTable
    points: PointCounts
    boxes: dict label -> F1 at two IoUs, or None
    ranks: dict text -> rank of the first right answer, or None
    """

    name: str
    overlaps: OverlapTable
    points: PointCounts
    boxes: dict | None = None
    ranks: dict | None = None


@dataclass(frozen=True)
class EvaluationReport:
    """Figures in [0, 1] (except ranks and counts), NaN without anything to evaluate.

    summary: dict figure -> value
    groups, classes: dict name -> dict figure -> value; classes without ground truth are left out
    texts: rows (scene, text, rank)
    settings: parameters of the evaluation
    """

    summary: dict
    classes: dict
    groups: dict = field(default_factory=dict)
    texts: tuple = ()
    settings: dict = field(default_factory=dict)

    def rows(self):
        """Rows (scope, figure, value), scope "all", "group head" or "class chair"."""
        rows = [("all", figure, value) for figure, value in self.summary.items()]
        for scope, table in (("group", self.groups), ("class", self.classes)):
            rows += [(f"{scope} {name}", figure, v) for name, row in table.items() for figure, v in row.items()]
        return rows

    def write_json(self, path):
        """Write everything; values that are not finite (nothing to evaluate, or no right answer) are null."""
        texts = [{"scene": scene, "text": text, "rank": rank} for scene, text, rank in self.texts]
        content = {"settings": self.settings, "summary": self.summary, "groups": self.groups, "classes": self.classes}
        path.write_text(json.dumps(_finite({**content, "texts": texts}), indent=1) + "\n")

    def write_csv(self, path):
        """Columns scope, figure, value; the ranks of texts come last as "text <scene>"."""
        rows = [*self.rows(), *((f"text {scene}", text, rank) for scene, text, rank in self.texts)]
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([("scope", "figure", "value"), *_finite(rows)])


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate_sample(name, prediction, truth, num_classes, ranks=None):
    """SampleResult of a SamplePrediction and a GroundTruth on the same points; labels: [0, num_classes) or NONE."""
    points = PointCounts.of(prediction, truth, num_classes)
    return SampleResult(name, overlap(prediction, truth), points, sample_f1(prediction, truth), ranks)


def make_report(results, names, groups=None, min_region=MIN_REGION_POINTS):
    """EvaluationReport of a list of SampleResult. names: of the classes; groups: dict name -> list of class indices."""
    table = _class_table(results, len(names), min_region)
    present = np.flatnonzero(~np.isnan(table).all(axis=1))
    group_rows = {name: _mean_row(table[np.array(rows, dtype=int)]) for name, rows in (groups or {}).items()}
    summary = {**_mean_row(table), **_agnostic(results, min_region)}
    if {"base", "novel"} <= group_rows.keys():
        summary["hIoU"] = harmonic_mean(group_rows["base"]["mIoU"], group_rows["novel"]["mIoU"])
    texts = tuple((r.name, text, rank) for r in results for text, rank in (r.ranks or {}).items())
    summary.update(retrieval.summary([rank for _, _, rank in texts]))
    summary["scenes"] = len(results)
    classes = {names[i]: dict(zip(CLASS_FIGURES, table[i].tolist())) for i in present}
    settings = {"integration": INTEGRATION, "ap_thresholds": list(map(float, AP_THRESHOLDS)), "min_points": min_region}
    return EvaluationReport(summary, classes, group_rows, texts, settings)


def _class_table(results, num_classes, min_region):
    """[L, CLASS_FIGURES]; NaN for classes without ground truth (for boxes: without an instance of any size)."""
    samples = [result.overlaps for result in results]
    ap = average_precision(samples, range(num_classes), (*AP_THRESHOLDS, 0.25), min_region)
    rows = [class_f1([r.boxes for r in results], i) for i in range(num_classes)]
    boxes = np.array(rows).reshape(num_classes, len(BOX_THRESHOLDS))
    there = np.isin(np.arange(num_classes), [label for sample in samples for label in sample.truth_labels])
    boxes = np.where(there[:, None], boxes, np.nan)
    points = PointCounts.total([result.points for result in results], num_classes)
    nine = len(AP_THRESHOLDS)
    return np.column_stack([ap[:, :nine].mean(axis=1), ap[:, 0], ap[:, nine], boxes, points.iou, points.accuracy])


def _mean_row(table):
    """Dict figure -> mean over the classes that have it."""
    there = ~np.isnan(table)
    mean = np.where(there, table, 0.0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)
    return dict(zip(SUMMARY_FIGURES, mean.tolist()))


def _agnostic(results, min_region):
    """Average precision with all classes as one, recall and precision."""
    samples, nine = [result.overlaps for result in results], len(AP_THRESHOLDS)
    ap = average_precision(samples, [], (*AP_THRESHOLDS, 0.25), min_region, class_agnostic=True)[0]
    rows = {"class-agnostic AP": ap[:nine].mean(), "class-agnostic AP50": ap[0], "class-agnostic AP25": ap[nine]}
    rows.update({f"recall{round(100 * t)}": recall(samples, t, min_region) for t in (0.5, 0.25)})
    rows.update({f"precision{round(100 * t)}": precision(samples, t, min_region) for t in (0.5, 0.25)})
    return {name: float(value) for name, value in rows.items()}
