# SPDX-License-Identifier: Apache-2.0
"""The store: makes a scene of every result and keeps the identities of objects from result to result."""

import threading
from dataclasses import replace

import numpy as np

from .absence import missed_view_weights
from .columns import MAX_COUNT, from_columns, to_columns
from .matching import UNMATCHED, associate
from .objects import MAX_WEIGHT, Scene, SceneObject, label_objects, new_objects
from .occupancy import CloudOccupancy
from .saved_scene import SavedScene
from .tracks import Tracks

MAX_CARRIED = 10_000  # objects kept that were not found; beyond it, those not found for the longest time are removed


class SceneStore:
    """Makes scenes and keeps identities. One thread updates; the current scene may be read from any thread.

    scene: the newest Scene, perhaps a partial one
    complete: the newest complete one
    epoch: number of times the scene was cleared
    lock: held by callers during changes of the scene, so that vocabulary and scene change together
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.epoch = 0
        self.reset()

    def reset(self):
        """Forget the scene and start ids and revisions again."""
        self.clear()
        self._next_id = 1
        self._revision = 0

    def clear(self):
        """Forget the scene; ids and revisions continue."""
        self.epoch += 1
        self.scene = None
        self.complete = None

    def update(self, cloud, instances, space, config, map_id="", partial=False):
        """Label new instances, continue known objects, and replace the scene. Returns the new Scene.

        Identities continue within one frame; a cloud in another frame starts a new map. Objects that were not found
        are kept, in rows after the new instances, until `fade_views` missed views show that they are gone.

        space: LabelSpace
        config: SceneConfig
        partial: more tiles of this cloud follow. Nothing counts as missing, and the next scene continues the last
            complete one; but new objects that a partial scene has shown keep their ids.
        """
        cloud_occupancy = CloudOccupancy(cloud, instances.voxels)
        # Labels are needed twice: tracking compares those of this view with known ones; afterwards the features are
        # means over all views, and may have another label.
        objects = label_objects(new_objects(cloud, instances, cloud_occupancy), instances.features, space)
        if self.complete and self.complete.frame_id == cloud.frame_id:
            objects, instances = self._continued(objects, instances, cloud_occupancy, config, partial)
        objects = label_objects(self._with_ids(objects, cloud, instances), instances.features, space)
        self._revision += 1
        self.scene = Scene(cloud, instances, objects, space, self._revision, map_id, partial)
        if not partial:
            self.complete = self.scene
        return self.scene

    def _with_ids(self, objects, cloud, instances):
        """The objects, those without an id with the one that a partial scene has shown, or a new one."""
        shown = self._ids_shown(cloud, instances)
        return tuple(item if item.id else replace(item, id=shown.get(item.row) or self._new_id()) for item in objects)

    def _ids_shown(self, cloud, instances):
        """Dict row -> id of the instances that a partial scene of this cloud has shown as new, in the same rows."""
        if self.scene is None or not self.scene.partial or self.scene.cloud is not cloud:
            return {}
        old = {item.id for item in self.complete.objects} if self.complete else set()
        new = [item for item in self.scene.objects if item.id not in old and item.row < len(instances)]
        masks = self.scene.instances.masks
        return {item.row: item.id for item in new if np.array_equal(masks[item.row], instances.masks[item.row])}

    def _new_id(self):
        self._next_id += 1
        return self._next_id - 1

    def _continued(self, fresh, instances, cloud_occupancy, config, partial):
        """(objects, Instances): fresh objects with the identities that they continue, then known ones not found."""
        before, known = self.complete.instances, self.complete.objects
        tracks = to_tracks(fresh, instances.features), to_tracks(known, before.features)
        found = associate(*tracks, cloud_occupancy, config.track_iou, config.track_distance)
        features, objects = instances.features.copy(), []
        for item, old in zip(fresh, found.partner):
            if old != UNMATCHED:
                old_feature = before.features[known[old].row]
                item, features[item.row] = inherit_identity(item, features[item.row], known[old], old_feature)
            objects.append(item)
        missing = [known[k] for k in np.setdiff1d(np.arange(len(known)), found.partner)]
        missing = [carry_over(item, found.transform) for item in missing]
        if not partial:
            missing = _with_missed_views(missing, fresh, instances, cloud_occupancy)
        kept = [item for item in missing if item.missed_views < config.fade_views]
        kept = sorted(kept, key=lambda item: (-item.last_seen_ns, item.id))[:MAX_CARRIED]
        return append_objects(objects, replace(instances, features=features), kept, before, cloud_occupancy)

    def relabel(self, space):
        """Label the current scene by another LabelSpace. Returns the Scene, or None if there is none."""
        same = self.scene is self.complete
        self.complete = self.complete and self.complete.relabelled(space)
        self.scene = self.complete if same else self.scene.relabelled(space)
        return self.scene

    def export(self, model):
        """The newest complete scene as a SavedScene, or None. model: ModelIdentity that made its features."""
        scene = self.complete
        if scene is None:
            return None
        return SavedScene(
            cloud=scene.cloud,
            instances=scene.instances,
            objects=to_columns(scene.objects, SceneObject),
            occupancies=tuple(None if item.found else item.occupancy for item in scene.objects),
            labels=tuple(item.label for item in scene.objects),
            vocabulary=scene.space.vocabulary.entries(),
            model=model,
            map_id=scene.map_id,
            map_revision=scene.map_revision,
            next_id=self._next_id,
        )

    def restore(self, saved, space):
        """Replace the scene by a SavedScene, labelled by `space`. Returns the Scene; on an error nothing changes.

        Objects keep their ids; no id given before or after saving is given again. The revision is the saved one, or the
        next one of this store if that is higher: clients ignore lower revisions.
        """
        fresh = new_objects(saved.cloud, saved.instances, CloudOccupancy(saved.cloud, saved.instances.voxels))
        objects = tuple(
            replace(fresh[row["row"]], **row)
            if occupancy is None
            else replace(fresh[row["row"]], occupancy=occupancy, found=False, **row)
            for row, occupancy in zip(from_columns(saved.objects), saved.occupancies)
        )
        objects = label_objects(objects, saved.instances.features, space)
        self._revision = max(saved.map_revision, self._revision + 1)
        self._next_id = max(saved.next_id, self._next_id)
        self.scene = Scene(saved.cloud, saved.instances, objects, space, self._revision, saved.map_id)
        self.complete = self.scene
        return self.scene


def to_tracks(objects, features):
    """Tracks of objects. features: [K, C], by row."""
    return Tracks(
        occupancies=tuple(item.occupancy for item in objects),
        labels=tuple(item.label for item in objects),
        features=features[[item.row for item in objects]],
        centers=np.array([item.centroid for item in objects], dtype=np.float64).reshape(-1, 3),
        sizes=np.array([item.box.size for item in objects], dtype=np.float64).reshape(-1, 3),
    )


def inherit_identity(item, feature, old, old_feature):
    """(object, feature): a fresh object with the identity of a known one and the weighted mean of both features [C]."""
    total = max(old.weight + item.weight, 1e-12)
    mean = old_feature + np.float32(item.weight / total) * (feature - old_feature)
    inherited = replace(
        item,
        id=old.id,
        first_seen_ns=min(old.first_seen_ns, item.first_seen_ns),  # stamps go back when a bag is played again
        num_observations=min(old.num_observations + 1, MAX_COUNT),
        weight=min(total, MAX_WEIGHT),
    )
    return inherited, mean


def carry_over(item, transform):
    """A known object that was not found, moved with the map by a RigidTransform."""
    return replace(
        item,
        found=False,
        occupancy=item.occupancy.moved(transform),
        box=item.box.moved(transform),
        centroid=transform.apply(item.centroid).astype(np.float32),
    )


def _with_missed_views(missing, fresh, instances, cloud_occupancy):
    """The missing objects with the evidence of this cloud against them."""
    explained = _voxels_in_masks(instances, [item.row for item in fresh if not item.background])
    occupancies = [[item.occupancy for item in items] for items in (missing, fresh)]
    weights = missed_view_weights(*occupancies, cloud_occupancy, explained).tolist()
    return [replace(item, missed_views=item.missed_views + weight) for item, weight in zip(missing, weights)]


def _voxels_in_masks(instances, rows):
    """[M] bool: voxels in the masks of these rows."""
    inside = np.zeros(len(instances.voxels), dtype=bool)
    for row in rows:
        inside[instances.masks[row]] = True
    return inside


def append_objects(objects, instances, kept, before, cloud_occupancy):
    """(objects, Instances) with the objects `kept`, which were not found, in additional rows.

    Their masks are the voxels that are now in their cells and in no other mask, perhaps none.

    before: the Instances that contain their rows so far
    """
    inside = _voxels_in_masks(instances, range(len(instances)))
    masks = [cloud_occupancy.mask_of(item.occupancy) for item in kept]
    masks = [mask[~inside[mask]] for mask in masks]
    rows = replace(
        before[[item.row for item in kept]],
        boxes=tuple(item.box for item in kept),
        centroids=np.array([item.centroid for item in kept], dtype=np.float32).reshape(-1, 3),
    )
    first, instances = len(instances), instances.with_rows(rows, masks)
    appended = [
        replace(item, row=first + i, num_points=int(instances.num_points[first + i])) for i, item in enumerate(kept)
    ]
    return (*objects, *appended), instances
