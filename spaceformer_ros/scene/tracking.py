"""Identities over time: which new objects continue known ones, how the map has moved, and who is gone.

Pure geometry and features, no scene: `follow` matches, `judge` weighs the evidence against objects not found again.
"""

import logging
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from ..geometry.boxes import OrientedBox
from ..geometry.vectors import unit_vectors, wrap_half_turn
from ..grids.groups import components, incidence
from ..grids.keys import FINE_CELL, among, cell_keys, fine_keys_near
from .occupancy import ALONE, AROUND, Place

logger = logging.getLogger(__name__)

# Matching
ALIKE = 0.9  # cosine of features from which two objects may be one although their labels differ
INSIDE = 0.5  # share of the smaller object that lies in the larger where one has grown out of the other
# Shift of the map
FEW = 0.5  # share of objects that overlap, below which the map may have jumped
SAME_SIZE = 1.4  # factor between the extents of two objects that may be one
SIZE_SLACK = 0.1  # metres by which they may differ besides
AGREE = 0.3  # metres; pairs of objects that agree on a shift put each other's centres as near as this
LEAST_AGREEING = 3  # pairs that a shift needs
MORE = 2  # factor on the matches by which a jump must beat its absence
BETTER = 1.1  # factor on the total IoU by which a small correction must
MAX_OBJECTS = 200  # on each side, and
MAX_PAIRS = 1500  # looked at for a shift
MAX_DRAWS = 2000  # hypotheses with a turn
LEAST_SHIFT = 0.02  # metres; smaller ones are noise
# Evidence
COVERED = 0.6  # share of an object's former surroundings that must be there for its place to be seen
EMPTY = 0.5  # filled share of its own cells below which its place is empty
LEAST_CELLS = 2  # own cells and cells around that such a judgement needs
TAKEN = 0.6  # share of an object's cells filled by others of similar extent that have taken its place
PART = 0.35  # share of such another object that lies in its cells at least
HELD = 0.7  # share of the voxels in its place, above which it is seen as something else, when other objects hold them
CLEAR_VIEW, FILLED_VIEW, NO_VIEW = 1.0, 0.25, 0.0  # views: empty or seen as something else; filled, not found; not seen


