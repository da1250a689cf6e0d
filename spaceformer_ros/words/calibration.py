# SPDX-License-Identifier: Apache-2.0
"""Calibration: tables from scores to the share of right claims among those with that score, on rooms that are known."""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

MAX_ENTRIES = 64  # of a Curve
CURVES = ("objects", "labels", "texts", "colors")  # fields of a Calibration


@dataclass(frozen=True)
class Curve:
    """A monotone, piecewise linear table. Scores outside it have the share of its nearest end.

    scores: ascending, in [0, 1]; shares: of the claims with such a score, those that were right, not descending, in
    [0, 1]. Raises ValueError for another table.
    """

    scores: tuple
    shares: tuple

    def __post_init__(self):
        values = [*self.scores, *self.shares]
        if len(self.scores) != len(self.shares) or not 1 <= len(self.scores) <= MAX_ENTRIES:
            raise ValueError(f"a curve of {len(self.scores)} scores and {len(self.shares)} shares")
        if not all(isinstance(v, (int, float)) and math.isfinite(v) and 0 <= v <= 1 for v in values):
            raise ValueError("a curve with entries that are not numbers between 0 and 1")
        if any(a >= b for a, b in pairwise(self.scores)) or any(a > b for a, b in pairwise(self.shares)):
            raise ValueError("a curve that is not ascending")

    def __call__(self, scores):
        """The shares of scores, an array or a number."""
        return np.interp(scores, self.scores, self.shares)


@dataclass(frozen=True)
class Calibration:
    """What the scores of a checkpoint mean: how often claims were right.

    objects: Curve of the score of a published object: that it is one, and has its label
    labels: Curve of the score of a match, where the text is a label of the vocabulary: that it is what was asked for
    texts: the same for all other texts
    colors: the same for a text with a colour, with the score times the share of points that have the colour
    fitted_on: sentence that says which rooms it was measured on
    """

    objects: Curve
    labels: Curve
    texts: Curve
    colors: Curve
    fitted_on: str

    @classmethod
    def from_dict(cls, values):
        """From the result of `to_dict`. Raises ValueError, TypeError or KeyError for other contents."""
        curves = {name: Curve(tuple(values[name]["scores"]), tuple(values[name]["shares"])) for name in CURVES}
        if not isinstance(values["fitted_on"], str) or not values["fitted_on"].isprintable():
            raise ValueError("fitted_on is not a line of text")
        return cls(**curves, fitted_on=values["fitted_on"])

    def to_dict(self):
        """As values for JSON."""
        return asdict(self)
