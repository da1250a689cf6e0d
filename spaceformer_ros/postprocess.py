"""From a prediction to instances: scores, thresholds, duplicate removal, component split, boxes.

Small functions on tensors; the default settings are those of the published release.
"""

import hashlib
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree

from .boxes import OrientedBox
from .instances import Instances, Masks
from .sparse import components, touching_components

SPECK_SHARE = 0.05  # parts of a mask with less than this share of its voxels do not stretch its box
SPECK_CELL = 0.1  # metres; parts are apart when a whole cell of this size between them is empty


def extract_instances(prediction, voxels, config, checkpoint_nms_iou=0.7):
    """Instances of a Prediction on a VoxelMap, best first, by a PostprocessConfig.

    checkpoint_nms_iou: used where the config leaves `nms_iou` to the checkpoint; 0.7 is the published value.
    """
    nms_iou = config.nms_iou if config.nms_iou >= 0 else checkpoint_nms_iou
    return measure(find_masks(prediction, voxels.positions, voxels.point_counts, config, nms_iou), voxels, config)


def find_masks(prediction, positions, counts, config, nms_iou):
    """Masks of a Prediction by a PostprocessConfig, best first, without duplicates; split where that is asked for.

    positions: [M, 3] float32 metres of the voxels; counts: [M] int64 points of each.
    """
    objectness, masks, mask_score = score_masks(prediction, config.mask_threshold)
    sizes = point_sizes(masks, torch.as_tensor(counts, device=masks.device))
    keep = (objectness >= config.objectness_threshold) & (sizes >= config.min_points)
    rows = torch.nonzero(keep)[:, 0]
    rows = rows[torch.argsort(-(objectness * mask_score)[rows], stable=True)]
    rows = rows[non_max_suppression(masks[:, rows], nms_iou)]
    features = prediction.clip_features[rows].float().cpu().numpy()
    found = Masks(
        mask_to_rows(masks[:, rows]), objectness[rows].cpu().numpy(), mask_score[rows].cpu().numpy(), features
    )
    if not config.split_components:
        return found
    parent, parts = split_masks(found.rows, positions, config.split_distance)
    return replace(found[parent], rows=parts)


def score_masks(prediction, mask_threshold):
    """Objectness [Q], masks [M, Q] bool and mask scores [Q]: the mean of sigmoid(logit) inside the mask."""
    objectness = prediction.objectness_logits.float().softmax(dim=1)[:, 0]
    logits = prediction.mask_logits
    masks = logits > mask_threshold
    inside = torch.where(masks, logits.sigmoid(), 0).sum(dim=0, dtype=torch.float32)
    return objectness, masks, inside / masks.sum(dim=0).clamp(min=1)


def point_sizes(masks, counts):
    """Input points inside each mask, [Q] int64. masks: [M, Q] bool; counts: [M] points per voxel."""
    return torch.stack([count.float() @ part.float() for part, count in _chunks(masks, counts)]).sum(dim=0).long()


def non_max_suppression(masks, max_iou):
    """Indices of the masks that stay, in order. masks: [M, K] bool, best first; one that overlaps a better one that
    stays by an IoU above `max_iou` goes. Class-agnostic."""
    if masks.shape[1] == 0:
        return torch.zeros(0, dtype=torch.int64, device=masks.device)
    overlap = mask_overlap(masks)
    area = overlap.diagonal()
    iou = (overlap / (area[:, None] + area[None] - overlap)).cpu().numpy()
    kept = []
    for k in range(len(iou)):
        if not (iou[k, kept] > max_iou).any():
            kept.append(k)
    return torch.as_tensor(kept, device=masks.device)


def mask_overlap(masks):
    """[K, K] float32, voxels that two masks share; exact below 2**24."""
    return torch.stack([part.float().t() @ part.float() for (part,) in _chunks(masks)]).sum(dim=0)


def _chunks(*tensors, size=65536):
    return zip(*(tensor.split(size) for tensor in tensors))


def mask_to_rows(masks):
    """Voxel rows of each mask: [M, K] bool -> tuple of K sorted int32 arrays."""
    owner, row = torch.nonzero(masks.t().contiguous(), as_tuple=True)
    stops = torch.bincount(owner, minlength=masks.shape[1]).cumsum(0).cpu().numpy()[:-1]
    return tuple(np.split(row.int().cpu().numpy(), stops)) if masks.shape[1] else ()


