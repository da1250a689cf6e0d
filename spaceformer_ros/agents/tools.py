# SPDX-License-Identifier: Apache-2.0
"""What an agent can ask and do: one method per tool. Signatures and docstrings are what a language model reads."""

import collections
import math
import textwrap
from typing import Annotated

import numpy as np
from pydantic import Field

from .. import CodedError, SpaceformerError
from ..sources.snapshot import Question
from .answers import Done, Found, ObjectFacts, ObjectPage, Pose, Rooms, Summary, Trip, Whereabouts
from .definitions import choice, constants, field
from .facts import degrees, labels_of, line_of, match_of, metres, nearest, object_facts, room_line, trip_of
from .places import Places

PAGE = 12  # objects, or rooms, on a page
MAX_RESULTS = 6
MAX_LABELS = 40  # of a summary
MAX_MESSAGE = 300  # characters
MAX_TEXT = 200  # characters

ObjectId = Annotated[int, Field(ge=1, description="id of an object, from find_objects or list_objects")]
Query = field("FindObjects.Request.query", note="such as: something to sit on", min_length=1, max_length=MAX_TEXT)
MaxResults = field("FindObjects.Request.max_results", le=MAX_RESULTS)
NearQuery = field("FindObjects.Request.near_query", max_length=MAX_TEXT)
NearDistance = field("FindObjects.Request.near_distance", ge=0, le=100)
InRoom = field("FindObjects.Request.in_room", max_length=MAX_TEXT)
Relation = field("FindObjects.Request.relation", max_length=MAX_TEXT)
RelationQuery = field("FindObjects.Request.relation_query", max_length=MAX_TEXT)
Center = field("FindObjects.Request.region_center", list[float], min_length=3, max_length=3)
Radius = field("FindObjects.Request.region_radius", ge=0)
EDITS = constants("EditObject.Request", without=("pose",))  # a model has no poses of its own
Operation = choice(map(str.lower, EDITS), "; ".join(f"{name.lower()}: {text}" for name, text in EDITS.items()))
EditIds = field("EditObject.Request.ids", max_length=20)
EditLabel = field("EditObject.Request.label", max_length=MAX_TEXT)


