# SPDX-License-Identifier: Apache-2.0
"""What the edits of a scene have in common: the objects they are about, and the scene with objects changed."""

from dataclasses import dataclass, replace

import numpy as np

from ..instances import Instances
from .edit_request import EditError
from .objects import SceneObject, divided, label_objects


@dataclass(frozen=True)
class Edited:
    """Result of an edit: the new Scene, the ids of its objects that changed, and what was done in words.

    created: ids that did not exist before
    """

    scene: object
    ids: tuple
    text: str
    created: tuple = ()


def objects_of(scene, request):
    """The objects of a request. Raises EditError NOT_FOUND."""
    found = {item.id: item for item in scene.objects}
    missing = [key for key in request.ids if key not in found]
    if missing:
        raise EditError("NOT_FOUND", f"no object with id {', '.join(map(str, missing[:20]))} in the scene")
    return [found[key] for key in request.ids]


def with_changed(scene, changed, removed=()):
    """The Scene with changed objects, by id, and without some. Those flagged as deleted move there."""
    changed = {item.id: item for item in changed}
    kept = [changed.pop(item.id, item) for item in (*scene.objects, *scene.deleted) if item.id not in removed]
    objects, deleted = divided(label_objects([*kept, *changed.values()], scene.instances.features, scene.space))
    return replace(scene, objects=objects, deleted=deleted)


def with_feature(scene, item, feature):
    """The Scene with another feature [C] of an object."""
    features = scene.instances.features.copy()
    features[item.row] = feature
    return replace(scene, instances=replace(scene.instances, features=features))


def object_at(scene, key, label, box, occupancy, **fields):
    """A SceneObject for something that the last inference did not find; `with_row` gives it its row.

    key: its id; box: OrientedBox; occupancy: Occupancy; fields: its scores, centroid and what else is known of it
    """
    return SceneObject(
        id=key,
        row=0,
        label=label,
        label_index=-1,
        runners_up=(),
        background=False,
        box=box,
        num_points=0,
        first_seen_ns=scene.cloud.stamp_ns,
        last_seen_ns=scene.cloud.stamp_ns,
        occupancy=occupancy,
        found=False,
        **fields,
    )


def with_row(scene, item, feature, mask):
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


def named(items):
    return ", ".join(f"{item.label} {item.id}" for item in items)
