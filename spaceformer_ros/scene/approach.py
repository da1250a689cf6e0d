# SPDX-License-Identifier: Apache-2.0
"""Approach poses: a pose on free floor that faces an object and can be used as a navigation goal."""

import contextlib
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .. import SpaceformerError
from ..geometry.floor import floor_height
from ..geometry.footprint import placed

CELL = 0.05  # metres; side of the grid's cells
FLOOR_BAND = 0.10  # metres; points within this distance of the floor's height count as floor
ROBOT_HEIGHT = 1.5  # metres; higher points are not obstacles
MIN_KNOWN_SHARE = 0.5  # of the robot's footprint that must be seen as floor
PLACES = 20  # of a large robot, from its centre outwards, where this share is measured
STANDOFF_FACTORS = (1.0, 1.5, 2.0, 3.0)  # tried in turn: furniture may be in front of the object
FLOOR_SHARE = 0.02  # maximum share of points below the floor (noise)
FLOOR_RADIUS = 2.0  # metres around the box in which the height of the floor is measured
MAX_SIDE = 30.0  # metres of a box's ground sides; larger ones are not objects, and the search would take long
RING_STEP = 0.1  # metres between the positions that are tried
# Why there is no approach, in the order of the checks: the one that got furthest is reported.
NO_FLOOR, BLOCKED, HIDDEN, NOT_IN_COSTMAP = REASONS = (
    "no floor is visible {nearest:.1f} to {furthest:.1f} m from it",
    "{robot} touches an obstacle on all floor {near}",
    "it is hidden from all free floor {near}",
    "the costmap has no free place {near}",
)


class NoApproach(SpaceformerError):
    """There is no approach to an object; the message gives the reason."""


@dataclass(frozen=True)
class Approach:
    """A pose in the map's frame: position [3] metres on the floor, yaw radians about z, facing the object's centre."""

    position: np.ndarray
    yaw: float

    def moved(self, transform):
        """This pose after a RigidTransform that rotates about z only."""
        return Approach(transform.apply(self.position), self.yaw + transform.yaw)


def find_approach(xyz, box, standoff, footprint, robot=None):
    """The best Approach to an OrientedBox in a map: the first of `find_approaches`. Raises NoApproach."""
    return find_approaches(xyz, box, standoff, footprint, robot, count=1)[0]


def first_approach(xyz, boxes, standoff, footprint):
    """The best Approach to the first of some OrientedBoxes that has one, or None."""
    for box in boxes:
        with contextlib.suppress(NoApproach):
            return find_approach(xyz, box, standoff, footprint)
    return None


def find_approaches(xyz, box, standoff, footprint, robot=None, count=4, is_free=None):
    """Up to `count` Approaches to an OrientedBox in a map, best first. Raises NoApproach with the reason if none.

    There a robot with this Footprint, which faces the object, touches no point of the map between FLOOR_BAND and
    ROBOT_HEIGHT above the floor. They are at least twice the radius of the footprint apart.

    xyz: [N, 3] metres, the whole map, z up
    standoff: metres from the box's side to the robot's centre, at least that of its front
    robot: [3] metres; positions near it are preferred, None: those with most free space
    is_free: another test of places [P, 3] and headings [P], which returns [P] bool, or None
    """
    side = float(np.max(box.size[:2]))
    if not side <= MAX_SIDE:
        raise NoApproach(f"its box is {side:.0f} m long, the limit is {MAX_SIDE:.0f} m")
    standoff = max(standoff, footprint.front)
    furthest = STANDOFF_FACTORS[-1] * standoff
    ground = _Ground.around(xyz, box, furthest + footprint.radius + CELL)
    found, reason = [], NO_FLOOR
    for factor in STANDOFF_FACTORS:
        poses, why = _usable(ground, box, factor * standoff, footprint, is_free)
        reason = max(reason, why, key=REASONS.index)
        cost = -ground.clearance(poses) if robot is None else np.linalg.norm(poses[:, :2] - robot[:2], axis=1)
        for x, y, yaw in poses[np.argsort(cost, kind="stable")]:
            if all(np.hypot(*(other.position[:2] - (x, y))) >= 2 * footprint.radius for other in found):
                found.append(Approach(np.array([x, y, ground.floor]), float(yaw)))
            if len(found) == count:
                return found
    if not found:
        near = f"within {furthest:.1f} m of it"
        raise NoApproach(reason.format(near=near, nearest=standoff, furthest=furthest, robot=footprint))
    return found


