# SPDX-License-Identifier: Apache-2.0
"""Questions in plain words, such as "the cup on the desk in the kitchen", read by a small grammar.

    question  = [opening] thing
    thing     = [article] [order] [size] noun {relation thing | "in" room}
    order     = "second", "last", "three", "all"; size = "largest", "nearest", ...

A text without these words is a noun as a whole, as is one that the vocabulary knows ("chest of drawers"). What the
grammar cannot read is left out of the question and listed in it.
"""

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from .question_words import (
    ARTICLES,
    CLAUSE,
    CLOSE,
    COUNTED,
    EVERY,
    FAR,
    FUNCTION_WORDS,
    HAVING,
    IN,
    LEADING,
    LINKS,
    LISTED,
    NAMED_ROOM_NUMBER,
    NEAR,
    NEXT_TO,
    NO_NOUN,
    NUMBERS,
    ON,
    OPENINGS,
    ORDINAL,
    ORDINALS,
    PLACES,
    RELATIONS,
    ROBOT,
    ROOM,
    ROOM_NUMBER,
    SINGULAR,
    SIZED,
    SIZES,
    STOREYS,
    TURNED,
    UNANSWERED,
    WHAT_IS_HERE,
    WHICH_IS,
    WRAPPED,
)

SIMILAR = 0.8  # of a misspelt name of a room to the name, as difflib measures it
MAX_WORDS = 40  # of a text that is read


@dataclass(frozen=True)
class Question:
    """What a text asks for.

    noun: what to look for, in the singular if the text has a regular plural
    size: a superlative such as LARGEST, or ""
    order: the n-th one, from 1, -1 for the last; 0: not asked
    count: number of things asked for; 0: as many as there are
    relation, anchor: a relation such as ON and the Question for the other thing; "" and None without one
    room: name of a room, or ""
    unread: parts of the text that were left out, with the reasons
    number: id of the object, as in "sofa 9"; 0: not asked
    is_room: whether the noun is a room, not an object: ROOM, or the name or number of one
    """

    noun: str
    size: str = ""
    order: int = 0
    count: int = 0
    relation: str = ""
    anchor: object = None
    room: str = ""
    unread: tuple = field(default=())
    is_room: bool = False
    number: int = 0

    @property
    def is_plain(self):
        """Whether it asks for objects by a noun alone."""
        asked = (self.size, self.order, self.count, self.relation, self.room, self.is_room, self.number)
        return not any(asked)

    @property
    def nouns(self):
        """Tuple of its noun and those of its anchors."""
        return (self.noun, *(self.anchor.nouns if self.anchor else ()))

    def __str__(self):
        """What was understood, such as "largest table in kitchen"."""
        order = f"{_ordinal(self.order)} " if self.order > 0 else "last " if self.order else ""
        text = f"{order}{self.count or ''}{' ' if self.count else ''}{self.size}{' ' if self.size else ''}{self.noun}"
        text += f" {self.number}" if self.number else ""
        text += f" {self.relation}{LINKS.get(self.relation, '')} {self.anchor}" if self.relation else ""
        said = self.anchor is not None and self.anchor.room == self.room
        return text + (f" in {self.room}" if self.room and not said else "")


def read_question(text, is_known, rooms=()):
    """The Question of a text.

    is_known: function, whether a text is a label or synonym of the vocabulary, or asks for a use (`uses.py`)
    rooms: names of rooms in lower case
    """
    plain = " ".join(text.split())
    if not is_known(plain):
        plain = _unwrapped(plain)
    first, *others = LISTED.split(plain)
    if others and not is_known(plain) and all(is_known(_thing(part, is_known)) for part in (first, *others)):
        unread = f"{plain[len(first) :].strip()!r} ({UNANSWERED['and the']})"
        return replace(read_question(first, is_known, rooms), unread=(unread,))
    if WHAT_IS_HERE.fullmatch(" ".join(_words(plain))):
        plain = "everything"
    words = _words(plain)
    reader = _Reader(is_known, frozenset(rooms))
    if is_known(plain) or not 1 < len(words) <= MAX_WORDS:
        noun = plain if is_known(plain) or len(words) != 1 else singular(words[0], is_known)
        return reader.with_kind(Question(noun or plain))
    question = reader.read(_with_thing(reader.with_place_last(_without_opening(words))))
    return reader.with_kind(question if question.noun else Question(plain))