@dataclass(frozen=True)
class Shift:
    """A motion of the map: turned by `yaw` radians about the frame's z axis, then moved by `translation` [3] metres."""

    yaw: float = 0.0
    translation: tuple = (0.0, 0.0, 0.0)

    def apply(self, xyz):
        """[N, 3] float64 of [N, 3] points."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.asarray(xyz, dtype=np.float64) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + self.translation

    def place(self, place):
        """A Place, moved."""
        return Place(self.apply(place.xyz).astype(np.float32), place.kind)

    def box(self, box):
        """An OrientedBox, moved."""
        return OrientedBox(self.apply(box.center[None])[0], box.size, wrap_half_turn(box.yaw + self.yaw))


STILL = Shift()


@dataclass(frozen=True)
class Tracks:
    """K objects as matching sees them.

    places: K Places; labels: K str; features: [K, C]; centers: [K, 3] metres, mean of the points; sizes: [K, 3]
    metres, of the boxes.
    """

    places: tuple
    labels: tuple
    features: np.ndarray
    centers: np.ndarray
    sizes: np.ndarray

    def __len__(self):
        return len(self.places)

    @cached_property
    def directions(self):
        """[K, C] features of length one."""
        return unit_vectors(self.features)

    def moved(self, shift):
        """The same objects after a Shift of the map."""
        if shift == STILL:
            return self
        return replace(self, places=tuple(map(shift.place, self.places)), centers=shift.apply(self.centers))


@dataclass(frozen=True)
class Links:
    """partner: for each fresh object the index of the known one that it continues, or None; shift: of the map."""

    partner: list
    shift: Shift = STILL


def follow(fresh, known, cells, min_iou, max_distance):
    """Links from fresh to known Tracks. cells: CloudCells of the cloud in which the fresh ones were found.

    In this order: cells overlap by more than min_iou (best total IoU); one lies in the other and they look alike (an
    object of which more is seen now); alike, and centres nearer than max_distance metres, if they touch or the old
    place is empty.
    Where the overlaps show that the map has moved as a whole, the known objects are moved along first.
    """
    partner = [None] * len(fresh)
    if not len(fresh) or not len(known):
        return Links(partner)
    overlap, shift = _align(fresh, known, min_iou)
    known = known.moved(shift)
    alike, cosine = _compare(fresh, known, overlap.i, overlap.j)
    preference = 1e-3 * (cosine + alike)  # decides between equal overlaps
    _assign(partner, len(known), overlap, overlap.iou + preference, overlap.iou > min_iou)
    _assign(partner, len(known), overlap, overlap.inside + preference, alike & (overlap.inside >= INSIDE))
    near = _near(fresh, known, partner, max_distance)
    alike, cosine = _compare(fresh, known, near.i, near.j)
    touch = np.isin(near.i * len(known) + near.j, overlap.i * len(known) + overlap.j)
    left = [j for j in np.unique(near.j[alike & ~touch]) if _filled_share(known.places[j], cells) < EMPTY]
    apart = np.linalg.norm(fresh.centers[near.i] - known.centers[near.j], axis=1)
    closeness = 2 - apart / max(max_distance, 1e-9) + cosine
    _assign(partner, len(known), near, closeness, alike & (touch | np.isin(near.j, left)))
    return Links(partner, shift)


def _compare(fresh, known, i, j):
    """For P pairs of the i-th fresh and the j-th known object: [P] bool whether they look alike, [P] cosine."""
    cosine = np.einsum("pc,pc->p", fresh.directions[i], known.directions[j])
    same = np.array([fresh.labels[a] == known.labels[b] for a, b in zip(i.tolist(), j.tolist())], dtype=bool)
    return same | (cosine >= ALIKE), cosine


@dataclass(frozen=True)
class Pairs:
    """P pairs of objects, the i-th fresh and the j-th known one; i, j: [P] int64."""

    i: np.ndarray
    j: np.ndarray


@dataclass(frozen=True)
class Overlap(Pairs):
    """Pairs that share cells. iou: [P] intersection over union; inside: [P] share of the smaller of the two."""

    iou: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, fresh, known):
        shared, first, second = shared_cells(fresh.places, known.places)
        first, second = first[shared.row], second[shared.col]
        count = shared.data
        iou, inside = count / (first + second - count), count / np.minimum(first, second)
        return cls(shared.row.astype(np.int64), shared.col.astype(np.int64), iou, inside)

    def matched(self, fresh, known, min_iou):
        """[P, 2] (i, j) of the best pairs above min_iou, and the sum of their IoU."""
        partner = [None] * len(fresh)
        total = _assign(partner, len(known), self, self.iou, self.iou > min_iou)
        pairs = [(i, j) for i, j in enumerate(partner) if j is not None]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2), total


def shared_cells(first, second):
    """TRACK_CELL cells that two lists of Places share, a COO matrix [A, B], and how many each fills, [A] and [B]."""
    groups = [[place.cells for place in places] for places in (first, second)]
    keys = np.unique(np.concatenate([*groups[0], *groups[1]]))
    a, b = (incidence([np.searchsorted(keys, cells) for cells in group], len(keys)) for group in groups)
    sizes = [np.array([len(cells) for cells in group]) for group in groups]
    return (a @ b.T).tocoo(), *sizes


def _near(fresh, known, partner, max_distance):
    """Pairs of objects without a partner whose centres are at most max_distance metres apart."""
    first = np.array([i for i, j in enumerate(partner) if j is None], dtype=np.int64)
    second = np.setdiff1d(np.arange(len(known)), [j for j in partner if j is not None]).astype(np.int64)
    if not len(first) or not len(second):
        return Pairs(first[:0], second[:0])
    found = cKDTree(known.centers[second]).query_ball_point(fresh.centers[first], max_distance, return_sorted=True)
    lengths = [len(row) for row in found]
    return Pairs(np.repeat(first, lengths), second[np.concatenate([*found, []]).astype(np.int64)])


def _assign(partner, num_known, pairs, benefit, allowed):
    """Fill gaps of `partner` with the one-to-one pairs of greatest total benefit that are allowed and still free.

    benefit: [P] positive; allowed: [P] bool. Returns the total. Groups of objects that share no pair are solved one by
    one, so the effort grows with the number of objects, not with its cube.
    """
    free_i = np.array([old is None for old in partner], dtype=bool)
    free_j = np.ones(num_known, dtype=bool)
    free_j[[old for old in partner if old is not None]] = False
    kept = np.flatnonzero(allowed & free_i[pairs.i] & free_j[pairs.j])
    i, j, benefit, total = pairs.i[kept], pairs.j[kept], benefit[kept], 0.0
    group = components(len(partner) + num_known, np.stack([i, len(partner) + j], axis=1))[i]
    order = np.argsort(group, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(order) else ():
        (rows, row), (columns, column) = (np.unique(k[part], return_inverse=True) for k in (i, j))
        table = np.zeros((len(rows), len(columns)))
        table[row, column] = benefit[part]
        for r, c in zip(*linear_sum_assignment(table, maximize=True)):
            if table[r, c] > 0:
                partner[rows[r]], total = int(columns[c]), total + table[r, c]
    return total


# --- how the map has moved --------------------------------------------------------------------------------------------


def _align(fresh, known, min_iou):
    """(Overlap, Shift) after the shift of the known objects, if any, with which clearly more of them overlap."""
    overlap = Overlap.of(fresh, known)
    pairs, total = overlap.matched(fresh, known, min_iou)
    best, best_count, best_total = (overlap, STILL), len(pairs), total
    steady = pairs[_same_size(fresh.sizes[pairs[:, 0]], known.sizes[pairs[:, 1]])]  # what grows moves its own centre
    if len(steady) >= LEAST_AGREEING:
        shift = _settle(_middle(fresh, known, steady), fresh, known, steady, turn=True)
        if shift is not None and _reach(shift, known) > LEAST_SHIFT:
            moved = Overlap.of(fresh, known.moved(shift))
            found, total = moved.matched(fresh, known, min_iou)
            if total > BETTER * best_total:
                best, best_count, best_total = (moved, shift), len(found), total
    least = min(len(fresh), len(known))
    if len(pairs) >= FEW * least or least < LEAST_AGREEING:
        return best
    for shift in find_shifts(fresh, known):
        moved = Overlap.of(fresh, known.moved(shift))
        found, total = moved.matched(fresh, known, min_iou)
        if len(found) >= max(LEAST_AGREEING, MORE * len(pairs)) and total > BETTER * best_total:
            best, best_count, best_total = (moved, shift), len(found), total
    _tell(best[1], known, len(pairs), best_count)
    return best


def _tell(shift, known, before, after):
    if after > before:
        logger.info(
            "the map has moved as a whole, by %.2f m in the mean and %.1f degrees: moved along, %d of %d known objects "
            "overlap what was found, %d without",
            *(_reach(shift, known), math.degrees(shift.yaw), after, len(known), before),
        )
    else:
        logger.warning(
            "only %d of %d known objects overlap what was found, and no shift of the whole map explains it: they are "
            "matched one by one, and those not found stay until their places are seen without them",
            *(before, len(known)),
        )


def _same_size(first, second):
    """[...] bool: all extents agree. first, second: [..., 3] metres."""
    return (np.maximum(first, second) <= SAME_SIZE * np.minimum(first, second) + SIZE_SLACK).all(axis=-1)


def _reach(shift, known):
    """Metres by which the known objects move in the mean."""
    return float(np.linalg.norm(shift.apply(known.centers) - known.centers, axis=1).mean())


def _middle(fresh, known, pairs):
    """The Shift by the median displacement of the pairs' centres."""
    return Shift(0.0, tuple(np.median(fresh.centers[pairs[:, 0]] - known.centers[pairs[:, 1]], axis=0)))


