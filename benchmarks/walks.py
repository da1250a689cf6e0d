# SPDX-License-Identifier: Apache-2.0
"""Walks through generated rooms: camera poses on free floor, and what the camera really sees from them.

The map that is tested is a scan of a room (`make_room`), as the robot made it. What the camera sees is drawn from the
complete surfaces of the same room, with points four times as dense and without noise.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.synthetic import Room, RoomConfig, make_room

CAMERA = CameraModel(320, 240, 266.0, 266.0, 159.5, 119.5)  # 62 degrees wide
DENSE = 0.012  # metres between the points of the complete surfaces
CELL = 0.1  # metres of the map of free floor
CLEARANCE = 0.3  # metres between the camera and things
HEIGHT = 1.3  # metres of the camera above the floor
MAX_PITCH = 0.35  # radians
JITTER = 0.06  # of the sides of the box of a detection
MIN_PIXELS = 60  # of an object of which a detector sees something


@dataclass(frozen=True)
class Walk:
    """A room, and a camera in it.

    room: Room, as scanned
    surfaces: Room with the complete surfaces
    points: MapPoints of the surfaces
    same: [objects of `surfaces`] row of the same thing in `room.objects`, -1 if the scan has too little of it
    """

    room: Room
    surfaces: Room
    points: MapPoints
    same: np.ndarray

    def see(self, pose, camera=CAMERA):
        """The View from a pose (RigidTransform of the optical frame into the map), its rows those of `surfaces`."""
        return self.points.draw(camera, pose.inverse)

    def in_view(self, view):
        """Rows (RoomObject, (rows, columns)) of the objects of which a View shows MIN_PIXELS."""
        ids, found = view.pick(self.surfaces.instance.astype(np.int64), nothing=-1), []
        for row in np.unique(ids[ids >= 0]):
            pixels = np.nonzero(ids == row)
            if len(pixels[0]) >= MIN_PIXELS:
                found.append((self.surfaces.objects[row], pixels))
        return found

    def poses(self, count, rng):
        """`count` poses on free floor, ordered by nearest neighbour as on a walk, in random directions."""
        floor = free_floor(self.surfaces.cloud.xyz)
        chosen = floor[rng.choice(len(floor), count)]
        order, left = [0], set(range(1, count))
        while left:
            order.append(min(left, key=lambda i: np.linalg.norm(chosen[i] - chosen[order[-1]])))
            left.remove(order[-1])
        return [
            optical_pose((*chosen[i], HEIGHT), rng.uniform(-np.pi, np.pi), -rng.uniform(0.0, MAX_PITCH)) for i in order
        ]


def make_walk(seed, config=RoomConfig()):  # noqa: B008 (frozen: a shared default is safe)
    """The Walk of a generated room."""
    room = make_room(seed, config)
    surfaces = make_room(seed, replace(config, scan=False, fusion_size=(DENSE, DENSE)))
    centers = np.array([item.box.center for item in room.objects]).reshape(-1, 3)
    same = np.full(len(surfaces.objects), -1)
    for row, item in enumerate(surfaces.objects):
        near = np.flatnonzero(np.abs(centers - item.box.center).max(axis=1) < 1e-6)
        if len(near):
            same[row] = near[0]
    return Walk(room, surfaces, MapPoints(surfaces.cloud.xyz, DENSE), same)


def jittered_box(pixels, rng):
    """(left, top, right, bottom) around pixels (rows, columns), with the errors of a detector."""
    v, u = pixels
    low, high = np.array([u.min(), v.min()]), np.array([u.max(), v.max()]) + 1
    error = rng.uniform(-JITTER, JITTER, (2, 2)) * (high - low)
    return (*(low + error[0]), *(high + error[1]))


def free_floor(xyz):
    """[K, 2] metres: places with floor, and nothing between knee and head within CLEARANCE. xyz: [N, 3] metres."""
    low = xyz[:, :2].min(axis=0)
    cell = np.floor((xyz[:, :2] - low) / CELL).astype(int)
    floor, taken = (np.zeros(cell.max(axis=0) + 1, dtype=bool) for _ in range(2))
    is_floor = np.abs(xyz[:, 2] - np.median(xyz[xyz[:, 2] < 0.2, 2])) < 0.05
    floor[tuple(cell[is_floor].T)] = True
    taken[tuple(cell[(xyz[:, 2] > 0.3) & (xyz[:, 2] < HEIGHT + 0.3)].T)] = True
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(floor, iterations=2))
    room = ndimage.distance_transform_edt(inside & ~taken) * CELL
    free = np.argwhere(room > min(CLEARANCE, 0.6 * room.max()))
    return low + (free + 0.5) * CELL
