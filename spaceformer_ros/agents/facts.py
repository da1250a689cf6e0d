# SPDX-License-Identifier: Apache-2.0
"""Answers about the objects and rooms of a Snapshot, in rounded numbers and the frame of the map."""

import collections
import datetime
import math

import numpy as np

from ..words.color_words import COLOR_WORDS, color_shares
from .answers import Color, Match, Neighbour, ObjectFacts, ObjectLine, Pose, RoomLine, Trip

MAX_NEIGHBOURS = 5
MAX_CANDIDATES = 3
MAX_ROOM_LABELS = 6
MAX_RELATIONS = 8
MIN_COLOR_SHARE = 0.15


def object_facts(snapshot, places, item):
    """The ObjectFacts of a MapObject."""
    box = snapshot.in_frame(item)
    return ObjectFacts(
        id=item.id,
        label=item.label,
        candidate_labels=[label for label, _ in item.candidates[:MAX_CANDIDATES]],
        candidate_scores=[round(float(score), 2) for _, score in item.candidates[:MAX_CANDIDATES]],
        frame=snapshot.cloud.frame_id,
        position=metres(box.center),
        size=metres(box.size),
        heading=degrees(box.yaw),
        colors=colors_of(snapshot, item),
        room_id=places.room_of(item.id),
        relations=places.relations_of(item.id)[:MAX_RELATIONS],
        nearest=nearest(snapshot, item.box.center, without=item.id),
        last_seen=utc(item.last_seen_ns),
        num_observations=item.num_observations,
    )


def known(value):
    """A float with two decimals, None for NaN."""
    return None if math.isnan(value) else round(float(value), 2)


def match_of(snapshot, places, finding):
    """The Match of a Finding."""
    box, approach, placement = snapshot.in_frame(finding.object), finding.approach, snapshot.cloud.placement
    pose = approach and Pose(metres(placement.apply(approach.position)), degrees(approach.yaw + placement.yaw))
    return Match(
        id=finding.object.id,
        label=finding.object.label,
        score=round(float(finding.score), 3),
        confidence=known(finding.confidence),
        position=metres(box.center),
        size=metres(box.size),
        room_id=places.room_of(finding.object.id),
        distance=known(finding.distance),
        approach=pose,
    )


def trip_of(drive):
    """The Trip of a Drive."""
    numbers = {name: known(getattr(drive, name)) for name in ("distance_remaining", "distance")}
    return Trip(drive.message, drive.code or None, drive.object_id, drive.attempts, drive.checked_with, **numbers)


def line_of(snapshot, places, item):
    """The ObjectLine of a MapObject."""
    place = metres(snapshot.in_frame(item).center)
    return ObjectLine(item.id, item.label, round(item.score, 2), known(item.confidence), place, places.room_of(item.id))


def room_line(node, objects):
    """The RoomLine of a room of the scene graph with the MapObjects in it."""
    facts = node["number"], node["label"], round(node["area"], 1), metres(node["center"][:2])
    return RoomLine(*facts, labels_of(objects, MAX_ROOM_LABELS))


def nearest(snapshot, position, without=0):
    """The Neighbours of a place [3] in the cloud's coordinates, nearest first. without: an id to leave out."""
    rows = [(float(np.linalg.norm(item.box.center - position)), item) for item in snapshot.objects]
    rows = sorted((row for row in rows if row[1].id != without), key=lambda row: row[0])
    return [Neighbour(item.id, item.label, round(distance, 2)) for distance, item in rows[:MAX_NEIGHBOURS]]


def colors_of(snapshot, item):
    """The Colors of an object from its points, the most frequent first."""
    rgb = snapshot.cloud.rgb[snapshot.owner == item.id]
    shares = color_shares(rgb, np.zeros(len(rgb), dtype=np.int64), 1)[0]
    order = [word for word in np.argsort(-shares) if shares[word] >= MIN_COLOR_SHARE]
    return [Color(COLOR_WORDS[word], round(float(shares[word]), 2)) for word in order]


def labels_of(objects, limit):
    """Dict label -> number of MapObjects, of the most frequent labels."""
    return dict(collections.Counter(item.label for item in objects).most_common(limit))


def metres(values):
    """Numbers rounded to a centimetre."""
    return [round(float(value), 2) for value in values]


def degrees(radians):
    """An angle in degrees, -180 to 180."""
    return round(math.degrees(math.remainder(radians, 2 * math.pi)), 1)


def utc(nanoseconds):
    """Time in ISO 8601; "" for 0, which means that it is not known."""
    if not nanoseconds:
        return ""
    return datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
