# SPDX-License-Identifier: Apache-2.0
"""Questions in plain words, as a table of texts and what is read of them."""

import random

import pytest

from spaceformer_ros.words import question_words as grammar
from spaceformer_ros.words.question import Question, read_question
from spaceformer_ros.words.uses import labels_for_use

LABELS = {
    *("cup", "desk", "table", "chair", "window", "door", "shelf", "sofa", "lamp", "bed", "book", "box", "trash can"),
    *("chest of drawers", "bed with bedding", "tv stand", "shelf with books", "blinds", "shoes", "person on bench"),
}
ROOMS = ("kitchen", "living room", "office", "room 3")
CASES = {
    "cup": "cup",
    "chairs": "chair",
    "Shelves": "shelf",
    "boxes": "box",
    "blinds": "blinds",
    "chest of drawers": "chest of drawers",
    "something to sit on": "something to sit on",
    "where is something to sit on?": "something to sit on",
    "something to sit on near the window": "something to sit on near window",
    "something to sit on in the kitchen": "something to sit on in kitchen",
    "where can I sit near the window?": "where can i sit near window",
    "the largest thing to sleep on": "largest thing to sleep on",
    "something on which one sits": "something on which one sits",
    "where is the cup?": "cup",
    "bring me a cup": "cup",
    "the red cup": "red cup",
    "black and white picture": "black and white picture",
    "the cup on the desk": "cup on desk",
    "the cup on top of the desk": "cup on desk",
    "the cup on the desk in the kitchen": "cup on desk in kitchen",
    "the chair next to the window in the office": "chair next to window in office",
    "the chair in the office next to the window": "chair next to window in office",
    "the cup in the living room": "cup in living room",
    "the book in the box": "book in box",
    "shoes under the bed": "shoes under bed",
    "the chest of drawers beside the bed": "chest of drawers next to bed",
    "shelf with books near the sofa": "shelf with books near sofa",
    "the lamp on the table next to the sofa": "lamp on table next to sofa",
    "largest table": "largest table",
    "the biggest red chair in room 3": "largest red chair in room 3",
    "chair nearest to the window": "chair nearest to window",
    "the chair closest to the window": "chair nearest to window",
    "nearest chair": "nearest chair",
    "second door": "second door",
    "the last door in the kitchen": "last door in kitchen",
    "two chairs": "2 chair",
    "all chairs in the kitchen": "chair in kitchen",
    "where are the trash cans?": "trash can",
    "one of the chairs": "1 chair",
    "show me the lamp above the table": "lamp above table",
    "person on bench": "person on bench",
    "the chair farthest from the window": "chair farthest from window",
    "the furthest chair from the window": "chair farthest from window",
    "the nearest chair to the window in the office": "chair nearest to window in office",
    "two chairs furthest away from the door": "2 chair farthest from door",
    "farthest chair": "farthest chair",
    "how many chairs are there?": "chair",
    "how many chairs are in the kitchen": "chair in kitchen",
    "how many red chairs do you see": "red chair",
    "which chair is next to the window?": "chair next to window",
    "which room has the sofa": "sofa",
    "in which room is the cup?": "cup",
    "what is on the table": "anything on table",
    "what's under the bed?": "anything under bed",
    "everything on the table": "everything on table",
    "the things in the kitchen": "thing in kitchen",
    "the doors of the living room": "door in living room",
    "leg of the table": "leg of the table",
    "the 2nd chair": "second chair",
    "the second-largest table": "second largest table",
    "the smallest of the tables": "smallest table",
    "the chair that is next to the window": "chair next to window",
    "the lamp closest to me": "nearest lamp",
    "what is closest to me?": "nearest thing",
    "could you please find the second door": "second door",
    "in the kitchen, where is the cup on the table?": "cup on table in kitchen",
    "how many chairs does the kitchen have?": "chair in kitchen",
    "the chair in room number three": "chair in room 3",
    "the chair at the desk in the kichen": "chair near desk in kitchen",
    "the lamp hanging from the ceiling": "lamp on ceiling",
    "the chair from the office": "chair in office",
    "which chair is the largest?": "largest chair",
    "which room is the cup in?": "cup",
    "the room with the sofa": "sofa",
    "chair in living room 3": "chair in room 3",
    "chair in living room (room 3) next to the bed": "chair next to bed in room 3",
    "sofa 9": "sofa 9",
    "where is the trash can #12 in the kitchen?": "trash can 12 in kitchen",
    "the lamp next to sofa 9": "lamp next to sofa 9",
    "object 7": "object 7",
    "object 0": "object 0",
    "room 0": "room 0",
    "on the table": "anything on table",
    "next to the sofa in the kitchen": "anything next to sofa in kitchen",
    "in the office": "anything in office",
    "id 7": "object 7",
    "the 99th chair": "99th chair",
    "the 22nd chair": "22nd chair",
    "what\u2019s on the sofa?": "anything on sofa",
    "where\u2019s the lamp": "lamp",
    "whats on the sofa": "anything on sofa",
    "(sofa)": "sofa",
    "'sofa'": "sofa",
    "\xabsofa\xbb": "sofa",
    "sofa:": "sofa",
    "what is there?": "everything",
    "what do you see": "everything",
    "in the kitchen, a cup": "cup in kitchen",
}  # fmt: skip


