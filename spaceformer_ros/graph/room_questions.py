# SPDX-License-Identifier: Apache-2.0
"""Questions for rooms themselves, such as "the largest room": they are no objects, so the answer is a sentence."""

from ..words import question_words as words
from ..words.question import room_number
from .nodes import ROOM

MIN_SHARE = 0.1  # probability of a name that no room has as its likeliest one
ANSWERED = "rooms are found by name, number, order and area (largest, smallest) only"


def rooms_called(graph, name):
    """List of the Nodes of rooms with a name, of the likeliest one if none has it as its best, or with a number."""
    rooms = graph.of_kind(ROOM)
    labels = {room.label.lower() for room in rooms}
    number = int(name) if name.isdecimal() else room_number(name, labels)
    if number:
        return [room for room in rooms if room.number == number]
    best = [room for room in rooms if room.label.lower() == name]
    if best:
        return best
    shares = {room.id: dict(room.candidates).get(name, 0.0) for room in rooms if room.source != "operator"}
    top = max(shares.values(), default=0.0)
    return [room for room in rooms if shares.get(room.id, 0.0) == top and top >= MIN_SHARE]


def names_of_rooms(graph):
    """The rooms of a SceneGraph in words, with commas."""
    return ", ".join(graph.name(room.id) for room in graph.of_kind(ROOM)) or "none"


def about_rooms(graph, question, limit):
    """A sentence about the rooms that a Question asks for, where `is_room`: area and middle. limit: of their number."""
    rooms = graph.of_kind(ROOM)
    if not rooms:
        return "rooms are places, not objects, and those of this map are not known"
    if question.relation or question.room or question.size not in ("", words.LARGEST, words.SMALLEST):
        return f"{question}: {ANSWERED} (rooms: {names_of_rooms(graph)})"
    if question.noun != ROOM:
        rooms = rooms_called(graph, question.noun)
    if question.size:
        rooms = sorted(rooms, key=lambda room: room.area, reverse=question.size == words.LARGEST)
    chosen = _chosen(rooms, question)
    if not chosen:
        return f"this map has no {question} (rooms: {names_of_rooms(graph)})"
    said = "; ".join(_in_words(graph, room) for room in chosen[:limit])
    more = f"; {len(chosen) - limit} more: get_scene_graph lists them" if len(chosen) > limit else ""
    count = f"; {len(chosen)} found" if len(chosen) > 1 else ""
    return f"rooms are places, not objects{count}: {said}{more}"


def _chosen(rooms, question):
    """The rooms, in order, that the order or number of a Question leaves."""
    if question.order:
        place = question.order - 1 if question.order > 0 else len(rooms) - 1
        return rooms[place : place + 1] if rooms else []
    return rooms[: question.count or (1 if question.size else None)]


def _in_words(graph, room):
    x, y, z = room.center
    frame = f" in {graph.frame_id}" if graph.frame_id else ""  # clouds of files have none
    return f"{graph.name(room.id)}, {room.area:.1f} m2, its middle at ({x:.2f}, {y:.2f}, {z:.2f}) m{frame}"
