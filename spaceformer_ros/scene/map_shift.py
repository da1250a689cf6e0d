# SPDX-License-Identifier: Apache-2.0
"""Estimate how the whole map has moved, for example at a loop closure, from the objects found before and now."""

import logging
import math

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.transform import IDENTITY, RigidTransform
from .tracks import CellOverlaps, Pairs, assign, compare

logger = logging.getLogger(__name__)

MIN_MATCHED_SHARE = 0.5  # of the objects; if fewer overlap, the map may have jumped
MIN_PAIRS = 3  # of objects that agree on a transform
MAX_RESIDUAL = 0.3  # metres between the centres of a pair that is consistent with a transform
MAX_SIZE_RATIO = 1.4  # between the extents of two objects that may be the same
MAX_SIZE_DIFFERENCE = 0.1  # metres by which they may differ in addition
MIN_JUMP_GAIN = 2.0  # factor on the number of matches that a jump must gain
MIN_IOU_GAIN = 1.1  # factor on the total IoU that any transform must gain
MIN_SHIFT = 0.02  # metres; smaller corrections are noise
MIN_BASELINE = 1.0  # metres between two objects that define a rotation
MAX_OBJECTS = 200  # on each side that propose transforms, the largest ones
MAX_PAIRS = 1500  # of objects that propose transforms
MAX_DRAWS = 2000  # hypotheses with a rotation
MAX_ROUNDS = 6  # of refinement


def align(fresh, known, min_iou):
    """Whether the map has moved: (CellOverlaps of fresh and moved known Tracks, RigidTransform that moves them).

    The transform is IDENTITY unless another one makes clearly more objects overlap. min_iou: minimum IoU of a match.
    """
    overlaps = CellOverlaps.between(fresh, known)
    matched, total = _matches(overlaps, min_iou)
    best, best_count, best_total = (overlaps, IDENTITY), len(matched.i), total
    correction = _small_correction(fresh, known, matched)
    if correction is not None:
        moved = CellOverlaps.between(fresh, known.moved(correction))
        found, total = _matches(moved, min_iou)
        if total > MIN_IOU_GAIN * best_total:
            best, best_count, best_total = (moved, correction), len(found.i), total
    num_common = min(len(fresh), len(known))
    if len(matched.i) >= MIN_MATCHED_SHARE * num_common or num_common < MIN_PAIRS:
        return best
    for transform in find_transforms(fresh, known):
        moved = CellOverlaps.between(fresh, known.moved(transform))
        found, total = _matches(moved, min_iou)
        if len(found.i) >= max(MIN_PAIRS, MIN_JUMP_GAIN * len(matched.i)) and total > MIN_IOU_GAIN * best_total:
            best, best_count, best_total = (moved, transform), len(found.i), total
    _log_jump(best[1], known, len(matched.i), best_count)
    return best


def _matches(overlaps, min_iou):
    """The Pairs of best total IoU among those above min_iou, and that total."""
    rows = assign(overlaps, overlaps.iou, overlaps.iou > min_iou)
    rows = rows[np.argsort(overlaps.i[rows])]
    return Pairs(overlaps.i[rows], overlaps.j[rows]), float(overlaps.iou[rows].sum())


def _small_correction(fresh, known, matched):
    """The RigidTransform that brings matched objects together, or None if it is negligible or too few agree."""
    steady = _similar_size(fresh.sizes[matched.i], known.sizes[matched.j])  # the centre of a growing object moves
    pairs = np.stack([matched.i, matched.j], axis=1)[steady]
    if len(pairs) < MIN_PAIRS:
        return None
    median = np.median(fresh.centers[pairs[:, 0]] - known.centers[pairs[:, 1]], axis=0)
    transform = _refined(RigidTransform.about_z(0.0, median), fresh, known, pairs, rotate=True)
    return None if transform is None or _mean_shift(transform, known) <= MIN_SHIFT else transform


def _log_jump(transform, known, before, after):
    if after > before:
        logger.info(
            "map shifted by %.2f m on average and rotated by %.1f degrees: %d of %d known objects now match "
            "(%d before)",
            *(_mean_shift(transform, known), math.degrees(transform.yaw), after, len(known), before),
        )
    else:
        logger.warning(
            "only %d of %d known objects match the new result, and no shift of the whole map explains it: objects are "
            "matched one by one, and the others are kept until their locations are seen without them",
            *(before, len(known)),
        )


def _similar_size(first, second):
    """[...] bool: all extents agree. first, second: [..., 3] metres."""
    limit = MAX_SIZE_RATIO * np.minimum(first, second) + MAX_SIZE_DIFFERENCE
    return (np.maximum(first, second) <= limit).all(axis=-1)


def _mean_shift(transform, known):
    """Mean distance in metres by which the known objects move."""
    return float(np.linalg.norm(transform.apply(known.centers) - known.centers, axis=1).mean())


