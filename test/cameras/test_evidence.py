# SPDX-License-Identifier: Apache-2.0
"""Names from detections: sums, the rule that combines them with text scores, and scenes that keep them."""

import numpy as np
import pytest

from spaceformer_ros.cameras.evidence import MAX_SUM, MAX_WORDS, NO_VOTES, FusionRule, fuse
from spaceformer_ros.cameras.voting import Sighting
from spaceformer_ros.config import Config
from spaceformer_ros.pipeline import fusion_rule
from spaceformer_ros.scene.find import ObjectQuery
from spaceformer_ros.words.vocabulary import Vocabulary

RULE = FusionRule(inside=0.2, outside=0.65, min_detections=2, min_share=0.5, min_margin=0.05)
WORDS = ("chair", "stool", "sofa", "lamp")


def votes(**weights):
    made = NO_VOTES
    for word, (weight, number) in weights.items():
        for _ in range(number):
            made = made.plus(word, weight / number)
    return made


def column(word):
    return WORDS.index(word) if word in WORDS else None


def best(text, made, rule=RULE):
    names = fuse(np.array([text], dtype=np.float32), [made], column, rule)
    return WORDS[names.best[0]], bool(names.by_camera[0])


def test_votes_add_up_and_are_bounded():
    made = votes(Chair=(0.6, 2), stool=(0.2, 1))
    assert [(word, round(weight, 3), number) for word, weight, number in made.sums] == [
        ("chair", 0.6, 2),
        ("stool", 0.2, 1),
    ]
    assert made.share("CHAIR") == pytest.approx(0.75)
    for number in range(3 * MAX_WORDS):
        made = made.plus(f"word {number}", 5.0)
    for _ in range(100):
        made = made.plus("chair", 5.0)
    assert len(made.sums) == MAX_WORDS
    assert made.total <= MAX_SUM + 1e-6
    assert made.sums[0][0] == "chair"


def test_detections_that_agree_name_an_object():
    text = (0.55, 0.25, 0.15, 0.05)
    assert best(text, NO_VOTES) == ("chair", False)
    assert best(text, votes(stool=(0.9, 3))) == ("stool", True)
    assert best(text, votes(chair=(0.9, 3))) == ("chair", False)


def test_too_few_or_contradicting_detections_change_nothing():
    text = (0.55, 0.25, 0.15, 0.05)
    assert best(text, votes(stool=(0.9, 1))) == ("chair", False)
    assert best(text, votes(stool=(0.5, 2), sofa=(0.5, 2), lamp=(0.5, 2))) == ("chair", False)
    narrow = FusionRule(inside=0.2, outside=0.65, min_detections=2, min_share=0.5, min_margin=0.9)
    assert best(text, votes(stool=(0.9, 3)), narrow) == ("chair", False)
    assert best(text, votes(stool=(0.9, 3)), None) == ("chair", False)


def test_what_is_left_for_things_without_a_label_is_not_shared_out():
    text = np.array([[0.1, 0.05, 0.03, 0.02]], dtype=np.float32)  # 0.8 for other things
    plain = fuse(text, [votes(throne=(3.0, 9))], column, RULE).fused[0]
    assert plain[0] < 0.15
    seen = fuse(text, [votes(stool=(0.9, 3))], column, RULE).fused[0]
    assert seen[1] > 4 * text[0, 1]
    assert seen.sum() < 0.9


def test_words_outside_the_vocabulary_change_no_label():
    text = (0.55, 0.25, 0.15, 0.05)
    assert best(text, votes(throne=(3.0, 9))) == ("chair", False)


def test_the_settings_make_the_rule():
    values = {
        "text_weight_known": 0.1,
        "text_weight_unknown": 0.9,
        "min_detections": 5,
        "min_detection_share": 0.7,
        "min_detection_margin": 0.2,
    }
    assert fusion_rule(Config().with_values(values).names) == FusionRule(0.1, 0.9, 5, 0.7, 0.2)


def sighted(pipeline, word, count=150):
    """The scene after detections of the chair with a word."""
    chair, sofa = (next(i for i in pipeline.scene.objects if i.label == label) for label in ("chair", "sofa"))
    pipeline.add_sightings([Sighting(sofa.id, "chair", 0.01)])  # the detector knows this word too
    for _ in range(count):
        pipeline.add_sightings([Sighting(chair.id, word, 1.0)])
    return pipeline.scene.find_id(chair.id)


def test_a_scene_takes_names_from_detections_and_keeps_them(pipeline, tmp_path):
    before = pipeline.scene.map_revision
    found = sighted(pipeline, "table")
    assert (found.label, found.label_source) == ("table", "camera")
    assert found.camera_score == pytest.approx(1.0)
    assert found.text_score < 0.1
    assert pipeline.scene.map_revision == before + 1  # once, when the label changed
    assert pipeline.find(ObjectQuery("table"), pipeline.scene).matches[0].object.label == "table"

    pipeline.save(tmp_path / "scene.safetensors")
    pipeline.clear()
    pipeline.load(tmp_path / "scene.safetensors")
    again = pipeline.scene.find_id(found.id)
    assert (again.label, again.votes) == ("table", found.votes)

    pipeline.set_vocabulary(Vocabulary.parse(("chair", "sofa"), ("wall",)))
    assert pipeline.scene.find_id(found.id).label == "chair"
    pipeline.set_vocabulary(Vocabulary.parse(("chair", "sofa", "table"), ("wall",)))
    assert pipeline.scene.find_id(found.id).label == "table"  # no image was needed


def test_a_word_that_only_detectors_know_can_be_asked_for(pipeline):
    chair = sighted(pipeline, "throne")
    assert chair.label == "chair"
    best = pipeline.find(ObjectQuery("throne"), pipeline.scene).matches[0]
    assert best.object.id == chair.id
    assert best.score > 0.5


def test_sightings_of_unknown_objects_are_left_out(pipeline):
    assert pipeline.add_sightings([Sighting(4711, "table", 1.0)]) is None
    assert pipeline.add_sightings([]) is None


def test_detections_that_change_no_label_leave_the_graph_as_it_is(pipeline):
    scene = pipeline.scene
    graph = pipeline.graph(scene)
    assert pipeline.add_sightings([Sighting(scene.objects[0].id, "throne", 0.1)]) is None
    assert pipeline.scene is not scene
    assert pipeline.scene.is_same(scene)
    assert pipeline.graphs.ready(pipeline.scene) is graph
    assert pipeline.graph(pipeline.scene) is graph
    pipeline.set_vocabulary(Vocabulary.parse(["chair", "throne"]))
    assert not pipeline.scene.is_same(scene)
    assert pipeline.graphs.ready(pipeline.scene) is None
