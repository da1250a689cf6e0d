# SPDX-License-Identifier: Apache-2.0
"""Floor plans: rectangular and L-shaped rooms, connected by doorways in shared walls."""

import math
from dataclasses import dataclass, field

from .things.parts import between, chance, pick

WALL_THICKNESS = 0.14  # metres between the inner faces of neighbouring rooms


@dataclass
class Wall:
    """The inner face of a wall.

    start: (x, y) metres; direction: unit vector (x, y), with the room on its left; length, height: metres;
    openings: list of (t0, t1, z0, z1), metres along the wall and above the floor.
    """

    start: tuple
    direction: tuple
    length: float
    height: float
    openings: list = field(default_factory=list)

    @property
    def normal(self):
        """Unit vector into the room."""
        return -self.direction[1], self.direction[0]

    @property
    def yaw(self):
        """Yaw (radians) of a thing with its back to the wall: its front (-y) faces the room."""
        return math.atan2(self.normal[0], -self.normal[1])

    def point(self, along, out=0.0):
        """Map (x, y) at `along` metres from the start and `out` metres into the room."""
        normal = self.normal
        return (
            self.start[0] + along * self.direction[0] + out * normal[0],
            self.start[1] + along * self.direction[1] + out * normal[1],
        )

    def local(self, x, y):
        """(along, out) of a map position: the inverse of `point`."""
        dx, dy, normal = x - self.start[0], y - self.start[1], self.normal
        return dx * self.direction[0] + dy * self.direction[1], dx * normal[0] + dy * normal[1]

    def is_free(self, t0, t1, z0, z1, margin=0.05):
        """Whether a rectangle on the wall is at least `margin` metres from every opening."""
        return all(
            t1 + margin <= a or t0 - margin >= b or z1 + margin <= low or z0 - margin >= high
            for a, b, low, high in self.openings
        )


@dataclass
class Doorway:
    """A passage between two rooms.

    area: (x0, y0, x1, y1) metres, as deep as the wall; height: metres; rooms: indices of the two FloorPlans.
    """

    area: tuple
    height: float
    rooms: tuple
    along_x: bool  # the passage leads along x


@dataclass
class FloorPlan:
    """One room.

    bounds: (x0, y0, x1, y1) metres; notch: the corner that is cut off, in the same form, or None; walls: in order,
    counter-clockwise; theme: a name of `themes.THEMES`.
    """

    bounds: tuple
    height: float
    notch: tuple | None = None
    walls: list = field(default_factory=list)
    theme: str = ""

    @property
    def area(self):
        """Square metres of floor."""
        x0, y0, x1, y1 = self.bounds
        cut = (self.notch[2] - self.notch[0]) * (self.notch[3] - self.notch[1]) if self.notch else 0.0
        return (x1 - x0) * (y1 - y0) - cut

    def rectangles(self):
        """The floor as one or two rectangles (x0, y0, x1, y1)."""
        x0, y0, x1, y1 = self.bounds
        if not self.notch:
            return [self.bounds]
        a, b, c, d = self.notch
        left, right = (x0, a) if a > x0 else (c, x1)
        if b > y0:
            return [(x0, y0, x1, b), (left, b, right, y1)]
        return [(left, y0, right, d), (x0, d, x1, y1)]


def draw_plans(rng, config):
    """Rooms side by side and the doorways between them: list of FloorPlan, list of Doorway."""
    plans, doorways = [], []
    height = between(rng, *config.height)
    for _ in range(config.rooms):
        size = (_draw_length(rng, config.width), _draw_length(rng, config.depth))
        if not plans:
            plans.append(FloorPlan((0.0, 0.0, *size), height))
            continue
        bounds, doorway = _attach(rng, [plan.bounds for plan in plans], size, height)
        plans.append(FloorPlan(bounds, height))
        doorways.append(doorway)
    for number, plan in enumerate(plans):
        if chance(rng, config.l_shape):
            plan.notch = _draw_notch(rng, plan, [doorway for doorway in doorways if number in doorway.rooms])
        plan.walls = _walls(plan)
    for doorway in doorways:
        _cut(plans, doorway)
    return plans, doorways


def _draw_length(rng, limits):
    """A side of a room, metres; small rooms are more likely than large ones."""
    return limits[0] + (limits[1] - limits[0]) * float(rng.random()) ** 1.35


