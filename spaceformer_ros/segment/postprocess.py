"""From a prediction to instances: scores, thresholds, duplicate removal, component split, boxes.

Small functions on tensors; the default settings are those of the published release.
"""

import hashlib
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree

from ..geometry.boxes import OrientedBox
from ..grids.groups import components, incidence, touching_components
from ..instances import Instances, Masks
from ..network.transfer import to_device, to_host

CHUNK = {"cpu": 4096}  # voxels whose mask logits are worked on at a time: they stay in a CPU's cache
SPARSE = 1 / 20  # of the voxels in a mask on average: with less, sparse products are faster on a CPU than dense ones
SPECK_SHARE = 0.05  # parts of a mask with less than this share of its voxels do not stretch its box
SPECK_CELL = 0.1  # metres; parts are apart when a whole cell of this size between them is empty


def extract_instances(prediction, voxels, config, checkpoint_nms_iou=0.7, fuse_iou=1.0):
    """Instances of a Prediction on a VoxelMap, best first, by a PostprocessConfig.

    checkpoint_nms_iou: used where the config leaves `nms_iou` to the checkpoint; 0.7 is the published value; fuse_iou:
    see `find_masks`.
    """
    nms_iou = config.nms_iou if config.nms_iou >= 0 else checkpoint_nms_iou
    masks = find_masks(prediction, voxels.positions, voxels.point_counts, config, nms_iou, fuse_iou)
    return measure(masks, voxels, config)


def find_masks(prediction, positions, counts, config, nms_iou, fuse_iou=1.0):
    """Masks of a Prediction by a PostprocessConfig, best first, without duplicates; split where that is asked for.

    positions: [M, 3] float32 metres of the voxels; counts: [M] int64 points of each; fuse_iou: a duplicate that
    overlaps the mask that stays by more than this IoU has a say in its mask and feature; 1, as published: none has.
    """
    objectness = prediction.objectness_logits.float().softmax(dim=1)[:, 0]
    masks, mask_score, sizes = score_masks(prediction.mask_logits, counts, config.mask_threshold)
    keep = (objectness >= config.objectness_threshold) & (sizes >= config.min_points)
    rows = torch.nonzero(keep)[:, 0]
    rows = rows[torch.argsort(-(objectness * mask_score)[rows], stable=True)]
    iou = mask_iou(masks[:, rows])
    kept = non_max_suppression(iou, nms_iou)
    if fuse_iou < 1 and len(kept):
        owner, share = fusion_shares(iou, kept, (objectness * mask_score)[rows], fuse_iou)
        masks, mask_score, features = fuse(prediction, rows, owner, share, config.mask_threshold)
    else:
        masks, mask_score = masks[:, rows[kept]], mask_score[rows[kept]]
        features = prediction.clip_features[rows[kept]].float()
    found = Masks(mask_to_rows(masks), *to_host(objectness[rows[kept]], mask_score, features))
    found = found[np.argsort(-found.confidence, kind="stable")]
    if not config.split_components:
        return found
    parent, parts = split_masks(found.rows, positions, config.split_distance)
    return replace(found[parent], rows=parts)


def score_masks(logits, counts, mask_threshold):
    """Masks [M, Q] bool, mask scores [Q], the mean of sigmoid(logit) inside the mask, and input points inside, [Q].

    logits: [M, Q]; counts: [M] points of each voxel.
    """
    masks = logits > mask_threshold
    points = torch.as_tensor(counts, dtype=torch.float32, device=logits.device)
    weights = torch.stack([torch.ones_like(points), points])
    score, sizes = 0.0, 0.0
    for part, inside, weight in _chunks(logits, masks, weights.t()):
        inside = inside.float()
        score = score + (part.float().sigmoid() * inside).sum(dim=0)
        sizes = sizes + weight.t() @ inside
    return masks, score / sizes[0].clamp(min=1), sizes[1].long()


