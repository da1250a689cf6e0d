# SPDX-License-Identifier: Apache-2.0
"""Doors and windows among the labelled objects of a map, set into walls.

A network takes other upright surfaces for doors: pieces of wall, fronts of wardrobes. A door is accepted if its colour
differs from the wall on both sides, which also gives its edges, or if it has the size of a usual leaf and no low score.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.boxes import OrientedBox
from .cells import CELL
from .openings import DOOR_HEIGHT, DOOR_WIDTH, PASSAGE, Opening, is_known
from .structure import CLOSED, OPEN, UNKNOWN

DOOR_WORDS, WINDOW_WORDS = ("door", "doorway"), ("window",)
NO_DOORS = ("cabinet", "cupboard", "closet", "oven", "fridge", "refrigerator", "car", "wardrobe", "locker", "shower")
SNAP = 0.35  # metres from a wall within which an object belongs to it
PARALLEL = np.radians(25.0)  # between a wall and a closed door or a window
CLOSED_FILL, OPEN_FILL = 0.45, 0.2  # share of a door instance that is filled in the plane of the wall
MAX_BOTTOM = 0.4  # metres above the floor of the lower edge of a door
DOOR_TOP = (1.75, 2.6)  # metres above the floor of the upper edge of a door whose colour differs from the wall
SEEN_TOP = 1.2  # metres above the floor that the seen part of a door reaches at least
USUAL_TOP, USUAL_WIDTH = (1.9, 2.2), 1.2  # metres, of a leaf with its frame
LEAF_TOP, LEAF_WIDTH = 2.35, 1.3  # metres; doors that are larger are two things, or no door
DOUBLE_WIDTH = 1.9  # metres, of a door with two leaves
LIKELY = 0.4  # score of an object with the size of a usual leaf that needs no other colour than the wall
SURE = 0.6  # score of a door that has two leaves, or was seen in part
MIN_WINDOW_SCORE = 0.2
SIDE = (0.1, 0.5)  # metres from the edge of a door's box to where the wall beside it is compared
COLOR_BAND, COLOR_DEPTH = (0.4, 1.7), 0.1  # metres above the floor, and from the wall, of the cells that are compared
CONTRAST = 30.0  # of 255, between a door and the wall, in the channel that differs most
MIN_LEAF_SHARE = 0.4  # of the width of a door's box that has its colour
MIN_CELLS = 5  # of a column of the wall, CELL wide, that has a colour
MAX_GAP = 3  # columns without a colour, or with that of the wall, within a door


@dataclass(frozen=True)
class Labelled:
    """A door or window that was found as an object, in the frame turned along the walls, heights above the floor."""

    label: str
    score: float
    box: OrientedBox

    def above(self, floor_z):
        """This object with heights above a floor."""
        return replace(self, box=replace(self.box, center=self.box.center - (0.0, 0.0, floor_z)))


def labelled_openings(objects, turn):
    """List of Labelled, those with the highest score first.

    objects: with label, score and box (OrientedBox) in the map's coordinates; turn: RigidTransform
    """
    found = [item for item in objects if is_door(item.label) or is_window(item.label)]
    return [Labelled(item.label, item.score, item.box.moved(turn)) for item in sorted(found, key=lambda i: -i.score)]


def is_door(text):
    """Whether a label is that of a door in a wall."""
    words = text.lower().split()
    return bool(words) and words[-1] in DOOR_WORDS and not any(word in NO_DOORS for word in words)


def is_window(text):
    """Whether a label is that of a window."""
    words = text.lower().split()
    return bool(words) and words[-1] in WINDOW_WORDS


def add_labelled(plan, doors, walls, labelled):
    """Lists of Opening, doors and windows: known doors, and those among Labelled objects that contradict no better one.

    plan: PlanView; labelled: those with the highest score first
    """
    doors, windows = list(doors), []
    for item in labelled:
        if is_door(item.label):
            door = _door(plan, walls, item)
            if door is not None and not is_known(door, [*doors, *windows]):
                doors.append(door)
        elif item.score >= MIN_WINDOW_SCORE:
            window = _snapped(walls, item.box)
            if window is not None and not is_known(window, doors):
                windows.append(window)
    return doors, _merged(windows)


def _door(plan, walls, item):
    """The closed door of a Labelled object, or None: an open leaf is not parallel to the wall."""
    door = _snapped(walls, item.box)
    bottom = item.box.center[2] - item.box.size[2] / 2
    if door is None or bottom > MAX_BOTTOM or not SEEN_TOP <= door.top <= DOOR_TOP[1]:
        return None
    edges = _leaf(plan, door, walls[door.wall])
    if not _is_leaf(door, edges, item.score):
        return None
    low, high = edges or (door.low, door.high)
    widest = DOUBLE_WIDTH if item.score >= SURE else LEAF_WIDTH
    if not DOOR_WIDTH[0] <= high - low <= widest:
        return None
    fill = max(face.cover(low, high, *PASSAGE).mean() for face in walls[door.wall].faces)
    state = CLOSED if fill >= CLOSED_FILL else OPEN if fill <= OPEN_FILL else UNKNOWN
    return Opening(door.wall, low, high, 0.0, door.top if DOOR_TOP[0] <= door.top <= LEAF_TOP else DOOR_HEIGHT, state)


def _is_leaf(door, edges, score):
    """Whether the score and the shape of an object speak for a leaf, which may have `edges` in the wall's colours."""
    if door.top < DOOR_TOP[0]:  # its upper part was not seen
        return edges is not None and score >= SURE
    usual = USUAL_TOP[0] <= door.top <= USUAL_TOP[1] and door.high - door.low <= USUAL_WIDTH
    return edges is not None or (usual and score >= LIKELY)


