# SPDX-License-Identifier: Apache-2.0
"""Edits of where objects are and what belongs to them: add, move, merge, split.

Each is a function of a Scene, an EditRequest, the unit vector of its label or None, and a function that returns a new
id; it returns an Edited.
"""

from dataclasses import replace

import numpy as np

from .. import SpaceformerError
from ..clouds.origin import MAX_LOCAL
from ..geometry.boxes import OrientedBox
from ..geometry.transform import RigidTransform
from .edit_request import EditError
from .edit_steps import Edited, named, object_at, objects_of, with_changed, with_row
from .occupancy import FINE_CELL, ISOLATED, CloudOccupancy, Occupancy

MAX_OVERLAP = 0.5  # of the boxes of an added or moved object and of another one
MAX_GAP = 1.0  # metres between the boxes of objects that are merged
MIN_PART = 5  # voxels of each part of an object that is split
MAX_STEPS = 60  # points along a side of its box that stand for it where the map has no points


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
            raise EditError("CONFLICT", f"{named([item])} is at this place: rename, move or delete it first")


def add(scene, request, vector, new_id):
    """There is an object at a place."""
    box = _box_of(scene, request, request.size)
    _check_free(scene, box)
    xyz = scene.instances.voxels.positions
    inside = box.contains(xyz, FINE_CELL / 2) & (xyz[:, 2] > box.center[2] - box.size[2] / 2 + FINE_CELL)
    mask = np.flatnonzero(inside).astype(np.int32)
    seen = CloudOccupancy(scene.cloud, scene.instances.voxels).of_mask(mask) if len(mask) else None
    occupancy = seen if seen is not None and len(seen.own) else _box_occupancy(box)
    item = object_at(
        scene,
        new_id(),
        request.label,
        box,
        occupancy,
        label_score=1.0,
        objectness=1.0,
        mask_score=1.0,
        centroid=occupancy.own.mean(axis=0),
        weight=1.0,
        pinned=1,
        operator_label=request.label,
    )
    scene, item = with_row(scene, item, vector, mask)
    return Edited(with_changed(scene, [item]), (item.id,), f"added {named([item])}", (item.id,))


def _box_occupancy(box):
    """Occupancy of the faces of a box, one point per FINE_CELL or, on large boxes, MAX_STEPS along each side."""
    counts = [min(max(2, int(side / FINE_CELL) + 1), MAX_STEPS) for side in box.size]
    steps = [np.linspace(-side / 2, side / 2, count) for side, count in zip(box.size, counts)]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    faces = grid[(np.abs(np.abs(grid) - box.size / 2) < 1e-9).any(axis=1)]
    xyz = np.column_stack([faces[:, :2] @ box.axes, faces[:, 2]]) + box.center
    return Occupancy(xyz.astype(np.float32), np.full(len(xyz), ISOLATED, dtype=np.uint8))


def move(scene, request, _vector, new_id):
    """An object is at another place now; its old place is deleted."""
    (item,) = objects_of(scene, request)
    box = _box_of(scene, request, item.box.size)
    _check_free(scene, box, request.ids)
    turn = RigidTransform.about_z(box.yaw - item.box.yaw)
    transform = RigidTransform(turn.rotation, box.center - turn.apply(item.box.center))
    own = transform.apply(item.occupancy.own).astype(np.float32)
    occupancy = Occupancy(own, np.full(len(own), ISOLATED, dtype=np.uint8))
    mask = CloudOccupancy(scene.cloud, scene.instances.voxels).mask_of(occupancy)
    feature = scene.instances.features[item.row]
    place = replace(item, id=new_id(), deleted=1, pinned=0, operator_label="", missed_views=0.0, seen_through=0.0)
    there = replace(
        item,
        box=box,
        centroid=transform.apply(item.centroid).astype(np.float32),
        occupancy=occupancy,
        pinned=1,
        operator_label=item.operator_label or item.label,
        found=False,
        missed_views=0.0,
        seen_through=0.0,
        outside_maps=0,
    )
    scene, there = with_row(scene, there, feature, mask)
    text = f"moved {named([item])} to ({', '.join(f'{value:.2f}' for value in request.position)})"
    return Edited(with_changed(scene, [there, place]), request.ids, text, (place.id,))


# --- merged and split objects -----------------------------------------------------------------------------------------


def merge(scene, request, _vector, _new_id):
    """Several objects are parts of the first one."""
    items = objects_of(scene, request)
    for item in items[1:]:
        gap = float(np.linalg.norm(np.maximum(_gaps(items[0].box, item.box), 0)))
        if gap > MAX_GAP:
            raise EditError("CONFLICT", f"{named([items[0], item])} are {gap:.1f} m apart, too far to be one object")
    mask = np.unique(_mask_of(scene, items)).astype(np.int32)
    rows, weights = [item.row for item in items], [max(item.weight, 1e-6) for item in items]
    feature = np.average(scene.instances.features[rows], axis=0, weights=weights)
    scene, whole = _shaped(scene, items[0], mask, feature)
    text = f"merged {named(items)}"
    return Edited(with_changed(scene, [whole], removed=request.ids[1:]), request.ids, text)


def _gaps(a, b):
    """[3] metres between the bounds of two boxes along each axis, negative where they overlap."""
    (low_a, high_a), (low_b, high_b) = ((box.corners.min(axis=0), box.corners.max(axis=0)) for box in (a, b))
    return np.maximum(low_b - high_a, low_a - high_b)


def split(scene, request, _vector, new_id):
    """An object is two, divided by an upright plane."""
    (item,) = objects_of(scene, request)
    mask = _mask_of(scene, [item])
    plane = _box_of(scene, request, (1.0, 1.0, 1.0))
    side = (scene.instances.voxels.positions[mask][:, :2] - plane.center[:2]) @ plane.axes[0] > 0
    if min(side.sum(), (~side).sum()) < MIN_PART:
        raise EditError("CONFLICT", f"the plane does not divide {named([item])}: all of it is on one side")
    feature = scene.instances.features[item.row]
    scene, first = _shaped(scene, item, mask[~side], feature)
    other = replace(item, id=new_id(), first_seen_ns=scene.cloud.stamp_ns, num_observations=1)
    scene, second = _shaped(scene, other, mask[side], feature)
    return Edited(with_changed(scene, [first, second]), (first.id, second.id), f"split {named([item])}", (second.id,))


def _mask_of(scene, items):
    """The masks of objects, one after the other. Raises EditError if the current map has no points of them."""
    mask = np.concatenate([scene.instances.masks[item.row] for item in items])
    if not len(mask):
        raise EditError("CONFLICT", f"the current map has no points of {named(items)}: edit it when it is seen again")
    return mask


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
    return with_row(scene, item, feature, mask.astype(np.int32))
