# SPDX-License-Identifier: Apache-2.0
"""Curves and calibration errors of claims whose true probabilities are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from spaceformer_ros.evaluation.calibration import Claims, monotone


def drawn(count, probability, seed=0, absent=False):
    """Claims with scores from 0 to 1 that are right with probability(score); their confidence is the score."""
    rng = np.random.default_rng(seed)
    score = rng.random(count)
    return Claims(score, score, rng.random(count) < probability(score), np.full(count, absent))


def test_a_fitted_curve_finds_the_probabilities_of_other_claims():
    fitted, other = drawn(5000, np.square), drawn(5000, np.square, seed=1)
    curve = fitted.fit_curve()
    assert np.abs(curve(np.linspace(0.05, 0.95, 19)) - np.linspace(0.05, 0.95, 19) ** 2).max() < 0.06
    assert other.expected_error() > 0.15  # scores that are too high by s - s^2, on average 1/6
    assert replace(other, confidence=curve(other.score)).expected_error() < 0.03


def test_a_curve_of_claims_whose_share_falls_is_flat():
    curve = drawn(3000, lambda score: 0.8 - 0.5 * score).fit_curve()
    assert np.ptp(curve.shares) < 0.05


def test_questions_for_absent_things_weigh_as_much_as_others():
    few = Claims.of([(0.5, 0.5, True, False)] + [(0.5, 0.5, False, True)] * 99)
    assert few.expected_error() == pytest.approx(0.0)
    assert few.fit_curve()(0.5) == pytest.approx(0.5, abs=0.01)


def test_thresholds_match_absent_things_or_lose_right_answers():
    claims = Claims.of(
        [(0.9, 0.9, True, False), (0.2, 0.2, True, False), (0.6, 0.6, False, False)]
        + [(0.1, 0.1, False, True), (0.2, 0.2, False, True), (0.4, 0.4, False, True), (0.7, 0.7, False, True)]
    )
    assert (claims.matched_absent(0.3), claims.lost_right(0.3)) == (0.5, 0.5)
    assert (claims.matched_absent(0.0), claims.lost_right(0.0)) == (1.0, 0.0)
    nothing = Claims.of([])
    assert all(math.isnan(value) for value in (nothing.matched_absent(0.3), nothing.expected_error()))


def test_claims_without_confidence_have_no_calibration_error_and_are_all_matches():
    claims = Claims.of([(0.9, math.nan, True, False), (0.3, math.nan, False, True)])
    assert math.isnan(claims.expected_error())
    assert (claims.matched_absent(0.5), claims.lost_right(0.5)) == (1.0, 0.0)


def test_monotone_values_are_those_of_scipy(rng):
    isotonic = getattr(optimize, "isotonic_regression", None) or pytest.skip("SciPy is older than 1.12")
    for count in (1, 2, 30, 200):
        values, weights = rng.random(count), rng.random(count) + 0.1
        assert np.allclose(monotone(values, weights), isotonic(values, weights=weights).x)
