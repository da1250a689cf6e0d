# SPDX-License-Identifier: Apache-2.0
"""Claims with scores, such as answers to questions, and what their scores mean: fit a Curve, measure its error."""

from dataclasses import dataclass, fields

import numpy as np

from ..words.calibration import Curve

FIT_BINS = 12  # of equal weight; more follow the noise of some thousand claims
ERROR_BINS = 10  # of equal width, as usual for the expected calibration error (Guo et al., arXiv 1706.04599)


@dataclass(frozen=True)
class Claims:
    """n claims of a pipeline: "this is a chair", "this is what you asked for".

    score, confidence: [n] float64; right: [n] bool;
    absent: [n] bool, answers to a question for a thing that is not there. Both groups weigh the same in total.
    """

    score: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    absent: np.ndarray

    @classmethod
    def of(cls, rows):
        """From rows (score, confidence, right, absent)."""
        columns = list(zip(*rows)) or [()] * len(fields(cls))
        return cls(*(np.array(column, dtype=kind) for column, kind in zip(columns, (float, float, bool, bool))))

    def selected(self, rows):
        """The Claims of some rows, [n] bool."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def weight(self):
        """[n] float64."""
        return np.where(self.absent, 1 / max(self.absent.sum(), 1), 1 / max((~self.absent).sum(), 1))

    def fit_curve(self, bins=FIT_BINS):
        """The Curve from scores to the share of right claims: means over bins of equal weight, made monotone."""
        order = np.argsort(self.score, kind="stable")
        weight, right = self.weight[order], self.right[order]
        number = np.minimum((np.cumsum(weight) / weight.sum() * bins).astype(int), bins - 1)
        total = np.bincount(number, weight, bins)
        there = total > 0
        score, share = (
            np.bincount(number, weight * values, bins)[there] / total[there] for values in (self.score[order], right)
        )
        share = np.clip(monotone(share, total[there]), 0, 1)
        distinct = np.flatnonzero(np.diff(np.round(score, 4), prepend=-1) > 0)
        table = np.round(score[distinct], 4), np.round(share[distinct], 4)
        return Curve(*(tuple(column.tolist()) for column in table))

    def expected_error(self, bins=ERROR_BINS):
        """Expected calibration error, |confidence - share of right ones| of the bin, mean over claims; NaN without."""
        if not len(self.score) or np.isnan(self.confidence).any():
            return float("nan")
        number = np.minimum((self.confidence * bins).astype(int), bins - 1)
        gap = np.bincount(number, self.weight * (self.confidence - self.right), bins)
        return float(np.abs(gap).sum() / self.weight.sum())

    def matched_absent(self, threshold):
        """Share of the questions for absent things whose answer reaches a confidence."""
        return _share(~(self.confidence[self.absent] < threshold))

    def lost_right(self, threshold):
        """Share of the right answers that do not reach a confidence."""
        return _share(self.confidence[self.right] < threshold)


def _share(flags):
    return float(flags.mean()) if len(flags) else float("nan")


def monotone(values, weights):
    """[n] the rising values nearest to `values` [n] by weighted squares: isotonic regression, pooling neighbours.

    scipy.optimize.isotonic_regression is newer than the SciPy of ROS 2 Humble and Jazzy.
    """
    blocks = []  # mean, weight, number of values
    for block in zip(values.tolist(), weights.tolist(), [1] * len(values)):
        while blocks and blocks[-1][0] >= block[0]:
            mean, weight, count = blocks.pop()
            total = weight + block[1]
            block = (mean * weight + block[0] * block[1]) / total, total, count + block[2]
        blocks.append(block)
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])
