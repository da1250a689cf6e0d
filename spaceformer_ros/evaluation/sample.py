# SPDX-License-Identifier: Apache-2.0
"""One sample of an evaluation: predictions, ground truth, and the points that they share."""

from dataclasses import dataclass

import numpy as np

MIN_REGION_POINTS = 100  # ScanNet's minimum size of predictions and of instances
NONE = -1


@dataclass(frozen=True)
class SamplePrediction:
    """Predicted instances in a sample of N points.

    masks: tuple of K sorted arrays of point rows, which may overlap;
    scores: [K] float, higher is more certain;
    labels: [K] int, NONE for a class that is not evaluated (such an instance counts in class-agnostic figures only);
    boxes: K OrientedBox or None, or None without boxes;
    semantic: [N] int class of each point, None for that of the best mask.
    """

    masks: tuple
    scores: np.ndarray
    labels: np.ndarray
    boxes: tuple | None = None
    semantic: np.ndarray | None = None


@dataclass(frozen=True)
class GroundTruth:
    """Annotated instances in a sample of N points.

    instance: [N] int row of each point's instance, NONE for none;
    labels: [G] int;
    ignored: [N] bool, points without annotation, where predictions are neither right nor wrong; None for none;
    boxes: G OrientedBox or None, or None without boxes;
    semantic: [N] int class of each point, NONE for annotated background; None for that of the instance.
    """

    instance: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray | None = None
    boxes: tuple | None = None
    semantic: np.ndarray | None = None


@dataclass(frozen=True)
class OverlapTable:
    """Sizes and shared points of a sample's K predictions and G instances: the input of all instance figures.

    scores, labels, sizes: [K]
    truth_labels, truth_sizes: [G]
    shared: [K, G] points
    ignored: [K] points of each prediction in ignored area
    """

    scores: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    truth_labels: np.ndarray
    truth_sizes: np.ndarray
    shared: np.ndarray
    ignored: np.ndarray

    @property
    def iou(self):
        """[K, G] float64 intersection over union of points."""
        union = self.sizes[:, None] + self.truth_sizes[None] - self.shared
        return self.shared / np.maximum(union, 1)

    def of_class(self, label, min_region=MIN_REGION_POINTS):
        """The OverlapTable of one class (None: all classes as one), without instances below min_region points.

        Ground truth below this size becomes ignored area. Predictions are sorted by score, and instances by their
        overlap with the best prediction: below an IoU of 0.5 two predictions may match one instance, and the result
        must not depend on the order in a file or of the points.
        """
        mine, theirs = self.sizes >= min_region, self.truth_sizes > 0
        if label is not None:
            mine, theirs = mine & (self.labels == label), theirs & (self.truth_labels == label)
        small = theirs & (self.truth_sizes < min_region)
        iou, ignored = self.iou, self.ignored + self.shared[:, small].sum(axis=1)
        rows, columns = np.flatnonzero(mine), np.flatnonzero(theirs & ~small)
        if rows.size and columns.size:
            claims = np.sort(iou[np.ix_(rows, columns)], axis=1)  # ascending: the last key of lexsort is the primary
            rows = rows[np.lexsort((*-claims.T, -self.sizes[rows], -self.scores[rows]))]
            columns = columns[np.lexsort(tuple(-iou[np.ix_(rows, columns)][::-1]))]
        return OverlapTable(
            self.scores[rows],
            self.labels[rows],
            self.sizes[rows],
            self.truth_labels[columns],
            self.truth_sizes[columns],
            self.shared[np.ix_(rows, columns)],
            ignored[rows],
        )


def overlap(prediction, truth):
    """OverlapTable of a SamplePrediction and a GroundTruth on the same points."""
    count = len(truth.labels)
    shared = np.zeros((len(prediction.masks), count + 1), dtype=np.int64)
    for row, mask in enumerate(prediction.masks):
        shared[row] = np.bincount(truth.instance[mask] + 1, minlength=count + 1)
    ignored = [_count(truth.ignored, mask) for mask in prediction.masks]
    return OverlapTable(
        scores=np.asarray(prediction.scores, dtype=np.float64),
        labels=np.asarray(prediction.labels, dtype=np.int64),
        sizes=shared.sum(axis=1),
        truth_labels=np.asarray(truth.labels, dtype=np.int64),
        truth_sizes=np.bincount(truth.instance + 1, minlength=count + 1)[1:],
        shared=shared[:, 1:],
        ignored=np.array(ignored, dtype=np.int64),
    )


def _count(flags, rows):
    return 0 if flags is None else int(np.count_nonzero(flags[rows]))
