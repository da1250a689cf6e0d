# SPDX-License-Identifier: Apache-2.0
"""Relations between objects from the points of their masks: on, in, under, next to, attached to.

The definitions are in docs/graph.md, with what was measured. Boxes only select the pairs that are looked at.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.storeys import BELOW_FLOOR
from .surfaces import COLUMN, Body, Surroundings

ON, IN, UNDER, NEXT_TO, ATTACHED_TO = "on", "in", "under", "next to", "attached to"
KINDS = (ON, IN, UNDER, NEXT_TO, ATTACHED_TO)
BUILDING = -1  # target of ATTACHED_TO: a wall or a ceiling
PAIR_DISTANCE = 0.6  # metres between the ground rectangles of objects that are compared
LEVEL = (-0.06, 0.05)  # metres: a supporting surface is at most this far below and above the foot
CONTACT = 0.09  # metres in plan from the outline of a foot to the surface around it
RESTING_GAP = 0.25  # metres below a foot at which the seen part of a supporting surface may end
MIN_RESTING = 0.4  # of the foot that must be above such a surface
MIN_SUPPORT = 0.35  # of the outline of a foot that must be near the supporting surface
ABOVE = 0.03  # metres by which things above a body may reach below its top
MIN_SUPPORT_FLUSH = 0.7  # the same for things flat on a wall
FLUSH_DEPTH = 0.15  # metres of the narrow side of such things at most
THIN_DEPTH = 0.15  # metres: upright things that are not deeper carry nothing
FLAT_RATIO = 2.0  # of the other sides of a flat thing to its narrow one, at least
MIN_FLUSH = 0.75  # of their columns that must be at the wall
AT_WALL = 0.15  # metres from a column of a thing to the wall or ceiling that it is attached to
SUNK = 0.08  # metres that the foot of something in a surface, such as a sink, is below it
RIM = 0.15  # metres from its columns to that surface
MIN_AT_RIM = 0.4  # of its columns that close to the surface: a cushion between the arms of a sofa is not sunk in it
MIN_WALL_HIGH = 0.3  # of the columns at a wall or ceiling, for things above HIGH
HIGH = 0.9  # metres above the floor from which something without visible support is attached if it touches a wall
MIN_ENCLOSED = 0.5  # of the columns of a body below other parts of its support, or of the directions with parts of it
MIN_SEEN_ABOVE = 0.15  # of the columns of the lower of two bodies that must have points of the upper one above them
SURELY_COVERED = 0.8  # of them inside the outline of the upper one, which is then above even if that was not seen
MIN_COVERED = 0.38  # of the columns of the lower of two bodies that are below the upper one
MIN_COVERED_BY_PANEL = 0.6  # of these columns, for an upper one that is a panel, such as a curtain above a radiator
FLAT = 0.08  # metres: things this flat on the floor may be larger than what stands over them, such as rugs
UNDER_GAP = 1.5  # metres between the lower and the upper one at most
NEXT_GAP, NEXT_GAP_CARRIED = 0.5, 0.27  # metres between things on the floor or on walls; on the same thing
GROUND = 0.25  # metres above the floor at which things that stand on it begin at most
REACH = 0.3  # metres above a thing on the floor at which something on a wall next to it begins at most


@dataclass(frozen=True)
class Relation:
    """`subject` is in a relation of `kind` to `target`: indices of two bodies; BUILDING for walls and ceilings.

    score: 0..1, the share of the measured points that agree.
    """

    subject: int
    kind: str
    target: int
    score: float


def find_relations(bodies, others, floors, rooms=None):
    """List of Relations between K Bodies.

    others: [m, 3] metres, points of the map that belong to none of them
    floors: heights of the floors, metres, at least one; things above different floors have no relation
    rooms: K hashable names of rooms, None for unknown; things in different rooms are not next to each other
    """
    if not bodies:
        return []
    surroundings, floors = Surroundings(others), np.sort(np.asarray(floors, dtype=np.float64))
    things = [_Thing(body, surroundings.around(body), floors) for body in bodies]
    pairs = [
        near[[things[j].floor == thing.floor for j in near.tolist()]]
        for thing, near in zip(things, _close_pairs(bodies))
    ]
    supports = [_support_of(thing, things, near) for thing, near in zip(things, pairs)]
    found = [Relation(k, *support) for k, support in enumerate(supports) if support]
    known = {(relation.subject, relation.target) for relation in found}
    under = [_under(k, j, things, known) for k in range(len(things)) for j in pairs[k].tolist()]
    found += [relation for relation in under if relation]
    carriers = [_carrier(thing, support) for thing, support in zip(things, supports)]
    found += [
        Relation(k, ATTACHED_TO, BUILDING, share)
        for k, carrier in enumerate(carriers)
        if carrier == ATTACHED_TO and (share := _attached_share(things[k]))
    ]
    known = {pair for relation in found for pair in _both_ways(relation)}
    for k in range(len(bodies)):
        for j in (j for j in pairs[k].tolist() if j > k and (k, j) not in known):
            if rooms is None or rooms[k] == rooms[j]:
                found += _next_to(k, j, bodies, carriers)
    return found


@dataclass(frozen=True)
class _Thing:
    """A Body, the Body of the points around it that belong to no object or None, and the sorted heights of floors."""

    body: Body
    around: Body | None
    floors: np.ndarray

    @cached_property
    def floor(self):
        """Height of the floor below it in metres, of the lowest floor if it is below all of them."""
        below = self.floors[self.floors <= self.body.low + BELOW_FLOOR]
        return below[-1] if len(below) else self.floors[0]

    @property
    def above_floor(self):
        """Metres from the floor below it to its lowest points."""
        return self.body.low - self.floor

    @cached_property
    def wall_share(self):
        """Share of its columns with points of no object beside it at about its height."""
        if self.around is None:
            return 0.0
        z = self.around.xyz[:, 2]
        level = self.around.xyz[(z > self.body.low - AT_WALL) & (z < self.body.high + AT_WALL)]
        return _share_near(self.body.ground, level[:, :2], AT_WALL)

    @property
    def is_flush(self):
        """Whether it is flat on a wall, as a picture is."""
        narrow, wide = self.body.sides
        return narrow <= FLUSH_DEPTH and wide >= FLAT_RATIO * narrow and self.wall_share >= MIN_FLUSH

    @property
    def is_thin(self):
        """Whether it is an upright panel above the floor, too thin to carry anything, as a window is.

        Of furniture only the front may be seen, but that reaches down to the floor.
        """
        narrow, wide = self.body.sides
        return (
            not self.is_standing
            and narrow <= THIN_DEPTH
            and min(wide, self.body.high - self.body.low) >= FLAT_RATIO * narrow
        )

    @property
    def is_standing(self):
        """Whether its lowest points are at the floor."""
        return self.above_floor <= GROUND


def _both_ways(relation):
    return (relation.subject, relation.target), (relation.target, relation.subject)


def _close_pairs(bodies):
    """K arrays: the bodies whose ground rectangles, along the axes, are within PAIR_DISTANCE of each one's."""
    import shapely

    bounds = np.array([(*body.ground.min(axis=0), *body.ground.max(axis=0)) for body in bodies])
    boxes = shapely.box(*bounds.T)
    first, second = shapely.STRtree(boxes).query(boxes, predicate="dwithin", distance=PAIR_DISTANCE)
    different = first != second
    order = np.argsort(first[different], kind="stable")
    first, second = first[different][order], second[different][order]
    return np.split(second, np.searchsorted(first, np.arange(1, len(bodies))))


