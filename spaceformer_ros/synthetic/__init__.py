# SPDX-License-Identifier: Apache-2.0
"""Generate furnished rooms and simulated scans of them, for training, benchmarks and demos.

One module per step:

    kinds      kinds of things: names, synonyms (some held out from captions), materials, colours
    things     geometry: each kind is a family of random shapes, built from the primitives of `shapes`
    floorplan  rooms, walls, doorways; `structure` adds surfaces, doors and windows
    themes     furniture by type of room; `arrangements` and `utility_rooms` place groups of things (`placement`)
    surfaces   all things as points (`sampling`), with colours (`colors`, `patterns`) and light (`lighting`)
    scan       a camera on a `camera_path` measures visible points, with noise and drift; `fusion` averages them
    room       the result: a coloured Cloud with exact instances, kinds, boxes and captions
    questions  questions about a room and their right answers; `files` writes all of it

For example, room = make_room(7, RoomConfig(theme="office")); room.objects[0].captions() == ["door", "red door", ...].
"""

from .config import RoomConfig
from .files import write_room
from .kinds import KIND_NAMES, KINDS, MODEL_KINDS, OBJECT_KINDS, STRUCTURE, Kind
from .questions import QUESTION_KINDS, questions
from .room import Room, RoomObject, make_room, object_points
from .themes import THEME_NAMES

__all__ = [
    "KINDS",
    "KIND_NAMES",
    "MODEL_KINDS",
    "OBJECT_KINDS",
    "QUESTION_KINDS",
    "STRUCTURE",
    "THEME_NAMES",
    "Kind",
    "Room",
    "RoomConfig",
    "RoomObject",
    "make_room",
    "object_points",
    "questions",
    "write_room",
]
