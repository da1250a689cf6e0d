# SPDX-License-Identifier: Apache-2.0
"""Doors and windows that are open: gaps of walls that reach the floor, holes with a sill."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, label

from .cells import CELL
from .structure import OPEN

PASSAGE = (0.15, 1.8)  # metres above the floor that are free in an open door
FREE = 0.2  # largest share of it that is occupied at one place along the wall
DOOR_WIDTH = (0.55, 2.6)  # metres
LINTEL = (1.75, 2.5)  # metres above the floor between which the upper edge of a door is looked for
DOOR_HEIGHT = 2.05  # metres, where its upper edge was not seen
MIN_ABOVE = 0.05  # share of the length of a gap, or of a wall, at which something was seen above it
FLOOR_SEEN = 0.4  # smallest share of a gap with floor in it
WINDOW_WIDTH, WINDOW_HEIGHT = (0.4, 4.0), (0.4, 2.2)  # metres
SILL = (0.3, 1.5)  # metres
EDGE = 0.6  # share of the surroundings of a hole that must be wall


@dataclass(frozen=True)
class Opening:
    """A door or window in the turned frame. wall: row; low, high: metres along it; bottom, top: metres above the floor;
    state: of a door, "" for a window."""

    wall: int
    low: float
    high: float
    bottom: float
    top: float
    state: str = ""


def find_gaps(walls):
    """List of Opening: places where a FoundWall is missing from the floor up, doors if something leads through them."""
    return [gap for row, wall in enumerate(walls) for gap in _gaps(row, wall)]


def is_passage(plan, wall, gap):
    """Whether floor was seen in a gap and on both sides; one place is enough in a wall whose two faces have the gap.

    plan: PlanView; wall: FoundWall
    """
    along = np.arange(gap.low + CELL, gap.high - CELL / 2, CELL)
    shares = []
    for out in (-wall.thickness / 2 - 0.1, 0.0, wall.thickness / 2 + 0.1):
        places = plan.places(wall.point(along) + out * wall.axes[1])
        shares.append(plan.floor[tuple(places.T)].mean() if len(places) else 0.0)
    return (max(shares) if wall.thickness else min(shares)) >= FLOOR_SEEN


def has_lintel(plan, wall, gap):
    """Whether a wall goes on above a gap; always in storeys that end there. plan: PlanView; wall: FoundWall"""
    return plan.share_above(wall.axes, (gap.low, gap.high), wall.faces_span) > MIN_ABOVE


def find_holes(plan, walls):
    """List of Opening: windows, rectangular holes of walls with wall below, above and on both sides."""
    return [hole for row, wall in enumerate(walls) for hole in _holes(plan, row, wall)]


def is_known(opening, others):
    """Whether one of the other Openings is at the same place of the same wall."""
    return any(
        other.wall == opening.wall
        and min(other.high, opening.high) - max(other.low, opening.low)
        > 0.3 * min(other.high - other.low, opening.high - opening.low)
        and min(other.top, opening.top) > max(other.bottom, opening.bottom)
        for other in others
    )


def _runs(flags):
    """Pairs (first, past the last) of the runs of True in [T] bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _gaps(row, wall):
    filled = np.max([face.cover(wall.low, wall.high, *PASSAGE) for face in wall.faces], axis=0)
    free = binary_closing(filled <= FREE, np.ones(3)) & (filled <= 0.6)
    found = []
    for first, last in _runs(free):
        low, high = wall.low + first * CELL, wall.low + last * CELL
        if DOOR_WIDTH[0] <= high - low <= DOOR_WIDTH[1]:
            found.append(Opening(row, low, high, 0.0, _lintel(wall, low, high), OPEN))
    return found


def _lintel(wall, low, high):
    """Metres from the floor to the upper edge of a gap."""
    shares = [face.part(low, high, LINTEL[0], LINTEL[1] + CELL).mean(axis=0) for face in wall.faces]
    filled = np.max([(share[:-1] + share[1:]) / 2 for share in shares], axis=0) > 0.4
    return (round(LINTEL[0] / CELL) + int(filled.argmax())) * CELL if filled.any() else DOOR_HEIGHT


def _holes(plan, row, wall):
    rows = round((wall.high - wall.low) / CELL)
    image = np.zeros((rows, max(face.image.shape[1] for face in wall.faces)), dtype=bool)
    for face in wall.faces:
        first = max(round((face.low - wall.low) / CELL), 0)
        part = face.image[: rows - first]
        image[first : first + len(part), : part.shape[1]] |= part
    image = binary_closing(np.pad(image, 2), np.ones((3, 3)))[2:-2, 2:-2]
    holes, count = label(~image)
    found = []
    for number in range(1, count + 1):
        t, z = np.nonzero(holes == number)
        (low, high), (bottom, top) = ((i.min() * CELL, (i.max() + 1) * CELL) for i in (t, z))
        hole = Opening(row, wall.low + low, wall.low + high, bottom, top)
        is_full = len(t) * CELL**2 > 0.8 * (high - low) * (top - bottom)
        if _is_window_shape(hole) and is_full and not is_hidden(plan, wall, hole):
            found.append(hole)
    return found


def _is_window_shape(hole):
    wide, high = hole.high - hole.low, hole.top - hole.bottom
    fits = WINDOW_WIDTH[0] <= wide <= WINDOW_WIDTH[1] and WINDOW_HEIGHT[0] <= high <= WINDOW_HEIGHT[1]
    return fits and SILL[0] <= hole.bottom <= SILL[1]


def is_hidden(plan, wall, hole):
    """Whether something stands close before a hole at its height, which may hide the wall instead."""
    near, far = wall.thickness / 2 + 0.1, wall.thickness / 2 + 0.8
    bottom, top = hole.bottom / CELL, hole.top / CELL
    count = 0
    for across in ((wall.offset - far, wall.offset - near), (wall.offset + near, wall.offset + far)):
        places, _ = plan.strip(wall.axes, (hole.low, hole.high), across)
        z = plan.cells[plan.above(places)[1], 2]
        count += ((z > bottom) & (z < top)).sum()
    return count * CELL**2 > 0.1 * (hole.high - hole.low) * (hole.top - hole.bottom)
