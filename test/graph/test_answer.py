# SPDX-License-Identifier: Apache-2.0
"""Questions with rooms, relations and orders, answered on a scene with a layout."""

import dataclasses

import numpy as np
import pytest
from helpers.fakes import make_pipeline
from helpers.layouts import LEFT, RIGHT, TWO_ROOMS

from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import Config
from spaceformer_ros.graph.answer import asked_for
from spaceformer_ros.graph.room_questions import about_rooms
from spaceformer_ros.words.question import Question

LAYOUT = dataclasses.replace(TWO_ROOMS, rooms=(LEFT, dataclasses.replace(RIGHT, area=30.0)))
CHAIR, DESK, CUP = (200, 30, 30), (30, 200, 30), (200, 30, 200)
LAMP = (240, 240, 30)
# Two chairs of different size on the left, one on the right; a cup on the desk on the right, one on the floor.
THINGS = [
    ((0.0, 0.0, 0.5), (0.5, 0.5, 1.0), (200, 30, 30), "chair"),
    ((0.0, 2.0, 0.3), (0.4, 0.4, 0.6), (201, 30, 30), "chair"),
    ((3.0, 3.0, 0.4), (0.5, 0.5, 0.8), (202, 30, 30), "chair"),
    ((3.0, 0.0, 0.35), (1.4, 0.8, 0.7), (30, 200, 30), "desk"),
    ((3.2, 0.0, 0.8), (0.2, 0.2, 0.2), (200, 30, 200), "cup"),
    ((0.9, 1.0, 0.1), (0.2, 0.2, 0.2), (201, 30, 200), "cup"),
    ((0.9, 3.0, 0.9), (0.3, 0.3, 1.8), (240, 240, 30), "lamp"),
    ((3.0, 0.5, 1.8), (0.3, 0.1, 0.3), (30, 240, 240), "clock"),  # over the edge of the desk
]


@pytest.fixture(scope="module")
def asked():
    """The pipeline that has seen THINGS, and a function: labels and x positions of the answer to a text."""
    from spaceformer_ros.clouds.cloud import Cloud

    rng = np.random.default_rng(0)
    xyz, rgb = [], []
    for center, size, color, _ in THINGS:
        unit = rng.random((3000, 3)) - 0.5
        face = rng.integers(3, size=3000)
        unit[np.arange(3000), face] = np.where(rng.random(3000) < 0.5, -0.5, 0.5)
        xyz.append(unit * size + center)
        rgb.append(np.tile(np.uint8(color), (3000, 1)))
    config = Config().with_values({"vocabulary": ["chair", "desk", "cup", "lamp", "clock"]})
    made = make_pipeline(config, {color: name for _, _, color, name in THINGS})
    made.graphs._find_layout = lambda scene: LAYOUT
    made.graphs._room_table = lambda: {"office": ["desk"], "hall": ["lamp"], "kitchen": ["stove"]}
    made.process(Cloud(np.concatenate(xyz).astype(np.float32), np.concatenate(rgb), "map", 5))

    def ask(text, **conditions):
        (answer,) = made.ask(asked_for([text], min_score=0.3, **conditions), made.scene)
        return answer

    return ask


CASES = {
    "chairs": [(0, 0), (0, 2), (3, 3)],
    "the chair in the office": [(3, 3)],
    "chairs in room 1": [(0, 0), (0, 2)],
    "the cup on the desk": [(3.2, 0)],
    "the cup on the floor": [(0.9, 1)],
    "the cup on the desk in the office": [(3.2, 0)],
    "largest chair": [(0, 0)],
    "the smallest chair in the hall": [(0, 2)],
    "chair nearest to the lamp": [(0, 2)],
    "the second largest chair": [(3, 3)],
    "two smallest chairs": [(0, 2), (3, 3)],
    "chair near the lamp": [(0, 2)],
    "the tallest lamp": [(0.9, 3)],
    "chair farthest from the lamp": [(0, 0)],
    "the nearest chair to the desk": [(0, 0)],
    "what is on the desk": [(3.2, 0)],
    "everything in the office": [(3, 3), (3, 0), (3.2, 0), (3, 0.5)],
    "the clock above the desk": [(3, 0.5)],
    "how many chairs are there in the hall": [(0, 0), (0, 2)],
    "chairs in hall 1": [(0, 0), (0, 2)],
    "the thing nearest to the clock": [(3.2, 0)],
}


