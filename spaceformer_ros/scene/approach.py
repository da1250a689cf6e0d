# SPDX-License-Identifier: Apache-2.0
"""Approach poses: a pose on free floor that faces an object and can be used as a navigation goal."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .. import SpaceformerError
from ..geometry.floor import floor_height

CELL = 0.05  # metres; side of the grid's cells
FLOOR_BAND = 0.10  # metres; points within this distance of the floor's height count as floor
ROBOT_HEIGHT = 1.5  # metres; higher points are not obstacles
MIN_KNOWN_SHARE = 0.5  # of the robot's footprint that must be seen as floor
STANDOFF_FACTORS = (1.0, 1.5, 2.0, 3.0)  # tried in turn: furniture may be in front of the object
FLOOR_SHARE = 0.02  # maximum share of points below the floor (noise)
FLOOR_RADIUS = 2.0  # metres around the box in which the height of the floor is measured
MAX_SIDE = 30.0  # metres of a box's ground sides; larger ones are not objects, and the search would take long
RING_STEP = 0.1  # metres between the positions that are tried


class NoApproach(SpaceformerError):
    """There is no approach to an object; the message gives the reason."""


@dataclass(frozen=True)
class Approach:
    """A pose in the map's frame: position [3] metres on the floor, yaw radians about z, facing the object's centre."""

    position: np.ndarray
    yaw: float


def find_approach(xyz, box, standoff, robot_radius, robot=None):
    """The Approach to an OrientedBox in a map. Raises NoApproach with the reason if there is none.

    No point of the map between FLOOR_BAND and ROBOT_HEIGHT above the floor is closer to it than robot_radius.

    xyz: [N, 3] metres, the whole map, z up
    standoff: metres from the box's side to the robot's centre, at least robot_radius
    robot: [3] metres; the position nearest to it is chosen, None: the one with most free space
    """
    side = float(np.max(box.size[:2]))
    if not side <= MAX_SIDE:
        raise NoApproach(f"its box is {side:.0f} m long, the limit is {MAX_SIDE:.0f} m")
    standoff = max(standoff, robot_radius)
    furthest = STANDOFF_FACTORS[-1] * standoff
    ground = _Ground.around(xyz, box, furthest + robot_radius + CELL)
    reason = f"no floor is visible within {furthest:.1f} m of it"
    for factor in STANDOFF_FACTORS:
        positions = ring(box, factor * standoff)
        positions = positions[ground.is_floor(positions, robot_radius)]
        if not len(positions):
            continue
        clearance = ground.clearance(positions)
        free = clearance >= robot_radius
        if not free.any():
            reason = f"all floor within {furthest:.1f} m of it is closer than {robot_radius:.2f} m to an obstacle"
            continue
        visible = np.array([is_free and ground.sees(position, box) for is_free, position in zip(free, positions)])
        if not visible.any():
            reason = f"it is hidden from all free floor within {furthest:.1f} m"
            continue
        cost = -clearance if robot is None else np.linalg.norm(positions - robot[:2], axis=1)
        x, y = positions[np.argmin(np.where(visible, cost, np.inf))]
        yaw = np.arctan2(box.center[1] - y, box.center[0] - x)
        return Approach(np.array([x, y, ground.floor]), float(yaw))
    raise NoApproach(reason)


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

    def clearance(self, positions):
        """[P] metres to the nearest obstacle, infinite if there is none."""
        return self.obstacles.query(positions)[0]

    def is_floor(self, positions, radius):
        """[P] bool: enough of a footprint of `radius` metres was seen as floor."""
        offset = np.arange(-radius, radius + CELL / 2, CELL)
        disc = np.stack(np.meshgrid(offset, offset), axis=-1).reshape(-1, 2)
        disc = disc[np.linalg.norm(disc, axis=1) <= radius]
        seen = self.known[self._cells((positions[:, None] + disc).reshape(-1, 2))].reshape(len(positions), -1)
        return seen.mean(axis=1) >= MIN_KNOWN_SHARE

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