# --- on, in -----------------------------------------------------------------------------------------------------------


def _support_of(thing, things, near):
    """(ON or IN, index of the supporting thing, score) of a thing, or None. near: indices of the things around it.

    The body whose upward surface is next to most of the foot supports it, unless it is the floor. Surfaces above the
    robot's camera are hardly seen: what is just above a body, inside its outline in plan, rests on it as well.
    """
    body = thing.body
    bodies = {j: things[j].body for j in near.tolist() if not things[j].is_thin}
    bodies = {j: other for j, other in bodies.items() if other.low < body.low + LEVEL[1]}
    best, share = _best(_support_share, body, bodies)
    if share >= (MIN_SUPPORT_FLUSH if thing.is_flush else MIN_SUPPORT):
        if thing.around is not None and share < _support_share(body, thing.around):
            return None
        return IN if _is_enclosed(body, bodies[best]) else ON, best, share
    if thing.is_flush or thing.is_standing:
        return None
    best, share = _best(_sunk_share, body, bodies)
    if share >= MIN_ENCLOSED:
        return IN, best, share
    best, share = _best(_resting_share, body, bodies)
    return (IN if _is_enclosed(body, bodies[best]) else ON, best, share) if share >= MIN_RESTING else None


def _best(measure, body, others):
    """(key, share) of the body with the largest measure(body, other) of a dict; (None, 0.0) of an empty one."""
    shares = {j: measure(body, other) for j, other in others.items()}
    best = max(shares, key=shares.get, default=None)
    return best, shares.get(best, 0.0)


