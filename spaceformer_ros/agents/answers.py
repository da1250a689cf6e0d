# SPDX-License-Identifier: Apache-2.0
"""The answers of the tools. The schema that a client sees is made from these definitions."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Id = Annotated[int, Field(description="id of the object, stable over time")]
Score = Annotated[float, Field(description="0 to 1, comparable within one answer only")]
Confidence = Annotated[float | None, Field(description="0 to 1: probability that it is right; null: not calibrated")]
Place = Annotated[list[float], Field(description="x, y, z in metres, in the frame of the map, z up")]
Size = Annotated[list[float], Field(description="length, width, height of the box in metres")]
RoomId = Annotated[int | None, Field(description="id of the room; null: not known")]
Degrees = Annotated[float, Field(description="degrees counter-clockwise from the x axis of the map, seen from above")]
Metres = Annotated[float, Field(description="metres")]
Sentence = Annotated[str, Field(description="the answer in one sentence, or the reason why there is none")]
Frame = Annotated[str, Field(description="frame of all positions")]
Labels = Annotated[dict[str, int], Field(description="label to number of objects, the most frequent ones")]


@dataclass
class Pose:
    """A place on the floor and a heading."""

    position: Place
    heading: Degrees


@dataclass
class Match:
    """An object that matches a question."""

    id: Id
    label: str
    score: Score
    confidence: Confidence
    position: Place
    size: Size
    room: RoomId
    distance: Annotated[float | None, Field(description="metres from the robot to the centre; null: no robot known")]
    approach: Annotated[Pose | None, Field(description="where to stand to face it; null: no free floor with a view")]


@dataclass
class Found:
    """Objects that match a question, best first."""

    message: Sentence
    frame: Frame
    matches: list[Match]


@dataclass
class ObjectLine:
    """An object in a list."""

    id: Id
    label: str
    score: Annotated[float, Field(description="0 to 1: how certain object and label are")]
    confidence: Confidence
    position: Place
    room: RoomId


@dataclass
class ObjectPage:
    """One page of a list of objects, best first."""

    total: Annotated[int, Field(description="objects on all pages")]
    page: int
    pages: int
    frame: Frame
    objects: list[ObjectLine]


@dataclass
class Candidate:
    """A label that may be right."""

    label: str
    score: Annotated[float, Field(description="0 to 1: probability among the labels of the vocabulary")]


@dataclass
class Color:
    """A colour of an object."""

    name: str
    share: Annotated[float, Field(description="0 to 1: share of the object's points")]


@dataclass
class Neighbour:
    """Another object."""

    id: Id
    label: str
    distance: Metres


@dataclass
class ObjectFacts:
    """Everything that is known about one object."""

    id: Id
    label: str
    candidates: list[Candidate]
    frame: Frame
    position: Place
    size: Size
    heading: Annotated[float, Field(description="degrees of the longer side, from the x axis of the map")]
    colors: list[Color]
    room: RoomId
    relations: Annotated[list[str], Field(description="such as: on desk 4; next to lamp 2")]
    nearest: Annotated[list[Neighbour], Field(description="nearest objects, by the distance between boxes' centres")]
    last_seen: Annotated[str, Field(description="time of the last map that shows it, UTC; empty: not known")]
    observations: Annotated[int, Field(description="number of maps that showed it")]


@dataclass
class RoomLine:
    """A room."""

    id: int
    name: Annotated[str, Field(description="such as kitchen; room: not known")]
    area: Annotated[float, Field(description="square metres")]
    center: Annotated[list[float], Field(description="x, y in metres")]
    objects: Labels


@dataclass
class Rooms:
    """The rooms of the map."""

    message: Sentence
    rooms: list[RoomLine]


@dataclass
class Whereabouts:
    """Where the robot is."""

    frame: Frame
    pose: Pose
    room: RoomId
    nearest: list[Neighbour]


@dataclass
class Summary:
    """What the map contains."""

    status: str
    frame: Frame
    low: Annotated[list[float], Field(description="smallest x, y, z of the map in metres")]
    high: Annotated[list[float], Field(description="largest x, y, z of the map in metres")]
    objects: int
    labels: Labels
    rooms: int
    vocabulary: Annotated[int, Field(description="number of labels in use")]
    map_revision: Annotated[int, Field(description="grows with every new map")]


@dataclass
class Trip:
    """A drive to an object."""

    message: Sentence
    code: Annotated[str | None, Field(description="null while the robot drives; OK: it has arrived; or why it has not")]
    object_id: Annotated[int, Field(description="the object of the last attempt; 0: none was chosen yet")]
    attempts: Annotated[int, Field(description="poses that were tried")]
    checked_with: Annotated[str, Field(description="what the poses were checked with: costmap or map")]
    distance_remaining: Annotated[float | None, Field(description="metres along the path; null: not known")]
    distance: Annotated[float | None, Field(description="metres from the robot to the object at the end")]


@dataclass
class Refusal:
    """Why a call has no answer."""

    code: str
    message: Sentence


@dataclass
class Done:
    """The outcome of an action."""

    message: Sentence