def _leaf(plan, door, wall):
    """(low, high) metres along a wall between which its colour differs from that on both sides of a door, or None."""
    start = door.low - SIDE[1]
    colors = _column_colors(plan, wall, start, door.high + SIDE[1])
    edge, far = (round(bound / CELL) for bound in SIDE)
    sides = [_median(part) for part in (colors[: far - edge], colors[len(colors) - (far - edge) :])]
    if np.isnan(sides).any():
        return None
    contrast = np.min([np.abs(colors - side).max(axis=1) for side in sides], axis=0)
    other = np.flatnonzero(contrast > CONTRAST)  # a column without a colour compares as false
    runs = np.split(other, np.flatnonzero(np.diff(other) > MAX_GAP) + 1)
    longest = max(runs, key=len)
    if len(longest) * CELL < MIN_LEAF_SHARE * (door.high - door.low):
        return None
    return start + longest[0] * CELL, start + (longest[-1] + 1) * CELL


def _column_colors(plan, wall, low, high):
    """[T, 3] median colour of the cells of each column of a wall, CELL wide, NaN where hardly anything was seen."""
    half = wall.thickness / 2 + COLOR_DEPTH
    places, t = plan.strip(wall.axes, (low, high), (wall.offset - half, wall.offset + half))
    place, cell = plan.above(places)
    z = plan.cells[cell, 2] * CELL
    near = (z > COLOR_BAND[0]) & (z < COLOR_BAND[1])
    column, rgb = ((t[place[near]] - low) / CELL).astype(np.int64), plan.colors(cell[near])
    order = np.argsort(column, kind="stable")
    parts = np.split(rgb[order], np.searchsorted(column[order], range(1, round((high - low) / CELL))))
    return np.array([np.median(part, axis=0) if len(part) >= MIN_CELLS else np.full(3, np.nan) for part in parts])


def _median(colors):
    """[3] median of the rows that have a colour; NaN if hardly any has."""
    seen = colors[~np.isnan(colors).any(axis=1)]
    return np.median(seen, axis=0) if len(seen) >= 2 else np.full(3, np.nan)


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


def _merged(windows):
    """Windows of one wall that overlap, as panes of one window do, become one."""
    merged = []
    for window in sorted(windows, key=lambda w: (w.wall, w.low)):
        last = merged[-1] if merged else None
        if last and is_known(window, [last]):
            bottom, top = min(last.bottom, window.bottom), max(last.top, window.top)
            merged[-1] = Opening(last.wall, last.low, max(last.high, window.high), bottom, top)
        else:
            merged.append(window)
    return merged
