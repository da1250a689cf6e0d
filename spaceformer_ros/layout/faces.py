# SPDX-License-Identifier: Apache-2.0
"""Faces of walls: straight upright surfaces, tall enough to be a wall and not the front of furniture before one."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .cells import CELL
from .directions import Upright

HALF = 0.06  # metres around a face that belong to it: noise of the scanner, and drift
TAKEN = 0.085  # metres around a face that no other face of the same direction uses
MAX_STEP = 0.4  # metres without wall within one piece of a face
MIN_PIECE = 0.3  # metres, length of a piece
MAX_OPENING = 2.7  # metres between two pieces of one face: a wide doorway, or furniture that hides the wall
COLLINEAR = 0.11  # metres between the lines of two such pieces
MIN_REACH = 1.3  # metres above the floor that a wall reaches ...
REACH_SHARE = 0.35  # ... along this share of its length
MIN_FACE = 0.45  # metres
MAIN = (0.0, np.pi / 2)  # directions of most walls in the turned frame
MIN_SLANTED = 1.2  # metres, length of a face along any other direction: longer than the leaf of an open door
SLANTED_COHERENCE = 0.6  # of its places: corners and noise have less
MAX_FURNITURE = 1.0  # metres that the front of furniture is in front of a wall
COVERED = 0.7  # share of a front that must have a wall behind it
ALONE = 2.5  # metres; a shorter face must meet another one at one end ...
SHORT = 1.2  # metres; ... and a shorter one at both
CORNER = 0.4  # metres between the end of a face and the face that it meets
MIN_NEIGHBOUR = 0.8  # metres, length of a face that can be met
MIN_OUTER = 0.6  # metres, length of a face that ends the map ...
OUTER_REACH, OUTER_HIGH = 1.6, 0.5  # ... and reaches this height in metres along this share of it
BEHIND = (0.13, 1.0)  # metres from such a face between which nothing was seen on one side, and the room on the other
MAX_BEHIND, MIN_BEFORE = 0.15, 0.6  # largest share of it with something behind it, smallest with something before it
BOTH_SEEN = 0.35  # share of two surfaces seen at the same places and heights: seen from two sides, as walls are


@dataclass(frozen=True)
class Face:
    """A straight upright surface in the turned frame.

    direction: radians; offset: metres from the origin to the left of the direction; low, high: metres along it;
    image: [T, Z] bool, the occupied cells of the surface from `low` on and from the floor up.
    """

    direction: float
    offset: float
    low: float
    high: float
    image: np.ndarray

    @property
    def length(self):
        """Metres."""
        return self.high - self.low

    @cached_property
    def axes(self):
        """Unit vectors along the face and to its left, rows of [2, 2]."""
        return axes_along(self.direction)

    def part(self, low, high, bottom, top):
        """[T, Z] bool: the image between two places along the face and two heights, empty beyond it."""
        first, size = round((low - self.low) / CELL), max(round((high - low) / CELL), 0)
        z0, z1 = round(bottom / CELL), round(top / CELL)
        part = np.zeros((size, max(z1 - z0, 1)), dtype=bool)
        seen = self.image[max(first, 0) : max(first + size, 0), z0:z1]
        start = max(-first, 0)
        part[start : start + len(seen), : seen.shape[1]] = seen
        return part

    def cover(self, low, high, bottom, top):
        """[T] share of the cells between two heights, of those that the storey has, that are occupied, at each CELL
        between two places along the face."""
        return self.part(low, high, bottom, min(top, self.image.shape[1] * CELL)).mean(axis=1)


def axes_along(direction):
    """Unit vectors along a direction in radians and to its left, rows of [2, 2]."""
    c, s = np.cos(direction), np.sin(direction)
    return np.array([[c, s], [-s, c]])


def find_faces(plan):
    """List of Face of a PlanView, longest first."""
    upright = Upright.of(plan)
    free = np.ones(len(upright.xy), dtype=bool)
    faces = []
    for direction in (*MAIN, *upright.slanted_directions()):
        if direction not in MAIN:
            free = free & (upright.coherence >= SLANTED_COHERENCE)
        found, free = _faces_along(upright, direction, free)
        found = [face for face in _joined(found) if direction in MAIN or face.length >= MIN_SLANTED]
        faces += [_with_image(face, plan) for face in found]
    faces = sorted((face for face in faces if _is_tall(face)), key=lambda face: -face.length)
    outer = {id(face) for face in faces if _is_outer(face, plan)}
    faces = _without_furniture(faces, outer)
    return [face for face in faces if id(face) in outer or _is_connected(face, faces)]


def _faces_along(upright, direction, free):
    """Pieces of faces along a direction, and [C] bool the places that belong to none."""
    c, s = np.cos(direction), np.sin(direction)
    t, r = upright.xy @ (c, s), upright.xy @ (-s, c)
    usable = free & upright.along(direction)
    claimed, found = np.zeros(len(t), dtype=bool), []
    bins = np.round(r / (CELL / 2)).astype(np.int64)
    first = bins.min() - 3 if len(bins) else 0
    while usable.any():
        mass = np.bincount(bins[usable] - first, weights=upright.weight[usable], minlength=8)
        wide = np.convolve(mass, np.ones(3), mode="same")
        peak = (int(wide.argmax()) + first) * CELL / 2
        near = np.flatnonzero(usable & (np.abs(r - peak) <= HALF))
        pieces = _pieces(t[near], r[near], upright.weight[near], direction) if wide.max() > 0 else []
        found += pieces
        taken = usable & (np.abs(r - peak) <= TAKEN)
        usable &= ~taken
        for piece in pieces:
            beside = (np.abs(r - piece.offset) <= 2 * TAKEN) & (t >= piece.low - TAKEN) & (t <= piece.high + TAKEN)
            claimed |= beside
        if wide.max() < 8 * MIN_PIECE / CELL:
            break
    return found, free & ~claimed


def _pieces(t, r, weight, direction):
    """Faces without images from the places of one line, split where nothing is for MAX_STEP."""
    order = np.argsort(t)
    t, r, weight = t[order], r[order], weight[order]
    cuts = np.flatnonzero(np.diff(t) > MAX_STEP) + 1
    pieces = []
    for part in np.split(np.arange(len(t)), cuts):
        low, high = t[part[0]] - CELL / 2, t[part[-1]] + CELL / 2
        filled = len(np.unique(np.floor(t[part] / CELL + 0.25))) * CELL
        if high - low >= MIN_PIECE and filled >= 0.5 * (high - low):
            offset = float(np.average(r[part], weights=weight[part]))
            pieces.append(Face(direction, offset, float(low), float(high), np.zeros((0, 0), bool)))
    return pieces


def _joined(pieces):
    """Pieces of one direction, with those on one line and not far apart joined."""
    joined = []
    for piece in sorted(pieces, key=lambda piece: piece.low):
        best = None
        for k, other in enumerate(joined):
            gap = piece.low - other.high
            if abs(piece.offset - other.offset) <= COLLINEAR and -0.1 <= gap <= MAX_OPENING:
                best = k if best is None or joined[best].high < other.high else best
        if best is None:
            joined.append(piece)
            continue
        other = joined[best]
        share = piece.length / (piece.length + other.length)
        offset = share * piece.offset + (1 - share) * other.offset
        joined[best] = replace(other, offset=offset, high=max(other.high, piece.high))
    return joined


def _with_image(face, plan):
    """The Face with the image of its cells in a PlanView."""
    across = (face.offset - HALF, face.offset + HALF)
    places, t = plan.strip(face.axes, (face.low, face.high), across)
    row, cell = plan.above(places)
    image = np.zeros((max(round(face.length / CELL), 1), plan.levels), dtype=bool)
    column = np.clip(((t - face.low) / CELL).astype(np.int64), 0, len(image) - 1)
    image[column[row], plan.cells[cell, 2]] = True
    return replace(face, image=image)


def _is_tall(face):
    """Whether a face is long enough, and as high as a wall."""
    reach = face.image[:, round(MIN_REACH / CELL) :].any(axis=1)
    seen = face.image.any(axis=1)
    return face.length >= MIN_FACE and reach.sum() >= REACH_SHARE * max(seen.sum(), 1)


def _is_outer(face, plan):
    """Whether a face ends the map: the floor before it was seen, and nothing behind it."""
    if face.length < MIN_OUTER or face.image[:, round(OUTER_REACH / CELL) :].any(axis=1).mean() < OUTER_HIGH:
        return False
    seen = []
    for side in (-1, 1):
        near, far = sorted(face.offset + side * bound for bound in BEHIND)
        places, t = plan.strip(face.axes, (face.low, face.high), (near, far))
        columns = np.zeros(len(face.image), dtype=bool)
        seen_here = plan.seen[tuple(places.T)]
        columns[np.minimum(((t[seen_here] - face.low) / CELL).astype(np.int64), len(columns) - 1)] = True
        seen.append(columns.mean())
    return min(seen) <= MAX_BEHIND and max(seen) >= MIN_BEFORE


def _without_furniture(faces, outer):
    """The faces without fronts of furniture, which stand before a longer face and hide it.

    faces: longest first; outer: set of the ids of those that are not furniture
    """
    kept = []
    for face in faces:
        if id(face) in outer or not any(_is_before(face, wall) for wall in kept):
            kept.append(face)
    return kept


def _is_before(face, wall):
    """Whether a face stands before a wall: it lies along it, and both are not seen at the same places and heights."""
    if not is_parallel(face, wall) or abs(face.offset - wall.offset) > MAX_FURNITURE:
        return False
    shared = min(face.high, wall.high) - max(face.low, wall.low)
    return shared >= COVERED * face.length and both_seen(face, wall) < BOTH_SEEN


def _is_connected(face, faces):
    """Whether a face is long, or meets enough other faces at its ends: short ones stand for furniture otherwise."""
    if face.length >= ALONE:
        return True
    ends = [np.array([t, face.offset]) @ face.axes for t in (face.low, face.high)]
    meets = 0
    for end in ends:
        for other in faces:
            t, left = other.axes @ end
            if is_parallel(face, other) or other.length < MIN_NEIGHBOUR:
                continue
            if abs(left - other.offset) < CORNER and other.low - CORNER < t < other.high + CORNER:
                meets += 1
                break
    return meets >= (1 if face.length >= SHORT else 2)


def is_parallel(face, other):
    """Whether two faces have the same direction."""
    return abs(face.direction - other.direction) < 1e-6


def both_seen(face, other):
    """Share of the cells of the smaller surface, along the common part, where both are seen: [0, 1]."""
    low, high = max(face.low, other.low), min(face.high, other.high)
    size = round((high - low) / CELL)
    if size < 1:
        return 0.0
    images = []
    for item in (face, other):
        first = round((low - item.low) / CELL)
        images.append(item.image[first : first + size])
    size = min(len(image) for image in images)
    a, b = (_thick(image[:size]) for image in images)
    return float((a & b).sum() / max(min(a.sum(), b.sum()), 1))


def _thick(image):
    """An image grown by one cell, so that sparse points compare."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(image, np.ones((3, 3)))
