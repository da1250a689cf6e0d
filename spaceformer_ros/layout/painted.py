# SPDX-License-Identifier: Apache-2.0
"""Closed doors by their colour: a part of a wall, as wide and high as a leaf, that differs from the wall beside it.

A leaf may have panels, glass and a frame, a wall may have stripes or two colours above each other. So a place of a leaf
differs from the wall if it has none of the colours that the wall has at its height. What counts is the outline: both
edges, the lower and the upper part differ, and above the door the wall goes on. A wall with a picture or a board ends
neither at the floor nor at the height of a door.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .cells import CELL
from .faces import HALF
from .openings import DOOR_HEIGHT, LINTEL, Opening
from .structure import CLOSED

ROW = 0.2  # metres, height of a row of a face's picture
ROWS = 14  # up to 2.8 m above the floor
CONTRAST = 30.0  # of 255, between a door and the wall, in the channel that differs most
WIDTH = (0.7, 1.15)  # metres, of a leaf with or without its frame
BODY = slice(1, 10)  # rows that a door fills: up to 2 m above the floor; skirting boards are left out
LOW, HIGH = slice(1, 3), slice(8, 10)  # rows of its lower and upper part
ABOVE = slice(11, 14)  # rows in which the wall goes on: from 2.2 m
SIDE = (1, 8)  # columns beside a door that show the wall; the nearest is left out, it may show both
MIN_SIDE = 3  # of these columns that must have been seen
EDGE = 2  # columns at both sides of a door
MIN_SEEN = 0.35  # share of a row that must have been seen to count
MIN_ROWS = 6  # rows of BODY that count
MIN_LOW, MIN_HIGH, MIN_EDGE = 0.65, 0.5, 0.7  # shares of these parts of a door that differ from the wall
MIN_ROW = 0.3  # share of each row that differs
UPPER = slice(5, 10)  # rows of a door ...
MIN_UPPER = 0.5  # ... of which this share differs from the wall above it
MIN_DIFFERS, MIN_DIFFERS_CORNER = 0.5, 0.85  # share of all of it, between two parts of a wall, and in a corner
MAX_ABOVE = 0.4  # share of a row above that differs
COMMON = (
    0.2  # share of the places of a wall at one height that have a colour of the wall: others are of things before it
)
MIN_SAME = 0.6  # share of the wall on one side whose colour is on the other side, too


def find_painted_doors(plan, walls, known):
    """List of Opening: closed doors of another colour than their wall, seen together with the wall on both sides.

    plan: PlanView; walls: list of FoundWall; known: KnownResults
    """
    return [
        Opening(row, face.low + first * CELL, face.low + last * CELL, 0.0, top, CLOSED)
        for row, wall in enumerate(walls)
        for face in wall.faces
        for first, last, top in known.of(leaves, face_picture(plan, face))
    ]


def face_picture(plan, face):
    """The mean colours [T, Z, 3] float64 of a Face: columns CELL wide, rows of ROW; NaN where nothing was seen."""
    places, t = plan.strip(face.axes, (face.low, face.high), (face.offset - HALF, face.offset + HALF))
    place, cell = plan.above(places)
    row = plan.cells[cell, 2] // round(ROW / CELL)
    shown = row < ROWS
    column = np.clip(((t[place] - face.low) / CELL).astype(np.int64), 0, len(face.image) - 1)
    pixel, sums = (column * ROWS + row)[shown], plan.sums[cell[shown]]
    count, *colors = (np.bincount(pixel, weights, minlength=len(face.image) * ROWS) for weights in sums.T)
    with np.errstate(invalid="ignore"):
        return (np.column_stack(colors) / count[:, None]).reshape(-1, ROWS, 3)


def leaves(picture):
    """Rows (first column, past the last column, metres to the upper edge) of the doors of a face's picture.

    Of overlapping candidates the one is taken that differs most from the wall, and is widest.
    """
    count, widths = len(picture), range(round(WIDTH[0] / CELL), round(WIDTH[1] / CELL) + 1)
    before, is_first = _wall_before(picture)
    after, is_last = (part[::-1] for part in _wall_before(picture[::-1]))
    found = []
    for first in np.flatnonzero(is_first):
        for last in (first + width for width in widths):
            if last <= count and is_last[last - 1]:
                value, top = _door(picture[first:last], before[first], after[last - 1])
                if top is not None:
                    found.append((value * (last - first) ** 0.5, int(first), int(last), top))
    chosen = []
    for _, first, last, top in sorted(found, reverse=True):
        if all(last <= other[0] or first >= other[1] for other in chosen):
            chosen.append((first, last, top))
    return chosen


def _wall_before(picture):
    """The wall before each column of a picture [T, Z, 3], and whether a door may begin at this column, [T] bool.

    The wall: [T, S, Z, 3] colours, NaN where nothing was seen. A door begins where a column differs from the wall
    before it, or at the end of the wall.
    """
    count, size = len(picture), SIDE[1] - SIDE[0]
    padded = np.concatenate([np.full((SIDE[1], *picture.shape[1:]), np.nan), picture])
    wall = np.moveaxis(sliding_window_view(padded, size, axis=0)[:count], -1, 1)
    columns = (~np.isnan(wall[:, :, BODY, 0])).any(axis=2).sum(axis=1)
    differs, usable = _differs(picture[:, None, BODY], wall[:, :, BODY])
    begins = differs.sum(axis=(1, 2)) >= np.maximum(MIN_EDGE * usable.sum(axis=(1, 2)), 1)
    return wall, np.where(columns >= MIN_SIDE, begins, np.arange(count) < SIDE[1])


def _differs(leaf, wall):
    """([..., w, Z] bool: the place has no colour of the wall at its height; the same: this is known).

    leaf: [..., w, Z, 3]; wall: [..., S, Z, 3]
    """
    contrast = np.abs(leaf[..., :, None, :, :] - wall[..., None, :, :, :]).max(axis=-1)
    seen = (~np.isnan(contrast)).sum(axis=-2)
    same = (contrast <= CONTRAST).sum(axis=-2)
    return (seen > 0) & (same <= COMMON * seen), seen > 0


def _door(leaf, before, after):
    """(share of a part of a picture that differs from the wall, metres to the upper edge, None if it is not a door).

    leaf: [w, Z, 3]; before, after: [S, Z, 3]
    """
    sides = [side for side in (before, after) if (~np.isnan(side[:, BODY, 0])).any(axis=1).sum() >= MIN_SIDE]
    if not sides or (len(sides) == 2 and not _is_same_wall(*sides)):
        return 0.0, None
    differs, usable = _differs(leaf, np.concatenate(sides))
    known = usable.mean(axis=0) >= MIN_SEEN
    rows = differs.sum(axis=0) / np.maximum(usable.sum(axis=0), 1)
    share = _share(differs, usable, np.s_[:, BODY])
    parts = ((np.s_[:, LOW], MIN_LOW), (np.s_[:, HIGH], MIN_HIGH))
    parts += ((np.s_[:EDGE, BODY], MIN_EDGE), (np.s_[-EDGE:, BODY], MIN_EDGE))
    is_door = known[BODY].sum() >= MIN_ROWS and known[LOW].any()
    is_door &= all(_share(differs, usable, part) >= least for part, least in parts)
    is_door &= share >= (MIN_DIFFERS if len(sides) == 2 else MIN_DIFFERS_CORNER)
    is_door &= (rows[BODY][known[BODY]] >= MIN_ROW).all()
    is_door &= _ends_above(leaf)
    is_door &= not (rows[ABOVE][known[ABOVE]] > MAX_ABOVE).any() and (len(sides) == 2 or known[ABOVE].any())
    ends = [row for row in range(BODY.stop - 1, len(rows)) if known[row] and rows[row] < 0.5]
    return share, (float(np.clip(ends[0] * ROW, *LINTEL)) if ends else DOOR_HEIGHT) if is_door else None


def _ends_above(leaf):
    """Whether a part of a picture [w, Z, 3] has other colours than the wall above it, if this was seen."""
    above = np.swapaxes(leaf[:, ABOVE], 0, 1)  # [Z, w, 3]
    above = np.repeat(above.reshape(-1, 1, 3), UPPER.stop - UPPER.start, axis=1)
    differs, usable = _differs(leaf[:, UPPER], above)
    return differs.sum() >= MIN_UPPER * usable.sum()


def _is_same_wall(before, after):
    """Whether the wall on one side of a door has the colours of the other side. before, after: [S, Z, 3]"""
    pairs = [_differs(one, other) for one, other in ((before, after), (after, before))]
    return any(differs.sum() <= (1 - MIN_SAME) * usable.sum() for differs, usable in pairs)


def _share(differs, usable, part):
    """Share of the known places of a part that differ, 0 if none is known."""
    return differs[part].sum() / max(usable[part].sum(), 1)