def _support_share(body, support):
    """Share of the outline of a body's foot that is next to an upward surface of another body at its height."""
    foot, surface = body.foot, support.surface
    height = float(np.median(foot[:, 2]))
    level = surface[(surface[:, 2] >= height + LEVEL[0]) & (surface[:, 2] <= height + LEVEL[1])]
    return _share_near(foot[:, :2], level[:, :2], CONTACT)


def _share_near(points, others, distance):
    """Share of points [n, 2] with one of the others [m, 2] within a distance."""
    if not len(others) or not len(points):
        return 0.0
    return float(np.isfinite(cKDTree(others).query(points, distance_upper_bound=distance)[0]).mean())


def _resting_share(body, support):
    """Share of a body's foot inside the hull of a surface that is at most RESTING_GAP below it, less for a larger gap.

    The hull is that of the whole support where its uppermost points are that surface.
    """
    height = float(np.median(body.foot[:, 2]))
    surface = support.surface
    level = surface[(surface[:, 2] >= height - RESTING_GAP) & (surface[:, 2] <= height + LEVEL[1])]
    if not len(level):
        return 0.0
    is_top = height - RESTING_GAP <= support.high <= height + LEVEL[1]
    gap = max(height - float(np.quantile(level[:, 2], 0.9)), 0.0)
    hull = support.ground if is_top else level[:, :2]
    return _share_inside(body.foot[:, :2], hull, COLUMN) * (1 - gap / (2 * RESTING_GAP))


def _share_inside(points, others, margin):
    """Share of points [n, 2] inside the convex hull of others [m, 2], grown by a margin in metres."""
    import shapely

    hull = shapely.convex_hull(shapely.multipoints(others))
    if margin:
        hull = shapely.buffer(hull, margin)
    return float(shapely.contains_xy(hull, points[:, 0], points[:, 1]).mean())


def _is_enclosed(body, support):
    """Whether a body is below other parts of its support, as on the lower board of a shelf, or between its sides."""
    above = support.xyz[support.xyz[:, 2] > max(body.high, body.low + ABOVE) + ABOVE]
    covered = _share_near(body.ground, above[:, :2], COLUMN)
    return covered >= MIN_ENCLOSED or _sides_share(body, support) >= 0.9