def non_max_suppression(iou, max_iou):
    """Indices of the masks that stay, in order. iou: [K, K] of masks, best first; one that overlaps a better one that
    stays by more than `max_iou` goes. Class-agnostic."""
    kept, rows = [], iou.cpu().numpy()
    for k in range(len(rows)):
        if not (rows[k, kept] > max_iou).any():
            kept.append(k)
    return torch.as_tensor(kept, dtype=torch.int64, device=iou.device)


def fusion_shares(iou, kept, confidence, fuse_iou):
    """Which of the L masks that stay each of K masks counts in, [K] int64, and how much, [K] float32; the shares in one
    that stays sum to 1.

    iou: [K, K]; kept: [L] those that stay; confidence: [K]. A duplicate counts by its confidence in the one that it
    overlaps most, if by more than fuse_iou.
    """
    most, owner = iou[:, kept].max(dim=1)
    owner[kept] = torch.arange(len(kept), device=owner.device)  # also where two that stay are equal
    share = torch.where(most > fuse_iou, confidence, 0)
    share[kept] = confidence[kept].clamp(min=torch.finfo(share.dtype).tiny)
    return owner, share / (share[:, None] * F.one_hot(owner, len(kept))).sum(dim=0)[owner]


def fuse(prediction, rows, owner, share, mask_threshold):
    """Masks [M, L] bool, mask scores [L] and features [L, C] of weighted means over queries: several that started on
    one object saw it differently, and their mean is steadier than the best of them.

    rows: [K] queries; owner, share: [K] as of `fusion_shares`. Probabilities and features of length 1 are averaged.
    """
    limit = torch.tensor(float(mask_threshold)).sigmoid().item()
    heard = share > 0
    rows, share, turns = rows[heard], share[heard, None], in_turns(owner[heard])
    masks, score = [], 0.0
    for (logits,) in _chunks(prediction.mask_logits):
        probability = _mean_probability(logits, rows, share, turns)
        masks.append(probability > limit)
        score = score + (probability * masks[-1]).sum(dim=1)
    masks = torch.cat(masks, dim=1)
    features = F.normalize(prediction.clip_features[rows].float(), dim=1) * share
    return masks.t(), score / masks.sum(dim=1).clamp(min=1), sums_by_owner(turns, features.__getitem__)


def _mean_probability(logits, rows, share, turns):
    """[L, m] of mask logits [m, Q], see `fuse`."""
    weighted = lambda chosen: logits.t().index_select(0, rows[chosen]).float().sigmoid_().mul_(share[chosen])  # noqa: E731
    return sums_by_owner(turns, weighted)


def in_turns(owner):
    """Pairs (rows, their owners), each owner once at most: all owners in order first, then those with a second row, and
    so on. owner: [K] int64 that holds each of 0 to L - 1."""
    device, (owner,) = owner.device, to_host(owner)
    order = np.argsort(owner, kind="stable")
    owner = owner[order]
    turn = np.arange(len(owner)) - np.searchsorted(owner, owner)
    chosen = [turn == number for number in range(turn.max() + 1)]
    return [(to_device(order[rows], device), to_device(owner[rows], device)) for rows in chosen]


def sums_by_owner(turns, values):
    """[L, m]: sums of rows by their owner, on every device in the same order. values: function of rows that gives what
    they hold, [k, m]."""
    (first, _), *others = turns
    total = values(first)
    for rows, owner in others:
        total.index_add_(0, owner, values(rows))
    return total


def mask_iou(masks):
    """[K, K] float32 IoU of every two masks. masks: [M, K] bool."""
    overlap = mask_overlap(masks)
    area = overlap.diagonal()
    return overlap / (area[:, None] + area[None] - overlap)


def mask_overlap(masks):
    """[K, K] float32, voxels that two masks share; exact below 2**24."""
    if masks.device.type == "cpu" and torch.count_nonzero(masks) < SPARSE * masks.numel():
        voxels = incidence(mask_to_rows(masks), len(masks))
        return torch.from_numpy((voxels @ voxels.T).toarray())
    overlap = 0.0
    for (part,) in _chunks(masks):
        part = part.t().float()
        overlap = overlap + part @ part.t()
    return overlap


