# SPDX-License-Identifier: Apache-2.0
"""Doors and windows: gaps of walls that reach the floor, holes with a sill, and objects with such labels on a wall."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, label

from .cells import CELL
from .structure import CLOSED, OPEN, UNKNOWN

PASSAGE = (0.15, 1.8)  # metres above the floor that are free in an open door
FREE = 0.2  # largest share of it that is occupied at one place along the wall
DOOR_WIDTH = (0.55, 2.6)  # metres
LINTEL = (1.75, 2.5)  # metres above the floor between which the upper edge of a door is looked for
DOOR_HEIGHT = 2.05  # metres, where its upper edge was not seen
FLOOR_SEEN = 0.4  # smallest share of a gap with floor in it
CLOSED_FILL, OPEN_FILL = 0.45, 0.2  # share of a door instance that is filled in the plane of the wall
WINDOW_WIDTH, WINDOW_HEIGHT = (0.4, 4.0), (0.4, 2.2)  # metres
SILL = (0.3, 1.5)  # metres
EDGE = 0.6  # share of the surroundings of a hole that must be wall
SNAP = 0.35  # metres from a wall within which an object belongs to it
PARALLEL = np.radians(25.0)  # between a wall and a closed door or a window
DOOR_WORDS, WINDOW_WORDS = ("door", "doorway"), ("window",)
NO_DOORS = ("cabinet", "cupboard", "closet", "oven", "fridge", "refrigerator", "car", "wardrobe", "locker", "shower")


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


def find_openings(plan, walls, boxes):
    """Two lists of Opening, doors and windows.

    plan: PlanView; walls: list of FoundWall; boxes: (label, OrientedBox in the turned frame, heights above the floor).
    """
    doors = [gap for row, wall in enumerate(walls) for gap in _gaps(plan, walls, row, wall)]
    marked = [(text, box) for text, box in boxes if is_door(text)]
    doors += [door for _, box in marked if (door := _snapped_door(walls, box)) and not _is_known(door, doors)]
    windows = [window for text, box in boxes if is_window(text) and (window := _snapped(walls, box))]
    windows = _merged([window for window in windows if not _is_known(window, doors)])
    holes = [hole for row, wall in enumerate(walls) for hole in _holes(plan, row, wall)]
    return doors, windows + [hole for hole in holes if not _is_known(hole, windows) and not _is_known(hole, doors)]


def is_door(text):
    """Whether a label is that of a door in a wall."""
    words = text.lower().split()
    return bool(words) and words[-1] in DOOR_WORDS and not any(word in NO_DOORS for word in words)


def is_window(text):
    """Whether a label is that of a window."""
    words = text.lower().split()
    return bool(words) and words[-1] in WINDOW_WORDS


def _runs(flags):
    """Pairs (first, past the last) of the runs of True in [T] bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _gaps(plan, walls, row, wall):
    """Open doors of a wall: places where it is missing from the floor up while floor is seen."""
    filled = np.max([face.cover(wall.low, wall.high, *PASSAGE) for face in wall.faces], axis=0)
    free = binary_closing(filled <= FREE, np.ones(3)) & (filled <= 0.6)
    found = []
    for first, last in _runs(free):
        low, high = wall.low + first * CELL, wall.low + last * CELL
        if DOOR_WIDTH[0] <= high - low <= DOOR_WIDTH[1] and _floor_share(plan, wall, low, high) >= FLOOR_SEEN:
            found.append(Opening(row, low, high, 0.0, _lintel(wall, low, high), OPEN))
    return found


def _floor_share(plan, wall, low, high):
    """Share of the floor of a gap that was seen on both sides of the wall's middle, and in it."""
    along = np.arange(low + CELL, high - CELL / 2, CELL)
    shares = []
    for out in (-wall.thickness / 2 - 0.1, 0.0, wall.thickness / 2 + 0.1):
        places = plan.places(wall.point(along) + out * wall.axes[1])
        shares.append(plan.floor[tuple(places.T)].mean() if len(places) else 0.0)
    return min(shares)


