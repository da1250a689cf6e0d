"""One set of masks for a map from the masks of its tiles: what two tiles saw of one object becomes one mask."""

import numpy as np

from .instances import Masks
from .sparse import incidence

LEAST_IN_CORE = 1 / 3  # of a mask's voxels; with less, the tile that owns the rest has seen the object better
SAME_IOU = 0.5  # of two masks on the voxels that both tiles saw
SAME_FEATURE = 0.5  # cosine of their features


def merge_tiles(parts, seen, owner, nms_iou):
    """Masks of the whole map, best first, without duplicates.

    parts: for each tile, its Masks as rows of the whole map; seen: for each tile, the sorted rows of its region; owner:
    [M] tile whose core holds each voxel; nms_iou: of two masks that overlap more, the better one stays.
    """
    tile, masks = concatenate(parts)
    home = np.array([np.mean(owner[rows] == t) >= LEAST_IN_CORE for rows, t in zip(masks.rows, tile)], dtype=bool)
    tile, masks = tile[home], masks[home]
    voxels = incidence(masks.rows, len(owner))
    masks = _united(masks, same_objects(masks, voxels, tile, seen))
    masks = masks[np.argsort(-masks.confidence, kind="stable")]
    return masks[without_duplicates(incidence(masks.rows, len(owner)), nms_iou)]


def concatenate(parts):
    """All Masks in one, and the number of the part that each came from, [K] int."""
    number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    columns = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("objectness", "mask_score", "features")
    ]
    return number, Masks(tuple(rows for part in parts for rows in part.rows), *columns)


def same_objects(masks, voxels, tile, seen):
    """Groups of masks that show one object: list of lists of indices, at most one mask of each tile in a group.

    Two masks are the same where their IoU on the voxels that both tiles saw and the cosine of their features are high
    enough; the surest pairs come first. voxels: `incidence` of the masks; tile: [K]; seen: as for `merge_tiles`.
    """
    overlap = (voxels @ voxels.T).tocoo()
    first, second, shared = (values[(overlap.row < overlap.col)] for values in (overlap.row, overlap.col, overlap.data))
    inside = (voxels @ incidence(seen, voxels.shape[1]).T).tocsr()  # [K, tiles] voxels of a mask that a tile saw
    union = _pick(inside, first, tile[second]) + _pick(inside, second, tile[first]) - shared
    unit = masks.features / np.maximum(np.linalg.norm(masks.features, axis=1, keepdims=True), 1e-12)
    cosine = np.einsum("kc,kc->k", unit[first], unit[second])
    iou = shared / union
    same = (tile[first] != tile[second]) & (iou >= SAME_IOU) & (cosine >= SAME_FEATURE)
    group = [[k] for k in range(len(masks))]  # masks of one group share the list
    for pair in np.flatnonzero(same)[np.argsort(-iou[same], kind="stable")]:
        a, b = group[first[pair]], group[second[pair]]
        if a is not b and not {int(tile[k]) for k in a} & {int(tile[k]) for k in b}:
            a.extend(b)
            for k in b:
                group[k] = a
    return [sorted(members) for k, members in enumerate(group) if min(members) == k]


def _pick(matrix, rows, columns):
    return np.asarray(matrix[rows, columns]).ravel()


def _united(masks, groups):
    """One mask per group: the union of the voxels; scores and features averaged by size."""
    size = np.array([len(rows) for rows in masks.rows], dtype=np.float32)
    mean = lambda values, group: np.average(values[group], axis=0, weights=size[group])  # noqa: E731
    unite = lambda group: np.unique(np.concatenate([masks.rows[k] for k in group]))  # noqa: E731
    rows = tuple(masks.rows[group[0]] if len(group) == 1 else unite(group) for group in groups)
    columns = []
    for values in (masks.objectness, masks.mask_score, masks.features):
        merged = [values[group[0]] if len(group) == 1 else mean(values, group) for group in groups]
        columns.append(np.array(merged, dtype=np.float32).reshape(len(groups), *values.shape[1:]))
    return Masks(rows, *columns)


def without_duplicates(voxels, max_iou):
    """Indices of the masks that stay, in order: one that overlaps a better one that stays by an IoU above `max_iou`
    goes. voxels: `incidence` of masks, best first. The rule of `postprocess.non_max_suppression`, for sparse masks."""
    overlap = (voxels @ voxels.T).tocsr()
    size = overlap.diagonal()
    kept = np.zeros(len(size), dtype=bool)
    for k in range(len(size)):
        others, shared = overlap[k].indices, overlap[k].data
        iou = shared / (size[k] + size[others] - shared)
        kept[k] = not (kept[others] & (iou > max_iou)).any()
    return np.flatnonzero(kept)
