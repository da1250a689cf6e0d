# SPDX-License-Identifier: Apache-2.0
"""Edits of a scene by an operator: each is a function from one Scene to another, which inferences then respect.

What an operator decided is kept in fields of SceneObject (`operator_label`, `pinned`, `deleted`, `shaped`), which pass
on with the object's identity from map to map. A deleted object is kept to recognise it: what is found at its place is
deleted too, until the place has visibly changed (`absence`).
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import CodedError, SpaceformerError
from ..clouds.origin import MAX_LOCAL
from ..geometry.boxes import OrientedBox
from ..geometry.transform import RigidTransform
from ..instances import Instances
from ..words.vocabulary import check_text
from .columns import MAX_METRES
from .objects import SceneObject, divided, label_objects
from .occupancy import FINE_CELL, ISOLATED, CloudOccupancy, Occupancy

RENAME, DELETE, ADD, MOVE, PIN, UNPIN, NAME_ROOM, MERGE, SPLIT, UNDO = OPERATIONS = (
    *("rename", "delete", "add", "move", "pin", "unpin", "name_room", "merge", "split", "undo"),
)
ATTRIBUTES = ("operator_label", "pinned", "deleted", "shaped")
MAX_OVERLAP = 0.5  # of the boxes of an added or moved object and of another one
MAX_GAP = 1.0  # metres between the boxes of objects that are merged
MIN_PART = 5  # voxels of each part of an object that is split
MAX_SIDE = 30.0  # metres of an added object
MAX_STEPS = 60  # points along a side of its box that stand for it where the map has no points
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
            check_text(self.label)
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


@dataclass(frozen=True)
class Edited:
    """Result of an edit: the new Scene, the ids of its objects that changed, and what was done in words.

    created: ids that did not exist before
    """

    scene: object
    ids: tuple
    text: str
    created: tuple = ()


def edited(scene, request, vector, new_id):
    """The Edited scene. Raises EditError and SpaceformerError; a Scene never changes.

    request: EditRequest, not UNDO; vector: [C] unit vector of its label, or None; new_id: function that returns an id
    """
    return _FUNCTIONS[request.operation](scene, request, vector, new_id)


def _objects(scene, request):
    """The objects of a request. Raises EditError NOT_FOUND."""
    found = {item.id: item for item in scene.objects}
    missing = [key for key in request.ids if key not in found]
    if missing:
        raise EditError("NOT_FOUND", f"no object with id {', '.join(map(str, missing[:20]))} in the scene")
    return [found[key] for key in request.ids]


def _replaced(scene, changed, removed=()):
    """The Scene with changed objects, by id, and without some. Those flagged as deleted move there."""
    changed = {item.id: item for item in changed}
    kept = [changed.pop(item.id, item) for item in (*scene.objects, *scene.deleted) if item.id not in removed]
    objects, deleted = divided(label_objects([*kept, *changed.values()], scene.instances.features, scene.space))
    return replace(scene, objects=objects, deleted=deleted)


def _with_feature(scene, item, feature):
    """The Scene with another feature [C] of an object."""
    features = scene.instances.features.copy()
    features[item.row] = feature
    return replace(scene, instances=replace(scene.instances, features=features))


def _appended(scene, item, feature, mask):
    """(Scene with an additional instance, the object in its row). mask: sorted int rows of voxels."""
    row = Instances(
        voxels=scene.instances.voxels,
        masks=(mask,),
        objectness=np.float32([item.objectness]),
        mask_score=np.float32([item.mask_score]),
        features=np.asarray(feature, dtype=np.float32)[None],
        num_points=np.zeros(1, dtype=np.int64),
        centroids=np.asarray(item.centroid, dtype=np.float32)[None],
        boxes=(item.box,),
    )
    instances = scene.instances.with_rows(row, [mask])
    placed = replace(item, row=len(scene.instances), num_points=int(instances.num_points[-1]))
    return replace(scene, instances=instances), placed


def _names(items):
    return ", ".join(f"{item.label} {item.id}" for item in items)


# --- labels, pins, deletions ------------------------------------------------------------------------------------------


def _rename(scene, request, vector, _new_id):
    (item,) = _objects(scene, request)
    if request.label:
        scene = _with_feature(scene, item, vector)
    text = f"renamed {_names([item])} to {request.label}" if request.label else f"gave up the name of {_names([item])}"
    return Edited(_replaced(scene, [replace(item, operator_label=request.label)]), request.ids, text)


def _delete(scene, request, _vector, _new_id):
    items = _objects(scene, request)
    pinned = [item for item in items if item.pinned]
    if pinned:
        raise EditError("CONFLICT", f"{_names(pinned)} cannot be deleted: pinned; unpin first")
    deleted = [replace(item, deleted=1, missed_views=0.0) for item in items]
    return Edited(_replaced(scene, deleted), request.ids, f"deleted {_names(items)}")


def _pin(scene, request, _vector, _new_id):
    items = _objects(scene, request)
    pinned = [replace(item, pinned=1, operator_label=item.label) for item in items]
    return Edited(_replaced(scene, pinned), request.ids, f"pinned {_names(items)}")


def _unpin(scene, request, _vector, _new_id):
    items = _objects(scene, request)
    return Edited(_replaced(scene, [replace(i, pinned=0) for i in items]), request.ids, f"unpinned {_names(items)}")


def _name_room(scene, request, _vector, _new_id):
    (room,) = request.ids
    names = {key: name for key, name in scene.room_names if key != room}
    taken = [key for key, name in names.items() if name == request.label]
    if taken:
        raise EditError("CONFLICT", f"room {taken[0]} is called {request.label!r} already: choose another name")
    if request.label:
        names[room] = request.label
    text = f"called room {room} {request.label!r}" if request.label else f"gave up the name of room {room}"
    return Edited(replace(scene, room_names=tuple(sorted(names.items()))), request.ids, text)


# --- added and moved objects ------------------------------------------------------------------------------------------


def _box_of(scene, request, size):
    """The OrientedBox of a request in local coordinates. Its longer side need not be x."""
    placement = scene.cloud.placement
    center = placement.inverse.apply(np.asarray(request.position, dtype=np.float64))
    if np.abs(center).max() > MAX_LOCAL:
        raise SpaceformerError(f"the pose is {np.abs(center).max():.0f} m from the map's origin, at most {MAX_LOCAL:g}")
    return OrientedBox(center, np.asarray(size, dtype=np.float64), float(request.yaw - placement.yaw))


def _check_free(scene, box, but=()):
    """Raise EditError CONFLICT if an object is at the place of a box."""
    for item in scene.objects:
        if item.id not in but and not item.background and item.box.iou(box) > MAX_OVERLAP:
            raise EditError("CONFLICT", f"{_names([item])} is at this place: rename, move or delete it first")


def _add(scene, request, vector, new_id):
    box = _box_of(scene, request, request.size)
    _check_free(scene, box)
    xyz = scene.instances.voxels.positions
    inside = box.contains(xyz, FINE_CELL / 2) & (xyz[:, 2] > box.center[2] - box.size[2] / 2 + FINE_CELL)
    mask = np.flatnonzero(inside).astype(np.int32)
    seen = CloudOccupancy(scene.cloud, scene.instances.voxels).of_mask(mask) if len(mask) else None
    occupancy = seen if seen is not None and len(seen.own) else _box_occupancy(box)
    stamp = scene.cloud.stamp_ns
    item = SceneObject(
        id=new_id(),
        row=0,
        label=request.label,
        label_index=-1,
        label_score=1.0,
        runners_up=(),
        background=False,
        objectness=1.0,
        mask_score=1.0,
        box=box,
        centroid=occupancy.own.mean(axis=0),
        num_points=0,
        first_seen_ns=stamp,
        last_seen_ns=stamp,
        occupancy=occupancy,
        weight=1.0,
        pinned=1,
        operator_label=request.label,
        found=False,
    )
    scene, item = _appended(scene, item, vector, mask)
    return Edited(_replaced(scene, [item]), (item.id,), f"added {_names([item])}", (item.id,))


def _box_occupancy(box):
    """Occupancy of the faces of a box, one point per FINE_CELL or, on large boxes, MAX_STEPS along each side."""
    counts = [min(max(2, int(side / FINE_CELL) + 1), MAX_STEPS) for side in box.size]
    steps = [np.linspace(-side / 2, side / 2, count) for side, count in zip(box.size, counts)]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    faces = grid[(np.abs(np.abs(grid) - box.size / 2) < 1e-9).any(axis=1)]
    xyz = np.column_stack([faces[:, :2] @ box.axes, faces[:, 2]]) + box.center
    return Occupancy(xyz.astype(np.float32), np.full(len(xyz), ISOLATED, dtype=np.uint8))


def _move(scene, request, _vector, new_id):
    (item,) = _objects(scene, request)
    box = _box_of(scene, request, item.box.size)
    _check_free(scene, box, request.ids)
    turn = RigidTransform.about_z(box.yaw - item.box.yaw)
    transform = RigidTransform(turn.rotation, box.center - turn.apply(item.box.center))
    own = transform.apply(item.occupancy.own).astype(np.float32)
    occupancy = Occupancy(own, np.full(len(own), ISOLATED, dtype=np.uint8))
    mask = CloudOccupancy(scene.cloud, scene.instances.voxels).mask_of(occupancy)
    feature = scene.instances.features[item.row]
    place = replace(item, id=new_id(), deleted=1, pinned=0, operator_label="", missed_views=0.0)
    there = replace(
        item,
        box=box,
        centroid=transform.apply(item.centroid).astype(np.float32),
        occupancy=occupancy,
        pinned=1,
        operator_label=item.operator_label or item.label,
        found=False,
        missed_views=0.0,
        outside_maps=0,
    )
    scene, there = _appended(scene, there, feature, mask)
    text = f"moved {_names([item])} to ({', '.join(f'{value:.2f}' for value in request.position)})"
    return Edited(_replaced(scene, [there, place]), request.ids, text, (place.id,))


# --- merged and split objects -----------------------------------------------------------------------------------------


def _merge(scene, request, _vector, _new_id):
    items = _objects(scene, request)
    for item in items[1:]:
        gap = float(np.linalg.norm(np.maximum(_gaps(items[0].box, item.box), 0)))
        if gap > MAX_GAP:
            raise EditError("CONFLICT", f"{_names([items[0], item])} are {gap:.1f} m apart, too far to be one object")
    masks = [scene.instances.masks[item.row] for item in items]
    mask = np.unique(np.concatenate(masks)).astype(np.int32)
    rows, weights = [item.row for item in items], [max(item.weight, 1e-6) for item in items]
    feature = np.average(scene.instances.features[rows], axis=0, weights=weights)
    scene, whole = _shaped(scene, items[0], mask, feature)
    text = f"merged {_names(items)}"
    return Edited(_replaced(scene, [whole], removed=request.ids[1:]), request.ids, text)


def _gaps(a, b):
    """[3] metres between the bounds of two boxes along each axis, negative where they overlap."""
    (low_a, high_a), (low_b, high_b) = ((box.corners.min(axis=0), box.corners.max(axis=0)) for box in (a, b))
    return np.maximum(low_b - high_a, low_a - high_b)


def _split(scene, request, _vector, new_id):
    (item,) = _objects(scene, request)
    mask = scene.instances.masks[item.row]
    plane = _box_of(scene, request, (1.0, 1.0, 1.0))
    side = (scene.instances.voxels.positions[mask][:, :2] - plane.center[:2]) @ plane.axes[0] > 0
    if min(side.sum(), (~side).sum()) < MIN_PART:
        raise EditError("CONFLICT", f"the plane does not divide {_names([item])}: all of it is on one side")
    feature = scene.instances.features[item.row]
    scene, first = _shaped(scene, item, mask[~side], feature)
    other = replace(item, id=new_id(), first_seen_ns=scene.cloud.stamp_ns, num_observations=1)
    scene, second = _shaped(scene, other, mask[side], feature)
    return Edited(_replaced(scene, [first, second]), (first.id, second.id), f"split {_names([item])}", (second.id,))


def _shaped(scene, item, mask, feature):
    """(Scene, an object with another mask in a new row, its extent decided by an operator)."""
    voxels = scene.instances.voxels
    xyz = voxels.positions[mask]
    item = replace(
        item,
        box=OrientedBox.fit(xyz),
        centroid=np.average(xyz, axis=0, weights=voxels.point_counts[mask]).astype(np.float32),
        occupancy=CloudOccupancy(scene.cloud, voxels).of_mask(mask),
        shaped=1,
    )
    return _appended(scene, item, feature, mask.astype(np.int32))


_FUNCTIONS = {
    RENAME: _rename,
    DELETE: _delete,
    ADD: _add,
    MOVE: _move,
    PIN: _pin,
    UNPIN: _unpin,
    NAME_ROOM: _name_room,
    MERGE: _merge,
    SPLIT: _split,
}


# --- undo -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Undo:
    """How to take back one edit.

    operation: of the edit
    before: tuple of (SceneObject, feature [C]) of the objects that it changed
    created: ids that it gave to new objects
    room_names: of the scene before it
    text: what was done
    """

    operation: str
    before: tuple
    created: tuple
    room_names: tuple
    text: str

    @classmethod
    def of(cls, scene, request, result):
        """How to take back the Edited `result` of a request on a Scene."""
        known = {item.id: item for item in scene.objects} if request.operation != NAME_ROOM else {}
        features = scene.instances.features
        before = tuple((known[key], features[known[key].row].copy()) for key in result.ids if key in known)
        return cls(request.operation, before, result.created, scene.room_names, result.text)

    def applied(self, scene):
        """The Scene without the edit; later edits of the same objects are lost with it."""
        if self.operation == NAME_ROOM:
            return replace(scene, room_names=self.room_names)
        current = {item.id: item for item in (*scene.objects, *scene.deleted)}
        back = []
        for item, feature in self.before:
            now = current.get(item.id)
            if now is not None and self.operation in (RENAME, DELETE, PIN, UNPIN):
                scene = _with_feature(scene, now, feature)
                back.append(replace(now, **{name: getattr(item, name) for name in ATTRIBUTES}))
            else:
                mask = CloudOccupancy(scene.cloud, scene.instances.voxels).mask_of(item.occupancy)
                scene, placed = _appended(scene, replace(item, found=False), feature, mask)
                back.append(placed)
        return _replaced(scene, back, removed=self.created)
