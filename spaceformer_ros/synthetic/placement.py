# SPDX-License-Identifier: Apache-2.0
"""Placement of things in one room, without collisions.

Each thing has solid boxes (`Shape.volumes`), tested as rotated rectangles with a range of heights: a chair can be
pushed under a table top, but not into its legs.
"""

import math
from dataclasses import dataclass

import numpy as np

from .colors import Look, draw_look
from .kinds import KINDS
from .shapes import Shape
from .things import build
from .things.parts import between, pick

TOUCH = 0.004  # metres that solid boxes may overlap: things in contact do not collide
OPEN_ABOVE = 9.0  # metres of headroom that `Shape.top` gives the uppermost surface
FREE, RESERVED = -1, -2  # owners of volumes without a thing: building parts, and floor kept free of furniture


@dataclass(eq=False)
class Thing:
    """A shape with a pose: x, y, z (metres) of its origin in the map, yaw (radians).

    kind, look, seed, fit: arguments of `make_thing` that reproduce the shape;
    support: the Thing that carries it, None for the building;
    enclosed: whether it is in its support (on a lower board, or let into it) rather than on it;
    hung: whether it hangs on a wall or on the ceiling;
    plan: FloorPlan of the room that it was placed in.
    """

    kind: str
    shape: Shape
    look: Look
    seed: int
    fit: dict
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    support: object = None
    enclosed: bool = False
    hung: bool = False
    plan: object = None

    def point(self, x, y):
        """Map (x, y) of a point in the thing's frame, metres."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return self.x + c * x - s * y, self.y + s * x + c * y

    def moved(self, x, y, z, yaw):
        """Set the pose; returns the thing."""
        self.x, self.y, self.z, self.yaw = x, y, z, yaw
        return self

    @property
    def volumes(self):
        """[K, 8] solid boxes in the map: centre x, y, half sizes x, y, cosine and sine of yaw, z from, z to."""
        local = self.shape.volumes()
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y = (local[:, 0] + local[:, 3]) / 2, (local[:, 1] + local[:, 4]) / 2
        half = (local[:, 3:5] - local[:, :2]) / 2
        turn = np.broadcast_to([c, s], half.shape)
        center = np.stack([self.x + c * x - s * y, self.y + s * x + c * y], axis=1)
        return np.concatenate([center, half, turn, self.z + local[:, [2, 5]]], axis=1)


def make_thing(rng, kind, look=None, seed=None, **fit):
    """A new thing of one kind at the origin.

    look: Look, and seed: of its geometry; drawn unless given. fit: dimensions, see `things.build`.
    """
    look = look or draw_look(rng, KINDS[kind].materials, KINDS[kind].palette)
    seed = int(rng.integers(2**62)) if seed is None else seed
    return Thing(kind, build(kind, np.random.default_rng(seed), look, **fit), look, seed, fit)


def collide(a, b, touch=TOUCH):
    """[Ka, Kb] bool: which boxes (rows of `Thing.volumes`) overlap by more than `touch` metres."""
    result = np.zeros((len(a), len(b)), dtype=bool)
    dx, dy = b[None, :, 0] - a[:, None, 0], b[None, :, 1] - a[:, None, 1]
    reach = np.hypot(a[:, 2], a[:, 3])[:, None] + np.hypot(b[:, 2], b[:, 3])[None]
    level = (a[:, None, 6] + touch < b[None, :, 7]) & (b[None, :, 6] + touch < a[:, None, 7])
    i, j = np.nonzero(level & (dx * dx + dy * dy < reach * reach))
    if not len(i):
        return result
    a, b, dx, dy = a[i], b[j], dx[i, j], dy[i, j]
    cos, sin = np.abs(a[:, 4] * b[:, 4] + a[:, 5] * b[:, 5]), np.abs(a[:, 4] * b[:, 5] - a[:, 5] * b[:, 4])
    apart = np.zeros(len(i), dtype=bool)
    for box, other in ((a, b), (b, a)):  # separating axes: the sides of each box
        along, across = np.abs(dx * box[:, 4] + dy * box[:, 5]), np.abs(dy * box[:, 4] - dx * box[:, 5])
        apart |= along > box[:, 2] + other[:, 2] * cos + other[:, 3] * sin - touch
        apart |= across > box[:, 3] + other[:, 2] * sin + other[:, 3] * cos - touch
    result[i, j] = ~apart
    return result


class Site:
    """One room while it is being furnished."""

    def __init__(self, plan, things):
        self.plan = plan
        self.things = things  # of the whole building; things of this room are appended
        self.first = len(things)
        self._volumes = np.zeros((0, 8))
        self._owners = np.zeros(0, dtype=np.int64)
        if plan.notch:
            self.block(plan.notch, 0.0, plan.height)

    @property
    def own(self):
        """The things of this room."""
        return self.things[self.first :]

    def block(self, area, z0, z1, owner=FREE):
        """Keep a rectangle (x0, y0, x1, y1) free from z0 to z1; owner RESERVED: free of furniture only."""
        x0, y0, x1, y1 = area
        row = [(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2, 1.0, 0.0, z0, z1]
        self._keep(np.array([row]), owner)

    def reserve(self, thing, front):
        """Keep `front` metres in front of a thing free of furniture."""
        low, high = thing.shape.bounds()
        x, y = thing.point((low[0] + high[0]) / 2, low[1] - front / 2)
        row = [x, y, (high[0] - low[0]) / 2, front / 2, math.cos(thing.yaw), math.sin(thing.yaw), 0.05, 1.5]
        self._keep(np.array([row]), RESERVED)

    def _keep(self, volumes, owner):
        self._volumes = np.concatenate([self._volumes, volumes])
        self._owners = np.concatenate([self._owners, np.full(len(volumes), owner)])

    def fits(self, thing, light=False, on=None, indoors=True):
        """Whether a thing fits at its pose.

        light: it may use reserved floor; on: the thing that supports it; indoors: it must be inside the room.
        """
        volumes = thing.volumes
        if indoors and not self._indoors(volumes):
            return False
        against = np.ones(len(self._owners), dtype=bool)
        if light:
            against &= self._owners != RESERVED
        if on is not None:
            against &= self._owners != self.things.index(on)
        return not collide(volumes, self._volumes[against]).any()

    def _indoors(self, volumes):
        x0, y0, x1, y1 = self.plan.bounds
        wide = volumes[:, 2] * np.abs(volumes[:, 4]) + volumes[:, 3] * np.abs(volumes[:, 5])
        deep = volumes[:, 2] * np.abs(volumes[:, 5]) + volumes[:, 3] * np.abs(volumes[:, 4])
        inside = (volumes[:, 0] - wide > x0 - TOUCH) & (volumes[:, 0] + wide < x1 + TOUCH)
        inside &= (volumes[:, 1] - deep > y0 - TOUCH) & (volumes[:, 1] + deep < y1 + TOUCH)
        return bool((inside & (volumes[:, 7] < self.plan.height + 0.02)).all())

    def add(self, thing):
        """Add a thing at its pose; returns it."""
        thing.plan = self.plan
        self.things.append(thing)
        self._keep(thing.volumes, len(self.things) - 1)
        return thing

    def put(self, thing, x, y, yaw, z=0.0, **how):
        """Add a thing at a pose if it fits (how: options of `fits`). Returns it or None."""
        thing.moved(x, y, z, yaw)
        return self.add(thing) if self.fits(thing, **how) else None

    def against_wall(self, rng, thing, wall=None, along=None, gap=None, tries=10, z=0.0, front=0.0, **how):
        """Place a thing with its back to a wall. Returns it or None.

        wall: a Wall, None to draw one;
        along: metres from the wall's start to the thing's origin, None to draw it;
        gap: metres between them, None to draw it;
        z: height of the thing's origin, metres;
        front: metres of floor to reserve in front of it;
        how: options of `fits`.
        """
        low, high = thing.shape.bounds()
        wide = high[0] - low[0]
        walls = [wall] if wall else [w for w in self.plan.walls if w.length > wide + 0.04]
        for _ in range(tries if walls else 0):
            chosen = wall or _draw_wall(rng, walls)
            if chosen.length < wide + 0.02:
                return None
            u = along if along is not None else between(rng, high[0] + 0.01, chosen.length + low[0] - 0.01)
            if not chosen.is_free(u - high[0], u - low[0], z + 0.02, z + high[2], 0.0):
                continue  # in front of a door or a window
            away = gap if gap is not None else between(rng, 0.008, 0.05)
            x, y = chosen.point(u, high[1] + away)
            if self.put(thing, x, y, chosen.yaw, z, **how):
                if front:
                    self.reserve(thing, front)
                return thing
        return None

    def in_corner(self, rng, thing, **how):
        """Place a thing in a corner of the room; how: options of `against_wall`. Returns it or None."""
        low, high = thing.shape.bounds()
        for _ in range(6):
            wall = pick(rng, self.plan.walls)
            side = between(rng, 0.02, 0.12)
            along = high[0] + side if rng.random() < 0.5 else wall.length + low[0] - side
            if self.against_wall(rng, thing, wall, along, between(rng, 0.02, 0.12), tries=1, **how):
                return thing
        return None

    def anywhere(self, rng, thing, tries=14, **how):
        """Place a thing anywhere on the floor, at any heading. Returns it or None."""
        x0, y0, x1, y1 = self.plan.bounds
        for _ in range(tries):
            if self.put(thing, between(rng, x0, x1), between(rng, y0, y1), between(rng, -math.pi, math.pi), **how):
                return thing
        return None

    def beside(self, thing, anchor, side, gap=0.06, y=None, yaw=0.0, **how):
        """Place a thing on the left (side -1) or right (+1) of an anchor, backs aligned. Returns it or None.

        gap: metres between them; y: of its origin in the anchor's frame, instead of aligned backs; yaw: relative.
        """
        low, high = thing.shape.bounds()
        anchor_low, anchor_high = anchor.shape.bounds()
        x = anchor_high[0] + gap - low[0] if side > 0 else anchor_low[0] - gap - high[0]
        y = anchor_high[1] - high[1] if y is None else y
        return self.put(thing, *anchor.point(x, y), anchor.yaw + yaw, **how)

    def before(self, thing, anchor, x=0.0, gap=0.3, yaw=0.0, **how):
        """Place a thing `gap` metres in front of an anchor (at its -y); yaw: relative. Returns it or None."""
        low, high = thing.shape.bounds()
        reach = max(abs(low[1]), abs(high[1])) if abs(math.cos(yaw)) > 0.5 else max(abs(low[0]), abs(high[0]))
        y = anchor.shape.bounds()[0][1] - gap - reach
        return self.put(thing, *anchor.point(x, y), anchor.yaw + yaw, **how)

    def on_top(self, rng, thing, anchor, at=None, yaw=None, tries=5):
        """Place a thing on one of an anchor's tops. Returns it or None.

        at: (x, y) metres in the anchor's frame, None to draw it; yaw: relative, None to draw it.
        """
        low, high = thing.shape.bounds()
        room = self.plan.height - anchor.z - high[2]
        tops = [top for top in anchor.shape.tops if top[5] > high[2] + 0.02 and top[4] < room]
        for attempt in range(tries if tops else 0):
            x0, y0, x1, y1, z, headroom = pick(rng, tops)
            turn = yaw if yaw is not None else between(rng, -0.5, 0.5) * (1 - attempt / tries)
            c, s = abs(math.cos(turn)), abs(math.sin(turn))
            wide, deep = (high[0] - low[0]) / 2, (high[1] - low[1]) / 2
            rx, ry = c * wide + s * deep, s * wide + c * deep
            if 2 * rx > x1 - x0 or 2 * ry > y1 - y0:
                continue
            x, y = at or (between(rng, x0 + rx, x1 - rx), between(rng, y0 + ry, y1 - ry))
            if self.put(thing, *anchor.point(x, y), anchor.yaw + turn, anchor.z + z + 0.001, light=True):
                thing.support, thing.enclosed = anchor, headroom < OPEN_ABOVE
                return thing
        return None


def _draw_wall(rng, walls):
    """A wall drawn with a probability proportional to its length."""
    pick_at = rng.random() * sum(wall.length for wall in walls)
    for wall in walls:
        pick_at -= wall.length
        if pick_at <= 0:
            return wall
    return walls[-1]
