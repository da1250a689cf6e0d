"""The scene: an immutable snapshot of the labelled objects of one map, made anew after every inference.

`SceneStore` gives objects their stable ids and keeps those that were not found again until there is evidence that they
are gone (`tracking`); readers keep whatever snapshot they took.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..clouds.cloud import Cloud
from ..geometry.boxes import OrientedBox
from ..instances import Instances
from ..words.color_words import color_shares
from ..words.label_space import LabelSpace
from .file import SavedScene
from .occupancy import CloudCells, Place
from .tracking import Tracks, follow, judge

MAX_WEIGHT = 20.0  # of a mean feature, in sure observations: later ones always count, and names can still change
MAX_CARRIED = 10_000  # objects kept that were not found; beyond it those not found for longest go


@dataclass(frozen=True)
class SceneObject:
    """One object of the map. Positions in the scene's frame; scores in [0, 1]; times in ns of the clouds' clock."""

    id: int  # stable over inferences, never 0, never reused
    row: int  # of its mask in Scene.instances, of what the cloud holds in its place where it was not found
    label: str
    label_index: int  # into the vocabulary's names, background last
    label_score: float  # softmax probability over the vocabulary
    runners_up: tuple  # rows (label, score), best first, the label itself first
    background: bool
    objectness: float
    mask_score: float
    box: OrientedBox
    centroid: np.ndarray  # [3] metres, mean of the points
    num_points: int
    first_seen_ns: int
    last_seen_ns: int
    place: Place  # where it was when it was found last, moved with the map since
    num_observations: int = 1  # inferences that found it
    weight: float = 0.0  # of its mean feature: sum of objectness x mask score, at most MAX_WEIGHT
    missed_views: float = 0.0  # evidence against it since it was found last, in clear views; 0 where it was found
    found: bool = True  # by the last inference

    @property
    def score(self):
        """objectness x mask score x label score."""
        return self.objectness * self.mask_score * self.label_score


@dataclass(frozen=True)
class Scene:
    """What the node knows after an inference: the cloud, its instances and the objects, labelled by one vocabulary."""

    cloud: Cloud
    instances: Instances
    objects: tuple
    space: LabelSpace
    map_revision: int  # +1 at every result, partial ones too
    map_id: str = ""
    partial: bool = False  # made while parts of the map are still being looked at

    @property
    def frame_id(self):
        return self.cloud.frame_id

    def published(self, score_threshold):
        """Objects that are shown: not background, and not below the threshold; the surest that they are things come
        first."""
        shown = [item for item in self.objects if not item.background and item.score >= score_threshold]
        return sorted(shown, key=lambda item: -item.objectness * item.mask_score)

    def find_id(self, object_id):
        """The object of this id, or None."""
        return next((item for item in self.objects if item.id == object_id), None)

    @cached_property
    def color_shares(self):
        """[K, W] float32: share of each instance's points that show each of COLOR_WORDS; 0 where it has none."""
        voxels, masks = self.instances.voxels, self.instances.masks
        shares = color_shares(self.cloud.rgb, voxels.point_to_voxel, len(voxels)) * voxels.point_counts[:, None]
        points = np.array([voxels.point_counts[rows].sum() for rows in masks])
        return np.stack([shares[rows].sum(axis=0) for rows in masks]) / np.maximum(points, 1)[:, None]

    def relabelled(self, space):
        """The same objects under another vocabulary: no network needed, features are kept."""
        return replace(self, objects=label_objects(self.objects, self.instances.features, space), space=space)

    def point_owner(self, shown):
        """[N] int32 index into `shown` of the best object whose mask holds each point of the cloud; -1 for none."""
        rows = np.array([item.row for item in shown], dtype=np.int64)
        owner = self.instances[rows].voxel_owner([item.score for item in shown])
        return owner[self.instances.voxels.point_to_voxel]


def label_objects(objects, features, space):
    """The objects with the labels that `space` gives their features [K, C], by row."""
    if not objects:
        return ()
    labels = space.classify(features[[item.row for item in objects]])
    names, first_background = space.vocabulary.names, len(space.vocabulary.labels)
    return tuple(
        replace(
            item,
            label=names[labels.index[i]],
            label_index=int(labels.index[i]),
            label_score=float(labels.score[i]),
            runners_up=tuple((names[r], float(s)) for r, s in zip(labels.runners_up[i], labels.runner_up_scores[i])),
            background=bool(labels.index[i] >= first_background),
        )
        for i, item in enumerate(objects)
    )


