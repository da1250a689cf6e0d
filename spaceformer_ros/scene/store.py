# SPDX-License-Identifier: Apache-2.0
"""The scene store: creates a scene from every result and keeps the ids of objects from result to result."""

import logging
import threading
from dataclasses import replace

import numpy as np

from .. import SpaceformerError
from ..cameras.evidence import Votes
from ..clouds.origin import is_near
from .columns import from_columns, to_columns
from .continuation import continued
from .edit_request import UNDO, EditError
from .edits import edited
from .objects import Scene, SceneObject, divided, label_objects, new_objects
from .occupancy import CloudOccupancy
from .reshape import reshaped
from .saved_scene import Edit, SavedScene
from .undo import Undo, newest

logger = logging.getLogger(__name__)

MAX_FRAMES = 3  # scenes in different frames that are kept, the current one included
MIN_LOST = 4  # objects of the last scene; a result that has fewer than half of them is remarked on
MAX_HISTORY = 1000  # edits that are listed


class SceneStore:
    """Creates scenes and keeps ids. One thread updates; the current scene may be read from any thread.

    scene: the newest Scene, perhaps a partial one
    complete: the newest complete one
    history: tuple of Edit, the last MAX_HISTORY edits by operators, oldest first
    epoch: number of times the scene was cleared
    lock: held by callers during changes of the scene, so that vocabulary and scene change together
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.epoch = 0  # clouds that arrive while the model is loaded are of epoch 0
        self._forget()
        self._restart()

    def reset(self):
        """Drop the scene; ids and revisions start again."""
        self.clear()
        self._restart()

    def clear(self):
        """Drop the scenes of all frames; ids and revisions continue."""
        self.epoch += 1
        self._forget()

    def _restart(self):
        self._next_id = 1
        self._revision = 0
        self.history = ()

    def _forget(self):
        self.scene = None
        self.complete = None
        self._undo = []  # of the edits that can be taken back, oldest first
        self._by_frame = {}  # `Cloud.coordinates` -> the last complete Scene in them, the latest last

    def in_known_coordinates(self, cloud):
        """The cloud relative to the origin of the last scene in its frame, where float32 can resolve it there."""
        for scene in reversed(self._by_frame.values()):
            known = scene.cloud
            if (known.frame_id, known.up) == (cloud.frame_id, cloud.up) and is_near(known.origin, cloud.origin):
                return cloud.at_origin(known.origin)
        return cloud

    def update(self, cloud, instances, space, config, map_id="", partial=False):
        """Label new instances, continue known objects, and replace the scene. Returns the new Scene.

        Identities continue within one frame. A cloud in another frame starts another map; the scenes of the last
        MAX_FRAMES frames are kept, those with objects longest, and continue with the next cloud in their frame.
        Objects that were not found are kept, in rows after the new instances, until `fade_views` missed views show
        that they are gone, or `outside_maps` maps had no point near them.

        space: LabelSpace
        config: SceneConfig
        partial: more tiles of this cloud follow. Nothing counts as missing, and the next scene continues the last
            complete one; but new objects that a partial scene has shown keep their ids.
        """
        cloud_occupancy = CloudOccupancy(cloud, instances.voxels)
        # Labels are computed twice: tracking compares the labels of this view with known ones; afterwards the features
        # are means over all views and may have another label.
        before = self._by_frame.get(cloud.coordinates)
        instances, parts = reshaped(instances, before, cloud_occupancy)
        fresh = [item for item in new_objects(cloud, instances, cloud_occupancy) if item.row not in parts]
        objects = label_objects(fresh, instances.features, space)
        if before:
            objects, instances = continued(before, objects, instances, cloud_occupancy, config, partial)
        objects = label_objects(self._with_ids(objects, cloud, instances), instances.features, space)
        objects, deleted = divided(objects)
        self._revision += 1
        remarks = self._remarks(before, cloud, objects) if not partial else ()
        names = before.room_names if before else ()
        self.scene = Scene(cloud, instances, objects, space, self._revision, map_id, partial, remarks, deleted, names)
        if not partial:
            self._complete(self.scene)
        return self.scene

    def _complete(self, scene):
        """Make a Scene the newest complete one."""
        self.complete = scene
        self._by_frame.pop(scene.cloud.coordinates, None)
        self._by_frame[scene.cloud.coordinates] = scene
        if len(self._by_frame) > MAX_FRAMES:
            others = list(self._by_frame)[:-1]
            self._drop(min(others, key=lambda key: bool(self._by_frame[key].objects)))  # the first without objects

    def _drop(self, coordinates):
        """Forget the scene of a frame."""
        lost = self._by_frame.pop(coordinates)
        if lost.objects:
            logger.warning(
                "the %d objects of frame %r are forgotten: maps of %d other frames have come since",
                *(len(lost.objects), lost.frame_id, MAX_FRAMES),
            )

    def _remarks(self, before, cloud, objects):
        """Sentences about a change of frame and about a result that has lost most objects."""
        remarks = []
        if self.complete and self.complete.objects and self.complete.frame_id != cloud.frame_id:
            remarks.append(
                f"the map is in frame {cloud.frame_id!r}, the last one was in {self.complete.frame_id!r}: its "
                f"{len(self.complete.objects)} objects are kept until the next map in that frame"
            )
        found = sum(item.found for item in objects)
        last = sum(item.found for item in before.objects) if before else 0
        if last >= MIN_LOST and found < last / 2:
            remarks.append(
                f"{found} objects were found, {last} in the last map of frame {cloud.frame_id!r}: the others are kept "
                "while their locations are not seen"
            )
        for remark in remarks:
            logger.warning("%s", remark)
        return tuple(remarks)

    def _with_ids(self, objects, cloud, instances):
        """The objects, those without an id with the one that a partial scene has shown, or a new one."""
        shown = self._ids_shown(cloud, instances)
        return tuple(item if item.id else replace(item, id=shown.get(item.row) or self.new_id()) for item in objects)

    def _ids_shown(self, cloud, instances):
        """Dict row -> id of the instances that a partial scene of this cloud has shown as new, in the same rows."""
        if self.scene is None or not self.scene.partial or self.scene.cloud is not cloud:
            return {}
        before = self._by_frame.get(cloud.coordinates)
        old = {item.id for item in before.objects} if before else set()
        new = [item for item in self.scene.objects if item.id not in old and item.row < len(instances)]
        masks = self.scene.instances.masks
        return {item.row: item.id for item in new if np.array_equal(masks[item.row], instances.masks[item.row])}

    def new_id(self):
        """An id that no object has had. The caller holds the lock."""
        self._next_id += 1
        return self._next_id - 1

    def relabel(self, space):
        """Label all scenes by another LabelSpace. Returns the current Scene, or None if there is none."""
        same = self.scene is self.complete
        self._by_frame = {key: scene.relabelled(space) for key, scene in self._by_frame.items()}
        self.complete = self.complete and self._by_frame[self.complete.cloud.coordinates]
        self.scene = self.complete if same else self.scene.relabelled(space)
        return self.scene

    def amend(self, change):
        """Replace the newest complete scene by `change(scene)`, a function of it. Returns the Scene, with the next
        revision, if objects, labels or states changed.

        Otherwise None, and while a partial scene is shown: then nothing changes.
        """
        with self.lock:
            before = self.scene
            if before is None or before is not self.complete:
                return None
            scene = change(before)
            if scene is before:
                return None
            changed = _shown(scene) != _shown(before)
            self._revision += changed
            self.scene = replace(scene, map_revision=self._revision) if changed else scene
            self._complete(self.scene)
            return self.scene if changed else None

    def edit(self, request, vector=None, stamp_ns=0):
        """Apply an EditRequest to the newest complete scene. Returns (Scene, ids that changed).

        vector: [C] unit vector of its label, if it has one; stamp_ns: time of the edit, kept with it. All or nothing.
        Raises EditError and SpaceformerError.
        """
        with self.lock:
            before, next_id = self._editable(request), self._next_id
            try:
                if request.operation == UNDO:
                    scene, ids, text = self._undone(before, request.count)
                    self._undo = self._undo[: -request.count]
                else:
                    result = edited(before, request, vector, self.new_id)
                    scene, ids, text = result.scene, result.ids, result.text
                    self._undo = newest([*self._undo, Undo.of(before, request, result)])
            except SpaceformerError:
                self._next_id = next_id
                raise
            self._revision += 1
            self.history = (*self.history, Edit(stamp_ns, request.author, text))[-MAX_HISTORY:]
            self.scene = replace(scene, map_revision=self._revision)
            self._complete(self.scene)
            return self.scene, ids

    def _editable(self, request):
        """The scene that a request applies to. Raises EditError."""
        if self.scene is None:
            raise EditError("NO_MAP_YET", "there is no scene to edit yet")
        if self.scene is not self.complete:
            raise EditError("CONFLICT", "a partial result is shown: edit the complete one, which follows")
        if request.expected_revision not in (0, self.scene.map_revision):
            raise EditError(
                "CONFLICT",
                f"the scene has changed: its revision is {self.scene.map_revision}, the edit was made for "
                f"{request.expected_revision}; look at it again",
            )
        return self.scene

    def _undone(self, scene, count):
        """(Scene, ids, words) without the last edits."""
        if not 1 <= count <= len(self._undo):
            raise EditError("CONFLICT", f"{count} edits cannot be taken back: {len(self._undo)} are known")
        others = {undo.frame_id for undo in self._undo[-count:]} - {scene.frame_id}
        if others:
            raise EditError("CONFLICT", f"an edit was made in frame {others.pop()!r}, this map is in another one")
        ids, texts = [], []
        for undo in reversed(self._undo[-count:]):
            scene = undo.applied(scene)
            ids += undo.ids
            texts.append(undo.text)
        return scene, tuple(dict.fromkeys(ids)), f"took back: {'; '.join(texts)}"

    def export(self, model):
        """The newest complete scene as a SavedScene, or None. model: ModelIdentity that made its features."""
        scene = self.complete
        if scene is None:
            return None
        objects = (*scene.objects, *scene.deleted)
        return SavedScene(
            cloud=scene.cloud,
            instances=scene.instances,
            objects=to_columns(objects, SceneObject),
            occupancies=tuple(None if item.found else item.occupancy for item in objects),
            labels=tuple(item.label for item in objects),
            operator_labels=tuple(item.operator_label for item in objects),
            votes=tuple(item.votes.sums for item in objects),
            thumbnails=tuple(item.thumbnail for item in objects),
            room_names=scene.room_names,
            history=self.history,
            undo=tuple(self._undo),
            vocabulary=scene.space.vocabulary.entries(),
            model=model,
            map_id=scene.map_id,
            map_revision=scene.map_revision,
            next_id=self._next_id,
        )

    def restore(self, saved, space, remarks=()):
        """Replace the scene by a SavedScene, labelled by `space`. Returns the Scene; on an error nothing changes.

        remarks: those of the Scene

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
        objects = [
            replace(item, operator_label=label, votes=Votes(sums), thumbnail=thumbnail)
            for item, label, sums, thumbnail in zip(objects, saved.operator_labels, saved.votes, saved.thumbnails)
        ]
        objects, deleted = divided(label_objects(objects, saved.instances.features, space))
        self._revision = max(saved.map_revision, self._revision + 1)
        self._next_id = max(saved.next_id, self._next_id)
        self.scene = Scene(
            saved.cloud,
            saved.instances,
            objects,
            space,
            self._revision,
            saved.map_id,
            deleted=deleted,
            room_names=saved.room_names,
            remarks=remarks,
        )
        self.history, self._undo = saved.history, list(saved.undo)
        self._complete(self.scene)
        return self.scene


def _shown(scene):
    """What is published of the objects of a Scene and that images may change."""
    return [(item.id, item.label, item.state) for item in scene.objects]