def _usable(ground, box, distance, footprint, is_free):
    """[P, 3] poses x, y, yaw at a distance from a box where a robot can stand and sees it, and, if there is none, the
    one of REASONS that excluded the last of them."""
    places = ring(box, distance)
    poses = np.column_stack([places, np.arctan2(*(box.center[:2] - places).T[::-1])])
    narrow = ground.clearance(poses) < footprint.inner_radius  # a quick test, which leaves few of a large robot
    poses = poses[~narrow]
    poses = poses[ground.is_floor(poses, footprint)]
    if not len(poses):
        return poses, BLOCKED if ground.is_seen(places[narrow]).any() else NO_FLOOR
    poses = poses[ground.is_clear(poses, footprint)]
    if not len(poses):
        return poses, BLOCKED
    poses = poses[[ground.sees(pose[:2], box) for pose in poses]]
    if not len(poses):
        return poses, HIDDEN
    if is_free is not None:
        poses = poses[is_free(np.column_stack([poses[:, :2], np.full(len(poses), ground.floor)]), poses[:, 2])]
    return poses, NOT_IN_COSTMAP


def ring(box, distance):
    """Positions [P, 2] at `distance` metres around a box's ground rectangle, RING_STEP apart."""
    import shapely

    outline = shapely.Polygon(box.corners[:4, :2]).buffer(distance).exterior
    along = np.arange(0.0, outline.length, RING_STEP)
    return shapely.get_coordinates(shapely.line_interpolate_point(outline, along))


@dataclass(frozen=True)
class _Ground:
    """The floor around a box.

    low: [2] metres, corner of the grid
    floor: height in metres
    known: [X, Y] bool, floor was seen in this cell
    hiding: [X, Y] bool, something rises above the box's centre
    obstacles: k-d tree of the points that block a robot, [n, 2] metres
    """

    low: np.ndarray
    floor: float
    known: np.ndarray
    hiding: np.ndarray
    obstacles: cKDTree

    @classmethod
    def around(cls, xyz, box, margin):
        """The floor within `margin` metres of a box."""
        low, high = _bounds(box, margin)
        near = xyz[((xyz[:, :2] >= low) & (xyz[:, :2] < high)).all(axis=1)]
        floor = floor_below(xyz, box)
        shape = tuple(np.ceil((high - low) / CELL).astype(int))
        height = near[:, 2] - floor
        index = np.minimum(((near[:, :2] - low) / CELL).astype(int), np.array(shape) - 1)

        def grid_of(chosen):
            grid = np.zeros(shape, dtype=bool)
            grid[tuple(index[chosen].T)] = True
            return grid

        return cls(
            low=low,
            floor=floor,
            known=grid_of(np.abs(height) <= FLOOR_BAND),
            hiding=grid_of(height > max(FLOOR_BAND, box.center[2] - floor)),
            obstacles=cKDTree(near[(height > FLOOR_BAND) & (height <= ROBOT_HEIGHT), :2]),
        )

    def _cells(self, positions):
        cell = ((positions - self.low) / CELL).astype(int)
        return tuple(np.clip(cell, 0, np.array(self.known.shape) - 1).T)

    def clearance(self, poses):
        """[P] metres to the nearest obstacle, infinite if there is none."""
        return self.obstacles.query(poses[:, :2])[0]

    def is_clear(self, poses, footprint):
        """[P] bool: no obstacle is on the footprint of a robot at poses [P, 3]."""
        clear = self.clearance(poses) >= footprint.inner_radius
        if footprint.corners is None:
            return clear
        for row in np.flatnonzero(clear):
            x, y, yaw = poses[row]
            near = np.array(self.obstacles.query_ball_point((x, y), footprint.radius), dtype=np.int64)
            clear[row] = not footprint.covers(placed(self.obstacles.data[near] - (x, y), (0.0, 0.0, -yaw))).any()
        return clear

    def is_seen(self, places):
        """[P] bool: floor was seen at places [P, 2]."""
        return self.known[self._cells(places)]

    def is_floor(self, poses, footprint):
        """[P] bool: enough of the footprint of a robot at poses [P, 3] was seen as floor."""
        offsets = footprint.offsets(max(CELL, footprint.radius / PLACES))
        seen = [self.is_seen(placed(offsets, pose)).mean() for pose in poses]
        return np.array(seen) >= MIN_KNOWN_SHARE

    def sees(self, position, box):
        """Whether nothing between a position and the box rises above the box's centre."""
        steps = max(2, int(np.linalg.norm(box.center[:2] - position) / (CELL / 2)))
        line = position + np.linspace(0, 1, steps)[:, None] * (box.center[:2] - position)
        outside = ~box.contains(np.column_stack([line, np.full(steps, box.center[2])]), margin=2 * CELL)
        return not self.hiding[self._cells(line[outside])].any()


def _bounds(box, margin):
    """([2], [2]) metres: bounds of a box's ground rectangle, grown by `margin`."""
    corners = box.corners[:4, :2]
    return corners.min(axis=0) - margin, corners.max(axis=0) + margin


def floor_below(xyz, box):
    """Height of the floor below a box, metres, from the points within FLOOR_RADIUS of it."""
    low, high = _bounds(box, FLOOR_RADIUS)
    inside = ((xyz[:, :2] >= low) & (xyz[:, :2] <= high)).all(axis=1)
    if not inside.any():
        return float(box.center[2] - box.size[2] / 2)
    return float(floor_height(xyz[inside, 2], FLOOR_SHARE))