def _chunks(*tensors):
    """Rows of the tensors, some at a time."""
    rows = CHUNK.get(tensors[0].device.type, 1 << 20)
    return zip(*(tensor.split(rows) for tensor in tensors))


def mask_to_rows(masks):
    """Voxel rows of each mask: [M, K] bool -> tuple of K sorted int32 arrays."""
    owner, row = torch.nonzero(masks.t().contiguous(), as_tuple=True)
    row, stops = to_host(row.int(), torch.bincount(owner, minlength=masks.shape[1]).cumsum(0))
    return tuple(np.split(row, stops[:-1])) if masks.shape[1] else ()


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
    """Instances of Masks on a VoxelMap with their sizes, centroids and boxes, in the same order.

    config: PostprocessConfig whose min_points and max_instances hold, None to keep all; fit: function of a list of
    [n, 3] float32 metres that gives a tuple of OrientedBox, such as a BoxMemory's; None: `fit_boxes`.
    """
    counts = voxels.point_counts
    sizes = mask_sums(masks.rows, counts).astype(np.int64)
    if config is not None:
        kept = np.flatnonzero(sizes >= config.min_points)
        best = np.argsort(-masks.confidence[kept], kind="stable")[: config.max_instances]
        kept = kept[np.sort(best)]
        masks, sizes = masks[kept], sizes[kept]
    sums = [mask_sums(masks.rows, counts * axis.astype(np.float64)) for axis in voxels.positions.T]
    centroids = (np.stack(sums, axis=1) / sizes[:, None]).astype(np.float32)
    boxes = (fit or fit_boxes)([voxels.positions.take(rows, axis=0) for rows in masks.rows])
    return Instances(
        voxels, masks.rows, masks.objectness, masks.mask_score, masks.features, sizes, centroids, tuple(boxes)
    )


def mask_sums(masks, values):
    """[K] float64: sum of the values [M] over each of K arrays of rows."""
    size = np.array([len(rows) for rows in masks], dtype=np.int64)
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *masks])
    values = np.append(values[rows], 0.0)  # so that empty arrays at the end have a place to start at
    return np.where(size > 0, np.add.reduceat(values, np.cumsum(size) - size), 0.0)


def fit_boxes(parts):
    """The upright boxes of a list of [n, 3] float32 metres, specks left out."""
    return tuple(OrientedBox.fit(xyz) for xyz in without_specks(parts))


class BoxMemory:
    """Fits boxes, and remembers them until the next time: a mask that did not change is not fitted again."""

    def __init__(self):
        self._boxes = {}

    def fit(self, parts):
        """As `fit_boxes`."""
        keys = [hashlib.sha1(np.ascontiguousarray(xyz).tobytes(), usedforsecurity=False).digest() for xyz in parts]
        new = {key: xyz for key, xyz in zip(keys, parts) if key not in self._boxes}
        known = self._boxes | dict(zip(new, fit_boxes([*new.values()])))
        self._boxes = {key: known[key] for key in keys}
        return tuple(known[key] for key in keys)


def without_specks(parts):
    """The points of masks without small parts of each that lie apart, so that stray voxels do not stretch its box.

    parts: list of [n, 3] metres, n >= 1. Returns such a list.
    """
    if not parts:
        return []
    size = np.array([len(xyz) for xyz in parts])
    starts, mask = np.cumsum(size) - size, np.repeat(np.arange(len(parts)), size)
    cells = np.floor(np.concatenate(parts) / SPECK_CELL).astype(np.int64)
    component = touching_components(np.column_stack([2 * mask, cells]))  # 2 apart: cells of two masks do not touch
    share = np.bincount(component)[component] / size[mask]
    kept = share >= np.minimum(SPECK_SHARE, np.maximum.reduceat(share, starts))[mask]
    return [xyz[part] for xyz, part in zip(parts, np.split(kept, starts[1:]))]
