# SPDX-License-Identifier: Apache-2.0
"""The scene: an immutable snapshot of the labelled objects of one map. Every inference creates a new one."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..cameras.evidence import NO_VOTES, Votes, fuse
from ..cameras.thumbnails import Thumbnail
from ..clouds.cloud import Cloud
from ..geometry.boxes import OrientedBox
from ..instances import Instances
from ..words.color_words import color_shares
from ..words.label_space import LabelSpace, ranked
from .columns import MAX_COUNT, MAX_NS, saved
from .occupancy import Occupancy

MISSING_VIEWS = 1.0  # missed views from which an object is reported as missing
MAX_WEIGHT = 20.0  # of a mean feature; bounded, so that new observations can still change the label


@dataclass(frozen=True)
class SceneObject:
    """One object of the map. Positions in the local coordinates of the scene's cloud; scores in [0, 1].

    The fields made by `saved` are stored in scene files as well, and described there.
    """

    id: int = saved(np.int64, "stable id, unique, never 0, never reused; below `next_id`", (1, MAX_COUNT))
    row: int = saved(np.int64, "the instance that shows the object, a row of the arrays with K", (0, MAX_COUNT))
    label: str
    label_index: int  # into the vocabulary's names, background last
    label_score: float = saved(np.float32, "0..1, softmax probability of the label over the vocabulary", (0, 1))
    runners_up: tuple  # (label, score), best first, the label itself first
    background: bool
    objectness: float
    mask_score: float
    box: OrientedBox
    centroid: np.ndarray  # [3] metres, mean of the points
    num_points: int
    first_seen_ns: int = saved(np.int64, "stamp of the first cloud in which it was found", (-MAX_NS, MAX_NS))
    last_seen_ns: int = saved(np.int64, "stamp of the latest", (-MAX_NS, MAX_NS))
    occupancy: Occupancy  # where it was when it was last found, moved with the map since
    num_observations: int = saved(np.int64, "inferences that found it", (1, MAX_COUNT), default=1)
    weight: float = saved(
        np.float64, "of its mean feature: sum of objectness x mask score, bounded", (0, MAX_WEIGHT), default=0.0
    )
    missed_views: float = saved(
        np.float64, "missed views since it was last found (see `fade_views`); 0 if found", (0, 1e9), default=0.0
    )
    outside_maps: int = saved(
        np.int64, "maps in a row without a point near it (see `outside_maps`)", (0, MAX_COUNT), default=0
    )
    pinned: int = saved(np.uint8, "1: an operator keeps it, it is never removed by inferences", (0, 1), default=0)
    deleted: int = saved(np.uint8, "1: an operator has deleted it, it is kept to recognise it", (0, 1), default=0)
    shaped: int = saved(np.uint8, "1: an operator has decided what belongs to it (merge, split)", (0, 1), default=0)
    seen_through: float = saved(
        np.float64,
        "missed views by depth images that see through it; 0 when one shows it",
        (0, 1e9),
        default=0.0,
    )
    proposed: int = saved(np.uint8, "1: only detections in images have shown it, no inference", (0, 1), default=0)
    operator_label: str = ""  # label that an operator gave; it replaces that of the vocabulary
    votes: Votes = NO_VOTES  # what detectors called it in images
    thumbnail: Thumbnail | None = None  # a picture of it
    text_score: float = 0.0  # probability of the label by the text scores alone
    camera_score: float = 0.0  # share of the label in the detections of the object
    named_by_camera: bool = False  # detections in images changed the label
    found: bool = True  # by the last inference

    @property
    def label_source(self):
        """Who gave the label: "operator", "camera" or "network"."""
        return "operator" if self.operator_label else "camera" if self.named_by_camera or self.proposed else "network"

    @property
    def state(self):
        """missing: its place was seen without it, by clouds or depth images; present: found by the last inference;
        proposed: only detections have shown it; unseen: it was not seen."""
        if self.seen_through + self.missed_views >= MISSING_VIEWS:
            return "missing"
        return "present" if self.found else "proposed" if self.proposed else "unseen"

    @property
    def in_map(self):
        """Whether the current map has points near it."""
        return self.outside_maps == 0

    @property
    def score(self):
        """objectness x mask score x label score."""
        return self.objectness * self.mask_score * self.label_score


@dataclass(frozen=True)
class Scene:
    """Result of an inference: the cloud, its instances and the objects, labelled by one vocabulary.

    objects: tuple of SceneObject; those that this inference did not find come last
    deleted: SceneObjects that an operator has deleted; they are only kept to recognise them
    room_names: tuple of (room id, name that an operator gave)
    map_revision: + 1 at every result, partial ones included
    partial: tiles of the map are still being segmented
    remarks: sentences for the user about this result
    """

    cloud: Cloud
    instances: Instances
    objects: tuple
    space: LabelSpace
    map_revision: int
    map_id: str = ""
    partial: bool = False
    remarks: tuple = ()
    deleted: tuple = ()
    room_names: tuple = ()

    @property
    def frame_id(self):
        """Frame of the cloud, into which `cloud.placement` maps all positions."""
        return self.cloud.frame_id

    def is_same(self, other):
        """Whether another Scene, or None, has the same objects, labels and states; what images say may differ."""
        return other is self or (
            other is not None
            and other.cloud is self.cloud
            and other.space is self.space
            and (other.map_revision, other.partial) == (self.map_revision, self.partial)
        )

    def box_in_frame(self, item):
        """The OrientedBox of a SceneObject in the scene's frame, whose z axis must be up."""
        return item.box.moved(self.cloud.placement)

    def published(self, limits):
        """Objects that are not background and reach the thresholds, sorted by objectness x mask score, highest first.

        limits: PostprocessConfig, for its score_threshold and confidence_threshold
        """
        shown = [item for item in self.objects if not item.background and self._reaches(item, limits)]
        return sorted(shown, key=lambda item: -item.objectness * item.mask_score)

    def _reaches(self, item, limits):
        """Whether an object is certain enough to be published; NaN is not below a threshold."""
        if item.proposed:  # by a setting of its own
            return True
        return item.score >= limits.score_threshold and not self.confidence(item) < limits.confidence_threshold

    def confidence(self, item):
        """Probability in [0, 1] that an object is one and has its label; 1 if an operator gave the label, NaN if the
        checkpoint has no calibration."""
        return 1.0 if item.operator_label else self.space.object_confidence(item.score)

    def find_id(self, object_id):
        """The object with this id, or None."""
        return next((item for item in self.objects if item.id == object_id), None)

    @cached_property
    def color_shares(self):
        """[K, W] float32: share of each instance's points that have each of COLOR_WORDS; 0 without points."""
        voxels, masks = self.instances.voxels, self.instances.masks
        shares = color_shares(self.cloud.rgb, voxels.point_to_voxel, len(voxels)) * voxels.point_counts[:, None]
        points = np.array([voxels.point_counts[rows].sum() for rows in masks])
        return np.stack([shares[rows].sum(axis=0) for rows in masks]) / np.maximum(points, 1)[:, None]

    def relabelled(self, space):
        """The same objects with the labels of another LabelSpace. Needs no network: features are kept."""
        return replace(self, objects=label_objects(self.objects, self.instances.features, space), space=space)

    def point_owner(self, shown):
        """[N] int32 index into `shown` of the best object whose mask contains each point of the cloud; -1: none."""
        rows = np.array([item.row for item in shown], dtype=np.int64)
        owner = self.instances[rows].voxel_owner([item.score for item in shown])
        return owner[self.instances.voxels.point_to_voxel]


