# SPDX-License-Identifier: Apache-2.0
from dataclasses import astuple

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import Config
from spaceformer_ros.words.calibration import CURVES, Calibration, Curve
from spaceformer_ros.words.label_space import LabelSpace, ranked
from spaceformer_ros.words.other_things import Things, other_things
from spaceformer_ros.words.similarity import CosineBaseline, Similarity, softmax
from spaceformer_ros.words.uses import labels_for_use
from spaceformer_ros.words.vocabulary import MAX_TEXT_LENGTH, Vocabulary, check_text, check_words
from spaceformer_ros.words.vocabulary_file import read_vocabulary_file, vocabulary_of


def space_of(labels, background=(), similarity=None, **arguments):
    """A LabelSpace in which the embedding of every phrase is a separate axis."""
    vocabulary = Vocabulary.parse(labels, background)
    embeddings = np.eye(len(vocabulary.texts), 8, dtype=np.float32)
    return LabelSpace(vocabulary, embeddings, similarity or Similarity(), **arguments)


def test_blanks_of_all_kinds_in_labels_are_one():
    """As texts that are copied from web pages and tables have them."""
    assert Vocabulary.parse(["fire\xa0extinguisher", "office\tchair|desk\u3000chair\n"]).texts == (
        *("fire extinguisher", "office chair", "desk chair"),
    )


def test_labels_synonyms_and_background():
    vocabulary = Vocabulary.parse(["sofa|couch", "  office   chair "], ["wall"])
    assert vocabulary.labels == ("sofa", "office chair")
    assert vocabulary.names == ("sofa", "office chair", "wall")
    assert vocabulary.texts == ("sofa", "couch", "office chair", "wall")
    assert vocabulary.entries() == (["sofa|couch", "office chair"], ["wall"])


@pytest.mark.parametrize(
    ("labels", "background", "words"),
    [
        ([], ["wall"], "the vocabulary is empty"),
        (["chair", ""], [], "is empty or has an empty synonym"),
        (["sofa|"], [], "empty synonym"),
        (["chair", "seat|chair"], [], "'chair' is in the vocabulary twice"),
        (["chair"], ["chair"], "twice"),
        (["chair", "Chair"], [], "'Chair' is in the vocabulary twice .under 'chair' and 'Chair'"),
        (["cafe\u0301"], ["caf\xe9 "], "twice"),
        (["x" * 300], [], "300 characters"),
        (["a\x00b"], [], "control characters"),
        (["so\udcffa"], [], "is not valid UTF-8"),
        (["chair", "-1"], [], "the label '-1' has no letters"),
        (["sofa|???"], [], "'\\?\\?\\?' has no letters"),
        (["chair"], ["..."], "has no letters"),
        ([f"label {i}" for i in range(10_001)], [], "at most 10000"),
        (["|".join(f"a{i} {j}" for j in range(25)) for i in range(801)], [], "20025 labels and synonyms"),
    ],
)
def test_unusable_vocabularies_are_refused(labels, background, words):
    with pytest.raises(SpaceformerError, match=words):
        Vocabulary.parse(labels, background)


def test_classification_is_a_softmax_over_labels_and_their_best_phrase():
    space = space_of(["sofa|couch", "chair"], ["wall"])
    features = np.array([[1.0, 3.0, 2.0, 0, 0, 0, 0, 0], [0, 0, 0, 5.0, 0, 0, 0, 0]], dtype=np.float32)
    labels = ranked(space.probabilities(features))
    assert labels.index.tolist() == [0, 2]
    expected = np.exp([3.0, 2.0, 0.0]) / np.exp([3.0, 2.0, 0.0]).sum()
    assert np.allclose(labels.score[0], expected[0])
    assert labels.runners_up[0].tolist() == [0, 1, 2]
    assert np.allclose(labels.runner_up_scores[0], expected)


def test_an_instance_may_be_something_that_no_label_names():
    things = Things(("sofa", "lamp"), np.eye(8, dtype=np.float32)[2:4])
    alone, beside = space_of(["chair"], ["wall"]), space_of(["chair"], ["wall"], others=things)
    features = 4 * np.eye(8, dtype=np.float32)[[0, 2]] + [[0.1], [1.0]] * np.eye(1, 8, dtype=np.float32)
    assert np.allclose(alone.probabilities(features).sum(axis=1), 1)
    probabilities = beside.probabilities(features)
    assert probabilities.shape == (2, 2)
    assert probabilities[0, 0] > 0.9 > 0.8 > alone.probabilities(features)[1, 0] > 0.1 > probabilities[1].max()
    assert beside.match(features, "chair", np.eye(8)[0]) == pytest.approx(probabilities[:, 0])
    assert (
        beside.match(features, "sofa", np.eye(8)[2])[1] > 0.45 > 0.1 > beside.match(features, "sofa", np.eye(8)[2])[0]
    )


