# SPDX-License-Identifier: Apache-2.0
"""The answers of the tools. The schema that a client sees is made from these definitions.

Fields that a message, service or action has too are defined there.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from .definitions import choice, constants, field

Code = choice(constants("ResultCode"), "as in the replies of the services")
Place = Annotated[list[float], Field(description="x, y, z in metres, in the frame of the map, z up")]
Size = field("Instance.size", list[float])
RoomId = field("ObjectMatch.room_id")
Confidence = field("Instance.confidence")
Degrees = Annotated[float, Field(description="degrees counter-clockwise from the x axis of the map, seen from above")]
Message = field("FindObjects.Response.message")
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

    id: field("Instance.id")
    label: field("Instance.label")
    score: field("ObjectMatch.score")
    confidence: field("ObjectMatch.confidence")
    position: Place
    size: Size
    room_id: RoomId
    distance: field("ObjectMatch.distance", note="measured from the robot")
    approach: field("ObjectMatch.approach", Pose | None, note="null: no free floor with a view of it")


@dataclass
class Found:
    """Objects that match a question, best first."""

    message: Message
    frame: Frame
    matches: list[Match]


@dataclass
class ObjectLine:
    """An object in a list."""

    id: field("Instance.id")
    label: field("Instance.label")
    score: field("Instance.score")
    confidence: Confidence
    position: Place
    room_id: RoomId


@dataclass
class ObjectPage:
    """One page of a list of objects, best first."""

    total: Annotated[int, Field(description="objects on all pages")]
    page: int
    pages: int
    frame: Frame
    objects: list[ObjectLine]


@dataclass
class Color:
    """A colour of an object."""

    name: str
    share: Annotated[float, Field(description="0 to 1: share of the object's points")]


@dataclass
class Neighbour:
    """Another object."""

    id: field("Instance.id")
    label: field("Instance.label")
    gap: Annotated[float, Field(description="metres between the centres of the boxes, or from the robot")]


@dataclass
class ObjectFacts:
    """Everything that is known about one object."""

    id: field("Instance.id")
    label: field("Instance.label")
    candidate_labels: field("Instance.candidate_labels")
    candidate_scores: field("Instance.candidate_scores")
    frame: Frame
    position: Place
    size: Size
    heading: Annotated[float, Field(description="degrees of the longer side, from the x axis of the map")]
    colors: list[Color]
    room_id: RoomId
    relations: field("ObjectMatch.relations")
    nearest: list[Neighbour]
    last_seen: field("Instance.last_seen", str, note="UTC; empty: not known")
    num_observations: field("Instance.num_observations")


@dataclass
class RoomLine:
    """A room."""

    number: field("GraphNode.number")
    label: field("GraphNode.label", note="room: not known")
    area: field("GraphNode.area")
    center: Annotated[list[float], Field(description="x, y in metres")]
    objects: Labels


@dataclass
class Rooms:
    """The rooms of the map."""

    message: Message
    rooms: list[RoomLine]


@dataclass
class Whereabouts:
    """Where the robot is."""

    frame: Frame
    pose: Pose
    room_id: field("Locate.Response.room_id")
    nearest: list[Neighbour]


@dataclass
class Summary:
    """What the map contains."""

    status: field("NodeState.text")
    frame: Frame
    low: Annotated[list[float], Field(description="smallest x, y, z of the map in metres")]
    high: Annotated[list[float], Field(description="largest x, y, z of the map in metres")]
    objects: int
    labels: Labels
    rooms: int
    vocabulary: Annotated[int, Field(description="number of labels in use")]
    map_revision: field("InstanceArray.map_revision")
    partial: field("InstanceArray.partial")


@dataclass
class Trip:
    """A drive to an object."""

    message: field("GoTo.Result.message")
    code: Annotated[
        Code | None, Field(description="null while the robot drives; OK: it has arrived; or why it has not")
    ]
    object_id: field("GoTo.Result.object_id")
    attempts: field("GoTo.Result.attempts")
    checked_with: field("GoTo.Result.checked_with")
    distance_remaining: field("GoTo.Feedback.distance_remaining")
    distance: field("GoTo.Result.distance")


@dataclass
class Refusal:
    """Why a call has no answer."""

    code: Code
    message: Message


@dataclass
class Done:
    """The outcome of a change or of an action."""

    message: Message
