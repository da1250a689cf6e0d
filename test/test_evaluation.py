import numpy as np
import pytest

from spaceformer_ros.evaluation import (
    AP_THRESHOLDS,
    GroundTruth,
    Prediction,
    average_precision,
    integrate,
    recall,
    summarise,
)

POINTS = 1000


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
    return Prediction(masks, scores, np.array(labels if labels is not None else [0] * len(ranges)))


def ap(prediction, ground_truth, threshold=0.5, min_region=100, **arguments):
    return average_precision([(prediction, ground_truth)], [0], (threshold,), min_region, **arguments)[0, 0]


def test_thresholds_are_the_nine_of_scannet():
    assert AP_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


def test_perfect_predictions_score_one():
    both = (0, 200), (300, 500)
    assert ap(found(*both), truth(*both)) == 1.0
    assert dict(summarise([(found(*both), truth(*both))], ["thing"]))["AP"] == 1.0


def test_half_of_the_instances_found_surely_is_one_half():
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
    values = average_precision([scene], range(3), (0.5,), 100)[:, 0]
    assert values[0] == 1.0
    assert np.isnan(values[1])
    assert values[2] == 0.0
    assert dict(summarise([scene], ["a", "b", "c"]))["AP50"] == 0.5


def test_scenes_are_pooled_before_sorting():
    # scene 1: true at .9; scene 2: false at .8, true at .3 -> rows as in the duplicate test
    scenes = [(found((0, 200), scores=[0.9]), truth((0, 200)))]
    scenes.append((found((600, 800), (0, 200), scores=[0.8, 0.3]), truth((0, 200))))
    assert average_precision(scenes, [0], (0.5,), 100)[0, 0] == pytest.approx(0.25 * (2 / 3 + 1 / 2 + 1 + 1))


def test_equal_scores_share_one_cut():
    # true and false at the same score: one cut with p 1/2, r 1; steps .5, .5 -> 1/2 * .5 + 1 * .5
    assert integrate(np.array([True, False]), np.array([0.7, 0.7]), missed=0) == 0.75


def test_recall_is_one_to_one():
    scene = (found((0, 200), (0, 195), (300, 420)), truth((0, 200), (300, 500)))
    assert recall([scene], 0.5) == 1.0
    assert recall([scene], 0.7) == 0.5


def test_order_of_instances_and_points_changes_nothing(rng):
    truths, prediction = truth((0, 200), (300, 500), (500, 700)), found((0, 150), (280, 480), (510, 800), (850, 990))
    base = [value for _, value in summarise([(prediction, truths)], ["thing"])]
    order, points = rng.permutation(4), rng.permutation(POINTS)
    where = np.argsort(points)
    shuffled = Prediction(
        tuple(np.sort(where[prediction.masks[k]]) for k in order), prediction.scores[order], prediction.labels[order]
    )
    moved = GroundTruth(truths.instance[points], truths.labels)
    assert [value for _, value in summarise([(shuffled, moved)], ["thing"])] == pytest.approx(base, nan_ok=True)
