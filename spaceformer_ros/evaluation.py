"""How good are instances? ScanNet's average precision, class-agnostic or per class, and retrieval by text.

The rules are those of the ScanNet instance evaluator (as in Mask3D and Mosaic3D); integration is ScanNet's: by step
widths, the convolution of recall with [-0.5, 0, 0.5].
"""

from dataclasses import dataclass

import numpy as np

AP_THRESHOLDS = tuple(np.round(np.arange(0.5, 0.95, 0.05), 2))  # 0.50 ... 0.90; AP is the mean over these nine
MIN_REGION_POINTS = 100  # ScanNet's least size of a prediction and of a ground-truth instance
NONE = -1


@dataclass(frozen=True)
class Prediction:
    """Instances found in one scene. masks: tuple of K sorted arrays of point rows; scores: [K]; labels: [K] int."""

    masks: tuple
    scores: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class GroundTruth:
    """What is in one scene. instance: [N] int row of each point's instance, -1 for none; labels: [G] int; ignored:
    [N] bool, points without annotation (predictions there are neither right nor wrong), None for none."""

    instance: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray | None = None


@dataclass(frozen=True)
class _Overlaps:
    """Sizes and shared points of one scene's predictions (K) and instances (G) of one class; `ignored` counts each
    prediction's points that lie in unannotated area or in instances of the class that are too small to count."""

    scores: np.ndarray
    sizes: np.ndarray
    truth_sizes: np.ndarray
    shared: np.ndarray  # [K, G]
    ignored: np.ndarray  # [K]

    @property
    def iou(self):
        return self.shared / (self.sizes[:, None] + self.truth_sizes[None] - self.shared)


def average_precision(scenes, labels, thresholds, min_region=MIN_REGION_POINTS, class_agnostic=False):
    """AP of each class at each IoU threshold, [L, T]; NaN for classes without ground truth.

    scenes: list of (Prediction, GroundTruth); labels: the L class ids. A match needs an IoU above the threshold and
    the same class. class_agnostic: treat everything as one class (L = 1).
    """
    rows = []
    for label in [None] if class_agnostic else labels:
        overlaps = [class_overlaps(prediction, truth, label, min_region) for prediction, truth in scenes]
        rows.append([_class_ap(overlaps, threshold) for threshold in thresholds])
    return np.array(rows, dtype=np.float64)


def class_overlaps(prediction, truth, label, min_region):
    """_Overlaps of one class (None: all classes as one) in one scene."""
    chosen = [
        k
        for k in range(len(prediction.masks))
        if len(prediction.masks[k]) >= min_region and (label is None or prediction.labels[k] == label)
    ]
    count = len(truth.labels)
    sizes = np.bincount(truth.instance[truth.instance != NONE], minlength=count)
    of_class = np.full(count, True) if label is None else truth.labels == label
    counted = np.flatnonzero(of_class & (sizes >= min_region))
    small = of_class & (sizes < min_region)
    shared = np.zeros((len(chosen), count), dtype=np.int64)
    for row, k in enumerate(chosen):
        owner = truth.instance[prediction.masks[k]]
        shared[row] = np.bincount(owner[owner != NONE], minlength=count)
    return _Overlaps(
        scores=np.asarray(prediction.scores, dtype=np.float64)[chosen],
        sizes=np.array([len(prediction.masks[k]) for k in chosen], dtype=np.int64),
        truth_sizes=sizes[counted],
        shared=shared[:, counted],
        ignored=shared[:, small].sum(axis=1) + [_count(truth.ignored, prediction.masks[k]) for k in chosen],
    )


def _count(flags, rows):
    return 0 if flags is None else int(np.count_nonzero(flags[rows]))


def _class_ap(overlaps, threshold):
    """AP of one class over all scenes at one threshold."""
    if not sum(len(scene.truth_sizes) for scene in overlaps):
        return float("nan")
    if not sum(len(scene.sizes) for scene in overlaps):
        return 0.0
    matched = [_match_scene(scene, threshold) for scene in overlaps]
    is_true = np.concatenate([rows[0] for rows in matched])
    score = np.concatenate([rows[1] for rows in matched])
    return integrate(is_true, score, missed=sum(rows[2] for rows in matched))