class SceneStore:
    """Makes scenes and keeps identities. One thread updates; the current scene may be read from any thread.

    scene: the newest Scene, perhaps a partial one; complete: the newest that is not partial. None while there is none.
    """

    def __init__(self):
        self.scene, self.complete = None, None
        self._next_id = 1
        self._revision = 0

    def update(self, cloud, instances, space, config, map_id="", partial=False):
        """Label new instances, continue known objects, and swap in the new scene. Returns it.

        config: SceneConfig. Objects are followed inside one frame; a cloud in another frame starts a new map. Those
        that were not found stay, in rows behind the new instances, until `fade_views` views show that they are gone.

        partial: more may be found in this cloud. Nothing counts as missing, and the next scene continues the last
        complete one as if this had never been; but new objects that a partial scene has shown keep their ids.
        """
        cells = CloudCells(cloud, instances.voxels)
        objects = label_objects(new_objects(cloud, instances, cells), instances.features, space)
        if self.complete and self.complete.frame_id == cloud.frame_id:
            objects, instances = self._continue(objects, instances, cells, config, partial)
        shown = self._shown_ids(cloud, instances)
        objects = tuple(
            item if item.id else replace(item, id=shown.get(item.row) or self._new_id()) for item in objects
        )
        self._revision += 1
        objects = label_objects(objects, instances.features, space)
        self.scene = Scene(cloud, instances, objects, space, self._revision, map_id, partial)
        if not partial:
            self.complete = self.scene
        return self.scene

    def _shown_ids(self, cloud, instances):
        """Dict of row -> id, for instances that a partial scene of this cloud has shown in the same rows as new."""
        if self.scene is None or not self.scene.partial or self.scene.cloud is not cloud:
            return {}
        old = {item.id for item in self.complete.objects} if self.complete else set()
        new = [item for item in self.scene.objects if item.id not in old and item.row < len(instances)]
        masks = self.scene.instances.masks
        return {item.row: item.id for item in new if np.array_equal(masks[item.row], instances.masks[item.row])}

    def _continue(self, fresh, instances, cells, config, partial):
        """(objects, Instances): the fresh ones, with the identities that they continue, and behind them the carried."""
        before, known = self.complete.instances, self.complete.objects
        tracks = to_tracks(known, before.features)
        links = follow(to_tracks(fresh, instances.features), tracks, cells, config.track_iou, config.track_distance)
        features, objects = instances.features.copy(), []
        for item, old in zip(fresh, links.partner):
            if old is not None:
                item, features[item.row] = continued(
                    item, features[item.row], known[old], before.features[known[old].row]
                )
            objects.append(item)
        continuing = set(links.partner)
        moved = [carried(item, links.shift) for j, item in enumerate(known) if j not in continuing]
        if not partial:
            held = held_voxels(instances, [item.row for item in fresh if not item.background])
            views = judge([item.place for item in moved], [item.place for item in fresh], cells, held)
            moved = [replace(item, missed_views=item.missed_views + float(view)) for item, view in zip(moved, views)]
        kept = [item for item in moved if item.missed_views < config.fade_views]
        kept = sorted(kept, key=lambda item: (-item.last_seen_ns, item.id))[:MAX_CARRIED]
        instances = replace(instances, features=features)
        return append_objects(objects, instances, kept, before, cells)

    def _new_id(self):
        self._next_id += 1
        return self._next_id - 1

    def relabel(self, space):
        """Swap in the current scene under another vocabulary. Returns it, or None while there is no scene."""
        same = self.scene is self.complete
        self.complete = self.complete and self.complete.relabelled(space)
        self.scene = self.complete if same else self.scene.relabelled(space)
        return self.scene

    def export(self, model):
        """The newest complete scene as a SavedScene, or None. model: ModelIdentity that made its features."""
        if self.complete is None:
            return None
        scene = self.complete
        column = lambda name, dtype: np.array([getattr(item, name) for item in scene.objects], dtype)  # noqa: E731
        return SavedScene(
            cloud=scene.cloud,
            instances=scene.instances,
            ids=column("id", np.int64),
            rows=column("row", np.int64),
            first_seen_ns=column("first_seen_ns", np.int64),
            last_seen_ns=column("last_seen_ns", np.int64),
            num_observations=column("num_observations", np.int64),
            weights=column("weight", np.float64),
            missed_views=column("missed_views", np.float64),
            places=tuple(None if item.found else item.place for item in scene.objects),
            labels=tuple(item.label for item in scene.objects),
            label_scores=column("label_score", np.float32),
            vocabulary=scene.space.vocabulary.entries(),
            model=model,
            map_id=scene.map_id,
            map_revision=scene.map_revision,
            next_id=self._next_id,
        )

    def restore(self, saved, space):
        """Swap in a SavedScene, labelled anew by `space`. Returns it as a Scene; nothing changes where this raises.

        Its objects keep their ids, and no id of either life is given again. The revision is the saved one, or the next
        where this store has come as far: readers take a lower one for old news.
        """
        rows = new_objects(saved.cloud, saved.instances, CloudCells(saved.cloud, saved.instances.voxels))
        objects = tuple(
            replace(
                rows[row],
                id=int(saved.ids[i]),
                first_seen_ns=int(saved.first_seen_ns[i]),
                last_seen_ns=int(saved.last_seen_ns[i]),
                num_observations=int(saved.num_observations[i]),
                weight=float(saved.weights[i]),
                missed_views=float(saved.missed_views[i]),
                place=saved.places[i] or rows[row].place,
                found=saved.places[i] is None,
            )
            for i, row in enumerate(saved.rows)
        )
        objects = label_objects(objects, saved.instances.features, space)
        self._revision = max(saved.map_revision, self._revision + 1)
        self._next_id = max(saved.next_id, self._next_id)
        self.scene = self.complete = Scene(saved.cloud, saved.instances, objects, space, self._revision, saved.map_id)
        return self.scene

    def clear(self):
        """Forget the scene; ids and revisions go on counting."""
        self.scene = self.complete = None