@pytest.mark.parametrize("text", CASES)
def test_answers(asked, text):
    answer = asked(text)
    places = [tuple(np.round(match.object.box.center[:2], 1).tolist()) for match in answer.matches]
    assert sorted(places) == sorted(CASES[text])
    assert answer.question.unread == ()
    same = text in ("chairs", "largest chair")
    assert answer.remarks == ([] if same else [f"understood {text!r} as {str(answer.question)!r}"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the chair on the desk", "no object that matches 'chair' is on a desk (1 found); best candidates: chair"),
        ("the chair in the kitchen", "no object that matches 'chair' is in a room called 'kitchen' (rooms: "),
        ("the lamp in the office", "no object that matches 'lamp' is in office; best candidates: lamp"),
        ("the clock above the chair", "is above a chair (3 found)"),
        ("the fourth chair", "there are 3 of 'chair', fewer than 4"),
        ("nearest chair", "nearest chair: the position of the robot is not known"),
        ("the cup under the piano", "is under a piano (0 found)"),
        ("the lamp nearest to the lamp", "that matches 'lamp' can be compared: no other lamp was found; best cand"),
        ("chair 77", "no object that matches 'chair' has the id 77; best candidates: chair"),
    ],
)
def test_the_reason_is_given_where_nothing_is_found(asked, text, reason):
    answer = asked(text)
    assert answer.matches == []
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("which room is the largest?", "objects: office (room 2), 30.0 m2, its middle at (3.25, 1.00, 0.00) m in map"),
        ("the smallest room", "objects: hall (room 1), 21.0 m2, its middle at (-0.25, 1.00, 0.00) m in map"),
        ("where is the office?", "objects: office (room 2), 30.0 m2"),
        ("room two", "objects: office (room 2), 30.0 m2"),
        ("where is office 2?", "objects: office (room 2), 30.0 m2"),
        ("the second room", "objects: office (room 2), 30.0 m2"),
        (
            "all rooms",
            "objects; 2 found: hall (room 1), 21.0 m2, its middle at (-0.25, 1.00, 0.00) m in map; office (room 2), 30",
        ),
        ("where is the kitchen?", "this map has no kitchen (rooms: hall (room 1), office (room 2))"),
        ("the third largest room", "this map has no third largest room (rooms: "),
        ("the tallest room", "tallest room: rooms are found by name, number, order and area"),
        ("the room next to the lamp", "room next to lamp: rooms are found by name"),
    ],
)
def test_rooms_are_told_in_a_sentence(asked, text, reason):
    answer = asked(text)
    assert answer.matches == []
    assert reason in answer.reason


@pytest.mark.parametrize("text", ["door", "second door", "the front door", "the door between the hall and the office"])
def test_doors_of_the_layout_are_mentioned(asked, text):
    assert "the layout has 1 door, see get_scene_graph" in asked(text).remarks


def test_the_layout_is_not_mentioned_for_what_is_found(asked):
    assert not any("layout" in remark for text in ("chair", "door handle") for remark in asked(text).remarks)
    assert "the layout has 1 window, see get_scene_graph" in asked("windows").remarks
    found = asked("cup")
    door = dataclasses.replace(found.matches[0].object, label="door")
    matches = [dataclasses.replace(found.matches[0], object=door)]
    assert dataclasses.replace(found, matches=matches, found=1, question=Question("door")).remarks == []


def test_not_all_of_many_rooms_are_told(asked):
    assert asked("rooms", max_results=1).reason.endswith("m in map; 1 more: get_scene_graph lists them")


def test_rooms_of_a_file_without_a_frame(asked):
    answer = asked("room 1")
    without = dataclasses.replace(answer.graph, frame_id="")
    assert about_rooms(without, answer.question, 5).endswith("its middle at (-0.25, 1.00, 0.00) m")


@pytest.mark.parametrize("text", ["the", "where is the", "this", "where am I?", "'it'", "what can I do here"])
def test_a_text_that_names_no_thing_is_refused(text, asked):
    """Some object resembles every text."""
    with pytest.raises(SpaceformerError, match="names no thing: say what to look for"):
        asked(text)


def test_blanks_of_all_kinds_in_a_text_are_one(asked):
    assert len(asked("the\xa0first \t chair\n").matches) == 1


def test_an_order_beyond_what_is_there_has_a_reason(asked):
    answer = asked("the 99th chair")
    assert (answer.matches, answer.reason) == ([], "there are 3 of 'chair', fewer than 99")
    assert "understood 'the 99th chair' as '99th chair'" in answer.remarks


def test_conditions_outside_the_text(asked):

    assert len(asked("chair", room="office").matches) == 1
    assert len(asked("cup", relation="on", relation_text="desk").matches) == 1
    assert len(asked("chair", room="2").matches) == 1
    assert len(asked("chair", room="Office 2").matches) == len(asked("chair", room="office (room 2)").matches) == 1
    assert "(rooms: " in asked("chair", room="attic").reason
    nearest = asked("nearest chair", position=np.array([3.0, 3.0, 0.0]))
    assert [round(float(match.object.box.center[0])) for match in nearest.matches] == [3]
    with pytest.raises(SpaceformerError, match="belong together"):
        asked_for(["chair"], relation="on")
    with pytest.raises(SpaceformerError, match="relation is 'at', expected one of on, in"):
        asked_for(["chair"], relation="at", relation_text="desk")


def test_matches_carry_their_room_and_relations(asked):
    answer = asked("cups")
    rooms = {answer.room(match).label: answer.phrases(match) for match in answer.matches}
    assert set(rooms) == {"office", "hall"}
    assert rooms["office"][0].startswith("on desk ")


def test_nothing_is_said_without_candidates(asked):
    assert asked("what is on the chair").reason == "nothing is on a chair (3 found)"


def test_an_id_chooses_the_object(asked):
    for match in asked("chair").matches:
        number = match.object.id
        assert [found.object.id for found in asked(f"chair {number}").matches] == [number]
        assert [found.object.id for found in asked(f"object {number}").matches] == [number]


def test_matches_that_are_left_out_are_said(asked):
    answer = asked("everything in the office", max_results=2)
    assert len(answer.matches) == 2
    assert answer.remarks[1] == "4 found, the first 2 given: see max_results"
    assert asked("chairs", max_results=1).remarks == ["3 found, the first 1 given: see max_results"]
    assert asked("chairs", max_results=3).remarks == []


def test_what_was_not_understood_is_said(asked):
    answer = asked("the chair behind the desk")
    assert len(answer.matches) == 3
    assert answer.remarks == ["not understood: 'behind the desk' (it depends on the viewpoint)"]
