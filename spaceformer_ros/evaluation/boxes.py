# SPDX-License-Identifier: Apache-2.0
"""F1 of upright boxes, as SpatialLM scores them: per scene and class, one-to-one by 3D IoU."""

import dataclasses

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment

BOX_THRESHOLDS = (0.25, 0.5)
MIN_SIZE = 0.1  # metres; thinner boxes are extended, so that a picture on a wall can have an IoU


def box_iou(first, second):
    """[A, B] volume intersection over union of two sequences of OrientedBox, sides clamped to MIN_SIZE."""
    first, second = ([_clamped(box) for box in group] for group in (first, second))
    if not first or not second:
        return np.zeros((len(first), len(second)))
    grounds = [shapely.polygons([box.corners[:4, :2] for box in group]) for group in (first, second)]
    area = shapely.area(shapely.intersection(grounds[0][:, None], grounds[1][None]))
    (low_a, high_a), (low_b, high_b) = (_heights(group) for group in (first, second))
    height = np.minimum(high_a[:, None], high_b[None]) - np.maximum(low_a[:, None], low_b[None])
    shared = area * np.maximum(height, 0.0)
    volumes = [np.array([np.prod(box.size) for box in group]) for group in (first, second)]
    return shared / (volumes[0][:, None] + volumes[1][None] - shared)


def _clamped(box):
    return dataclasses.replace(box, size=np.maximum(np.asarray(box.size, dtype=np.float64), MIN_SIZE))


def _heights(group):
    low = np.array([box.center[2] - box.size[2] / 2 for box in group])
    return low, low + np.array([box.size[2] for box in group])


def f1(iou, threshold):
    """F1 = 2PR / (P + R) of one class in one sample; NaN without predictions and ground truth.

    iou: [K, G]; pairs need an IoU of at least `threshold`, and are assigned one-to-one by the Hungarian method.
    """
    if not sum(iou.shape):
        return float("nan")
    fits = iou >= threshold
    pairs = int(fits[linear_sum_assignment(~fits)].sum()) if iou.size else 0
    return 2 * pairs / sum(iou.shape)  # P = pairs / K and R = pairs / G


def sample_f1(prediction, truth):
    """Dict label -> tuple of F1 at BOX_THRESHOLDS, for every class in predictions or ground truth; None without boxes.

    prediction: SamplePrediction; truth: GroundTruth. Instances without a box are left out.
    """
    if prediction.boxes is None or truth.boxes is None:
        return None
    found, there = _by_label(prediction), _by_label(truth)
    values = {}
    for label in sorted(found.keys() | there.keys()):
        iou = box_iou(found.get(label, []), there.get(label, []))
        values[label] = tuple(f1(iou, threshold) for threshold in BOX_THRESHOLDS)
    return values


def _by_label(instances):
    boxes = {}
    for label, box in zip(instances.labels, instances.boxes):
        if box is not None and label >= 0:
            boxes.setdefault(int(label), []).append(box)
    return boxes


def class_f1(samples, label):
    """[2] mean F1 at BOX_THRESHOLDS of one class over the samples that have it, NaN if none has.

    samples: list of results of `sample_f1`.
    """
    rows = [values[label] for values in samples if values is not None and label in values]
    return np.mean(rows, axis=0) if rows else np.full(len(BOX_THRESHOLDS), np.nan)
