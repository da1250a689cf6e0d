# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation: IoU and accuracy of point classes, pooled over all samples."""

from dataclasses import dataclass

import numpy as np

from .sample import NONE


@dataclass(frozen=True)
class PointCounts:
    """Points per class, without ignored ones, [L] int64 each: predicted rightly, predicted, annotated."""

    right: np.ndarray
    predicted: np.ndarray
    true: np.ndarray

    @classmethod
    def of(cls, prediction, truth, num_classes):
        """PointCounts of a SamplePrediction and a GroundTruth; a class predicted on background is wrong."""
        found, there = predicted_classes(prediction, len(truth.instance)), true_classes(truth)
        if truth.ignored is not None:
            found, there = found[~truth.ignored], there[~truth.ignored]
        groups = (found[found == there], found, there)
        return cls(*(np.bincount(group + 1, minlength=num_classes + 1)[1:] for group in groups))

    @classmethod
    def total(cls, counts, num_classes):
        """The sum of PointCounts, which may have fewer classes."""
        sums = np.zeros((3, num_classes), dtype=np.int64)
        for sample in counts:
            for row, column in zip(sums, (sample.right, sample.predicted, sample.true)):
                row[: len(column)] += column
        return cls(*sums)

    @property
    def iou(self):
        """[L] right / (predicted or annotated); NaN for classes without an annotated point."""
        return _ratio(self.right, self.predicted + self.true - self.right, self.true)

    @property
    def accuracy(self):
        """[L] right / annotated; NaN for classes without an annotated point."""
        return _ratio(self.right, self.true, self.true)


def _ratio(part, whole, true):
    return np.where(true > 0, part / np.maximum(whole, 1), np.nan)


def predicted_classes(prediction, num_points):
    """[N] int: class of the best mask at each point, NONE outside all masks.

    Masks of classes that are not evaluated are left out.
    """
    if prediction.semantic is not None:
        return prediction.semantic
    classes = np.full(num_points, NONE, dtype=np.int64)
    for k in np.argsort(np.asarray(prediction.scores), kind="stable"):
        if prediction.labels[k] != NONE:
            classes[prediction.masks[k]] = prediction.labels[k]
    return classes


def true_classes(truth):
    """[N] int: the annotated class of each point, NONE for background."""
    if truth.semantic is not None:
        return truth.semantic
    return np.append(np.asarray(truth.labels, dtype=np.int64), NONE)[truth.instance]


def harmonic_mean(first, second):
    """hIoU of the base and the novel mIoU (XMask3D); 0 if both are 0."""
    return 2 * first * second / (first + second) if first + second else 0.0
