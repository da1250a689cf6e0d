# SPDX-License-Identifier: Apache-2.0
"""What is judged in one scene: predictions, ground truth, and how many points they share."""

from dataclasses import dataclass

import numpy as np

MIN_REGION_POINTS = 100  # ScanNet's least size of a prediction and of a ground-truth instance
NONE = -1


@dataclass(frozen=True)
class SamplePrediction:
    """Instances found in one scene of N points.

    masks: tuple of K sorted arrays of point rows, which may overlap; scores: [K] float, higher is surer; labels: [K]
    int, NONE for a class that is not evaluated (such an instance counts only where classes do not); boxes: K
    OrientedBox, None where there is none; semantic: [N] int class of each point (None: that of the best mask).
    """

    masks: tuple
    scores: np.ndarray
    labels: np.ndarray
    boxes: tuple | None = None
    semantic: np.ndarray | None = None


@dataclass(frozen=True)
class GroundTruth:
    """What is in one scene of N points.

    instance: [N] int row of each point's instance, NONE for none; labels: [G] int; ignored: [N] bool, points without
    annotation (predictions there are neither right nor wrong), None for none; boxes: G OrientedBox or None; semantic:
    [N] int class of each point, NONE for annotated background (None: that of the instance).
    """

    instance: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray | None = None
    boxes: tuple | None = None
    semantic: np.ndarray | None = None


@dataclass(frozen=True)
class OverlapTable:
    """Sizes and shared points of one scene's K predictions and G instances: all that instance figures need.

    scores, labels, sizes: [K]; truth_labels, truth_sizes: [G]; shared: [K, G] points; ignored: [K] points of each
    prediction that lie where nothing is judged.
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
        """The OverlapTable of one class (None: all classes as one), without what is smaller than min_region points.

        Ground truth that is too small becomes ignored area. Predictions come best score first, and ground truth in
        the order of what the best prediction overlaps most, so that neither the order in a file nor that of the
        points decides who is matched first (it could, below an IoU of 0.5, where two may claim one another).
        """
        mine, theirs = self.sizes >= min_region, self.truth_sizes > 0
        if label is not None:
            mine, theirs = mine & (self.labels == label), theirs & (self.truth_labels == label)
        small = theirs & (self.truth_sizes < min_region)
        iou, ignored = self.iou, self.ignored + self.shared[:, small].sum(axis=1)
        rows, columns = np.flatnonzero(mine), np.flatnonzero(theirs & ~small)
        if rows.size and columns.size:
            claims = np.sort(iou[np.ix_(rows, columns)], axis=1)  # ascending: the last key of lexsort counts first
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
