# SPDX-License-Identifier: Apache-2.0
"""Walls from faces: two faces back to back become one wall with a thickness, and walls meet at corners."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .faces import BOTH_SEEN, HALF, MAX_OPENING, axes_along, both_seen, is_parallel

MAX_THICKNESS = 0.42  # metres between the two faces of a wall: 0.4, and the noise of both
USUAL_THICKNESS = 0.22  # metres; the front of shallow furniture is at a larger distance from the wall behind it ...
DEEP_SEEN = 0.6  # ... and hides more of it: `both_seen` of two faces that are further apart
MIN_THICKNESS = 0.075  # metres; faces closer together are one, seen twice with drift
MAX_CORNER = 2.2  # metres by which a wall is extended to end on another one: a doorway or furniture in the corner
BOTH_EXTENDED = 0.6  # metres by which both walls are extended to meet at a corner that was not seen
MIN_OPENING = 0.55  # metres between two faces of a wall with a doorway between them
PAST_CORNER = 0.3  # metres by which a wall may stand out of a corner; such an end is cut


@dataclass(frozen=True)
class FoundWall:
    """A wall in the turned frame: `direction` radians; `offset` of its centre line, `low`, `high`, `thickness` in
    metres as in Face; faces: tuple of Face."""

    direction: float
    offset: float
    low: float
    high: float
    thickness: float
    faces: tuple

    @property
    def faces_span(self):
        """(from, to) metres across the wall that its faces take up, with their noise."""
        half = self.thickness / 2 + HALF
        return self.offset - half, self.offset + half

    @cached_property
    def axes(self):
        """Unit vectors along the wall and to its left, rows of [2, 2]."""
        return axes_along(self.direction)

    def point(self, along):
        """[..., 2] position on the centre line, `along` metres as low and high are."""
        axes = self.axes
        return np.asarray(along)[..., None] * axes[0] + self.offset * axes[1]

    @property
    def ends(self):
        """[2, 2] positions of the two ends of the centre line."""
        return self.point(np.array([self.low, self.high]))


def find_walls(faces):
    """List of FoundWall from a list of Face."""
    groups = []
    for face in faces:
        joined = [face]
        for group in [group for group in groups if any(_same_wall(face, other) for other in group)]:
            if _thickness(joined + group) <= MAX_THICKNESS:
                groups.remove(group)
                joined = group + joined
        groups.append(joined)
    return _with_corners([_wall(group) for group in groups])


def _thickness(faces):
    """Metres between the outermost of parallel faces."""
    offsets = [face.offset for face in faces]
    return max(offsets) - min(offsets)


def _same_wall(a, b):
    gap = abs(a.offset - b.offset)
    overlap = min(a.high, b.high) - max(a.low, b.low)
    if not is_parallel(a, b) or gap > MAX_THICKNESS:
        return False
    if overlap < 0.2:  # beside a doorway one face may be seen on this side, the other one on that side
        return MIN_THICKNESS <= gap < USUAL_THICKNESS and MIN_OPENING <= -overlap <= MAX_OPENING
    return gap < MIN_THICKNESS or both_seen(a, b) >= (BOTH_SEEN if gap < USUAL_THICKNESS else DEEP_SEEN)


def _wall(faces):
    offsets = [face.offset for face in faces]
    thickness = _thickness(faces)
    return FoundWall(
        faces[0].direction,
        (max(offsets) + min(offsets)) / 2,
        min(face.low for face in faces),
        max(face.high for face in faces),
        thickness if thickness >= MIN_THICKNESS else 0.0,
        tuple(faces),
    )


def _with_corners(walls):
    """The walls with their ends moved to where they meet another wall."""
    moved = []
    for wall in walls:
        low = _corner(wall, walls, wall.low, -1)
        high = _corner(wall, walls, wall.high, 1)
        moved.append(replace(wall, low=low, high=high) if high - low > 0.2 else wall)
    return moved


def _corner(wall, walls, end, side):
    """Where an end of a wall meets another wall, metres along it; `end` if it meets none nearby. side: -1 or 1."""
    best = None
    for other in walls:
        cross = np.sin(other.direction - wall.direction)
        if abs(cross) < np.sin(np.radians(20.0)):
            continue
        # the point of the centre line at which the offset from the other line is the other's offset
        along, base = wall.axes[0], wall.axes[1] * wall.offset
        t = (other.offset - base @ other.axes[1]) / (along @ other.axes[1])
        place = wall.point(t) @ other.axes[0]
        beyond = max(other.low - place, place - other.high)
        move = side * (t - end)
        reach = MAX_CORNER if beyond < 0.1 else BOTH_EXTENDED
        if -PAST_CORNER <= move <= reach and beyond <= BOTH_EXTENDED and (best is None or abs(move) < abs(best - end)):
            best = t
    return end if best is None else float(best)