def names_no_thing(text):
    """Whether a text has function words only, such as "where is the"."""
    words = _words(_unwrapped(text))
    return bool(words) and set(words) <= FUNCTION_WORDS


def _unwrapped(text):
    """A text without quotes or brackets around it, a colon or dots after it, and with straight apostrophes."""
    text = text.replace("\u2019", "'").replace("\u2018", "'").rstrip(":\u2026 ")
    wrapped = WRAPPED.fullmatch(text)
    return wrapped[1].strip() if wrapped else text


def _thing(text, is_known):
    """A text without an article, in the singular if that is known."""
    words = text.split()
    words = words[1:] if len(words) > 1 and words[0] in ARTICLES else words
    return singular(" ".join(words), is_known, force=False) if words else text


def room_number(name, names=()):
    """The number in the name of a room such as "room three"; 0 for others.

    names: names of rooms in lower case, which may stand before the number: "kitchen 3", "kitchen (room 3)"
    """
    number = ROOM_NUMBER.fullmatch(name)
    named = NAMED_ROOM_NUMBER.fullmatch(name)
    if named and named["name"] in names:
        return int(named["number"])
    return _value(number[1]) if number else 0


def _words(text):
    """The words of a text in lower case, without punctuation and "please"; what is nearest to the robot is nearest."""
    plain = re.sub(r"[?!.,;]+(\s|$)", " ", re.sub(r"[\"“”„]", " ", text.lower()))
    plain = " ".join(word for word in plain.split() if word != "please")
    robot = ROBOT.search(plain)
    if robot and robot.end() == len(plain):
        before = _after_opening(plain[: robot.start()].split())
        noun = (
            [word for word in before if word not in ARTICLES] if " ".join(before) not in ("", *OPENINGS) else ["thing"]
        )
        plain = " ".join([robot[1], *noun])
    return SIZED.sub(r"\1 \2", plain).split()


def _without_opening(words):
    """The words without an opening; "what is on the desk" asks for anything there."""
    having = HAVING.fullmatch(" ".join(words))
    if having:
        return f"{having['thing']} in {having['place']}".split()
    superlative = WHICH_IS.fullmatch(" ".join(words))
    if superlative:
        return f"{superlative['size']} {superlative['thing']}".split()
    counted = COUNTED.fullmatch(" ".join(words))
    if counted:
        return f"{counted['thing']}{counted['rest']}".split()
    left = _after_opening(words)
    begins = [" ".join(left[:length]) for length in (1, 2, 3)]
    is_place = any(phrase in RELATIONS or phrase in PLACES for phrase in begins)
    return ["anything", *left] if left is not words and is_place else left


def _with_thing(words):
    """The words; "on the table" alone asks for anything there."""
    begins = [(n, " ".join(words[:n])) for n in (1, 2, 3, 4) if words[n : n + 1] and words[n] in ARTICLES]
    lengths = [n for n, phrase in begins if phrase in RELATIONS or phrase in PLACES]
    return ["anything", *words] if any(len(words) > length + 1 for length in lengths) else words


def _after_opening(words):
    """The words after the openings, of which there may be several: "could you find"."""
    for opening in OPENINGS:
        start = opening.split()
        if words[: len(start)] == start and len(words) > len(start):
            return _after_opening(words[len(start) :])
    return words


