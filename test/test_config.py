# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from helpers.paths import ROOT

from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import Config, all_settings


def test_names_are_unique_and_documented():
    names = [info.name for _, info in all_settings()]
    assert len(names) == len(set(names))
    assert all(info.metadata["text"] for _, info in all_settings())


def test_defaults_satisfy_their_own_rules():
    values = {info.name: info.default for _, info in all_settings()}
    assert Config().with_values(values) == Config()


def test_values_are_replaced_by_name_and_integers_may_stand_for_floats():
    config = Config().with_values({"nms_iou": 1, "vocabulary": ["chair"], "device": "cpu"})
    assert (config.postprocess.nms_iou, config.vocabulary.vocabulary, config.model.device) == (1.0, ("chair",), "cpu")
    assert isinstance(config.postprocess.nms_iou, float)
    assert Config().postprocess.nms_iou == -1.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nms_iou": 1.5}, r"nms_iou: 1.5 is outside \[-1.0, 1.0\]"),
        ({"nms_iou": float("nan")}, "outside"),
        ({"nms_iou": "much"}, "'much' is not a number"),
        ({"min_points": 2.5}, "2.5 is not an integer"),
        ({"min_points": True}, "True is not an integer"),
        ({"precision": "int4"}, "'int4' is not one of auto, float32"),
        ({"vocabulary": [1]}, r"\[1\] is not a list of strings"),
        ({"vocabulary": [True, "tv"]}, "write words like y, on and off in quotes"),
        ({"vocabulary": "sofa, chair"}, r"'sofa, chair' is not a list of strings, such as \["),
        ({"offline": "on"}, "offline: 'on' is not true or false"),
        ({"device": None}, "device: None is not a string"),
        ({"level": True}, 'level: True is not a string; write it in quotes, such as "auto"'),
        ({"precision": False}, 'precision: False is not a string; write it in quotes, such as "auto"'),
        ({"map_id": 12}, 'map_id: 12 is not a string; write it in quotes, such as "12"'),
        ({"footprint": [[0.3, 0.2]]}, r'is not a string; write it in quotes, such as "\[\[0.3, 0.2\]\]"'),
        ({"footprint": "[[0.3, 0.2], [0.3, -0.2]]"}, "is not a list of three or more points"),
        ({"map_id": "hall\x1b[2J"}, "map_id: .* without control characters"),
        ({"map_id": 201 * "x"}, "map_id: .* at most 200 characters"),
        ({"roi": [0, 0, 0, 1, 1, float("inf")]}, "roi: .* not finite"),
        ({"target_frame": "/map"}, "target_frame: '/map' starts with a slash, write 'map'"),
        ({"fixed_frame": ""}, "fixed_frame is empty: give the name of a frame"),
        ({"robot_frame": "base_link "}, "robot_frame: 'base_link ' is not the name of a frame"),
        ({"cameras": []}, "cameras: the list is empty"),
        ({"cameras": [""]}, "cameras: '' is not a name in ROS 2"),
        ({"cameras": ["/front", "/front"]}, "names a camera twice"),
        ({"color_topic": "image raw"}, "color_topic: 'image raw' is not a name in ROS 2"),
        ({"costmap_topic": "/2nd/costmap"}, "costmap_topic: '/2nd/costmap' is not a name"),
        ({"roi": (1.0, 2.0)}, "2 numbers, expected 6"),
        ({"roi": (1.0, 0.0, 0.0, 0.0, 1.0, 1.0)}, "minimum .* must be below"),
        ({"marker_text": "{name}"}, "cannot be formatted"),
        ({"marker_text": "{label"}, "cannot be formatted"),
        ({"marker_text": "{label.x}"}, "unknown key 'label.x'"),
        ({"marker_text": "{score[0]}"}, r"unknown key 'score\[0\]'"),
        ({"marker_text": "{label:999999999}"}, "padded more than supported"),
        ({"marker_text": "{label:{id}}"}, "padded more than supported"),
        ({"marker_text": "{label:.2f}"}, "cannot be formatted"),
        ({"marker_text": "\x1b[31m{label}"}, "has control characters other than line breaks"),
        ({"surprise": 1}, "there is no setting 'surprise'"),
        ({"score_treshold": 0.1}, "did you mean 'score_threshold'"),
    ],
)
def test_bad_values_are_refused_with_a_reason(values, words):
    with pytest.raises(SpaceformerError, match=words):
        Config().with_values(values)


def test_the_word_off_needs_no_quotes_where_it_is_a_value():
    assert Config().with_values({"level": False, "enlarge": "off"}) == Config().with_values(
        {"level": "off", "enlarge": False}
    )


def test_an_empty_list_is_empty_and_whole_numbers_may_stand_for_those_of_a_list():
    config = Config().with_values({"background_labels": [], "roi": [0, 0, 0, 5, 5, 3.0]})
    assert config.vocabulary.background_labels == ()
    assert config.input.roi == (0.0, 0.0, 0.0, 5.0, 5.0, 3.0)


def test_every_setting_is_named_in_a_test_of_its_own_subject():
    text = "".join(path.read_text() for path in (ROOT / "test").rglob("test_*.py"))
    missing = [info.name for _, info in all_settings() if not re.search(rf"\b{info.name}\b", text)]
    assert not missing, f"no test names {', '.join(missing)}"
