# SPDX-License-Identifier: Apache-2.0
import pytest
from helpers.fakes import FakeEmbedder

from spaceformer_ros import SpaceformerError
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