def find_transforms(fresh, known):
    """RigidTransforms on which pairs of objects agree: the best translation, and the best with a rotation about z.

    Candidate pairs have the same label or similar features, and similar sizes. Each proposes a translation, every draw
    of two pairs also a rotation, and the others vote (RANSAC). Empty if fewer than MIN_PAIRS agree.
    """
    pairs = _candidate_pairs(fresh, known)
    if len(pairs) < MIN_PAIRS:
        return []
    a, b = fresh.centers[pairs[:, 0]], known.centers[pairs[:, 1]]
    tree = cKDTree(a - b)
    votes = [_support(pairs[near]) for near in tree.query_ball_point(a - b, MAX_RESIDUAL)]
    translation = RigidTransform.about_z(0.0, (a - b)[int(np.argmax(votes))])
    found = [_refined(translation, fresh, known, pairs, rotate=False)]
    rotation = _best_rotation(pairs, a, b)
    if rotation is not None:
        found.append(_refined(rotation, fresh, known, pairs, rotate=True))
    return [transform for transform in found if transform is not None]


def _candidate_pairs(fresh, known):
    """[P, 2] pairs that may be the same object: at most MAX_PAIRS of the largest objects, least ambiguous first."""
    cells = [np.array([len(occupancy.cells) for occupancy in tracks.occupancies]) for tracks in (fresh, known)]
    largest = [np.argsort(-sizes, kind="stable")[:MAX_OBJECTS] for sizes in cells]
    i, j = (grid.ravel() for grid in np.meshgrid(*largest, indexing="ij"))
    kept = _similar_size(fresh.sizes[i], known.sizes[j])
    pairs = Pairs(i[kept], j[kept])
    alike, cosine = compare(fresh, known, pairs)
    i, j, cosine = pairs.i[alike], pairs.j[alike], cosine[alike]
    alternatives = np.bincount(i, minlength=len(fresh))[i] * np.bincount(j, minlength=len(known))[j]
    order = np.lexsort((-cosine, alternatives))[:MAX_PAIRS]
    return np.stack([i, j], axis=1)[order]


def _support(pairs):
    """Upper bound of the one-to-one matches among pairs [n, 2]: the distinct objects on the smaller side."""
    return min(len(np.unique(pairs[:, 0])), len(np.unique(pairs[:, 1])))


def _best_rotation(pairs, a, b):
    """The RigidTransform with most support among draws of two pairs that keep their distance, or None.

    pairs: [P, 2]; a, b: [P, 3] metres, centres of the fresh and the known object of each.
    """
    rng = np.random.default_rng(0)
    p, q = rng.integers(len(pairs), size=(2, 20 * MAX_DRAWS))
    first, second = (a[p] - a[q])[:, :2], (b[p] - b[q])[:, :2]
    length = np.linalg.norm(first, axis=1)
    rigid = (length > MIN_BASELINE) & (np.abs(length - np.linalg.norm(second, axis=1)) < MAX_RESIDUAL)
    draws = np.flatnonzero(rigid & (pairs[p] != pairs[q]).all(axis=1))[:MAX_DRAWS]
    best, most = None, MIN_PAIRS - 1
    for draw in draws:
        transform = fit_transform(a[[p[draw], q[draw]]], b[[p[draw], q[draw]]], rotate=True)
        agreeing = ((transform.apply(b) - a) ** 2).sum(axis=1) < MAX_RESIDUAL**2
        if agreeing.sum() > most and (support := _support(pairs[agreeing])) > most:
            best, most = transform, support
    return best


def _refined(transform, fresh, known, pairs, rotate):
    """The least-squares transform of the pairs [P, 2] that agree with `transform`, iterated; None if too few agree."""
    for _ in range(MAX_ROUNDS):
        distance = np.linalg.norm(transform.apply(known.centers[pairs[:, 1]]) - fresh.centers[pairs[:, 0]], axis=1)
        order = np.argsort(distance, kind="stable")
        agreeing = _one_to_one(pairs[order[distance[order] < MAX_RESIDUAL]])
        if len(agreeing) < MIN_PAIRS:
            return None
        transform = fit_transform(fresh.centers[agreeing[:, 0]], known.centers[agreeing[:, 1]], rotate)
    return transform


def _one_to_one(pairs):
    """The pairs [n, 2] whose objects occur in none of the pairs kept before them."""
    first, second, kept = set(), set(), []
    for i, j in pairs.tolist():
        if i not in first and j not in second:
            kept.append((i, j))
            first.add(i)
            second.add(j)
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def fit_transform(a, b, rotate):
    """The RigidTransform that brings points b nearest to points a in the least-squares sense (Kabsch, about z only).

    a, b: [P, 3] metres; rotate: False for a translation alone.
    """
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    (ax, ay, _), (bx, by, _) = (a - mean_a).T, (b - mean_b).T
    yaw = math.atan2(float((bx * ay - by * ax).sum()), float((ax * bx + ay * by).sum())) if rotate else 0.0
    translation = mean_a - RigidTransform.about_z(yaw).apply(mean_b)
    return RigidTransform.about_z(yaw, translation)
