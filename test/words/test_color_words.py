# SPDX-License-Identifier: Apache-2.0
"""Colour words in queries: parsed from the text, compared with the points."""

import numpy as np
import pytest
from helpers import fakes
from helpers.fakes import make_pipeline

from spaceformer_ros.config import Config
from spaceformer_ros.scene.find import ObjectQuery
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.words.color_words import COLOR_WORDS, SHADES, color_shares, color_word, split_color

BLUE, RED, WHITE, GRAY = (COLOR_WORDS.index(word) for word in ("blue", "red", "white", "gray"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the blue chair", ((BLUE,), "chair")),
        ("Dark blue office chair", ((BLUE,), "office chair")),
        ("red and white traffic cone", ((RED, WHITE), "traffic cone")),
        ("grey sofa", ((GRAY,), "sofa")),
        ("something red", ((RED,), "")),
        ("the red thing", ((RED,), "")),
        ("whiteboard", ((), "whiteboard")),
        ("Fire Extinguisher", ((), "Fire Extinguisher")),
    ],
)
def test_colors_are_split_from_the_words(text, expected):
    assert split_color(text) == expected


def test_every_shade_counts_for_its_own_word():
    for column, (word, shades) in enumerate(SHADES.items()):
        for shade in shades:
            assert color_word(shade) == word
        shares = color_shares(np.array(shades, dtype=np.uint8), np.zeros(len(shades), dtype=np.int64), 1)[0]
        assert shares.argmax() == column
        assert np.isclose(shares.sum(), 1)


def test_shares_are_of_each_owner_and_zero_without_points():
    rgb = np.array([[190, 30, 35]] * 3 + [[240, 240, 238]], dtype=np.uint8)
    shares = color_shares(rgb, np.array([0, 0, 2, 0]), 3)
    assert shares[0, RED] > 0.6
    assert 0.3 < shares[0, WHITE] < 0.36
    assert shares[1].tolist() == [0.0] * len(COLOR_WORDS)
    assert shares[2, RED] > 0.9


def test_a_question_asks_for_the_words_with_and_without_their_colors():
    assert ObjectQuery("blue chair", near_text="red table").texts == ("blue chair", "red table", "chair", "table")
    assert ObjectQuery("something red").texts == ("something red",)


def test_the_chair_of_the_named_color_is_first(box_cloud):
    config = Config().with_values({"vocabulary": ["chair", "table"], "background_labels": ["wall"]})
    pipeline = make_pipeline(config, {fakes.RED: "chair", fakes.BLUE: "chair", fakes.GREEN: "table"})
    rows = [((2.0 * i, 0, 0.5), (0.5, 0.5, 1.0), color) for i, color in enumerate((fakes.RED, fakes.BLUE, fakes.GREEN))]
    scene = pipeline.process(box_cloud(rows), Stopwatch()).scene

    def first(text):
        (match, *_) = pipeline.find(ObjectQuery(text), scene).matches
        return round(match.object.box.center[0]), match.score

    plain = first("chair")[1]
    for text, place in (("the red chair", 0), ("blue chair", 2), ("something green", 4), ("green table", 4)):
        found, score = first(text)
        assert found == place
        assert 0.3 * plain < score <= plain
    assert not pipeline.find(ObjectQuery("yellow chair"), scene).matches
