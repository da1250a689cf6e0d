# SPDX-License-Identifier: Apache-2.0
"""The vocabulary: labels with synonyms, and background labels."""

import string
import unicodedata
from dataclasses import dataclass

from .. import SpaceformerError
from .joiners import without_joiners

MAX_LABELS = 10_000
MAX_PHRASES = 20_000  # labels and synonyms together
MAX_TEXT_LENGTH = 200  # characters of one label or query
MAX_TEMPLATES = 100
MAX_TEMPLATE_LENGTH = 1000  # characters


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of labels. `phrases[i]` are the name of label i and its synonyms, in this order.

    num_background: number of background labels, which come last: matched, but not published.
    """

    phrases: tuple
    num_background: int = 0

    @classmethod
    def parse(cls, labels, background=()):
        """From strings with synonyms joined by "|", such as "sofa|couch". Raises SpaceformerError."""
        labels = tuple(labels)
        if len(labels) == 1 and "," in str(labels[0]):
            raise SpaceformerError(
                f"the only label, {labels[0][:80]!r}, has commas: give a list with one label per item"
            )
        phrases = tuple(_parse_label(entry) for entry in (*labels, *background))
        if len(phrases) == len(background):
            raise SpaceformerError("the vocabulary is empty: give at least one label that is not background")
        if len(phrases) > MAX_LABELS:
            raise SpaceformerError(f"the vocabulary has {len(phrases)} labels; at most {MAX_LABELS} are supported")
        if (count := sum(map(len, phrases))) > MAX_PHRASES:
            raise SpaceformerError(
                f"the vocabulary has {count} labels and synonyms together; at most {MAX_PHRASES} are supported"
            )
        seen = {}
        for entry in phrases:
            for phrase in entry:
                # text models, or readers, know no other difference
                meaning = unicodedata.normalize("NFKC", without_joiners(phrase)).casefold()
                if meaning in seen:
                    raise SpaceformerError(
                        f"{phrase!r} is in the vocabulary twice (under {seen[meaning]!r} and {entry[0]!r})"
                    )
                seen[meaning] = entry[0]
        return cls(phrases, len(background))

    def __len__(self):
        return len(self.phrases)

    @property
    def labels(self):
        """Published labels in order, tuple of str; background labels are not among them."""
        return tuple(entry[0] for entry in self.phrases[: len(self) - self.num_background])

    @property
    def names(self):
        """Names of all labels, background last, tuple of str."""
        return tuple(entry[0] for entry in self.phrases)

    @property
    def texts(self):
        """All phrases of all labels in order, the rows of the embeddings that `LabelSpace` takes."""
        return tuple(phrase for entry in self.phrases for phrase in entry)

    def entries(self):
        """Labels and background as `parse` takes them, two lists of str."""
        joined = ["|".join(entry) for entry in self.phrases]
        split = len(joined) - self.num_background
        return joined[:split], joined[split:]


def _parse_label(entry):
    phrases = tuple(" ".join(phrase.split()) for phrase in str(entry).split("|"))
    if not all(phrases):
        raise SpaceformerError(f'label {entry!r} is empty or has an empty synonym; write "sofa|couch"')
    check_text("|".join(phrases))
    for phrase in phrases:
        check_words(phrase, "label")
    return phrases


def check_words(text, what="text"):
    """Raise SpaceformerError unless `text` is a usable label or query: a text model gives "-1" or "???" a vector, too,
    and something would match it. what: what it is, for the message."""
    check_text(text)
    if not any(char.isalpha() for char in text):
        raise SpaceformerError(f"the {what} {text!r} has no letters: name a thing, such as 'fire extinguisher'")


def check_text(text):
    """Raise SpaceformerError unless `text` is one line of usable length."""
    if not text.strip():
        raise SpaceformerError("the text is empty: say what to look for, such as 'fire extinguisher'")
    if len(text) > MAX_TEXT_LENGTH:
        raise SpaceformerError(f"the text has {len(text)} characters; at most {MAX_TEXT_LENGTH} are supported")
    if any("\ud800" <= char <= "\udfff" for char in text):  # bytes that could not be decoded
        raise SpaceformerError(f"the text {text!r} is not valid UTF-8")
    if not without_joiners(text).isprintable():
        raise SpaceformerError(
            f"the text {text!r} holds control characters, or invisible ones where no spelling has them"
        )


def check_templates(templates):
    """Raise SpaceformerError unless every template can be formatted with one text in the place of its only {}."""
    bad = [str(template)[:100] for template in templates if not _has_one_place(template)]
    if bad or not templates:
        raise SpaceformerError(f"prompt templates {bad[:3]}: each needs exactly one {{}} for the text")
    if len(templates) > MAX_TEMPLATES or max(map(len, templates)) > MAX_TEMPLATE_LENGTH:
        raise SpaceformerError(
            f"{len(templates)} prompt templates; at most {MAX_TEMPLATES} of {MAX_TEMPLATE_LENGTH} characters are "
            "supported"
        )


def _has_one_place(template):
    try:
        places = [part[1:] for part in string.Formatter().parse(template) if part[1] is not None]
    except (ValueError, TypeError):  # a single brace; no text
        return False
    return places == [("", "", None)]