def divided(objects):
    """(objects, deleted ones), two tuples."""
    return tuple(item for item in objects if not item.deleted), tuple(item for item in objects if item.deleted)


def label_objects(objects, features, space):
    """The objects with the labels of a LabelSpace, from their features [K, C], by row, and from what detectors called
    them in images; or the label that an operator gave."""
    if not objects:
        return ()
    found = with_votes(space.probabilities(features[[item.row for item in objects]]), objects, space)
    labels = ranked(found.fused)
    names, first_background = space.vocabulary.names, len(space.vocabulary.labels)
    labelled = (
        replace(
            item,
            label=names[best],
            label_index=int(best),
            label_score=float(found.fused[i, best]),
            text_score=float(found.text[i, best]),
            camera_score=float(found.camera[i, best]),
            named_by_camera=bool(found.by_camera[i]),
            # another label may exceed `best` by less than the margin
            runners_up=led_by((names[best], float(found.fused[i, best])), _named(names, *rows))[: len(rows[0])],
            background=bool(best >= first_background),
        )
        for i, (item, best, *rows) in enumerate(zip(objects, found.best, labels.runners_up, labels.runner_up_scores))
    )
    return tuple(
        _with_operator_label(item, space, found.text[i], found.camera[i]) if item.operator_label else item
        for i, item in enumerate(labelled)
    )


def with_votes(text, objects, space):
    """The Names of objects by their probabilities [O, L] of the text scores and by their votes."""
    return fuse(text, [item.votes for item in objects], space.find_label, space.rule)


def _named(names, index, scores):
    """Rows (label, score) of labels by their index."""
    return [(names[i], float(score)) for i, score in zip(index, scores)]


def led_by(first, rows):
    """Rows (label, score) with `first` at the beginning, in place of another row with its label."""
    return (first, *(row for row in rows if row[0] != first[0]))


def _with_operator_label(item, space, text, camera):
    """A labelled object with the label that an operator gave it, which is certain. text, camera: [L] of its Names."""
    index = space.find_label(item.operator_label)
    return replace(
        item,
        label=item.operator_label,
        label_index=-1 if index is None else index,
        label_score=1.0,
        text_score=0.0 if index is None else float(text[index]),
        camera_score=0.0 if index is None else float(camera[index]),
        runners_up=led_by((item.operator_label, 1.0), item.runners_up),
        background=False,
    )


def new_objects(cloud, instances, cloud_occupancy):
    """Objects without identity or label, one per instance. cloud_occupancy: CloudOccupancy of the cloud."""
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
            occupancy=cloud_occupancy.of_mask(instances.masks[k]),
            weight=float(instances.confidence[k]),
        )
        for k in range(len(instances))
    )
