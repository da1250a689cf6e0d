# SPDX-License-Identifier: Apache-2.0
"""Properties of the figures on random samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceformer_ros.evaluation import (
    GroundTruth,
    SamplePrediction,
    average_precision,
    evaluate_sample,
    make_report,
    overlap,
)
from spaceformer_ros.geometry.boxes import OrientedBox

POINTS, LABELS, MIN_POINTS = 240, 3, 4
NAMES = [f"class {i}" for i in range(LABELS)]
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=60, deadline=None)


def boxes(rng, count):
    return tuple(
        OrientedBox(rng.uniform(0, 3, 3), rng.uniform(0.2, 2, 3), float(rng.uniform(-1.5, 1.5))) for _ in range(count)
    )


def random_truth(rng):
    """Instances that are runs of points, some smaller than the least size, some points background or unannotated."""
    owner = np.sort(rng.integers(-1, rng.integers(1, 7), POINTS))
    present, instance = np.unique(owner[owner >= 0], return_inverse=True)
    row = np.full(POINTS, -1)
    row[owner >= 0] = instance
    ignored = (row < 0) & (rng.random(POINTS) < 0.5)
    return GroundTruth(row, rng.integers(0, LABELS, len(present)), ignored, boxes(rng, len(present)))


def random_prediction(rng):
    """Overlapping runs of points with scores that all differ."""
    count = int(rng.integers(0, 8))
    ends = np.sort(rng.integers(0, POINTS, (count, 2)), axis=1)
    scores = rng.permutation(np.linspace(0.1, 0.9, count)) if count else np.zeros(0)
    masks = tuple(np.arange(start, stop) for start, stop in ends)
    return SamplePrediction(masks, scores, rng.integers(-1, LABELS, count), boxes(rng, count))


def figures(prediction, truth):
    report = make_report([evaluate_sample("a", prediction, truth, LABELS)], NAMES, min_region=MIN_POINTS)
    return {(scope, figure): value for scope, figure, value in report.rows()}


@quick
@given(seeds)
def test_perfect_predictions_score_one(seed):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    masks = tuple(np.flatnonzero(truth.instance == g) for g in range(len(truth.labels)))
    perfect = SamplePrediction(masks, rng.random(len(masks)), truth.labels, truth.boxes)
    values = [value for (_, figure), value in figures(perfect, truth).items() if figure not in ("scenes",)]
    assert all(np.isnan(value) or value == pytest.approx(1.0) for value in values)
    if (np.bincount(truth.instance + 1)[1:] >= MIN_POINTS).any():
        assert np.count_nonzero(~np.isnan(values)) > 10


@quick
@given(seeds)
def test_order_of_instances_and_points_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = random_truth(rng), random_prediction(rng)
    points, rows = rng.permutation(POINTS), rng.permutation(len(prediction.masks))
    instances = rng.permutation(len(truth.labels))
    where, place = np.argsort(points), np.append(np.argsort(instances), -1)
    moved = GroundTruth(
        place[truth.instance][points],
        truth.labels[instances],
        truth.ignored[points],
        tuple(truth.boxes[i] for i in instances),
    )
    shuffled = SamplePrediction(
        tuple(np.sort(where[prediction.masks[k]]) for k in rows),
        prediction.scores[rows],
        prediction.labels[rows],
        tuple(prediction.boxes[k] for k in rows),
    )
    assert figures(shuffled, moved) == pytest.approx(figures(prediction, truth), nan_ok=True)


@quick
@given(st.integers(1, 7), st.data())
def test_a_duplicate_costs_exactly_what_the_rule_says(n, data):
    """Of n perfect instances with falling scores one is predicted twice; the twin's lower score lies under m of the n
    others. Each cut that holds it loses 1 / (its predictions) of precision; by step widths that is 1 / (m + 1) over
    1 / 2n at its own cut, 1 / (i + 1) over 1 / n at the cut of each further instance, half of that at the last."""
    m = data.draw(st.integers(1, n), label="instances with a higher score")
    j = data.draw(st.integers(0, m - 1), label="the one that is predicted twice")
    swapped = data.draw(st.booleans(), label="the twin stands first")
    instance = np.repeat(np.arange(n), 20)
    masks = [np.flatnonzero(instance == g) for g in range(n)]
    scores = list(np.linspace(1.0, 0.5, n, endpoint=False))
    twin = (masks[j][:-2], scores[m - 1] - 0.01)
    order = [(twin, *zip(masks, scores)), (*zip(masks, scores), twin)][not swapped]
    prediction = SamplePrediction(
        tuple(mask for mask, _ in order), np.array([s for _, s in order]), np.zeros(n + 1, int)
    )
    scene = overlap(prediction, GroundTruth(instance, np.zeros(n, int)))
    cost = 0.0
    if m < n:
        cost = 1 / (2 * n * (m + 1)) + sum(1 / (n * (i + 1)) for i in range(m + 1, n)) + 1 / (2 * n * (n + 1))
    assert average_precision([scene], [0], (0.5,), 1)[0, 0] == pytest.approx(1 - cost)


def slow_average_precision(scenes, label, threshold):
    """The rules of ScanNet's evaluator with sets of points, one prediction and one cut at a time."""
    rows, missed = [], 0  # rows: (score, is it right)
    for prediction, truth in scenes:
        area = [set(np.flatnonzero(truth.instance == g)) for g in range(len(truth.labels))]
        void = set(np.flatnonzero(truth.ignored))
        for g, points in enumerate(area):
            if truth.labels[g] == label and len(points) < MIN_POINTS:
                void |= points
        wanted = [area[g] for g in range(len(area)) if truth.labels[g] == label and len(area[g]) >= MIN_POINTS]
        masks = [set(mask) for mask in prediction.masks]
        mine = [k for k in range(len(masks)) if prediction.labels[k] == label and len(masks[k]) >= MIN_POINTS]
        for points in wanted:
            fits = [k for k in mine if len(points & masks[k]) / len(points | masks[k]) > threshold]
            scores = sorted((prediction.scores[k] for k in fits), reverse=True)
            rows += [(score, i == 0) for i, score in enumerate(scores)]
            missed += not fits
            mine = [k for k in mine if k not in fits]
        rows += [(prediction.scores[k], False) for k in mine if len(void & masks[k]) / len(masks[k]) <= threshold]
    total = sum(right for _, right in rows) + missed
    curve = [(0.0, 0.0), (1.0, 0.0)]  # precision and recall: a step beyond the end, then the artificial first point
    for cut in sorted({score for score, _ in rows}, reverse=True):
        hits = [right for score, right in rows if score >= cut]
        curve.append((sum(hits) / len(hits), sum(hits) / total))
    curve.append(curve[-1])
    return sum(curve[i][0] * (curve[i + 1][1] - curve[i - 1][1]) / 2 for i in range(1, len(curve) - 1))


