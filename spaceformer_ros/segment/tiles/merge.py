"""One set of masks for a map from the masks of its tiles: what two tiles saw of one object becomes one mask."""

from dataclasses import dataclass

import numpy as np

from ...geometry.vectors import unit_vectors
from ...grids.groups import components, incidence
from ...instances import Masks

LEAST_IN_CORE = 1 / 3  # of a mask's voxels; with less, the tile that owns the rest has seen the object better
SAME_IOU = 0.5  # of two masks on the voxels that both tiles saw
SAME_FEATURE = 0.5  # cosine of their features
LINKED_IOU = 0.25  # of two masks on the voxels that both tiles saw; with less, neither matters to the other


def merge_tiles(parts, seen, owner, nms_iou):
    """Masks of the whole map, without duplicates, as far as they are settled: no tile that is missing can change them.

    parts: dict of tile -> its Masks as rows of the whole map, in the order in which the tiles were looked at; seen: for
    every tile, missing ones too, the sorted rows of its region; owner: [M] tile whose core holds each voxel; nms_iou:
    of two masks that overlap more, the better one stays.

    What is settled by earlier tiles comes first, and the best first of what one tile settles: with more tiles, the same
    masks are the beginning of the result.
    """
    tile, masks = concatenate(parts)
    size = np.array([len(rows) for rows in masks.rows], dtype=np.int64)
    at_home = owner[np.concatenate([np.zeros(0, dtype=np.int32), *masks.rows])] == np.repeat(tile, size)
    home = np.bincount(np.repeat(np.arange(len(size)), size), at_home, len(size)) >= LEAST_IN_CORE * size
    tile, masks = tile[home], masks[home]
    if not len(masks):
        return masks
    voxels = incidence(masks.rows, len(owner))
    inside = (voxels @ incidence(seen, len(owner)).T).tocsr()  # [K, tiles] voxels of a mask that a tile saw
    pairs = overlaps(voxels, inside, tile)
    part = components(len(masks), pairs.of[pairs.iou >= min(LINKED_IOU, nms_iou)])
    groups = same_objects(masks, pairs, tile)
    last = _last_turn(part, inside, parts)[[group[0] for group in groups]]
    part = part[[group[0] for group in groups]]
    masks = _united(masks, groups)
    order = np.lexsort((-masks.confidence, last))
    order = order[last[order] < len(parts)]
    masks, part = masks[order], part[order]
    return masks[without_duplicates(incidence(masks.rows, len(owner)), nms_iou, part)]


def concatenate(parts):
    """All Masks of a dict in one, and the key that each came from, [K] int."""
    number = np.repeat(np.array([*parts], dtype=np.int64), [len(part) for part in parts.values()])
    columns = [
        np.concatenate([getattr(part, name) for part in parts.values()])
        for name in ("objectness", "mask_score", "features")
    ]
    return number, Masks(tuple(rows for part in parts.values() for rows in part.rows), *columns)


@dataclass(frozen=True)
class Overlaps:
    """P pairs of masks that share voxels: `of` [P, 2], the lower index first; iou: [P] on the voxels that the tiles of
    both saw."""

    of: np.ndarray
    iou: np.ndarray


def overlaps(voxels, inside, tile):
    """The Overlaps of K masks. voxels: their `incidence`; inside: [K, tiles] voxels of each that a tile saw; tile: [K]
    where each was found."""
    shared = (voxels @ voxels.T).tocoo()
    first, second, count = (values[shared.row < shared.col] for values in (shared.row, shared.col, shared.data))
    union = _pick(inside, first, tile[second]) + _pick(inside, second, tile[first]) - count
    return Overlaps(np.column_stack([first, second]), count / union)


def same_objects(masks, pairs, tile):
    """Groups of masks that show one object: list of lists of indices, at most one mask of each tile in a group.

    Two masks are the same where their IoU and the cosine of their features are high enough; the surest pairs come
    first. pairs: their Overlaps; tile: [K].
    """
    first, second = pairs.of.T
    unit = unit_vectors(masks.features)
    cosine = np.einsum("kc,kc->k", unit[first], unit[second])
    same = (tile[first] != tile[second]) & (pairs.iou >= SAME_IOU) & (cosine >= SAME_FEATURE)
    group = [[k] for k in range(len(masks))]  # masks of one group share the list
    for pair in np.flatnonzero(same)[np.argsort(-pairs.iou[same], kind="stable")]:
        a, b = group[first[pair]], group[second[pair]]
        if a is not b and not {int(tile[k]) for k in a} & {int(tile[k]) for k in b}:
            a.extend(b)
            for k in b:
                group[k] = a
    return [sorted(members) for k, members in enumerate(group) if min(members) == k]


def _last_turn(part, inside, parts):
    """[K] int: for each mask, the turn of the last tile that sees a voxel of its part, the number of turns if that one
    is missing. part: [K] number of the masks that are linked."""
    turn = np.full(inside.shape[1], len(parts))
    turn[[*parts]] = np.arange(len(parts))
    last, seen = np.zeros(part.max() + 1, dtype=np.int64), inside.tocoo()
    np.maximum.at(last, part[seen.row], turn[seen.col])
    return last[part]


def _pick(matrix, rows, columns):
    return np.asarray(matrix[rows, columns]).ravel()


def _united(masks, groups):
    """One mask per group: the union of the voxels; scores and features averaged by size."""
    size = np.array([len(rows) for rows in masks.rows], dtype=np.float32)
    mean = lambda values, group: np.average(values[group], axis=0, weights=size[group])  # noqa: E731
    unite = lambda group: union([masks.rows[k] for k in group])  # noqa: E731
    rows = tuple(masks.rows[group[0]] if len(group) == 1 else unite(group) for group in groups)
    columns = []
    for values in (masks.objectness, masks.mask_score, masks.features):
        merged = [values[group[0]] if len(group) == 1 else mean(values, group) for group in groups]
        columns.append(np.array(merged, dtype=np.float32).reshape(len(groups), *values.shape[1:]))
    return Masks(rows, *columns)


def union(groups):
    """Sorted rows that any of some sorted arrays of unique rows holds."""
    rows = np.sort(np.concatenate(groups), kind="stable")
    return rows[np.diff(rows, prepend=-1) > 0]


def without_duplicates(voxels, max_iou, part=0):
    """Indices of the masks that stay, in order: one that overlaps a better one that stays by an IoU above `max_iou`
    goes. voxels: `incidence` of masks, best first; part: [K] int, only masks of one part are compared. The rule of
    `postprocess.non_max_suppression`, for sparse masks."""
    overlap = (voxels @ voxels.T).tocoo()
    better, worse, shared = overlap.row, overlap.col, overlap.data
    size, part = overlap.diagonal(), np.broadcast_to(part, overlap.shape[0])
    same = (better < worse) & (shared > max_iou * (size[better] + size[worse] - shared)) & (part[better] == part[worse])
    kept = np.ones(len(size), dtype=bool)
    order = np.argsort(worse[same], kind="stable")  # whether the better one stays is known by then
    for k, other in zip(better[same][order].tolist(), worse[same][order].tolist()):
        kept[other] &= not kept[k]
    return np.flatnonzero(kept)
