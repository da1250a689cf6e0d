# SPDX-License-Identifier: Apache-2.0
import math
import re

import pytest
from helpers import fakes
from helpers.fakes import CALIBRATION, ROOM, FakeEmbedder, make_pipeline

from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import Config, PostprocessConfig
from spaceformer_ros.scene.edit_request import EditRequest
from spaceformer_ros.scene.find import MAX_TEXTS, queries_for, summary


def labels(answer):
    return [match.object.label for match in answer.matches]


def test_several_texts_are_answered_in_order_as_each_would_be_alone(pipeline):
    queries = queries_for(["table", "fire extinguisher", "couch"], near_text="chair", near_distance=3.5, min_score=0.5)
    answers = pipeline.find_all(queries, pipeline.scene)
    assert [(answer.text, labels(answer)) for answer in answers] == [
        ("table", ["table"]),
        ("fire extinguisher", []),
        ("couch", ["sofa"]),
    ]
    for query, answer in zip(queries, answers):
        alone = pipeline.find(query, pipeline.scene)
        assert [(m.object.id, m.score) for m in alone.matches] == [(m.object.id, m.score) for m in answer.matches]
        assert alone.reason == answer.reason


def test_all_texts_go_through_the_text_model_together(pipeline, monkeypatch):
    batches = []
    embed = FakeEmbedder.embed
    monkeypatch.setattr(FakeEmbedder, "embed", lambda self, texts: batches.append(texts) or embed(self, texts))
    pipeline.find_all(queries_for(["sofa", "lamp", "sofa"], near_text="lamp"), pipeline.scene)
    assert batches == [("sofa", "lamp")]


def test_the_number_of_texts_is_limited():
    texts = [f"thing {i}" for i in range(MAX_TEXTS + 1)]
    assert len(queries_for(texts[1:] + texts[1:])) == MAX_TEXTS  # a text that comes twice is asked once
    with pytest.raises(SpaceformerError, match=f"{MAX_TEXTS + 1} texts given, expected 1 to {MAX_TEXTS}"):
        queries_for(texts)
    with pytest.raises(SpaceformerError, match="the text is empty"):
        queries_for(["sofa", ""])


def test_a_summary_names_the_best_of_each_text_and_what_is_missing(pipeline):
    def ask(*texts):
        return summary(pipeline.find_all(queries_for(texts, min_score=0.5), pipeline.scene))

    ids = {item.label: item.id for item in pipeline.scene.objects}
    assert ask("couch") == f"1 found; first: sofa {ids['sofa']}"
    parts = ask("couch", "lamp", "table").split("; ")
    assert parts[:2] == ["2 found", f"first for 'couch': sofa {ids['sofa']}"]
    assert parts[2].startswith("no object that matches 'lamp' scores 0.50 or more")
    assert parts[-1] == f"first for 'table': table {ids['table']}"
    assert ask("lamp", "fire extinguisher").count("no object that matches") == 2


# --- confidence -------------------------------------------------------------------------------------------------------


@pytest.fixture
def calibrated(box_cloud):
    """As `pipeline`, with a calibration."""
    config = Config().with_values({"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"]})
    made = make_pipeline(config, calibration=CALIBRATION)
    made.process(box_cloud(ROOM))
    return made


def ask(pipeline, text, **conditions):
    (query,) = queries_for([text], min_score=0.0, **conditions)
    return pipeline.find(query, pipeline.scene)


def test_answers_and_objects_have_the_confidence_of_the_curves(calibrated):
    best, *others = ask(calibrated, "sofa").matches
    assert best.confidence == pytest.approx(CALIBRATION.labels(best.score))
    assert best.confidence > 0.8
    assert all(match.confidence == 0 for match in others)
    (sofa,) = [item for item in calibrated.scene.objects if item.label == "sofa"]
    assert calibrated.scene.confidence(sofa) == pytest.approx(CALIBRATION.objects(sofa.score))