def read(text):
    return read_question(text, lambda name: name.lower() in LABELS or bool(labels_for_use(name)), ROOMS)


@pytest.mark.parametrize("text", CASES)
def test_questions(text):
    question = read(text)
    assert str(question) == CASES[text]
    assert question.unread == ()


@pytest.mark.parametrize(
    ("text", "understood", "unread"),
    [
        ("the chair behind the sofa", "chair", "'behind the sofa' (it depends on the viewpoint)"),
        ("the cup in front of the lamp", "cup", "'in front of the lamp' (it depends on the viewpoint)"),
        ("the lamp between the sofa and the bed", "lamp", "'between the sofa and the bed' (only single"),
        ("the chair in the kitchen today", "chair in kitchen", "'today'"),
        ("chair in the kitchen and in the office", "chair in kitchen", "'and in the office'"),
        ("the third chair from the left", "third chair", "'from the left' (it depends"),
        ("any chair but the red one", "chair", "'but the red one' (only single"),
        ("chairs and tables", "chair", "'and tables' (one thing"),
        ("sofa, table", "sofa", "', table' (one thing"),
        ("a sofa / the tv stand / lamps", "sofa", "'/ the tv stand / lamps' (one thing"),
        ("sofa;table", "sofa", "';table' (one thing"),
        ("sofa & tables", "sofa", "'& tables' (one thing"),
        ("the 1st and the 2nd chair", "first chair", "'and the 2nd' (one thing"),
        ("1st, 2nd chair", "first chair", "'2nd' (one thing"),
        ("the largest or smallest table", "largest table", "'or smallest' (one thing"),
        ("the lamp near the first and last sofa", "lamp near first sofa", "'and last' (one thing"),
        ("behind the sofa", "anything", "'behind the sofa' (it depends on the viewpoint)"),
        ("what is in front of the sofa", "anything", "'in front of the sofa' (it depends"),
        ("between the sofa and the bed", "anything", "'between the sofa and the bed' (only single"),
        ("the cup or the book on the desk", "cup", "'or the book on the desk' (one thing"),
        ("the bed on the second floor", "bed", "'on the second floor' (storeys"),
        ("lamps upstairs", "lamp", "'upstairs' (storeys"),
        ("the chair in this room", "chair", "'in this room' (name the room)"),
        ("the leftmost chair", "chair", "'leftmost' (it depends"),
        ("left chair", "chair", "'left' (it depends"),
        ("which chair is the rightmost?", "chair", "'the rightmost' (it depends"),
        ("cup on the leftmost desk", "cup on desk", "'leftmost' (it depends"),
        ("no chair", "chair", "'no' (what is absent is not looked for)"),
        ("a desk with no chair", "desk", "'with no chair' (what is absent"),
        ("the chair that isn't in the kitchen", "chair", '"that isn\'t in the kitchen" (what is absent'),
        ("room without a window", "room", "'without a window' (what is absent"),
        ("the chair nearest to the kitchen", "chair", "'nearest to the kitchen' (of rooms, only what is in them"),
        ("the cup on the desk behind the sofa", "cup on desk", "'behind the sofa' (it depends"),
    ],
)
def test_what_is_not_understood_is_said(text, understood, unread):
    question = read(text)
    assert str(question) == understood
    assert len(question.unread) == 1
    assert question.unread[0].startswith(unread)


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("kitchen", "kitchen"),
        ("where is the kitchen?", "kitchen"),
        ("living rooms", "living room"),
        ("room number three", "room 3"),
        ("where is kitchen 3", "room 3"),
        ("what rooms are there", "room"),
        ("list the rooms", "room"),
        ("the biggest room", "largest room"),
        ("which room is the second largest?", "second largest room"),
        ("which is the smallest office?", "smallest office"),
    ],
)
def test_rooms_themselves_are_asked_for(text, understood):
    question = read(text)
    assert (str(question), question.is_room, question.is_plain) == (understood, True, False)
    assert not read("the chair in the kitchen").is_room
    if not question.noun[-1].isdecimal():
        assert not read_question(text, lambda name: name == question.noun, ROOMS).is_room  # objects are called so


def test_parts_of_a_question():
    question = read("the second largest chair next to the window in the office")
    window = Question("window", room="office")
    assert question == Question("chair", "largest", 2, 0, "next to", window, "office")
    assert question.nouns == ("chair", "window")
    assert not question.is_plain
    assert read("red chair").is_plain


@pytest.mark.parametrize(
    "text", ["the", "on", "on the", "in in in", "largest", "second", "?", "the the cup", "a" * 200]
)
def test_odd_texts_are_nouns(text):
    assert read(text).noun
    assert read("word " * 60).noun == ("word " * 60).strip()


def test_any_words_are_a_question():
    tables = (grammar.RELATIONS, grammar.UNANSWERED, grammar.LEADING, grammar.SIZES, grammar.OPENINGS, grammar.ARTICLES)
    own = "chair sofas kitchen living room rooms 3 #4 -1 2nd (room 3) and or of please ? me second three object ² "
    own += "99th , ; / \u2019 (a)"
    words = sorted({word for table in tables for phrase in table for word in phrase.split()} | set(own.split()))
    draw = random.Random(0)
    for _ in range(1500):
        text = " ".join(draw.choices(words, k=draw.randint(1, 8)))
        assert all((str(read(text)), read(text).noun)), text
