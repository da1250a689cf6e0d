# SPDX-License-Identifier: Apache-2.0
"""What an operator asks for when a scene is edited, and how an edit is refused."""

from dataclasses import dataclass

import numpy as np

from .. import CodedError, SpaceformerError
from ..words.vocabulary import check_text, check_words
from .columns import MAX_METRES

RENAME, DELETE, ADD, MOVE, PIN, UNPIN, NAME_ROOM, MERGE, SPLIT, UNDO = OPERATIONS = (
    *("rename", "delete", "add", "move", "pin", "unpin", "name_room", "merge", "split", "undo"),
)
MAX_SIDE = 30.0  # metres of an added object
MAX_IDS = 1000  # of one edit
MAX_AUTHOR = 200  # characters


class EditError(CodedError):
    """An edit was refused; nothing has changed. code: NOT_FOUND, CONFLICT or NO_MAP_YET."""


@dataclass(frozen=True)
class EditRequest:
    """What an operator asks for. Positions in metres and radians in the scene's frame.

    operation: one of OPERATIONS
    ids: of objects, or of the room of NAME_ROOM
    label: of RENAME, ADD, NAME_ROOM; "" takes a given one back
    position, yaw: [3] and heading of the box of ADD and MOVE; a point of the plane of SPLIT and its normal
    size: [3] of ADD
    count: number of edits of UNDO
    author: who
    expected_revision: the `map_revision` that the operator has seen; 0: any
    """

    operation: str
    ids: tuple = ()
    label: str = ""
    position: tuple = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    size: tuple = (0.0, 0.0, 0.0)
    count: int = 1
    author: str = "operator"
    expected_revision: int = 0

    def __post_init__(self):
        if self.operation not in OPERATIONS:
            raise SpaceformerError(f"operation is {self.operation!r}, expected one of {', '.join(OPERATIONS)}")
        if self.label or self.operation == ADD:
            (check_text if self.operation == NAME_ROOM else check_words)(self.label)  # a room may be called 101
        numbers = (*self.position, self.yaw, *self.size)
        if not np.isfinite(numbers).all() or np.abs(numbers).max() > MAX_METRES:
            raise SpaceformerError(f"pose or size {numbers} is not finite or too large")
        if self.operation == ADD and not all(0 < side <= MAX_SIDE for side in self.size):
            raise SpaceformerError(f"size is {self.size}, expected three numbers above 0 and up to {MAX_SIDE:g} m")
        if len(self.ids) > MAX_IDS or len(self.author) > MAX_AUTHOR or not self.author.isprintable():
            raise SpaceformerError(
                f"{len(self.ids)} ids and an author of {len(self.author)} characters; at most {MAX_IDS} ids and "
                f"{MAX_AUTHOR} printable characters are supported"
            )
        least = {ADD: 0, UNDO: 0, MERGE: 2}.get(self.operation, 1)
        most = MAX_IDS if self.operation in (DELETE, PIN, UNPIN, MERGE) else least
        if not least <= len(set(self.ids)) == len(self.ids) <= most:
            raise SpaceformerError(
                f"{self.operation} got ids {list(self.ids)}, expected {least if least == most else f'{least} or more'}"
            )
