# SPDX-License-Identifier: Apache-2.0
"""Average precision and recall by ScanNet's rules."""

import math

import numpy as np
import pytest

from spaceformer_ros.evaluation import (
    AP_THRESHOLDS,
    GroundTruth,
    SamplePrediction,
    average_precision,
    evaluate_sample,
    integrate,
    make_report,
    overlap,
    precision,
    recall,
)

POINTS = 1000


def summarise(scenes, names, **options):
    """The summary figures of a list of (SamplePrediction, GroundTruth)."""
    results = [evaluate_sample(str(i), *scene, len(names)) for i, scene in enumerate(scenes)]
    return make_report(results, names, **options).summary


def truth(*ranges, labels=None, ignored=None):
    """Instances that are ranges of points."""
    instance = np.full(POINTS, -1)
    for g, (start, stop) in enumerate(ranges):
        instance[start:stop] = g
    flags = None
    if ignored:
        flags = np.zeros(POINTS, dtype=bool)
        flags[slice(*ignored)] = True
    return GroundTruth(instance, np.array(labels if labels is not None else [0] * len(ranges)), flags)


def found(*ranges, scores=None, labels=None):
    masks = tuple(np.arange(start, stop) for start, stop in ranges)
    scores = np.array(scores if scores is not None else np.linspace(0.9, 0.5, len(ranges)))
    return SamplePrediction(masks, scores, np.array(labels if labels is not None else [0] * len(ranges)))


def ap(prediction, ground_truth, threshold=0.5, min_region=100, **arguments):
    return average_precision([overlap(prediction, ground_truth)], [0], (threshold,), min_region, **arguments)[0, 0]


def test_thresholds_are_the_nine_of_scannet():
    assert AP_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


def test_perfect_predictions_score_one():
    both = (0, 200), (300, 500)
    assert ap(found(*both), truth(*both)) == 1.0
    assert summarise([(found(*both), truth(*both))], ["thing"])["AP"] == 1.0


def test_half_of_the_instances_found_is_one_half():
    # one cut: precision 1, recall 0.5; steps: (0.5 + 0) / 2 twice -> 0.25 * 1 + 0.25 * 1 = 0.5
    assert ap(found((0, 200)), truth((0, 200), (300, 500))) == 0.5


def test_a_false_positive_with_a_lower_score_costs_a_quarter():
    # cuts at 0.5: p 1/2, r 1; at 0.9: p 1, r 1; steps by [-.5, 0, .5] on r = 1, 1, 1, 0, 0: 0, .5, .5
    assert ap(found((0, 200), (600, 800), scores=[0.9, 0.5]), truth((0, 200))) == 1.0
    # with the scores swapped: cuts at 0.5: p 1/2, r 1; at 0.9: p 0, r 0; steps .5, .5, 0: 1/2 * .5 + 0 * .5
    assert ap(found((0, 200), (600, 800), scores=[0.5, 0.9]), truth((0, 200))) == 0.25


def test_a_match_needs_an_iou_strictly_above_the_threshold():
    assert ap(found((0, 100)), truth((0, 200))) == 0.0  # IoU exactly 0.5
    assert ap(found((0, 101)), truth((0, 200))) == 1.0


def test_a_match_needs_the_same_class():
    assert ap(found((0, 200), labels=[1]), truth((0, 200))) == 0.0
    assert ap(found((0, 200), labels=[1]), truth((0, 200)), class_agnostic=True) == 1.0


def test_a_duplicate_is_a_false_positive_with_the_lower_score():
    # rows: true 0.9, false 0.4 -> as a false positive below: AP 1
    assert ap(found((0, 200), (0, 190), scores=[0.4, 0.9]), truth((0, 200))) == 1.0
    # two instances, one duplicated: rows true .9, false .8, true .3
    # cuts .3: p 2/3 r 1; .8: p 1/2 r 1/2; .9: p 1 r 1/2; r padded 1, 1, .5, .5, 0, 0 -> steps .25, .25, .25, .25
    score = ap(found((0, 200), (0, 190), (300, 500), scores=[0.9, 0.8, 0.3]), truth((0, 200), (300, 500)))
    assert score == pytest.approx(0.25 * (2 / 3 + 1 / 2 + 1 + 1))


def test_small_predictions_and_instances_do_not_count():
    assert ap(found((0, 99)), truth((0, 200))) == 0.0
    assert np.isnan(ap(found((0, 99)), truth((0, 99))))
    assert ap(found((0, 99)), truth((0, 99)), min_region=10) == 1.0
    # a prediction on a small instance is ignored: more than half of it lies there
    assert ap(found((0, 200), (300, 410), scores=[0.5, 0.9]), truth((0, 200), (300, 390))) == 1.0


