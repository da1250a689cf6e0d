# SPDX-License-Identifier: Apache-2.0
"""Merge the masks of tiles: masks of one object from several tiles become one mask."""

from dataclasses import dataclass

import numpy as np

from ...geometry.vectors import unit_vectors
from ...grids.groups import components, incidence
from ...instances import Masks
from ..duplicates import without_duplicates

MIN_CORE_SHARE = 1 / 3  # of a mask's voxels in its tile's core; below it, another tile contains more of the object
SAME_IOU = 0.5  # of two masks of one object, on the voxels that both tiles contain
SAME_COSINE = 0.5  # of their features
LINKED_IOU = 0.25  # of two masks on the voxels that both tiles contain; below it, neither affects the other


def merge_tiles(found, regions, owner, nms_iou):
    """Masks of the whole map, without duplicates, that no pending tile can change.

    Masks settled by earlier tiles come first, within one tile the best first: with more tiles, the same masks are the
    first rows of the result.

    found: dict of tile -> its Masks as rows of the whole map, in the order in which the tiles ran;
    regions: for every tile, pending ones too, the sorted voxel rows of its region;
    owner: [M] tile whose core contains each voxel;
    nms_iou: of two masks with a higher IoU the worse one is removed.
    """
    tile, masks = concatenate(found)
    at_home = _in_core(masks, tile, owner)
    tile, masks = tile[at_home], masks[at_home]
    if not len(masks):
        return masks
    voxels = incidence(masks.rows, len(owner))
    inside = (voxels @ incidence(regions, len(owner)).T).tocsr()  # [K, tiles] voxels of a mask in each region
    pairs = overlaps(voxels, inside, tile)
    part = components(len(masks), pairs.of[pairs.iou >= min(LINKED_IOU, nms_iou)])
    groups = same_objects(masks, pairs, tile)
    first = [group[0] for group in groups]
    part, settled = part[first], _settling_tile(part, inside, found)[first]
    masks = _united(masks, groups)
    order = np.lexsort((-masks.confidence, settled))
    order = order[settled[order] < len(found)]
    masks, part = masks[order], part[order]
    return masks[suppress_duplicates(incidence(masks.rows, len(owner)), nms_iou, part)]


def _in_core(masks, tile, owner):
    """[K] bool: whether enough of each mask is in the core of its tile. tile: [K]; owner: [M] tile of each voxel."""
    size = np.array([len(rows) for rows in masks.rows], dtype=np.int64)
    in_core = owner[np.concatenate([np.zeros(0, dtype=np.int32), *masks.rows])] == np.repeat(tile, size)
    return np.bincount(np.repeat(np.arange(len(size)), size), in_core, len(size)) >= MIN_CORE_SHARE * size


def concatenate(found):
    """The tile of every mask [K] int, and all Masks of a dict tile -> Masks in one."""
    tile = np.repeat(np.array([*found], dtype=np.int64), [len(masks) for masks in found.values()])
    columns = [np.concatenate(parts) for parts in zip(*(masks.columns for masks in found.values()))]
    return tile, Masks(tuple(rows for masks in found.values() for rows in masks.rows), *columns)


@dataclass(frozen=True)
class Overlaps:
    """P pairs of masks that share voxels.

    of: [P, 2] indices, the lower first; iou: [P] on the voxels that the regions of both tiles contain.
    """

    of: np.ndarray
    iou: np.ndarray


def overlaps(voxels, inside, tile):
    """The Overlaps of K masks.

    voxels: their `incidence`; inside: [K, tiles] voxels of each mask in each region; tile: [K] of each mask.
    """
    shared = (voxels @ voxels.T).tocoo()
    first, second, count = (values[shared.row < shared.col] for values in (shared.row, shared.col, shared.data))
    union = _pick(inside, first, tile[second]) + _pick(inside, second, tile[first]) - count
    return Overlaps(np.column_stack([first, second]), count / union)


def same_objects(masks, pairs, tile):
    """Groups of masks that show one object: list of lists of indices, at most one mask of each tile in a group.

    Two masks show the same object if their IoU and the cosine of their features are high enough; pairs of the highest
    IoU are joined first. pairs: their Overlaps; tile: [K] of each mask.
    """
    first, second = pairs.of.T
    unit = unit_vectors(masks.features)
    cosine = np.einsum("kc,kc->k", unit[first], unit[second])
    same = (tile[first] != tile[second]) & (pairs.iou >= SAME_IOU) & (cosine >= SAME_COSINE)
    group = [[k] for k in range(len(masks))]  # masks of one group share the list
    for pair in np.flatnonzero(same)[np.argsort(-pairs.iou[same], kind="stable")]:
        a, b = group[first[pair]], group[second[pair]]
        if a is not b and not {int(tile[k]) for k in a} & {int(tile[k]) for k in b}:
            a.extend(b)
            for k in b:
                group[k] = a
    return [sorted(members) for k, members in enumerate(group) if min(members) == k]


def _settling_tile(part, inside, found):
    """[K] int: for each mask, the rank in `found` of the last tile that contains a voxel of its part; the number of
    tiles in `found` if that tile is pending.

    part: [K] component of linked masks; inside: see `overlaps`; found: see `merge_tiles`.
    """
    rank = np.full(inside.shape[1], len(found))
    rank[[*found]] = np.arange(len(found))
    last, entries = np.zeros(part.max() + 1, dtype=np.int64), inside.tocoo()
    np.maximum.at(last, part[entries.row], rank[entries.col])
    return last[part]


def _pick(matrix, rows, columns):
    return np.asarray(matrix[rows, columns]).ravel()


def _united(masks, groups):
    """One mask per group: the union of the voxels; scores and features averaged by size."""
    size = np.array([len(rows) for rows in masks.rows], dtype=np.float32)
    rows = tuple(masks.rows[group[0]] if len(group) == 1 else union([masks.rows[k] for k in group]) for group in groups)
    return Masks(rows, *(_averaged(values, groups, size) for values in masks.columns))


def _averaged(values, groups, size):
    """[G, ...] float32: mean of the rows of each group, weighted by size. values: [K, ...]; size: [K]."""
    merged = [
        values[group[0]] if len(group) == 1 else np.average(values[group], axis=0, weights=size[group])
        for group in groups
    ]
    return np.array(merged, dtype=np.float32).reshape(len(groups), *values.shape[1:])


def union(groups):
    """Sorted union of sorted arrays of unique rows."""
    rows = np.sort(np.concatenate(groups), kind="stable")
    return rows[np.diff(rows, prepend=-1) > 0]


def suppress_duplicates(voxels, max_iou, part):
    """Indices of the masks that stay, in order: greedy suppression of sparse masks with an IoU above `max_iou`.

    voxels: `incidence` of K masks, best first; part: [K] int, only masks of one part are compared.
    """
    overlap = (voxels @ voxels.T).tocoo()
    better, worse, shared = overlap.row, overlap.col, overlap.data
    size = overlap.diagonal()
    same = (better < worse) & (shared > max_iou * (size[better] + size[worse] - shared)) & (part[better] == part[worse])
    return without_duplicates(len(size), better[same], worse[same])