def new_objects(cloud, instances, cells):
    """Objects without identity or label, one per instance. cells: CloudCells of the cloud."""
    return tuple(
        SceneObject(
            id=0,
            row=k,
            label="",
            label_index=-1,
            label_score=0.0,
            runners_up=(),
            background=False,
            objectness=float(instances.objectness[k]),
            mask_score=float(instances.mask_score[k]),
            box=instances.boxes[k],
            centroid=instances.centroids[k],
            num_points=int(instances.num_points[k]),
            first_seen_ns=cloud.stamp_ns,
            last_seen_ns=cloud.stamp_ns,
            place=cells.place(instances.masks[k]),
            weight=float(instances.confidence[k]),
        )
        for k in range(len(instances))
    )


def to_tracks(objects, features):
    """Objects as `tracking` takes them. features: [K, C], by row."""
    return Tracks(
        places=tuple(item.place for item in objects),
        labels=tuple(item.label for item in objects),
        features=features[[item.row for item in objects]],
        centers=np.array([item.centroid for item in objects], dtype=np.float64).reshape(-1, 3),
        sizes=np.array([item.box.size for item in objects], dtype=np.float64).reshape(-1, 3),
    )


def continued(item, feature, old, old_feature):
    """A fresh object with the identity of a known one, and the mean of both features [C], weighted by their scores."""
    total = max(old.weight + item.weight, 1e-12)
    mean = old_feature + np.float32(item.weight / total) * (feature - old_feature)
    first_seen_ns = min(old.first_seen_ns, item.first_seen_ns)  # stamps go back where a bag is played again
    identity = {"id": old.id, "first_seen_ns": first_seen_ns, "num_observations": old.num_observations + 1}
    return replace(item, weight=min(total, MAX_WEIGHT), **identity), mean


def carried(item, shift):
    """An object that was not found, moved with the map."""
    centroid = shift.apply(item.centroid[None])[0].astype(np.float32)
    return replace(item, found=False, place=shift.place(item.place), box=shift.box(item.box), centroid=centroid)


def held_voxels(instances, rows):
    """[M] bool: voxels in the masks of these rows."""
    held = np.zeros(len(instances.voxels), dtype=bool)
    for row in rows:
        held[instances.masks[row]] = True
    return held


def append_objects(objects, instances, kept, before, cells):
    """(objects, Instances) with the carried objects `kept` and rows for them behind the others.

    Their masks are the voxels that now lie in their cells and in no other mask, perhaps none; before: the Instances in
    which they have their rows so far.
    """
    held = held_voxels(instances, range(len(instances)))
    masks = [cells.mask(item.place) for item in kept]
    masks = [mask[~held[mask]] for mask in masks]
    rows = replace(
        before[[item.row for item in kept]],
        boxes=tuple(item.box for item in kept),
        centroids=np.array([item.centroid for item in kept], dtype=np.float32).reshape(-1, 3),
    )
    first, instances = len(instances), instances.with_rows(rows, masks)
    behind = [
        replace(item, row=first + i, num_points=int(instances.num_points[first + i])) for i, item in enumerate(kept)
    ]
    return (*objects, *behind), instances
