"""Furnished rooms as a robot's map shows them, made from a seed: for training, for benchmarks, for demos.

The story, one module per step:

    kinds      what there is: names, synonyms (some held out from captions), materials, colours
    things     geometry: every kind is a family of shapes, drawn from an rng, built from the primitives of `shapes`
    floorplan  rooms, walls, doorways; `structure` gives them surfaces, doors and windows
    themes     what belongs where: `arrangements` puts groups (a table and its chairs) into place with `placing`
    surfaces   everything sampled as points (`sampling`), painted (`colors`, `patterns`) and lit (`light`)
    scan       a camera on a `path` sees some of it, with noise and drift; `fuse` averages what it saw on a grid
    room       the result: a coloured Cloud with exact instances, kinds, boxes and captions
    questions  what could be asked there, with the right answers; `write` puts all of it on disk

For example, room = make_room(7, RoomConfig(theme="office")); room.objects[0].captions() is ["door", "red door", ...].
"""

from .config import RoomConfig
from .kinds import KIND_NAMES, KINDS, OBJECT_KINDS, STRUCTURE, Kind
from .questions import QUESTION_KINDS, questions
from .room import Room, RoomObject, make_room, object_points
from .themes import THEME_NAMES
from .write import write_room

__all__ = [
    "KINDS",
    "KIND_NAMES",
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