def test_other_things_are_those_that_mean_no_label():
    names = ("sofa", "floor lamp", "table lamp", "wardrobe", "dishwasher", "couch bed")
    vectors = np.eye(6, 8, dtype=np.float32)
    vectors[5] = [0.8, 0, 0, 0, 0, 0.6, 0, 0]  # close to a sofa
    baseline = CosineBaseline(0.1, 0.1)

    def others_of(texts, embeddings):
        chosen = other_things(Things(names, vectors), texts, embeddings.astype(np.float32), baseline)
        assert np.array_equal(chosen.embeddings, vectors[[names.index(name) for name in chosen.names]])
        return chosen.names

    assert others_of(("sofa",), vectors[:1]) == names[1:5]
    assert others_of(("armoire", "lamp"), np.eye(8)[6:]) == ("sofa", "dishwasher", "couch bed")
    assert others_of(("furniture",), np.eye(8)[6:7]) == ("dishwasher",)  # lamps are furniture in WordNet
    assert others_of(names, vectors) == ()


def test_longer_features_give_higher_scores_unless_normalised():
    weak, strong = (np.eye(1, 8, dtype=np.float32) * length for length in (1.0, 10.0))
    raw, unit = space_of(["a", "b"]), space_of(["a", "b"], similarity=Similarity(normalize=True, scale=5.0))
    assert ranked(raw.probabilities(strong)).score > ranked(raw.probabilities(weak)).score
    assert ranked(unit.probabilities(strong)).score == ranked(unit.probabilities(weak)).score
    assert np.isclose(ranked(unit.probabilities(weak)).score[0], softmax(np.array([5.0, 0.0]))[0])


def test_a_known_text_scores_as_its_label_and_a_new_one_competes_with_all():
    space = space_of(["sofa|couch", "chair"])
    features = np.array([[0, 4.0, 1.0, 0, 0, 0, 0, 0]], dtype=np.float32)
    label_score = ranked(space.probabilities(features)).score
    for text in ("sofa", "Couch", " couch "):
        assert np.allclose(space.match(features, text, None), label_score)
    vector = np.eye(8, dtype=np.float32)[3]
    expected = softmax(np.array([0.0, 4.0, 1.0]))[0]
    assert np.allclose(space.match(features, "lamp", vector), expected)


def test_a_synonym_is_read_as_its_label():
    space = space_of(["sofa", "chair", "table"], baseline=CosineBaseline(0.0, 0.1))
    couch = np.array([0.9, 0, 0, 0.4359, 0, 0, 0, 0], dtype=np.float32)  # cosine 0.9 with "sofa", 0 with the others
    assert np.allclose(space.meaning("couch", couch), [1, 0, 0], atol=1e-3)
    features = np.pad(np.array([[4.0, 1.0, 0], [0, 4.0, 3.0]], dtype=np.float32), ((0, 0), (0, 5)))
    assert np.allclose(space.match(features, "couch", couch), space.match(features, "sofa", None), atol=1e-3)


def test_a_text_between_labels_is_shared_by_them():
    space = space_of(["stool", "chair", "table"], baseline=CosineBaseline(0.0, 0.1))
    seat = np.array([0.7071, 0.7071, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    assert np.allclose(space.meaning("?", seat), [0.5, 0.5, 0], atol=1e-3)


@pytest.mark.parametrize(("cosine", "trust"), [(0.3, 0), (0.4, 0), (0.55, 0.5), (0.7, 1), (0.9, 1)])
def test_a_text_unlike_all_labels_is_not_read_as_one(cosine, trust):
    space = space_of(["sofa", "chair", "table"], baseline=CosineBaseline(mean=0.3, std=0.1))
    vector = np.array([cosine, 0, 0, (1 - cosine**2) ** 0.5, 0, 0, 0, 0], dtype=np.float32)
    assert np.isclose(space.meaning("?", vector).sum(), trust, atol=1e-3)


def test_the_cosine_baseline_is_measured_on_different_names():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)  # cosines 0, 0.6, 0.8
    assert np.allclose(astuple(CosineBaseline.measure(vectors)), (1.4 / 3, np.std([0, 0.6, 0.8])))


def test_a_text_unlike_everything_scores_zero():
    space = space_of(["sofa", "chair", "table"], similarity=Similarity(False, 1.0))
    features = np.zeros((2, 8), dtype=np.float32)
    features[:, 1] = 500.0  # far beyond what exp can tell apart
    assert space.match(features, "lamp", np.eye(8, dtype=np.float32)[5]).tolist() == [0.0, 0.0]


def test_features_of_another_width_are_refused():
    with pytest.raises(SpaceformerError, match="does not belong to this checkpoint"):
        space_of(["a"]).probabilities(np.zeros((1, 5), dtype=np.float32))


@pytest.mark.parametrize("text", ["", "   ", "a\nb", "x" * (MAX_TEXT_LENGTH + 1)])
def test_unusable_texts_are_refused(text):
    with pytest.raises(SpaceformerError):
        check_text(text)


@pytest.mark.parametrize("text", ["-1", "???", "...", "42", "1/2", "%", "\U0001fa91"])
def test_texts_without_letters_are_refused(text):
    with pytest.raises(SpaceformerError, match=r"the text .* has no letters: name a thing"):
        check_words(text)


@pytest.mark.parametrize("text", ["7-up", "椅子", "стул", "كرسي", "कुर्सी", "소파", "TV", "3D printer", "№ 5 a"])
def test_labels_of_all_scripts_are_texts(text):
    check_words(text)
    assert Vocabulary.parse([text]).labels == (text,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("labels: [chair]\nbackgroud: [wall]\n", "there is no key 'backgroud', did you mean 'background'?"),
        ("labels: [chair]\nx\\y: 1\n", "there is no key .*; keys are labels, background, templates, rooms"),
    ],
)
def test_unknown_keys_of_a_file_are_named(tmp_path, text, words):
    (tmp_path / "words.yaml").write_text(text)
    with pytest.raises(SpaceformerError, match=words):
        read_vocabulary_file(tmp_path / "words.yaml")