class Tools:
    """The tools on one Source. Methods raise SpaceformerError with a reason that an agent can act on."""

    def __init__(self, source):
        """source: Source."""
        self._source = source
        self._known = None, None  # the scene graph and its Places

    def find_objects(
        self,
        query: Query,
        max_results: MaxResults = 3,
        near_query: NearQuery = "",
        near_distance: NearDistance = 0.0,
        in_room: InRoom = "",
        relation: Relation = "",
        relation_query: RelationQuery = "",
    ) -> Found:
        """Find objects by a description; the words need not be in the vocabulary. Gives where they are and where a
        robot can stand to face them."""
        snapshot = self._source.snapshot()
        question = Question(query, max_results, near_query, near_distance, in_room, relation, relation_query)
        findings = self._source.find(question)
        matches = [match_of(snapshot, self._places(), finding) for finding in findings.found[:MAX_RESULTS]]
        return Found(_shortened(findings.message), snapshot.cloud.frame_id, matches)

    def describe_object(self, object_id: ObjectId) -> ObjectFacts:
        """What an object is, where, how large, its colours, its room, what is near it, when it was last seen."""
        snapshot = self._source.snapshot()
        return object_facts(snapshot, self._places(), object_in(snapshot, object_id))

    def list_objects(
        self,
        label: Annotated[str, Field(description="only objects with this label; empty: all")] = "",
        in_room: InRoom = "",
        region_center: Center = (0.0, 0.0, 0.0),
        region_radius: Radius = 0.0,
        page: Annotated[int, Field(ge=1)] = 1,
    ) -> ObjectPage:
        """List the known objects, a page at a time, best first."""
        snapshot, places = self._source.snapshot(), self._places()
        items = [item for item in snapshot.objects if not label or item.label == label]
        if in_room:
            rooms = places.rooms_called(in_room)
            items = [item for item in items if places.room_of(item.id) in rooms]
        if region_radius:
            gaps = [np.linalg.norm(snapshot.in_frame(item).center - region_center) for item in items]
            items = [item for item, gap in zip(items, gaps) if gap <= region_radius]
        pages = max(1, math.ceil(len(items) / PAGE))
        if page > pages:
            raise CodedError("NOT_FOUND", f"there is no page {page}: the list has {pages}")
        shown = [line_of(snapshot, places, item) for item in items[(page - 1) * PAGE : page * PAGE]]
        return ObjectPage(len(items), page, pages, snapshot.cloud.frame_id, shown)

    def list_rooms(self) -> Rooms:
        """List the rooms of the map with what is in them."""
        snapshot, places = self._source.snapshot(), self._places()
        rooms, inside = places.rooms, collections.defaultdict(list)
        if not rooms:
            return Rooms("the rooms of this map are not known", [])
        for item in snapshot.objects:
            inside[places.room_of(item.id)].append(item)
        lines = [room_line(room, inside[room["number"]]) for room in rooms[:PAGE]]
        rest = f", the first {PAGE} are listed" if len(rooms) > PAGE else ""
        return Rooms(f"{len(rooms)} {'room' if len(rooms) == 1 else 'rooms'}{rest}", lines)

    def where_am_i(self) -> Whereabouts:
        """Where the robot is: pose, room, nearest objects."""
        position, yaw = self._source.robot_pose()
        snapshot = self._source.snapshot()
        local = snapshot.cloud.placement.inverse.apply(position)
        pose, room = Pose(metres(position), degrees(yaw)), self._places().room_at(position)
        return Whereabouts(snapshot.cloud.frame_id, pose, room, nearest(snapshot, local))

    def scene_summary(self) -> Summary:
        """What the map contains: number of objects by label, extent, rooms, vocabulary."""
        snapshot = self._source.snapshot()
        corners = snapshot.cloud.placement.apply(snapshot.cloud.bounds)
        return Summary(
            status=_shortened(self._source.status()),
            frame=snapshot.cloud.frame_id,
            low=metres(corners.min(axis=0)),
            high=metres(corners.max(axis=0)),
            objects=len(snapshot.objects),
            labels=labels_of(snapshot.objects, MAX_LABELS),
            rooms=len(self._places().rooms),
            vocabulary=len(snapshot.labels),
            map_revision=snapshot.map_revision,
            partial=snapshot.partial,
        )

    def edit_object(self, operation: Operation, ids: EditIds = (), label: EditLabel = "") -> Done:
        """Correct the scene as a person would: later maps respect it."""
        return Done(self._source.edit(operation, ids, label))

    def set_vocabulary(
        self,
        labels: field("SetVocabulary.Request.labels", min_length=1),
        append: field("SetVocabulary.Request.append") = True,
    ) -> Done:
        """Change the labels that objects are named with. Takes effect immediately, for everybody."""
        return Done(self._source.set_vocabulary(labels, append))

    def go_to(
        self,
        text: field("GoTo.Goal.text", max_length=MAX_TEXT) = "",
        object_id: field("GoTo.Goal.object_id") = 0,
        standoff: field("GoTo.Goal.standoff", ge=0) = 0.0,
        timeout: field("GoTo.Goal.timeout", ge=0) = 0.0,
        max_attempts: field("GoTo.Goal.max_attempts") = 0,
    ) -> Done:
        """Let the robot drive to an object and face it. Returns at once: ask trip_status how it goes."""
        if not text and not object_id:
            raise SpaceformerError("give a text or an object_id")
        limits = {"standoff": standoff, "timeout": timeout, "max_attempts": max_attempts}
        return Done(self._source.go_to(text, object_id, **limits))

    def trip_status(self) -> Trip:
        """How the drive that go_to started is going, or how it ended."""
        return trip_of(self._source.trip())

    def cancel(self) -> Done:
        """Stop the drive that go_to started."""
        return Done(self._source.cancel())

    def _places(self):
        graph = self._source.graph()
        if self._known[0] is not graph:
            self._known = graph, Places(graph)
        return self._known[1]


def object_in(snapshot, object_id):
    """The MapObject with an id. Raises SpaceformerError."""
    if (item := snapshot.by_id.get(object_id)) is None:
        raise CodedError("NOT_FOUND", f"there is no object {object_id}: list_objects gives the ids")
    return item


def _shortened(message):
    """A message of at most MAX_MESSAGE characters, with dots at its end if words were left out."""
    return textwrap.shorten(message, MAX_MESSAGE, placeholder=" ...")
