# SPDX-License-Identifier: Apache-2.0
"""Association: which of the objects found now are known objects."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.transform import IDENTITY, RigidTransform
from .absence import MIN_FILLED_SHARE, filled_share
from .map_shift import align
from .tracks import Pairs, assign, compare

MIN_CONTAINED_SHARE = 0.5  # of the smaller of two overlapping objects, one of which has grown out of the other
TIE_BREAK = 1e-3  # of similarity against overlap: decides between equal overlaps only
UNMATCHED = -1


@dataclass(frozen=True)
class Association:
    """Result of `associate`.

    partner: [A] int64, index of the known object that each fresh one continues, or UNMATCHED
    transform: how the map has moved since the known objects were found
    """

    partner: np.ndarray
    transform: RigidTransform = IDENTITY


def associate(fresh, known, cloud_occupancy, min_iou, max_distance):
    """The Association of fresh with known Tracks.

    Objects are the same, in this order of precedence, if
    1. their cells overlap by more than min_iou (best total IoU);
    2. one contains the other and they are similar (`compare`): more of the object is seen now;
    3. they are similar, their centres are closer than max_distance metres, and they touch or the old location is empty.
    If the overlaps show that the whole map has moved, the known objects are first moved with it.

    cloud_occupancy: CloudOccupancy of the cloud in which the fresh objects were found.
    """
    partner = np.full(len(fresh), UNMATCHED)
    if not len(fresh) or not len(known):
        return Association(partner)
    overlaps, transform = align(fresh, known, min_iou)
    known = known.moved(transform)
    alike, cosine = compare(fresh, known, overlaps)
    preference = TIE_BREAK * (cosine + alike)
    partner = _extended(partner, overlaps, overlaps.iou + preference, overlaps.iou > min_iou)
    grown = alike & (overlaps.contained >= MIN_CONTAINED_SHARE)
    partner = _extended(partner, overlaps, overlaps.contained + preference, grown)
    near = _near_pairs(fresh, known, partner, max_distance)
    alike, cosine = compare(fresh, known, near)
    touching = np.isin(near.i * len(known) + near.j, overlaps.i * len(known) + overlaps.j)
    candidates = np.unique(near.j[alike & ~touching])
    vacated = [j for j in candidates if filled_share(known.occupancies[j], cloud_occupancy) < MIN_FILLED_SHARE]
    distance = np.linalg.norm(fresh.centers[near.i] - known.centers[near.j], axis=1)
    closeness = 2 - distance / max(max_distance, 1e-9) + cosine
    partner = _extended(partner, near, closeness, alike & (touching | np.isin(near.j, vacated)))
    return Association(partner, transform)


def _extended(partner, pairs, benefit, allowed):
    """`partner` with more matches: the one-to-one pairs of greatest total benefit, of allowed and unmatched objects.

    partner: [A]; benefit: [P] > 0; allowed: [P] bool.
    """
    unmatched = (partner[pairs.i] == UNMATCHED) & ~np.isin(pairs.j, partner)
    rows = assign(pairs, benefit, allowed & unmatched)
    partner = partner.copy()
    partner[pairs.i[rows]] = pairs.j[rows]
    return partner


def _near_pairs(fresh, known, partner, max_distance):
    """Pairs of unmatched objects whose centres are at most max_distance metres apart."""
    first = np.flatnonzero(partner == UNMATCHED)
    second = np.setdiff1d(np.arange(len(known)), partner)
    if not len(first) or not len(second):
        return Pairs(first[:0], second[:0])
    found = cKDTree(known.centers[second]).query_ball_point(fresh.centers[first], max_distance, return_sorted=True)
    lengths = [len(row) for row in found]
    return Pairs(np.repeat(first, lengths), second[np.concatenate([*found, []]).astype(np.int64)])