def _attach(rng, rooms, size, height):
    """Bounds of a new room beside an existing one, and the doorway between them."""
    for attempt in range(80):
        last = attempt == 79  # there is always space to the right of the rightmost room
        base = max(range(len(rooms)), key=lambda i: rooms[i][2]) if last else int(rng.integers(len(rooms)))
        room = rooms[base]
        axis, after = (0, True) if last else (int(rng.integers(2)), chance(rng, 0.5))
        along = 1 - axis  # the axis of the shared wall
        low, high = room[along], room[along + 2]
        offset = low if last else between(rng, low - 0.6 * size[along], high - 0.4 * size[along])
        start = room[axis + 2] + WALL_THICKNESS if after else room[axis] - WALL_THICKNESS - size[axis]
        bounds = [0.0] * 4
        bounds[axis], bounds[axis + 2] = start, start + size[axis]
        bounds[along], bounds[along + 2] = offset, offset + size[along]
        shared = (max(low, offset), min(high, offset + size[along]))
        if shared[1] - shared[0] < 1.4 or any(_near(bounds, other) for other in rooms):
            continue
        gap = (room[axis + 2], start) if after else (start + size[axis], room[axis])
        return tuple(bounds), _draw_doorway(rng, shared, gap, axis, (base, len(rooms)), height)
    raise AssertionError("unreachable: the last attempt always fits")


def _near(a, b):
    gap = WALL_THICKNESS - 1e-6
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap


def _draw_doorway(rng, shared, gap, axis, rooms, height):
    free = shared[1] - shared[0] - 0.3
    wide = min(free, between(rng, 0.8, 1.05) if chance(rng, 0.75) else between(rng, 1.2, 2.4))
    start = between(rng, shared[0] + 0.15, shared[1] - 0.15 - wide)
    high = min(height - 0.1, between(rng, 1.98, 2.15))
    area = (start, gap[0], start + wide, gap[1]) if axis else (gap[0], start, gap[1], start + wide)
    return Doorway(area, high, rooms, axis == 0)


def _draw_notch(rng, plan, doorways):
    """A corner to cut off that is not near a doorway, as (x0, y0, x1, y1), or None."""
    x0, y0, x1, y1 = plan.bounds
    wide, deep = between(rng, 0.2, 0.45) * (x1 - x0), between(rng, 0.2, 0.45) * (y1 - y0)
    right, upper = chance(rng, 0.5), chance(rng, 0.5)
    left, low = (x1 - wide if right else x0), (y1 - deep if upper else y0)
    notch = (left, low, left + wide, low + deep)
    margin = 0.5
    for a, b, c, d in (doorway.area for doorway in doorways):
        if a < notch[2] + margin and c > notch[0] - margin and b < notch[3] + margin and d > notch[1] - margin:
            return None
    return notch


def outline(plan):
    """Corners of the room, counter-clockwise."""
    x0, y0, x1, y1 = plan.bounds
    if not plan.notch:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    a, b, c, d = plan.notch
    if a > x0 and b > y0:
        return [(x0, y0), (x1, y0), (x1, b), (a, b), (a, y1), (x0, y1)]
    if a > x0:
        return [(x0, y0), (a, y0), (a, d), (x1, d), (x1, y1), (x0, y1)]
    if b > y0:
        return [(x0, y0), (x1, y0), (x1, y1), (c, y1), (c, b), (x0, b)]
    return [(c, y0), (x1, y0), (x1, y1), (x0, y1), (x0, d), (c, d)]


def _walls(plan):
    corners = outline(plan)
    walls = []
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        length = math.dist(start, end)
        direction = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
        walls.append(Wall(start, direction, length, plan.height))
    return walls


def _cut(plans, doorway):
    """Add the openings of a doorway to its two walls."""
    x0, y0, x1, y1 = doorway.area
    ends = ((x0, y0), (x0, y1), (x1, y0), (x1, y1))
    for number in doorway.rooms:
        for wall in plans[number].walls:
            across = abs(wall.direction[0]) < 0.5
            if across != doorway.along_x:
                continue
            along, out = zip(*(wall.local(x, y) for x, y in ends), strict=True)
            on_wall = max(out) < 1e-6 and max(out) > -1e-6
            if on_wall and min(along) > -1e-6 and max(along) < wall.length + 1e-6:
                wall.openings.append((min(along), max(along), 0.0, doorway.height))


def is_outer(wall, plans):
    """Whether a wall is an outer wall: no room is behind it."""
    for along in (0.1, 0.5, 0.9):
        x, y = wall.point(along * wall.length, -0.5)
        if any(p.bounds[0] < x < p.bounds[2] and p.bounds[1] < y < p.bounds[3] for p in plans):
            return False
    return True


def draw_windows(rng, plan, plans):
    """Add windows to outer walls. Returns a list of (wall, t0, t1, z0, z1), metres as in Wall.openings."""
    windows = []
    for wall in plan.walls:
        if wall.length < 1.4 or len(windows) >= 3 or not chance(rng, 0.38) or not is_outer(wall, plans):
            continue
        wide = min(wall.length - 0.6, between(rng, 0.7, 1.9))
        sill = pick(rng, (between(rng, 0.75, 1.05), between(rng, 0.75, 1.05), 0.05))
        top = min(plan.height - 0.15, max(sill + 0.9, between(rng, 1.95, 2.25)))
        start = between(rng, 0.3, wall.length - 0.3 - wide)
        if wall.is_free(start, start + wide, sill, top, 0.15):
            wall.openings.append((start, start + wide, sill, top))
            windows.append((wall, start, start + wide, sill, top))
    return windows