def _sides_share(body, support):
    """Share of 12 directions around a body in which its support rises beside it to its upper half."""
    center = body.ground.mean(axis=0)
    radius = float(np.linalg.norm(body.ground - center, axis=1).max())
    beside = support.xyz[support.xyz[:, 2] > (body.low + body.high) / 2]
    offset = beside[:, :2] - center
    offset = offset[np.linalg.norm(offset, axis=1) <= radius + 0.25]
    sectors = np.floor((np.arctan2(offset[:, 1], offset[:, 0]) + np.pi) / (2 * np.pi) * 12).astype(int) % 12
    return len(np.unique(sectors)) / 12


def _sunk_share(body, support):
    """Share of the columns of a body inside the hull of an upward surface that its foot is below and its top is not.

    This is how a sink is in a counter.
    """
    surface = support.surface
    level = surface[(surface[:, 2] > body.low + SUNK) & (surface[:, 2] < body.high + 0.1)]
    if len(level) < 3 or body.low < support.low - ABOVE or len(support.columns) < 1.2 * len(body.columns):
        return 0.0
    is_upright = body.high - body.low > 2 * body.sides[0]  # such as a window in the folds of a curtain
    if is_upright or _share_near(body.ground, level[:, :2], RIM) < MIN_AT_RIM:
        return 0.0
    return _share_inside(body.ground, level[:, :2], 0.0)


# --- under ------------------------------------------------------------------------------------------------------------


def _under(k, j, things, known):
    """The Relation that thing k is under thing j, or None."""
    lower, upper = things[k].body, things[j].body
    flat = things[k].is_standing and lower.high - lower.low < FLAT
    if (k, j) in known or ((j, k) in known and not flat) or (things[k].is_thin and things[j].is_thin):
        return None
    above = upper.xyz[upper.xyz[:, 2] > lower.high - ABOVE]
    above = above[above[:, 2] <= lower.high + UNDER_GAP]
    if len(above) < 3:
        return None
    share = _share_inside(lower.ground, above[:, :2], 0.0)
    if share < SURELY_COVERED and _share_near(lower.ground, above[:, :2], COLUMN) < MIN_SEEN_ABOVE:
        share = 0.0
    if flat:
        share = max(share, _share_near(upper.ground, lower.ground, COLUMN))
    limit = MIN_COVERED_BY_PANEL if things[j].is_thin else MIN_COVERED
    return Relation(k, UNDER, j, share) if share >= limit else None


# --- next to, attached to ---------------------------------------------------------------------------------------------


def _attached_share(thing):
    """How surely a thing without support hangs on the building: 0..1, 0 if it may stand on unseen feet."""
    if thing.around is None:
        return 0.0
    body, xyz = thing.body, thing.around.xyz
    above = xyz[np.abs(xyz[:, 2] - body.high) <= AT_WALL]
    share = max(thing.wall_share, _share_near(body.ground, above[:, :2], AT_WALL))
    return share if share >= (MIN_WALL_HIGH if thing.above_floor > HIGH else MIN_FLUSH) else 0.0


def _carrier(thing, support):
    """What carries a thing: the index of another one, or "floor", or ATTACHED_TO for walls and ceilings."""
    if support:
        return support[1]
    return "floor" if thing.is_standing else ATTACHED_TO


def _next_to(k, j, bodies, carriers):
    """Two Relations, one in each direction, if body k is next to body j; else none."""
    first, second = bodies[k], bodies[j]
    on_building = {carriers[k], carriers[j]} <= {"floor", ATTACHED_TO}
    if carriers[k] != carriers[j] and not on_building:
        return []
    lower, upper = sorted((first, second), key=lambda body: body.low)
    if upper.low > lower.high + (REACH if carriers[k] != carriers[j] else 0.0):
        return []
    limit = NEXT_GAP if on_building else NEXT_GAP_CARRIED
    gap = max(float(first.ground_tree.query(second.ground)[0].min()) - COLUMN, 0.0)
    if gap > limit:
        return []
    return [Relation(a, NEXT_TO, b, 1.0 - 0.5 * gap / limit) for a, b in ((k, j), (j, k))]
