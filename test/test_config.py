# SPDX-License-Identifier: Apache-2.0
import pytest

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
        ({"nms_iou": 1.5}, r"nms_iou: 1.5 lies outside \[-1.0, 1.0\]"),
        ({"nms_iou": float("nan")}, "outside"),
        ({"nms_iou": "much"}, "'much' is not of type float"),
        ({"min_points": 2.5}, "2.5 is not of type int"),
        ({"min_points": True}, "True is not of type int"),
        ({"precision": "int4"}, "'int4' is none of auto, float32"),
        ({"vocabulary": []}, r"\[\] is not a list of str"),
        ({"vocabulary": [1]}, r"\[1\] is not a list of str"),
        ({"roi": (1.0, 2.0)}, "2 numbers, expected 6"),
        ({"roi": (1.0, 0.0, 0.0, 0.0, 1.0, 1.0)}, "minimum .* must be below"),
        ({"marker_text": "{name}"}, "cannot be formatted"),
        ({"marker_text": "{label"}, "cannot be formatted"),
        ({"surprise": 1}, "there is no setting 'surprise'"),
    ],
)
def test_bad_values_are_refused_with_a_reason(values, words):
    with pytest.raises(SpaceformerError, match=words):
        Config().with_values(values)