def split_masks(masks, positions, distance):
    """Each mask cut into its connected components. Returns parents [K'] and the new masks, in order."""
    parents, parts = [], []
    for k, rows in enumerate(masks):
        component = radius_components(positions[rows], distance)
        for c in range(component.max() + 1):
            parents.append(k)
            parts.append(rows[component == c])
    return np.array(parents, dtype=np.int64), tuple(parts)


def radius_components(xyz, distance):
    """[N] int component of each point, where points nearer than `distance` belong together: DBSCAN with min points 1.

    Exact and near-linear: points that share a cell of diagonal `distance` are connected, so only cells are joined,
    by the nearest points of neighbouring cells.
    """
    cells, cell = np.unique(np.floor(xyz / (distance / 3**0.5)).astype(np.int64), axis=0, return_inverse=True)
    members = np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell.ravel()))[:-1])
    pairs = _touching_cells(cells, members, xyz, distance)
    return components(len(cells), pairs)[cell.ravel()]


def _touching_cells(cells, members, xyz, distance):
    """Pairs [P, 2] of cells that hold points nearer than `distance` to each other."""
    # two points in reach lie at most ceil(sqrt(3)) = 2 cells apart on each axis
    candidates = cKDTree(cells).query_pairs(2.0, p=np.inf, output_type="ndarray")
    trees = {}
    touching = []
    for a, b in candidates:
        small, large = sorted((a, b), key=lambda c: len(members[c]))
        if large not in trees:
            trees[large] = cKDTree(xyz[members[large]])
        nearest, _ = trees[large].query(xyz[members[small]], distance_upper_bound=np.nextafter(distance, np.inf))
        if np.isfinite(nearest).any():
            touching.append((a, b))
    return np.array(touching, dtype=np.int64).reshape(-1, 2)


def measure(masks, voxels, config=None, fit=None):
    """Instances of Masks on a VoxelMap with their sizes, centroids and boxes.

    config: PostprocessConfig whose min_points and max_instances hold, None to keep all; fit: function of a list of
    [n, 3] float32 metres that gives a tuple of OrientedBox, such as a BoxMemory's; None: `fit_boxes`.
    """
    counts = voxels.point_counts
    sizes = np.array([counts[rows].sum() for rows in masks.rows], dtype=np.int64)
    if config is not None:
        kept = np.flatnonzero(sizes >= config.min_points)[: config.max_instances]
        masks, sizes = masks[kept], sizes[kept]
    centroids = [np.average(voxels.positions[rows], axis=0, weights=counts[rows]) for rows in masks.rows]
    centroids = np.array(centroids, dtype=np.float32).reshape(-1, 3)
    boxes = (fit or fit_boxes)([voxels.positions[rows] for rows in masks.rows])
    return Instances(
        voxels, masks.rows, masks.objectness, masks.mask_score, masks.features, sizes, centroids, tuple(boxes)
    )


def fit_boxes(parts):
    """The upright boxes of a list of [n, 3] float32 metres, specks left out."""
    return tuple(OrientedBox.fit(without_specks(xyz)) for xyz in parts)


class BoxMemory:
    """Fits boxes, and remembers them until the next time: a mask that did not change is not fitted again."""

    def __init__(self):
        self._boxes = {}

    def fit(self, parts):
        """As `fit_boxes`."""
        keys = [hashlib.blake2b(np.ascontiguousarray(xyz).tobytes(), digest_size=16).digest() for xyz in parts]
        boxes = [self._boxes.get(key) or fit_boxes([xyz])[0] for key, xyz in zip(keys, parts)]
        self._boxes = dict(zip(keys, boxes))
        return tuple(boxes)


def without_specks(xyz):
    """The points of a mask without small parts that lie apart, so that stray voxels do not stretch its box."""
    component = touching_components(np.floor(xyz / SPECK_CELL).astype(np.int64))
    share = np.bincount(component) / len(xyz)
    kept = share[component] >= min(SPECK_SHARE, share.max())
    return xyz[kept]