@quick
@given(seeds, st.sampled_from([0.5, 0.6, 0.75]))
def test_average_precision_follows_the_slow_reference(seed, threshold):
    """From an IoU of 0.5 on no prediction fits two instances, so that the reference needs no order."""
    rng = np.random.default_rng(seed)
    scenes = [(near(rng, truth), truth) for truth in (random_truth(rng) for _ in range(3))]
    values = average_precision([overlap(*scene) for scene in scenes], range(LABELS), (threshold,), MIN_POINTS)[:, 0]
    for label, value in enumerate(values):
        sizes = [np.bincount(t.instance + 1)[1:][t.labels == label] for _, t in scenes]
        if (np.concatenate(sizes) >= MIN_POINTS).any():
            assert value == pytest.approx(slow_average_precision(scenes, label, threshold))
        else:
            assert np.isnan(value)


def near(rng, truth):
    """Instances of the truth, some of them twice, with moved borders and often the right label; scores may be equal."""
    rows = rng.integers(0, len(truth.labels), rng.integers(0, 10)) if len(truth.labels) else np.zeros(0, int)
    ends = [np.flatnonzero(truth.instance == g)[[0, -1]] + rng.integers(-12, 12, 2) for g in rows]
    masks = tuple(np.arange(max(start, 0), min(max(stop, 0), POINTS)) for start, stop in ends)
    labels = np.where(rng.random(len(rows)) < 0.7, truth.labels[rows], 0)
    return SamplePrediction(masks, rng.integers(1, 9, len(rows)) / 10, labels)


@quick
@given(seeds)
def test_figures_are_between_0_and_1(seed):
    rng = np.random.default_rng(seed)
    for (_, figure), value in figures(random_prediction(rng), random_truth(rng)).items():
        assert np.isnan(value) or 0 <= value <= 1 + 1e-12 or figure == "scenes"
