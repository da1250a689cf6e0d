# SPDX-License-Identifier: Apache-2.0
"""ScanNet's average precision, per class or class-agnostic, and recall.

The rules are those of the ScanNet instance evaluator (as in Mask3D and Mosaic3D). Integration is ScanNet's: by step
widths, the convolution of recall with [-0.5, 0, 0.5]; not the VOC envelope of Pointcept, which differs by
some tenths of a point.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from .sample import MIN_REGION_POINTS

AP_THRESHOLDS = tuple(np.round(np.arange(0.5, 0.95, 0.05), 2))  # 0.50 ... 0.90; AP is the mean over these nine


def average_precision(samples, labels, thresholds, min_region=MIN_REGION_POINTS, class_agnostic=False):
    """AP of each class at each IoU threshold, [L, T] in [0, 1]; NaN for classes without ground truth.

    samples: list of OverlapTable
    labels: the L class ids
    thresholds: T IoUs
    min_region: points; smaller instances do not count
    class_agnostic: all classes as one (L = 1)

    A match needs an IoU above the threshold and the same class.
    """
    rows = []
    for label in [None] if class_agnostic else labels:
        overlaps = [sample.of_class(label, min_region) for sample in samples if _concerns(sample, label)]
        rows.append([_class_ap(overlaps, threshold) for threshold in thresholds])
    return np.array(rows, dtype=np.float64).reshape(-1, len(thresholds))


def _concerns(sample, label):
    return label is None or (sample.labels == label).any() or (sample.truth_labels == label).any()


def _class_ap(overlaps, threshold):
    """AP of one class over all samples at one threshold."""
    if not sum(len(sample.truth_sizes) for sample in overlaps):
        return float("nan")
    if not sum(len(sample.sizes) for sample in overlaps):
        return 0.0
    matched = [_match_sample(sample, threshold) for sample in overlaps]
    is_true = np.concatenate([rows[0] for rows in matched])
    score = np.concatenate([rows[1] for rows in matched])
    return integrate(is_true, score, missed=sum(rows[2] for rows in matched))


def _match_sample(sample, threshold):
    """Rows of the precision-recall curve: true positive [R] bool, score [R]; and the number of missed instances.

    The first unused prediction over the threshold matches an instance; each further one is a false positive with the
    lower of the two scores. A prediction below the threshold for every instance is a false positive, unless more than
    `threshold` of its points are ignored.
    """
    over = sample.iou > threshold
    used = np.zeros(len(sample.sizes), dtype=bool)
    true_rows, false_rows, missed = [], [], 0
    for g in range(len(sample.truth_sizes)):
        best = None
        for k in np.flatnonzero(over[:, g]):
            if used[k]:
                continue
            score = sample.scores[k]
            if best is None:
                best, used[k] = score, True
            else:
                false_rows.append(min(best, score))
                best = max(best, score)
        if best is None:
            missed += 1
        else:
            true_rows.append(best)
    alone = ~over.any(axis=1) & (sample.ignored / np.maximum(sample.sizes, 1) <= threshold)
    false_rows.extend(sample.scores[alone])
    is_true = np.array([True] * len(true_rows) + [False] * len(false_rows), dtype=bool)
    return is_true, np.array([*true_rows, *false_rows], dtype=np.float64), missed


def integrate(is_true, score, missed):
    """Area under the precision-recall curve by ScanNet's step widths.

    is_true: [R] bool; score: [R]; missed: number of instances without a match. Rows of equal score share one cut.
    """
    if not len(score):
        return 0.0
    order = np.argsort(score, kind="stable")
    hits = np.concatenate([[0], np.cumsum(is_true[order])])  # true positives below each cut
    _, cuts = np.unique(score[order], return_index=True)
    true_positives = hits[-1] - hits[cuts]
    false_positives = len(score) - cuts - true_positives
    precision = np.append(true_positives / (true_positives + false_positives), 1.0)
    recall = np.append(true_positives / max(hits[-1] + missed, 1), 0.0)
    steps = np.convolve(np.concatenate([recall[:1], recall, [0.0]]), [-0.5, 0.0, 0.5], mode="valid")
    return float(precision @ steps)


def recall(samples, threshold, min_region=MIN_REGION_POINTS):
    """Share of instances that are matched one-to-one with a prediction of any class at an IoU above the threshold.

    samples: list of OverlapTable. NaN without ground truth.
    """
    chosen = [sample.of_class(None, min_region) for sample in samples]
    total = sum(len(sample.truth_sizes) for sample in chosen)
    return sum(_pairs(sample, threshold) for sample in chosen) / total if total else float("nan")


def precision(samples, threshold, min_region=MIN_REGION_POINTS):
    """Share of predictions that are matched one-to-one with an instance of any class at an IoU above the threshold.

    Predictions whose points are mostly ignored, and which match nothing, do not count, as in `average_precision`.
    samples: list of OverlapTable. NaN without predictions.
    """
    chosen = [sample.of_class(None, min_region) for sample in samples]
    total = sum(int(_counts(sample, threshold).sum()) for sample in chosen)
    return sum(_pairs(sample, threshold) for sample in chosen) / total if total else float("nan")


def _pairs(sample, threshold):
    over = sample.iou > threshold
    return int(over[linear_sum_assignment(-over.astype(float))].sum()) if over.size else 0


def _counts(sample, threshold):
    """[K] bool: predictions that are right or wrong."""
    return (sample.iou > threshold).any(axis=1) | (sample.ignored / np.maximum(sample.sizes, 1) <= threshold)
