"""The scene: an immutable snapshot of the labelled objects of one map, made anew after every inference.

`SceneStore` gives objects their stable ids; readers keep whatever snapshot they took.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from .boxes import OrientedBox
from .cloud import Cloud
from .color_words import color_shares
from .instances import Instances
from .scene_file import SavedScene
from .vocabulary import LabelSpace

TRACK_CELL = 0.1  # metres; identity is judged on cells of this size, anchored at the frame's origin


@dataclass(frozen=True)
class SceneObject:
    """One object of the map. Positions in the scene's frame; scores in [0, 1]; times in ns of the clouds' clock."""

    id: int  # stable over inferences, never 0, never reused
    row: int  # of its mask in Scene.instances
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
    cells: np.ndarray  # sorted int64 keys of the TRACK_CELL cells it occupies

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
    map_revision: int  # +1 at every inference
    map_id: str = ""

    @property
    def frame_id(self):
        return self.cloud.frame_id

    def published(self, score_threshold):
        """Objects that are shown: not background, and not below the threshold."""
        return [item for item in self.objects if not item.background and item.score >= score_threshold]

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
        return replace(self, objects=label_objects(self.objects, self.instances, space), space=space)

    def point_owner(self, shown):
        """[N] int32 index into `shown` of the best object whose mask holds each point of the cloud; -1 for none."""
        rows = np.array([item.row for item in shown], dtype=np.int64)
        owner = self.instances[rows].voxel_owner([item.score for item in shown])
        return owner[self.instances.voxels.point_to_voxel]


def label_objects(objects, instances, space):
    """The objects with the labels that `space` gives their features."""
    if not objects:
        return ()
    labels = space.classify(instances.features[[item.row for item in objects]])
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
    """Makes scenes and keeps identities. One thread updates; the current scene may be read from any thread."""

    def __init__(self):
        self.scene = None
        self._next_id = 1
        self._revision = 0

    def update(self, cloud, instances, space, config, map_id=""):
        """Label new instances, continue known objects, and swap in the new scene. Returns it.

        config: SceneConfig. Objects are followed inside one frame; a cloud in another frame starts a new map.
        """
        fresh = label_objects(new_objects(cloud, instances), instances, space)
        known = self.scene.objects if self.scene and self.scene.frame_id == cloud.frame_id else ()
        partner = match_objects(fresh, known, config.track_iou, config.track_distance)
        objects = []
        for item, old in zip(fresh, partner):
            if old is None:
                objects.append(replace(item, id=self._next_id))
                self._next_id += 1
            else:
                objects.append(replace(item, id=known[old].id, first_seen_ns=known[old].first_seen_ns))
        self._revision += 1
        self.scene = Scene(cloud, instances, tuple(objects), space, self._revision, map_id)
        return self.scene

    def relabel(self, space):
        """Swap in the current scene under another vocabulary. Returns it, or None while there is no scene."""
        if self.scene is not None:
            self.scene = self.scene.relabelled(space)
        return self.scene

    def export(self, model):
        """The current scene as a SavedScene, or None. model: ModelIdentity that made its features."""
        if self.scene is None:
            return None
        scene = self.scene
        column = lambda name, dtype: np.array([getattr(item, name) for item in scene.objects], dtype)  # noqa: E731
        return SavedScene(
            cloud=scene.cloud,
            instances=scene.instances,
            ids=column("id", np.int64),
            rows=column("row", np.int64),
            first_seen_ns=column("first_seen_ns", np.int64),
            last_seen_ns=column("last_seen_ns", np.int64),
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
        fresh = new_objects(saved.cloud, saved.instances)
        identities = zip(saved.rows, saved.ids, saved.first_seen_ns, saved.last_seen_ns)
        objects = tuple(
            replace(fresh[row], id=int(number), first_seen_ns=int(first), last_seen_ns=int(last))
            for row, number, first, last in identities
        )
        objects = label_objects(objects, saved.instances, space)
        self._revision = max(saved.map_revision, self._revision + 1)
        self._next_id = max(saved.next_id, self._next_id)
        self.scene = Scene(saved.cloud, saved.instances, objects, space, self._revision, saved.map_id)
        return self.scene

    def clear(self):
        """Forget the scene; ids and revisions go on counting."""
        self.scene = None


def new_objects(cloud, instances):
    """Objects without identity or label, one per instance."""
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
            cells=occupied_cells(instances.voxels.positions[instances.masks[k]]),
        )
        for k in range(len(instances))
    )


def occupied_cells(xyz):
    """Sorted unique int64 keys of the TRACK_CELL cells that hold points. xyz: [N, 3] metres."""
    cell = np.floor(xyz / TRACK_CELL).astype(np.int64) + (1 << 20)
    return np.unique(cell[:, 0] << 42 | cell[:, 1] << 21 | cell[:, 2])


def match_objects(fresh, known, min_iou, max_distance):
    """For each fresh object the index of the known one that it continues, or None.

    First by overlap of occupied cells (best total IoU, each pair above min_iou), then, among what is left, nearest
    centroids of the same label within max_distance metres.
    """
    partner = [None] * len(fresh)
    if not fresh or not known:
        return partner
    iou = cell_iou([item.cells for item in fresh], [item.cells for item in known])
    _assign(partner, np.where(iou > min_iou, -iou, np.inf))
    apart = np.array([[np.linalg.norm(a.centroid - b.centroid) for b in known] for a in fresh])
    same = np.array([[a.label == b.label for b in known] for a in fresh])
    _assign(partner, np.where(same & (apart <= max_distance), apart, np.inf))
    return partner


def _assign(partner, cost):
    """Fill gaps of `partner` with the cheapest one-to-one pairs of finite cost that are still free."""
    taken = [old for old in partner if old is not None]
    cost[[i for i, old in enumerate(partner) if old is not None]] = np.inf
    cost[:, taken] = np.inf
    forbidden = 1e9  # stands for infinity, which the solver does not accept in full rows
    for i, j in zip(*linear_sum_assignment(np.where(np.isfinite(cost), cost, forbidden))):
        if np.isfinite(cost[i, j]):
            partner[i] = int(j)


def cell_iou(first, second):
    """[A, B] intersection over union of two lists of cell-key arrays."""
    keys = np.unique(np.concatenate([*first, *second]))
    a, b = _incidence(first, keys), _incidence(second, keys)
    overlap = (a @ b.T).toarray()
    sizes_a, sizes_b = (np.array([len(cells) for cells in group]) for group in (first, second))
    return overlap / (sizes_a[:, None] + sizes_b[None] - overlap)


def _incidence(groups, keys):
    starts = np.cumsum([0, *(len(cells) for cells in groups)])
    columns = np.searchsorted(keys, np.concatenate(groups))
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(groups), len(keys)))