def _lintel(wall, low, high):
    """Metres from the floor to the upper edge of a gap."""
    z0, z1 = (round(bound / CELL) for bound in LINTEL)
    for z in range(z0, z1):
        cover = max(face.cover(low, high, z * CELL, (z + 2) * CELL).mean() for face in wall.faces)
        if cover > 0.4:
            return z * CELL
    return DOOR_HEIGHT


def _snapped(walls, box):
    """The Opening of a box on the nearest parallel wall, or None."""
    best, distance = None, SNAP
    for row, wall in enumerate(walls):
        turn = abs((box.yaw - wall.direction + np.pi / 2) % np.pi - np.pi / 2)
        t, left = wall.axes @ box.center[:2]
        away = max(abs(left - wall.offset) - wall.thickness / 2, 0.0)
        if turn < PARALLEL and away < distance and wall.low - 0.2 <= t <= wall.high + 0.2:
            half, tall = box.size[0] / 2, box.size[2] / 2
            low, high = max(t - half, wall.low), min(t + half, wall.high)
            if high - low > 0.3:
                best, distance = Opening(row, low, high, box.center[2] - tall, box.center[2] + tall), away
    return best


def _snapped_door(walls, box):
    """The closed door of a box, or None: an open leaf is not parallel to the wall."""
    door = _snapped(walls, box)
    if door is None or door.top < 1.5 or not DOOR_WIDTH[0] - 0.1 <= door.high - door.low <= DOOR_WIDTH[1]:
        return None
    faces = walls[door.wall].faces
    fill = max(face.cover(door.low, door.high, *PASSAGE).mean() for face in faces)
    state = CLOSED if fill >= CLOSED_FILL else OPEN if fill <= OPEN_FILL else UNKNOWN
    return Opening(door.wall, door.low, door.high, 0.0, door.top, state)


def _is_known(opening, others):
    """Whether one of the others is at the same place of the same wall."""
    return any(
        other.wall == opening.wall
        and min(other.high, opening.high) - max(other.low, opening.low)
        > 0.3 * min(other.high - other.low, opening.high - opening.low)
        and min(other.top, opening.top) > max(other.bottom, opening.bottom)
        for other in others
    )


def _merged(windows):
    """Windows of one wall that overlap, as panes of one window do, become one."""
    merged = []
    for window in sorted(windows, key=lambda w: (w.wall, w.low)):
        last = merged[-1] if merged else None
        if last and _is_known(window, [last]):
            bottom, top = min(last.bottom, window.bottom), max(last.top, window.top)
            merged[-1] = Opening(last.wall, last.low, max(last.high, window.high), bottom, top)
        else:
            merged.append(window)
    return merged


def _holes(plan, row, wall):
    """Windows without points: rectangular holes of a wall with wall below, above and on both sides."""
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
        if _is_window_shape(hole) and is_full and not _is_hidden(plan, wall, hole):
            found.append(hole)
    return found


def _is_window_shape(hole):
    wide, high = hole.high - hole.low, hole.top - hole.bottom
    fits = WINDOW_WIDTH[0] <= wide <= WINDOW_WIDTH[1] and WINDOW_HEIGHT[0] <= high <= WINDOW_HEIGHT[1]
    return fits and SILL[0] <= hole.bottom <= SILL[1]


def _is_hidden(plan, wall, hole):
    """Whether something stands close before a hole at its height, which may hide the wall instead."""
    xy = plan.metres(plan.cells[:, :2])
    t, left = xy @ wall.axes[0], np.abs(xy @ wall.axes[1] - wall.offset)
    z = plan.cells[:, 2] * CELL
    near = (t > hole.low) & (t < hole.high) & (z > hole.bottom) & (z < hole.top)
    near &= (left > wall.thickness / 2 + 0.1) & (left < wall.thickness / 2 + 0.8)
    return near.sum() * CELL**2 > 0.1 * (hole.high - hole.low) * (hole.top - hole.bottom)
