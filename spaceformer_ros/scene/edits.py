# SPDX-License-Identifier: Apache-2.0
"""Edits of a scene by an operator: each is a function from one Scene to another, which inferences then respect.

What an operator decided is kept in fields of SceneObject (`operator_label`, `pinned`, `deleted`, `shaped`), which pass
on with the object's identity from map to map. A deleted object is kept to recognise it: what is found at its place is
deleted too, until the place has visibly changed (`absence`).
"""

from dataclasses import replace

from .edit_request import ADD, DELETE, MERGE, MOVE, NAME_ROOM, PIN, RENAME, SPLIT, UNPIN, EditError
from .edit_shapes import add, merge, move, split
from .edit_steps import Edited, named, objects_of, with_changed, with_feature


def edited(scene, request, vector, new_id):
    """The Edited scene. Raises EditError and SpaceformerError; a Scene never changes.

    request: EditRequest, not UNDO; vector: [C] unit vector of its label, or None; new_id: function that returns an id
    """
    return _FUNCTIONS[request.operation](scene, request, vector, new_id)


def _rename(scene, request, vector, _new_id):
    (item,) = objects_of(scene, request)
    if request.label:
        scene = with_feature(scene, item, vector)
    text = f"renamed {named([item])} to {request.label}" if request.label else f"gave up the name of {named([item])}"
    return Edited(with_changed(scene, [replace(item, operator_label=request.label)]), request.ids, text)


def _delete(scene, request, _vector, _new_id):
    items = objects_of(scene, request)
    pinned = [item for item in items if item.pinned]
    if pinned:
        raise EditError("CONFLICT", f"{named(pinned)} cannot be deleted: pinned; unpin first")
    deleted = [replace(item, deleted=1, missed_views=0.0, seen_through=0.0) for item in items]
    return Edited(with_changed(scene, deleted), request.ids, f"deleted {named(items)}")


def _pin(scene, request, _vector, _new_id):
    items = objects_of(scene, request)
    pinned = [replace(item, pinned=1, operator_label=item.label) for item in items]
    return Edited(with_changed(scene, pinned), request.ids, f"pinned {named(items)}")


def _unpin(scene, request, _vector, _new_id):
    items = objects_of(scene, request)
    return Edited(with_changed(scene, [replace(i, pinned=0) for i in items]), request.ids, f"unpinned {named(items)}")


def _name_room(scene, request, _vector, _new_id):
    (room,) = request.ids
    names = {key: name for key, name in scene.room_names if key != room}
    taken = [key for key, name in names.items() if name.lower() == request.label.lower()]
    if taken:
        raise EditError("CONFLICT", f"room {taken[0]} is called {request.label!r} already: choose another name")
    if request.label:
        names[room] = request.label
    text = f"called room {room} {request.label!r}" if request.label else f"gave up the name of room {room}"
    return Edited(replace(scene, room_names=tuple(sorted(names.items()))), request.ids, text)


_FUNCTIONS = {
    RENAME: _rename,
    DELETE: _delete,
    ADD: add,
    MOVE: move,
    PIN: _pin,
    UNPIN: _unpin,
    NAME_ROOM: _name_room,
    MERGE: merge,
    SPLIT: split,
}