def find_shifts(fresh, known):
    """Shifts of the map on which pairs of objects agree: the best without a turn, and the best with one, if any.

    Pairs look alike and have the same size. Each proposes a translation, every draw of two pairs a turn as well, and
    the others vote.
    """
    pairs = _telling(fresh, known)
    if len(pairs) < LEAST_AGREEING:
        return []
    a, b = fresh.centers[pairs[:, 0]], known.centers[pairs[:, 1]]
    tree = cKDTree(a - b)
    votes = [_support(pairs[near]) for near in tree.query_ball_point(a - b, AGREE)]
    best = int(np.argmax(votes))
    found = [_settle(Shift(0.0, tuple((a - b)[best])), fresh, known, pairs, turn=False)]
    turned = _best_turn(pairs, a, b)
    if turned is not None:
        found.append(_settle(turned, fresh, known, pairs, turn=True))
    return [shift for shift in found if shift is not None]


def _telling(fresh, known):
    """[P, 2] pairs that may be one object: of the largest MAX_OBJECTS, fewest alternatives first, at most MAX_PAIRS."""
    largest = [
        np.argsort([-len(place.cells) for place in t.places], kind="stable")[:MAX_OBJECTS] for t in (fresh, known)
    ]
    i, j = (grid.ravel() for grid in np.meshgrid(*largest, indexing="ij"))
    kept = _same_size(fresh.sizes[i], known.sizes[j])
    i, j = i[kept], j[kept]
    alike, cosine = _compare(fresh, known, i, j)
    i, j, cosine = i[alike], j[alike], cosine[alike]
    alternatives = np.bincount(i, minlength=len(fresh))[i] * np.bincount(j, minlength=len(known))[j]
    order = np.lexsort((-cosine, alternatives))[:MAX_PAIRS]
    return np.stack([i, j], axis=1)[order]


