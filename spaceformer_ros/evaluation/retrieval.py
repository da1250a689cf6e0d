# SPDX-License-Identifier: Apache-2.0
"""Open-vocabulary retrieval: the rank of the first right answer to a text."""

import math

import numpy as np

RIGHT_IOU = 0.25  # mask IoU above which an answer is right
SUCCESS_AT = (1, 5)


def first_right_rank(iou, order, wanted, threshold=RIGHT_IOU):
    """1 for a right first answer, 2 for a right second one, ...; infinity where none is right.

    iou: [K, G] of masks; order: rows of the answers, best first; wanted: the columns that answer the text.
    """
    answers = iou[np.ix_(np.asarray(order, dtype=np.int64), np.asarray(sorted(wanted), dtype=np.int64))]
    right = np.flatnonzero((answers > threshold).any(axis=1))
    return float(right[0] + 1) if right.size else math.inf


def success(ranks, k):
    """Share of texts with a right instance among the first k answers; NaN without texts."""
    return float(np.mean(np.asarray(ranks) <= k)) if len(ranks) else math.nan


def summary(ranks):
    """Rows (figure, value): success at 1 and 5, the median rank (infinite if half of the texts have no right
    answer) and the mean of 1 / rank."""
    if not len(ranks):
        return []
    rows = [(f"success@{k}", success(ranks, k)) for k in SUCCESS_AT]
    rows += [("median rank", float(np.median(ranks))), ("mean 1/rank", float(np.mean(1 / np.asarray(ranks))))]
    return [*rows, ("texts", len(ranks))]