def test_predictions_in_unannotated_area_are_neither_right_nor_wrong():
    assert ap(found((0, 200), (600, 800), scores=[0.5, 0.9]), truth((0, 200), ignored=(600, 750))) == 1.0
    assert ap(found((0, 200), (600, 800), scores=[0.5, 0.9]), truth((0, 200), ignored=(600, 690))) == 0.25


def test_classes_without_ground_truth_are_left_out_and_without_prediction_are_zero():
    scene = (found((0, 200), labels=[0]), truth((0, 200), (300, 500), labels=[0, 2]))
    values = average_precision([overlap(*scene)], range(3), (0.5,), 100)[:, 0]
    assert values[0] == 1.0
    assert np.isnan(values[1])
    assert values[2] == 0.0
    assert summarise([scene], ["a", "b", "c"])["AP50"] == 0.5


def test_scenes_are_pooled_before_sorting():
    # scene 1: true at .9; scene 2: false at .8, true at .3 -> rows as in the duplicate test
    scenes = [(found((0, 200), scores=[0.9]), truth((0, 200)))]
    scenes.append((found((600, 800), (0, 200), scores=[0.8, 0.3]), truth((0, 200))))
    scenes = [overlap(*scene) for scene in scenes]
    assert average_precision(scenes, [0], (0.5,), 100)[0, 0] == pytest.approx(0.25 * (2 / 3 + 1 / 2 + 1 + 1))


def test_equal_scores_share_one_cut():
    # true and false at the same score: one cut with p 1/2, r 1; steps .5, .5 -> 1/2 * .5 + 1 * .5
    assert integrate(np.array([True, False]), np.array([0.7, 0.7]), missed=0) == 0.75


def test_recall_is_one_to_one():
    scene = overlap(found((0, 200), (0, 195), (300, 420)), truth((0, 200), (300, 500)))
    assert recall([scene], 0.5) == 1.0
    assert recall([scene], 0.7) == 0.5


def test_ap_is_the_mean_over_nine_thresholds_without_ap25():
    # IoU 180 / 200 = 0.9: above 0.50 ... 0.85, not above 0.90 -> 8 of 9
    rows = summarise([(found((0, 180)), truth((0, 200)))], ["thing"])
    assert rows["AP"] == pytest.approx(8 / 9)
    # IoU 60 / 200 = 0.3: at no threshold of the nine, but above 0.25
    rows = summarise([(found((0, 60)), truth((0, 200)))], ["thing"], min_region=50)
    assert (rows["AP"], rows["AP50"], rows["AP25"]) == (0.0, 0.0, 1.0)


def test_of_two_duplicates_both_are_false_positives():
    # rows: true .9, false .8, false .7, and a second instance, true .1
    # cuts .1: p 2/4 r 1; .7: p 1/3 r 1/2; .8: p 1/2 r 1/2; .9: p 1 r 1/2; steps .25, .25, 0, .25, .25
    ranges = (0, 200), (0, 190), (5, 200), (300, 500)
    value = ap(found(*ranges, scores=[0.8, 0.7, 0.9, 0.1]), truth((0, 200), (300, 500)))
    assert value == pytest.approx(0.25 * (2 / 4 + 1 / 3 + 1 + 1))


def test_below_one_half_the_best_prediction_chooses_first():
    # At IoU 0.25 the surer one fits both instances (150/250 and 100/250), the other only the second (100/200). The
    # surer takes the instance it overlaps most, so that both are found for any order of the rows.
    for order in ([0, 1], [1, 0]):
        ranges, scores = [(50, 300), (200, 300)], [0.9, 0.5]
        prediction = found(*(ranges[i] for i in order), scores=[scores[i] for i in order])
        for instances in ([(50, 200), (200, 400)], [(200, 400), (50, 200)]):
            assert ap(prediction, truth(*instances), threshold=0.25) == 1.0


def test_precision_counts_predictions_that_match_one_to_one():
    there = truth((0, 200), (300, 500), ignored=(600, 800))
    right, again, wrong, unknown = (0, 200), (0, 180), (850, 1000), (600, 800)
    table = overlap(found(right, again, wrong, unknown, scores=[0.9, 0.8, 0.7, 0.6]), there)
    assert precision([table], 0.5) == 1 / 3  # one of two on the same instance; the last is on ignored points
    assert recall([table], 0.5) == 1 / 2
    assert math.isnan(precision([overlap(found(), there)], 0.5))