def _support(pairs):
    """How many objects can be matched at most among pairs [n, 2], bounded by the distinct ones on each side."""
    return min(len(np.unique(pairs[:, 0])), len(np.unique(pairs[:, 1])))


def _best_turn(pairs, a, b):
    """The Shift with a turn that has most support among draws of two pairs that keep their distance, or None."""
    rng = np.random.default_rng(0)
    p, q = rng.integers(len(pairs), size=(2, 20 * MAX_DRAWS))
    first, second = (a[p] - a[q])[:, :2], (b[p] - b[q])[:, :2]
    length = np.linalg.norm(first, axis=1)
    stiff = (length > 1.0) & (np.abs(length - np.linalg.norm(second, axis=1)) < AGREE)
    draws = np.flatnonzero(stiff & (pairs[p] != pairs[q]).all(axis=1))[:MAX_DRAWS]
    best, most = None, LEAST_AGREEING - 1
    for draw in draws:
        shift = fit_shift(a[[p[draw], q[draw]]], b[[p[draw], q[draw]]], turn=True)
        agreeing = ((shift.apply(b) - a) ** 2).sum(axis=1) < AGREE**2
        if agreeing.sum() > most and (support := _support(pairs[agreeing])) > most:
            best, most = shift, support
    return best


def _settle(shift, fresh, known, pairs, turn, rounds=6):
    """The least-squares Shift of the pairs that agree with `shift`, found in rounds; None where too few agree."""
    for _ in range(rounds):
        distance = np.linalg.norm(shift.apply(known.centers[pairs[:, 1]]) - fresh.centers[pairs[:, 0]], axis=1)
        order = np.argsort(distance, kind="stable")
        agreeing = _one_to_one(pairs[order[distance[order] < AGREE]])
        if len(agreeing) < LEAST_AGREEING:
            return None
        shift = fit_shift(fresh.centers[agreeing[:, 0]], known.centers[agreeing[:, 1]], turn)
    return shift


def _one_to_one(pairs):
    """Pairs [n, 2] of which neither side stands in an earlier one."""
    first, second, kept = set(), set(), []
    for i, j in pairs.tolist():
        if i not in first and j not in second:
            kept.append((i, j))
            first.add(i)
            second.add(j)
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def fit_shift(a, b, turn):
    """The Shift that brings points b nearest to a in the least-squares sense (Kabsch, about z). a, b: [P, 3] metres."""
    middle_a, middle_b = a.mean(axis=0), b.mean(axis=0)
    (ax, ay, _), (bx, by, _) = (a - middle_a).T, (b - middle_b).T
    yaw = math.atan2(float((bx * ay - by * ax).sum()), float((ax * bx + ay * by).sum())) if turn else 0.0
    translation = middle_a - Shift(yaw).apply(middle_b[None])[0]
    return Shift(yaw, tuple(float(v) for v in translation))