@dataclass(frozen=True)
class _Reader:
    """Reads words as a Question. is_known, rooms: of `read_question`."""

    is_known: object
    rooms: frozenset

    def read(self, words):
        """The Question of a list of words."""
        words, order, count, size, unread = self._modifiers(words)
        question = self._read_thing(words, order, count, size)
        return replace(question, unread=(*unread, *question.unread))

    def _read_thing(self, words, order, count, size):
        """As `read`, for words without the modifiers before the noun."""
        split = self._first_relation(words)
        if size in TURNED and not self.is_known(" ".join(words)):
            split = self._split_superlative(words, size) or split
            size = "" if split and split[2] == TURNED[size][1] else size
        start, length, relation = split or (len(words), 0, "")
        noun, number = self._numbered(words[:start])
        question = Question(self._noun(noun, count), size, order, count, number=number)
        if split is None:
            return question
        return self._with_relation(question, relation, words[start : start + length], words[start + length :])

    def with_place_last(self, words):
        """The words with a room at their begin, "in the kitchen the cup", moved to their end."""
        room, after = self._room(words[1:]) if words[0] == IN else ("", words)
        return [*_after_opening(after), *words[: len(words) - len(after)]] if room and after else words

    def with_kind(self, question):
        """The Question with `is_room`, and with "room 3" as noun if it asks for a room by number."""
        if not self._is_room(question.noun):
            return question
        number = room_number(question.noun, self.rooms)
        return replace(question, is_room=True, noun=f"{ROOM} {number}" if number else question.noun)

    def _is_room(self, noun):
        return (noun == ROOM or noun in self.rooms or room_number(noun, self.rooms) > 0) and not self.is_known(noun)

    def _numbered(self, words):
        """(words without the id of an object at their end, the id), as in "sofa 9"; the id is 0 without one."""
        text, last = " ".join(words), words[-1].lstrip("#") if len(words) > 1 else ""
        if not last.isdecimal() or not int(last) or self.is_known(text) or self._is_room(text):
            return words, 0
        return ["object"] if words[:-1] == ["id"] else words[:-1], int(last)

    def _modifiers(self, words):
        """(words after articles, order, count and size; order; count; size; what of them is not answered)."""
        order, count, size, unread = 0, 0, "", []
        while len(words) > 1 and not self.is_known(" ".join(words)):
            word, further = words[0], _further(words) if order or size else 0
            if further:
                unread.append(f"{' '.join(words[:further])!r} ({UNANSWERED['and the']})")
                words = words[further:]
                continue
            if _order(word):
                order = _order(word)
            elif word in NUMBERS or word.isdecimal():
                count = min(_value(word), 1000)
            elif word in SIZES and not self._relation_at(words, 0, SIZES[word]):
                size = SIZES[word]
            elif word in LEADING:
                unread.append(f"{word!r} ({LEADING[word]})")
            elif (
                word not in ARTICLES and word not in EVERY and not (word == "of" and (order or count or size or unread))
            ):
                break
            words = words[1:]
        return words, order, count, size, unread

    def _relation_at(self, words, start, size):
        """Whether a superlative is the beginning of a relation: "nearest to the window", "nearest the window"."""
        after = {CLOSE: ("to", "the", "a"), FAR: ("from", "away")}.get(size, ())
        return start + 1 < len(words) and words[start + 1] in after

    def _split_superlative(self, words, size):
        """As `_first_relation`, for "nearest chair to the window"; None for others."""
        link, relation = TURNED[size]
        start = words.index(link) if link in words[1:-1] else 0
        return (start, 1, relation) if start else None

    def _first_relation(self, words):
        """(index, number of words, relation or reason) of the first relation after the noun, or None."""
        for start in range(1, len(words)):
            for length in (4, 3, 2, 1):
                phrase, after = " ".join(words[start : start + length]), words[start + length :]
                if len(words) < start + length:
                    continue
                if phrase in UNANSWERED or self._joins(words, start, length):
                    return start, length, ""
                if not after or after[0] in NO_NOUN:
                    continue
                if phrase in ("of", "from") and self._room(after)[0]:
                    return start, length, IN
                if phrase in RELATIONS and not self._is_inside_label(words, start):
                    return start, length, RELATIONS[phrase]
        return None

    def _joins(self, words, start, length):
        """Whether a word is the "and" of two things that are known, as in "chairs and tables"."""
        sides = words[:start], words[start + 1 : start + 2]
        return (
            length == 1
            and words[start] in ("and", "or")
            and not self._is_inside_label(words, start)
            and all(any(side) and self.is_known(singular(" ".join(side), self.is_known)) for side in sides)
        )

    def _is_inside_label(self, words, start):
        """Whether a word belongs to a label of several words, such as "chest of drawers" or "something to sit on"."""
        return any(
            self.is_known(" ".join(words[first:last]))
            for first in range(start)
            for last in range(start + 1, len(words) + 1)
        )

    def _with_relation(self, question, relation, phrase, rest):
        """A Question with a relation and the rest of the words read as its other thing."""
        if not relation:
            return _without(question, [*phrase, *rest], UNANSWERED.get(" ".join(phrase), UNANSWERED["and the"]))
        room, after = self._room(rest) if relation in (IN, NEXT_TO, NEAR) else ("", rest)
        if relation == IN and not room:
            room, after = self._misspelt_room(rest)
        if room and relation == IN:
            question = replace(question, room=room)
            return self._after_room(question, after)
        anchor = self.read(rest)
        if not anchor.noun:
            return replace(question, unread=(repr(" ".join([*phrase, *rest])),))
        if self._is_room(anchor.noun):
            reason = "name the room" if relation == IN else "of rooms, only what is in them is looked for"
            return _without(question, [*phrase, *rest], reason)
        if anchor.noun.split()[-1] in STOREYS and relation in (ON, IN) and (anchor.order or anchor.noun != "floor"):
            return _without(question, [*phrase, *rest], "storeys are not told apart")
        unread, anchor = anchor.unread, replace(anchor, unread=())
        return replace(question, relation=relation, anchor=anchor, room=anchor.room, unread=unread)

    def _room(self, words):
        """(name of the room with which words begin, the words after it), or ("", words)."""
        start = 1 if words and words[0] in ARTICLES else 0
        for length in range(len(words) - start, 0, -1):
            name = " ".join(words[start : start + length])
            number = room_number(name, self.rooms)
            if name in self.rooms or number:
                return name if name in self.rooms else f"room {number}", words[start + length :]
        return "", words

    def _misspelt_room(self, words):
        """As `_room`, for the name of a room with a wrong letter or two, such as "kichen"."""
        start = 1 if words and words[0] in ARTICLES else 0
        for length in (2, 1):
            name = " ".join(words[start : start + length])
            similar = get_close_matches(name, [room for room in self.rooms if "room " not in room], 1, SIMILAR)
            if similar and not self.is_known(name):
                return similar[0], words[start + length :]
        return "", words

    def _after_room(self, question, words):
        """A Question with what follows its room: "the chair in the office next to the window"."""
        if not words:
            return question
        split = self._first_relation(["", *words])
        if split and split[0] == 1:
            length = split[1]
            read = self._with_relation(question, split[2], words[:length], words[length:])
            return replace(read, room=read.room or question.room)
        return replace(question, unread=(repr(" ".join(words)),))

    def _noun(self, words, count):
        """The noun of words without articles; in the singular if the plural is regular."""
        words = words[1:] if len(words) > 1 and words[0] in ARTICLES else words
        text = CLAUSE.sub("", " ".join(words))
        return (
            text
            if self.is_known(text) or not words
            else singular(text, self.is_known, force=len(words) <= 3 and count != 1)
        )


