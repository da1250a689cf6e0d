"""From a prediction to instances: scores, thresholds, duplicate removal, component split, boxes.

Small functions on tensors; the default settings are those of the published release.
"""

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .boxes import OrientedBox
from .instances import Instances

SPECK_SHARE = 0.05  # parts of a mask with less than this share of its voxels do not stretch its box
SPECK_CELL = 0.1  # metres; parts are apart when a whole cell of this size between them is empty


def extract_instances(prediction, voxels, config, checkpoint_nms_iou=0.7):
    """Instances of a Prediction on a VoxelMap, best first, by a PostprocessConfig.

    checkpoint_nms_iou: used where the config leaves `nms_iou` to the checkpoint; 0.7 is the published value.
    """
    nms_iou = config.nms_iou if config.nms_iou >= 0 else checkpoint_nms_iou
    objectness, masks, mask_score = score_masks(prediction, config.mask_threshold)
    counts = torch.as_tensor(voxels.point_counts, device=masks.device)
    sizes = point_sizes(masks, counts)
    keep = (objectness >= config.objectness_threshold) & (sizes >= config.min_points)
    rows = torch.nonzero(keep)[:, 0]
    rows = rows[torch.argsort(-(objectness * mask_score)[rows], stable=True)]
    rows = rows[non_max_suppression(masks[:, rows], nms_iou)]
    features = prediction.clip_features[rows].float().cpu().numpy()
    columns = [objectness[rows].cpu().numpy(), mask_score[rows].cpu().numpy(), features]
    mask_rows = mask_to_rows(masks[:, rows])
    if config.split_components:
        parent, mask_rows = split_masks(mask_rows, voxels, config.split_distance)
        columns = [column[parent] for column in columns]
    instances = measure(mask_rows, *columns, voxels)
    return instances[instances.num_points >= config.min_points][slice(config.max_instances)]


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


def split_masks(masks, voxels, distance):
    """Each mask cut into its connected components. Returns parents [K'] and the new masks, in order."""
    parents, parts = [], []
    for k, rows in enumerate(masks):
        component = radius_components(voxels.positions[rows], distance)
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
    return _components(len(cells), pairs)[cell.ravel()]


def _components(count, pairs):
    """[count] int component of each node of a graph with the edges `pairs` [P, 2]."""
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count))
    return connected_components(graph, directed=False)[1]


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


def measure(masks, objectness, mask_score, features, voxels):
    """Instances with their sizes, centroids and boxes. masks: tuple of K arrays of voxel rows."""
    counts = voxels.point_counts
    sizes = np.array([counts[rows].sum() for rows in masks], dtype=np.int64)
    centroids = [np.average(voxels.positions[rows], axis=0, weights=counts[rows]) for rows in masks]
    boxes = tuple(OrientedBox.fit(without_specks(voxels.positions[rows])) for rows in masks)
    centroids = np.array(centroids, dtype=np.float32).reshape(-1, 3)
    return Instances(voxels, tuple(masks), objectness, mask_score, features, sizes, centroids, boxes)


def without_specks(xyz):
    """The points of a mask without small parts that lie apart, so that stray voxels do not stretch its box."""
    cells, cell = np.unique(np.floor(xyz / SPECK_CELL).astype(np.int64), axis=0, return_inverse=True)
    component = _components(len(cells), cKDTree(cells).query_pairs(1.0, p=np.inf, output_type="ndarray"))[cell.ravel()]
    share = np.bincount(component) / len(xyz)
    kept = share[component] >= min(SPECK_SHARE, share.max())
    return xyz[kept]