# --- who is gone ------------------------------------------------------------------------------------------------------


def judge(missing, fresh, cells, held):
    """What a cloud says against each object that was not found in it: [U] views without it, infinite where it is gone.

    missing: U Places, moved with the map; fresh: Places of what was found; cells: CloudCells of the cloud; held: [M]
    bool, voxels in masks of foreground objects. Infinite: others that are mostly inside it, or similar, fill its cells.
    CLEAR_VIEW: its surroundings are there, but its cells are empty (surroundings may have gone with it), or its cells
    are filled by objects of any extent. FILLED_VIEW: its cells are filled by nothing that is known. NO_VIEW: else.
    """
    views = np.full(len(missing), NO_VIEW)
    taken = _taken(missing, fresh)
    views[taken] = np.inf
    filled = np.array([_filled_share(place, cells) for place in missing])
    for k in np.flatnonzero(~taken & (filled >= EMPTY)):
        mask = cells.mask(missing[k])
        views[k] = CLEAR_VIEW if len(mask) and held[mask].mean() > HELD else FILLED_VIEW
    views[_seen_empty(missing, np.flatnonzero(~taken & (filled < EMPTY)), cells)] = CLEAR_VIEW
    return views


def _seen_empty(missing, candidates, cells):
    """Those of the candidates (indices into missing, whose cells are empty) of which enough surroundings are there.

    What belonged to others that were seen to be gone counts as there; what belonged to other candidates counts neither
    way: things that stood together may have gone together.
    """
    own = {k: np.unique(cell_keys(missing[k].own, FINE_CELL)) for k in candidates.tolist()}
    seen, gone = [], np.zeros(0, np.int64)
    while own:
        left, owners = np.unique(np.concatenate([*own.values()]), return_counts=True)
        doubtful = left[owners > 1], left  # cells of several candidates, of any
        found = [k for k, cell in own.items() if _is_surrounded(missing[k], cells, gone, *doubtful, cell)]
        if not found:
            break
        seen += found
        gone = np.unique(np.concatenate([gone, *(own.pop(k) for k in found)]))
    return np.array(seen, dtype=np.int64)


def _is_surrounded(place, cells, gone, shared, left, own):
    """Whether the surroundings of a Place are there. Sorted keys of fine cells, see `_seen_empty`: gone; shared by
    several candidates; left by any; the place's own."""
    around = place.xyz[place.kind == AROUND]
    if len(_telling_points(place)) < LEAST_CELLS or len(around) < LEAST_CELLS:
        return False
    near = fine_keys_near(around)
    there = cells.filled(around) | among(near, gone).any(axis=1)
    doubtful = among(near, shared) | (among(near, left) & ~among(near, own))
    judged = there | ~doubtful.any(axis=1)
    return judged.sum() >= LEAST_CELLS and there[judged].mean() >= COVERED


def _taken(missing, fresh):
    """[U] bool: fresh objects of similar extent, or parts of it, fill most of a missing object's cells."""
    result = np.zeros(len(missing), dtype=bool)
    if not missing or not fresh:
        return result
    shared, sizes, others = shared_cells(missing, fresh)
    similar = shared.data >= PART * others[shared.col]
    for k in np.unique(shared.row[similar]):
        parts = shared.col[similar & (shared.row == k)]
        filled = np.unique(np.concatenate([fresh[i].cells for i in parts]))
        result[k] = np.isin(missing[k].cells, filled).sum() >= TAKEN * sizes[k]
    return result


def _telling_points(place):
    """[n, 3] points of an object at which nothing else can be meant."""
    return place.xyz[place.kind == ALONE]


def _filled_share(place, cells):
    """Share of an object's place that is filled, judged where nothing else is near, if that is enough."""
    telling = _telling_points(place)
    return float(cells.filled(telling if len(telling) >= LEAST_CELLS else place.own).mean())