def _match_scene(scene, threshold):
    """Rows of the precision-recall curve: is it a true positive [R] bool, its score [R]; and how many were missed.

    The first unused prediction over the threshold matches an instance; each further one is a false positive with the
    lower of the two scores. A prediction that touches no instance enough is a false positive unless more than
    `threshold` of it lies in ignored ground truth.
    """
    over = scene.iou > threshold
    used = np.zeros(len(scene.sizes), dtype=bool)
    true_rows, false_rows, missed = [], [], 0
    for g in range(len(scene.truth_sizes)):
        best = None
        for k in np.flatnonzero(over[:, g]):
            if used[k]:
                continue
            score = scene.scores[k]
            if best is None:
                best, used[k] = score, True
            else:
                false_rows.append(min(best, score))
                best = max(best, score)
        if best is None:
            missed += 1
        else:
            true_rows.append(best)
    alone = ~over.any(axis=1) & (scene.ignored / np.maximum(scene.sizes, 1) <= threshold)
    false_rows.extend(scene.scores[alone])
    is_true = np.array([True] * len(true_rows) + [False] * len(false_rows))
    return is_true, np.array([*true_rows, *false_rows]), missed


def integrate(is_true, score, missed):
    """Area under the precision-recall curve by ScanNet's step widths. is_true: [R] bool; score: [R]."""
    if not len(score):
        return 0.0
    order = np.argsort(score, kind="stable")
    hits = np.concatenate([[0], np.cumsum(is_true[order])])  # true positives below each cut
    _, cuts = np.unique(score[order], return_index=True)
    true_positives = hits[-1] - hits[cuts]
    false_positives = len(score) - cuts - true_positives
    precision = np.append(true_positives / (true_positives + false_positives), 1.0)
    recall = np.append(true_positives / (hits[-1] + missed), 0.0)
    steps = np.convolve(np.concatenate([recall[:1], recall, [0.0]]), [-0.5, 0.0, 0.5], mode="valid")
    return float(precision @ steps)


def recall(scenes, threshold, min_region=MIN_REGION_POINTS):
    """Share of instances with a prediction of their own (any class) whose IoU is above the threshold."""
    from scipy.optimize import linear_sum_assignment

    found = total = 0
    for prediction, truth in scenes:
        scene = class_overlaps(prediction, truth, None, min_region)
        total += len(scene.truth_sizes)
        if scene.iou.size:
            over = scene.iou > threshold
            found += int(over[linear_sum_assignment(-over.astype(float))].sum())
    return found / total if total else float("nan")


def summarise(scenes, names, min_region=MIN_REGION_POINTS):
    """Report rows (name, value) for a list of (Prediction, GroundTruth) with labels indexing `names`."""
    per_class = average_precision(scenes, range(len(names)), (*AP_THRESHOLDS, 0.25), min_region)
    agnostic = average_precision(scenes, [], (*AP_THRESHOLDS, 0.25), min_region, class_agnostic=True)[0]
    present = ~np.isnan(per_class[:, 0])
    mean = per_class[present].mean(axis=0) if present.any() else np.full(per_class.shape[1], np.nan)
    rows = [("AP", mean[:9].mean()), ("AP50", mean[0]), ("AP25", mean[9])]
    rows += [("class-agnostic AP", agnostic[:9].mean()), ("class-agnostic AP50", agnostic[0])]
    rows += [("class-agnostic AP25", agnostic[9])]
    rows += [(f"recall{round(100 * t)}", recall(scenes, t, min_region)) for t in (0.5, 0.25)]
    rows += [(f"AP50 {names[i]}", per_class[i, 0]) for i in np.flatnonzero(present)]
    return [(name, float(value)) for name, value in rows]
