# SPDX-License-Identifier: Apache-2.0
"""Joiners in labels: where spelling needs them, and nowhere else."""

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.ros.text import printable
from spaceformer_ros.words.joiners import without_joiners
from spaceformer_ros.words.vocabulary import Vocabulary, check_text

SPELLED = [
    "\u06a9\u062a\u0627\u0628\u200c\u062e\u0627\u0646\u0647",  # Persian ketab-khane, bookcase
    "\u0645\u06cc\u0632\u200c\u0647\u0627\u06cc \u0628\u0632\u0631\u06af",  # Persian, large tables
    "\u0915\u094d\u200d\u0937 \u0915\u0941\u0930\u094d\u0938\u0940",  # Devanagari, half form
    "\u0d36\u0d4d\u0d30\u0d40\u0d32\u0d19\u0d4d\u200d\u0d15",  # Malayalam
    "\u09b0\u200d\u09cd\u09af\u09be\u0995",  # Bengali, rack: the joiner stands before the virama
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
    "\u0d2b\u0d3e\u0d28\u0d4d\u200d",  # Malayalam, fan: the last letter is n without a vowel
    "\u0d2b\u0d3e\u0d28\u0d4d\u200d \u0d2e\u0d47\u0d36",  # in the midst of a text
    "\u09a4\u09a4\u09cd\u200d, \u0998\u09b0",  # Bengali, before a comma
    "cook \U0001f469\u200d\U0001f373",
    "runner \U0001f3c3\U0001f3fd\u200d\u2642\ufe0f",
    "flag \U0001f3f3\ufe0f\u200d\U0001f308",
]
TRICKS = [
    "so\u200cfa",
    "so\u200dfa",
    "\u200csofa",
    "sofa\u200d",
    "sofa\u200d chair",
    "\u0645\u06cc\u200c",
    "\u200c\u0645\u06cc",
    "\u0645\u200c\u200c\u06cc",
    "\u0645\u200ca",
    "\u0645\u200c\u0915",  # two scripts
    "\u0645\u06cc\u200c \u0632",
    "\u0d28\u200d",  # without a virama
    "\u0d28\u0d4d\u200c",  # the other joiner
    "\u0d28\u0d4d\u200d\u200d",
    "\u0d4d\u200d \u0d28",  # without a letter
    "a\u0d4d\u200d",
    "a \U0001f469\u200c\U0001f373",
    "a\u200d\U0001f373",
    "so\u200bfa",
    "\u0645\u200b\u06cc",
    "\u0645\u202e\u06cc",
    "so\u00adfa",
]


@pytest.mark.parametrize("text", SPELLED)
def test_joiners_that_spelling_needs_are_kept(text):
    assert Vocabulary.parse([text, "chair"]).labels == (text, "chair")
    assert printable(text) == text


@pytest.mark.parametrize("text", TRICKS)
def test_invisible_characters_elsewhere_are_refused_and_shown(text):
    with pytest.raises(SpaceformerError, match="invisible ones where no spelling has them"):
        check_text(text)
    assert without_joiners(printable(text)).isprintable()


def test_labels_that_differ_in_joiners_only_are_one():
    with pytest.raises(SpaceformerError, match="twice"):
        Vocabulary.parse([SPELLED[0], SPELLED[0].replace("\u200c", "")])
