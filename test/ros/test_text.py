# SPDX-License-Identifier: Apache-2.0
from spaceformer_ros import SpaceformerError
from spaceformer_ros.ros.text import MAX_LENGTH, describe_error, printable


def test_control_characters_and_lone_surrogates_are_escaped():
    assert printable("map\n[ERROR] \x1b[31mforged\udc80 Büro") == "map\\n[ERROR] \\x1b[31mforged\\udc80 Büro"


def test_long_text_is_shortened_and_keeps_its_end():
    text = printable("x" * 5_000_000 + " the end")
    assert len(text) < MAX_LENGTH
    assert "(5000008 characters)" in text
    assert text.endswith(" the end")


def test_only_foreign_errors_name_their_type():
    assert describe_error(SpaceformerError("no colour")) == "no colour"
    assert describe_error(ValueError("bad")) == "ValueError: bad"