def test_objects_below_the_confidence_threshold_are_not_published(calibrated, pipeline):
    lowest = min(map(calibrated.scene.confidence, calibrated.scene.published(PostprocessConfig())))
    assert lowest > PostprocessConfig().confidence_threshold
    above = PostprocessConfig(confidence_threshold=lowest + 0.001)
    assert len(calibrated.scene.published(above)) < len(calibrated.scene.published(PostprocessConfig()))
    assert len(pipeline.scene.published(PostprocessConfig(confidence_threshold=1.0))) == 3  # not calibrated


@pytest.mark.parametrize(
    ("other_things", "calibration", "published"),
    [(True, CALIBRATION, ["chair", "sofa"]), (False, CALIBRATION, ["chair", "chair", "sofa"])]
    + [(True, None, ["chair", "chair", "sofa"])],  # nothing says what scores mean
)
def test_a_thing_without_a_label_is_not_published(other_things, calibration, published, box_cloud, monkeypatch):
    vector = fakes.text_vector
    washer = 0.9 * vector("dishwasher") + 0.4 * vector("chair")
    monkeypatch.setattr(fakes, "text_vector", lambda text: washer if text == "something white" else vector(text))
    values = {"vocabulary": ["chair", "sofa"], "background_labels": ["wall"], "other_things": other_things}
    names = {**fakes.NAMES, fakes.BLUE: "something white"}
    pipeline = make_pipeline(Config().with_values(values), names, calibration)
    scene = pipeline.process(box_cloud(ROOM)).scene
    assert sorted(item.label for item in scene.published(pipeline.config.postprocess)) == published
    best = ask(pipeline, "dishwasher").matches[0].object
    assert best.box.center[1] == pytest.approx(3.0, abs=0.1)  # it is found nevertheless


def test_nothing_in_the_map_is_an_answer(calibrated):
    answer = ask(calibrated, "fire extinguisher", min_confidence=0.35)
    assert not answer.matches
    words = (
        r"nothing in this map matches 'fire extinguisher': the best candidate, \w+ \d+, has confidence 0\.00, less than"
    )
    assert re.match(words + r" 0\.35$", answer.reason)
    assert labels(ask(calibrated, "sofa", min_confidence=0.35)) == ["sofa"]
    assert len(ask(calibrated, "fire extinguisher").matches) == 3


def test_a_neighbour_that_is_not_in_the_map_is_near_nothing(calibrated):
    near = {"near_text": "fire extinguisher", "near_distance": 10.0}
    assert ask(calibrated, "sofa", **near).matches
    assert "(0 found)" in ask(calibrated, "sofa", min_confidence=0.35, **near).reason


def test_a_label_of_an_operator_is_certain(calibrated):
    chair = next(item.id for item in calibrated.scene.objects if item.label == "chair")
    calibrated.edit(EditRequest("rename", (chair,), "throne"))
    (match,) = ask(calibrated, "throne", min_confidence=0.95).matches
    assert (match.object.id, match.confidence) == (chair, 1.0)
    assert calibrated.scene.confidence(match.object) == 1.0


def test_a_color_that_an_object_does_not_have_takes_its_confidence(calibrated):
    green, red = ask(calibrated, "green sofa").matches[0], ask(calibrated, "red sofa").matches[0]
    assert green.confidence > 0.8
    assert red.confidence < 0.1


def test_the_setting_is_used_where_a_request_does_not_name_a_confidence():
    assert Config().scene.min_match_confidence == 0.35
    with pytest.raises(SpaceformerError, match="min_match_confidence"):
        Config().with_values({"min_match_confidence": 1.5})


def test_without_calibration_there_is_no_confidence_and_no_limit(pipeline):
    matches = ask(pipeline, "fire extinguisher", min_confidence=0.99).matches
    assert len(matches) == 3
    assert all(math.isnan(match.confidence) for match in matches)
    assert math.isnan(pipeline.scene.confidence(pipeline.scene.objects[0]))