def _order(word):
    """The number of an ordinal such as "second" or "2nd", -1 of "last", 0 of other words."""
    ordinal = ORDINAL.fullmatch(word)
    if ordinal:
        return int(ordinal[1])
    return -1 if word == "last" else ORDINALS.index(word) + 1 if word in ORDINALS else 0


def _further(words):
    """Number of words at the begin that ask for one more of the same things, as in "and the 2nd" or "or smallest"."""
    joined = words[0] in ("and", "or", "&")
    start = joined + (joined and words[1] in ARTICLES)
    is_further = start + 1 < len(words) and (_order(words[start]) or (joined and words[start] in SIZES))
    return start + 1 if is_further else 0


def _ordinal(number):
    """A number from 1 as "third" or "23rd"."""
    if number <= len(ORDINALS):
        return ORDINALS[number - 1]
    suffix = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _value(word):
    """The number of digits or of one of NUMBERS."""
    return int(word) if word.isdecimal() else NUMBERS.index(word) + 1


def _without(question, words, reason):
    """A Question that leaves words out, and why."""
    return replace(question, unread=(f"{' '.join(words)!r} ({reason})",))


def singular(text, is_known, force=True):
    """A text with its last word in the singular, if that is a known label or the plural is a regular one."""
    *before, last = text.split()
    if last in SINGULAR or not last.endswith("s") or last.endswith(("ss", "us", "is")) or len(last) < 4:
        return text
    forms = [last[:-1]]
    if last.endswith("ies"):
        forms = [last[:-3] + "y"]
    elif last.endswith("ves"):
        forms = [last[:-3] + "f", last[:-3] + "fe", last[:-1]]
    elif last.endswith(("ches", "shes", "xes", "sses")):
        forms = [last[:-2]]
    texts = [" ".join([*before, form]) for form in forms]
    known = [form for form in texts if is_known(form)]
    return (known or ([texts[0]] if force else [text]))[0]
