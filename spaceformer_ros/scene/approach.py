# SPDX-License-Identifier: Apache-2.0
"""Where to stand to face an object: a pose on free floor in front of it, which a navigation goal can use as it is."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from ..geometry.floor import floor_height

CELL = 0.05  # metres; side of the grid's cells
FLOOR_BAND = 0.10  # metres above and below the floor that still count as floor
ROBOT_HEIGHT = 1.5  # metres; what hangs higher does not block
KNOWN_SHARE = 0.5  # of the robot's footprint that must be seen as floor
REACH = (1.0, 1.5, 2.0, 3.0)  # factors on the standoff that are tried in turn: furniture may stand in front
FLOOR_SHARE = 0.02  # of the points, which lie below the floor at most
FLOOR_RADIUS = 2.0  # metres around the box in which the floor's height is looked for


@dataclass(frozen=True)
class Approach:
    """A pose in the map's frame: position [3] metres on the floor, yaw radians about z, facing the object's centre."""

    position: np.ndarray
    yaw: float


def find_approach(xyz, box, standoff, robot_radius, robot=None):
    """Approach to an OrientedBox in a map, or None where no free floor with a clear view is near.

    xyz: [N, 3] metres of the whole map, z up; standoff: metres from the box's side to the robot's centre, at least
    robot_radius (metres); robot: [3] metres, the nearest place to it is taken; None: the one with most free space.
    """
    standoff = max(standoff, robot_radius + CELL)
    grid = _Ground.around(xyz, box, REACH[-1] * standoff + robot_radius + CELL)
    for factor in REACH:
        places = ring(box, factor * standoff)
        places = places[grid.stands(places, robot_radius)]
        places = places[[grid.sees(place, box) for place in places]] if len(places) else places
        if len(places):
            cost = -grid.clearance(places) if robot is None else np.linalg.norm(places - robot[:2], axis=1)
            place = places[np.argmin(cost)]
            toward = box.center[:2] - place
            return Approach(np.array([*place, grid.floor]), float(np.arctan2(toward[1], toward[0])))
    return None


def ring(box, distance, step=0.1):
    """Places [P, 2] all around a box's ground rectangle at `distance` metres from it, about `step` metres apart."""
    import shapely

    outline = shapely.Polygon(box.corners[:4, :2]).buffer(distance).exterior
    along = np.arange(0.0, outline.length, step)
    return shapely.get_coordinates(shapely.line_interpolate_point(outline, along))


@dataclass(frozen=True)
class _Ground:
    """The floor around a box as a grid. low: [2] metres, its corner; floor: metres; known: [X, Y] bool, floor was seen;
    hiding: [X, Y] bool, something rises above the box's centre; room: [X, Y] metres to the nearest obstacle."""

    low: np.ndarray
    floor: float
    known: np.ndarray
    hiding: np.ndarray
    room: np.ndarray

    @classmethod
    def around(cls, xyz, box, margin):
        corners = box.corners[:4, :2]
        low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
        near = xyz[((xyz[:, :2] >= low) & (xyz[:, :2] < high)).all(axis=1)]
        floor = floor_below(xyz, box)
        shape = tuple(np.ceil((high - low) / CELL).astype(int))
        height = near[:, 2] - floor
        index = np.minimum(((near[:, :2] - low) / CELL).astype(int), np.array(shape) - 1)

        def cells(chosen):
            grid = np.zeros(shape, dtype=bool)
            grid[tuple(index[chosen].T)] = True
            return grid

        obstacle = cells((height > FLOOR_BAND) & (height <= ROBOT_HEIGHT))
        room = CELL * distance_transform_edt(~obstacle) if obstacle.any() else np.full(shape, np.inf)
        hiding = cells(height > max(FLOOR_BAND, box.center[2] - floor))
        return cls(low, floor, cells(np.abs(height) <= FLOOR_BAND), hiding, room)

    def _cells(self, places):
        cell = ((places - self.low) / CELL).astype(int)
        return tuple(np.clip(cell, 0, np.array(self.known.shape) - 1).T)

    def clearance(self, places):
        """[P] metres to the nearest obstacle."""
        return self.room[self._cells(places)]

    def stands(self, places, radius):
        """[P] bool: nothing is nearer than `radius`, and enough of the footprint was seen as floor."""
        reach = np.arange(-radius, radius + CELL / 2, CELL)
        disc = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
        disc = disc[np.linalg.norm(disc, axis=1) <= radius]
        seen = self.known[self._cells((places[:, None] + disc).reshape(-1, 2))].reshape(len(places), -1)
        return (self.clearance(places) >= radius) & (seen.mean(axis=1) >= KNOWN_SHARE)

    def sees(self, place, box):
        """Whether nothing between a place and the box rises above the box's centre."""
        steps = max(2, int(np.linalg.norm(box.center[:2] - place) / (CELL / 2)))
        line = place + np.linspace(0, 1, steps)[:, None] * (box.center[:2] - place)
        outside = ~box.contains(np.column_stack([line, np.full(steps, box.center[2])]), margin=2 * CELL)
        return not self.hiding[self._cells(line[outside])].any()


def floor_below(xyz, box):
    """Height of the floor below a box, metres, judged by the points within FLOOR_RADIUS of it."""
    corners = box.corners[:4, :2]
    low, high = corners.min(axis=0) - FLOOR_RADIUS, corners.max(axis=0) + FLOOR_RADIUS
    inside = ((xyz[:, :2] >= low) & (xyz[:, :2] <= high)).all(axis=1)
    if not inside.any():
        return float(box.center[2] - box.size[2] / 2)
    return float(floor_height(xyz[inside, 2], FLOOR_SHARE))