def test_a_line_with_commas_is_not_one_label(tmp_path):
    (tmp_path / "words.txt").write_text("chair,sofa, table\n")
    with pytest.raises(SpaceformerError, match="the only label, 'chair,sofa, table', has commas"):
        vocabulary_of(Config().with_values({"vocabulary_file": str(tmp_path / "words.txt")}).vocabulary)
    assert Vocabulary.parse(["building, edifice", "wall"]).labels == ("building, edifice", "wall")


def test_a_text_file_has_one_label_per_line_and_comments(tmp_path):
    (tmp_path / "labels.txt").write_bytes("\ufeff# rooms\r\nsofa\r\n\r\n  chair\r\n# end\r\n".encode())
    assert read_vocabulary_file(tmp_path / "labels.txt")["labels"] == ["sofa", "chair"]


USES = {
    "something to sit on": ("chair", "sofa"),
    "Where can I  sit": ("chair", "sofa"),
    "a place to sleep": ("bed", "sofa"),
    "something I can drink from": ("cup", "bottle"),
    "something to put out a fire with": ("fire extinguisher",),
    "what can I write on": ("whiteboard", "desk"),
    "somewhere to wash my hands": ("sink",),
    "something to sit": ("chair",),
}


@pytest.mark.parametrize("text", USES)
def test_questions_for_a_use_name_the_labels_that_serve_it(text):
    assert set(USES[text]) <= set(labels_for_use(text))


@pytest.mark.parametrize("text", ["chair", "to sit on", "something red", "something to sit on the desk", "site", ""])
def test_other_texts_ask_for_no_use(text):
    assert labels_for_use(text) == ()


def test_a_question_for_a_label_finds_its_neighbour_too_less_surely():
    space = space_of(["closet|wardrobe", "locker", "chair"])
    features = 4.0 * np.eye(3, 8, dtype=np.float32)[[0, 2, 1]]  # by phrases: closet, locker, wardrobe
    probabilities = space.probabilities(features)
    for text, label, neighbour in (("closet", 0, 1), ("wardrobe", 0, 1), ("locker", 1, 0)):
        score = space.match(features, text, np.zeros(8, dtype=np.float32))
        assert np.allclose(score, probabilities[:, label] + 0.25 * probabilities[:, neighbour])
        assert score.argmax() == probabilities[:, label].argmax()
    assert np.allclose(space.match(features, "chair", np.zeros(8, dtype=np.float32)), probabilities[:, 2])


def test_a_use_is_the_sum_of_its_labels_and_has_their_confidence():
    curves = [Curve((0.0, 1.0), (0.0, share)) for share in (0.2, 0.9, 0.4, 0.6)]
    calibration = Calibration(**dict(zip(CURVES, curves, strict=True)), fitted_on="")
    space = space_of(["sofa|couch", "door", "chair"], ["wall"], calibration=calibration)
    features = np.array([[2.0, 0, 1.0, 2.0, 0, 0, 0, 0], [0, 0, 3.0, 0, 0, 0, 0, 0]], dtype=np.float32)
    probabilities = space.probabilities(features)
    score = space.match(features, "something to sit on", np.zeros(8, dtype=np.float32))
    assert np.allclose(score, probabilities[:, 0] + probabilities[:, 2])
    assert score[0] > 2 * score[1]
    assert np.allclose(space.match_confidence("something to sit on", score), space.match_confidence("door", score))
    assert not np.allclose(space.match_confidence("something to sit", score), space.match_confidence("thing", score))


def test_a_use_that_no_label_serves_is_a_text_like_any_other():
    space = space_of(["door", "window"])
    assert space.find_labels("something to sit on") == []
    assert space.find_labels("window") == [1]
