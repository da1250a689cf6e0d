# SPDX-License-Identifier: Apache-2.0
"""Camera poses of a robot on free floor: a complete tour, a part of one, or a few frames."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

GRID = 0.1  # metres per cell of the map of free floor
ROBOT_RADIUS = 0.22  # metres


@dataclass(frozen=True)
class Pose:
    """A camera pose in the map: position [3] metres; yaw (0 along x), pitch (positive is up) and roll, radians."""

    position: tuple
    yaw: float
    pitch: float
    roll: float = 0.0

    @property
    def axes(self):
        """[3, 3] float64: the camera's right, down and forward unit vectors in the map, as rows."""
        cy, sy, cp, sp = math.cos(self.yaw), math.sin(self.yaw), math.cos(self.pitch), math.sin(self.pitch)
        forward = np.array([cy * cp, sy * cp, sp])
        right, down = np.array([sy, -cy, 0.0]), np.array([cy * sp, sy * sp, -cp])
        c, s = math.cos(self.roll), math.sin(self.roll)
        return np.stack([c * right + s * down, c * down - s * right, forward])


def free_floor(plans, doorways, things, height):
    """[K, 2] metres: centres of the floor cells that a robot with a camera at `height` metres can reach."""
    areas = [rectangle for plan in plans for rectangle in plan.rectangles()] + [doorway.area for doorway in doorways]
    low = np.array([min(a[0] for a in areas), min(a[1] for a in areas)]) - GRID
    high = np.array([max(a[2] for a in areas), max(a[3] for a in areas)]) + GRID
    count = np.ceil((high - low) / GRID).astype(int)
    x, y = (low[axis] + (np.arange(count[axis]) + 0.5) * GRID for axis in (0, 1))
    free = np.zeros(count, dtype=bool)
    for x0, y0, x1, y1 in areas:
        free |= ((x > x0) & (x < x1))[:, None] & ((y > y0) & (y < y1))[None]
    volumes = np.concatenate([thing.volumes for thing in things] or [np.zeros((0, 8))])
    for cx, cy, hx, hy, c, s, *_ in volumes[(volumes[:, 6] < height + 0.1) & (volumes[:, 7] > 0.05)]:
        dx, dy = (x - cx)[:, None], (y - cy)[None]
        free &= (np.abs(dx * c + dy * s) > hx) | (np.abs(dy * c - dx * s) > hy)
    distance = ndimage.distance_transform_edt(free) * GRID
    for radius in (ROBOT_RADIUS, 0.12, 0.04):
        label, number = ndimage.label(distance > radius)
        if number:
            sizes = np.bincount(label.ravel())[1:]
            i, j = np.nonzero(label == sizes.argmax() + 1)
            if len(i) > 12 or radius < 0.05:
                return np.stack([x[i], y[j]], axis=1)
    middle = [(plans[0].bounds[0] + plans[0].bounds[2]) / 2, (plans[0].bounds[1] + plans[0].bounds[3]) / 2]
    return np.array([middle])  # no free floor: the camera is inside furniture


def draw_path(rng, plans, doorways, things, config):
    """Camera poses in order, and the kind of tour: "tour", "part" or "few frames"."""
    height = float(rng.uniform(*config.camera_height))
    height = min(height, min(plan.height for plan in plans) - 0.3)
    floor = free_floor(plans, doorways, things, height)
    area = sum(plan.area for plan in plans)
    complete = max(8, area * config.views_per_area * float(rng.uniform(0.8, 1.2)))
    form = int(rng.choice(3, p=np.asarray(config.tours) / sum(config.tours)))
    views = (complete, complete * float(rng.uniform(0.25, 0.55)), float(rng.uniform(*config.few_frames)))[form]
    if form == 2:
        return _few_frames(rng, floor, height, int(views)), "few frames"
    part = 1.0 if form == 0 else float(rng.uniform(0.3, 0.8))
    return _tour(rng, floor, height, int(views), part), ("tour", "part")[form]


def _pitch(rng, height):
    """A pitch towards a height of about 0.7 m at a distance of 2.2 m, with noise; radians."""
    return math.atan2(0.7 - height, 2.2) + float(rng.normal(0.02, 0.16))


def _pose(rng, place, height, yaw):
    position = (float(place[0]), float(place[1]), height + float(rng.normal(0, 0.02)))
    return Pose(position, yaw, _pitch(rng, height), float(rng.normal(0, 0.02)))


def _tour(rng, floor, height, views, part):
    """Poses at stops spread over the free floor or a part of it, with 3 to 6 views at each."""
    per_stop = int(rng.integers(3, 7))
    stops = _spread(rng, floor, max(1, round(views / per_stop)), part)
    poses = []
    for number, stop in enumerate(stops):
        start = float(rng.uniform(-math.pi, math.pi))
        turn = 2 * math.pi / per_stop * float(rng.uniform(0.85, 1.15))
        if number + 1 < len(stops):  # the first view is towards the next stop
            start = math.atan2(*(stops[number + 1] - stop)[::-1])
        for view in range(per_stop):
            place = stop + rng.normal(0, 0.08, 2)
            poses.append(_pose(rng, place, height, start + view * turn + float(rng.normal(0, 0.2))))
    return poses


def _spread(rng, floor, count, part):
    """`count` cells [2] far from each other, ordered by nearest neighbour.

    part: share of the free floor, around a random cell, that they are drawn from.
    """
    home = floor[int(rng.integers(len(floor)))]
    distance = np.linalg.norm(floor - home, axis=1)
    near = floor[distance <= max(np.quantile(distance, part), 0.2)]
    chosen, gap = [home], np.linalg.norm(near - home, axis=1)
    while len(chosen) < count:
        chosen.append(near[int(rng.choice(len(near), p=gap**2 / (gap**2).sum()))] if gap.sum() > 0 else home)
        gap = np.minimum(gap, np.linalg.norm(near - chosen[-1], axis=1))
    walk, rest = [chosen[0]], chosen[1:]
    while rest:
        nearest = min(range(len(rest)), key=lambda i: np.linalg.norm(rest[i] - walk[-1]))
        walk.append(rest.pop(nearest))
    return walk


def _few_frames(rng, floor, height, views):
    """A short sweep from a random place towards the middle of the floor: the camera turns and moves slightly."""
    middle = floor.mean(axis=0)
    place = floor[int(rng.integers(len(floor)))]
    yaw = math.atan2(*(middle - place)[::-1]) + float(rng.normal(0, 0.5))
    step, turn = rng.normal(0, 0.15, 2), float(rng.normal(0, 0.45))
    return [_pose(rng, place + number * step, height, yaw + number * turn) for number in range(views)]
