# SPDX-License-Identifier: Apache-2.0
"""Kinship of nouns: "armoire" is a kind of "wardrobe", "lamp" covers "floor lamp". From WordNet 3.0.

The table (`lexicon.txt.gz`, licence in `lexicon_LICENSE.txt`, made by `tools/make_lexicon.py`) has the things that
robots meet: artifacts, animals and food, and the commoner persons, plants, substances and natural objects. A line is a
sense:

    numbers of the lines of its hypernyms <tab> its words, separated by commas

Lines are numbered from 0, hypernyms come first. A word with several senses has the rank of the sense behind it, the
most frequent first: "fan1", "fan2".
"""

import gzip
import math
import pathlib
from collections import namedtuple
from functools import cache, cached_property

import numpy as np

TABLE = pathlib.Path(__file__).with_name("lexicon.txt.gz")
RARER = 0.9  # factor on the similarity for each sense of a word that is more frequent than the compared one
VAGUE = 0.1  # information of a sense: more general ones ("object") relate everything to everything
LABEL_SENSES = 2  # senses of a phrase that make it kin: the third of "table" is food, of "fan" a devotee
UNKNOWN = (0.0, False, False)

Sense = namedtuple("Sense", "row rank leaf")
Sense.__doc__ = "A sense of a word: line of the table, rank, and whether the word is an unlisted kind of this sense."


class Lexicon:
    """Senses of words, and the kinds of things they belong to."""

    def __init__(self, lines):
        """lines: iterable of str, as in `TABLE`."""
        self.parents, self._senses = [], {}
        for row, line in enumerate(lines):
            parents, words = line.rstrip("\n").split("\t")
            self.parents.append(tuple(map(int, parents.split())))
            for word in words.split(",") if words else ():
                name = word.rstrip("0123456789")
                self._senses.setdefault(name, []).append(Sense(row, int(word[len(name) :] or 1) - 1, False))

    def senses(self, text):
        """List of the Senses of a noun in singular or plural, any case; empty if it is unknown."""
        noun = " ".join(text.lower().split())
        return next((self._senses[form] for form in _forms(noun) if form in self._senses), [])

    def senses_of_label(self, phrase):
        """As `senses`; an unknown compound such as "ceiling lamp" is a kind of its last words."""
        words = phrase.split()
        known = (self.senses(" ".join(words[first:])) for first in range(1, len(words)))
        return self.senses(phrase) or [sense._replace(leaf=True) for sense in next(filter(None, known), [])]

    def kinship(self, text, phrases):
        """How phrases are related to a noun, or None if it is unknown.

        phrases: for each of P phrases the result of `senses_of_label`
        similarity [P] float32 in [0, 1], after Lin (1998); kin [P] bool: a phrase means the same, something more
        general or something less general; covered [P] bool: something less general ("floor lamp" for "lamp").
        Of several senses those that are most similar count; for kin only the LABEL_SENSES first ones of a phrase.
        """
        senses = self.senses(text)
        if not senses:
            return None
        compare = [self._comparison(sense) for sense in senses]
        best = [max((one(other) for one in compare for other in found), default=UNKNOWN) for found in phrases]
        similarity, kin, covered = zip(*best)
        return np.array(similarity, dtype=np.float32), np.array(kin), np.array(covered)

    def _comparison(self, sense):
        """Function of another Sense that returns (similarity, kin, covered)."""
        information, own = self.information, self._ancestors(sense.row)

        @cache
        def common(row):
            """The most informative line that includes both a line and the sense, or None."""
            if row in own:
                return row
            above = [found for found in map(common, self.parents[row]) if found is not None]
            return max(above, key=information.__getitem__, default=None)

        def compare(other):
            shared = common(other.row)
            if shared is None or information[shared] < VAGUE:
                return UNKNOWN
            content = information[sense.row] + (1.0 if other.leaf else information[other.row])
            similarity = 2 * information[shared] / content
            kin = shared in (sense.row, other.row) and (shared == sense.row or not other.leaf)
            kin = kin and other.rank < LABEL_SENSES
            covered = kin and shared == sense.row and (other.leaf or other.row != sense.row)
            return similarity * RARER ** (sense.rank + other.rank), kin, covered

        return compare

    def _ancestors(self, row):
        """Set of a line and all that include it."""
        found, front = {row}, [row]
        while front:
            new = set(self.parents[front.pop()]) - found
            found |= new
            front.extend(new)
        return found

    @cached_property
    def information(self):
        """List over the lines: how specific a sense is, 0 for all things, 1 without kinds below it.

        Intrinsic information content after Seco, Veale and Hayes (2004).
        """
        below = [1] * len(self.parents)
        for row in reversed(range(len(below))):
            for parent in self.parents[row]:
                below[parent] += below[row]
        return [max(0.0, 1 - math.log(count) / math.log(len(below))) for count in below]


def _forms(noun):
    """A noun and what it may be the plural of."""
    endings = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))
    singular = (noun[: -len(end)] + instead for end, instead in endings if noun.endswith(end) and len(noun) > 3)
    return noun, *(() if noun.endswith("ss") else singular)


@cache
def lexicon():
    """The Lexicon of `TABLE`, read with the first call."""
    with gzip.open(TABLE, "rt", encoding="utf-8") as file:
        return Lexicon(file)
