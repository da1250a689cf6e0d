# SPDX-License-Identifier: Apache-2.0
"""Shapes of objects, built from primitives that are rows of a table, so that a whole room is sampled in one call.

Object frame: metres, origin on the floor (or on the support) below the middle, x to the right, y to the back, z up;
the front faces -y. A primitive is a unit form scaled by three half axes:

    BLOCK  the cube [-1, 1]^3; roundness p, q makes it the ball of the mixed norm (|x|^p + |y|^p)^(q/p) + |z|^q = 1
           (2, 2: ellipsoid; 4, 6: cushion; 0, 0: sharp box); the top may be smaller (taper)
    ROUND  a cylinder along z: top radius ratio; solid, a cup open at the top, or a pipe open at both ends
    RING   a torus around z: tube radius over ring radius
    SHEET  a square in x and z, seen from both sides (or the front, -y, only), pleated along x with amplitude y
"""

import math

import numpy as np

BLOCK, ROUND, RING, SHEET = range(4)
SOLID, CUP, PIPE = range(3)
# Columns of a row: family, centre 1:4, half axes x 4:7, y 7:10, z 10:13, four parameters 13:17, paint 17.
COLUMNS = 18


def rotation(yaw=0.0, pitch=0.0, roll=0.0):
    """The x, y and z axes after roll about x, then pitch about y, then yaw about z (radians), as three rows."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    return (
        (cy * cp, sy * cp, -sp),
        (cy * sp * sr - sy * cr, sy * sp * sr + cy * cr, cp * sr),
        (cy * sp * cr + sy * sr, sy * sp * cr - cy * sr, cp * cr),
    )


_UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class Shape:
    """The parts, paints, solid volumes and shelves of one object, built by calling the methods below.

    solids: boxes (low, high) for collision tests; the bounding box if there are none.
    tops: rectangles (x0, y0, x1, y1, z, headroom), metres, on which things can be placed.
    """

    def __init__(self):
        self.paints = []
        self.solids = []
        self.tops = []
        self._rows = []
        self._tables = []

    # -- parts -------------------------------------------------------------------------------------------------------

    def block(self, center, size, paint, turn=None, roundness=(0.0, 0.0), taper=(1.0, 1.0)):
        """A box of full `size`; turn: yaw or (yaw, pitch, roll); roundness and taper: see the module."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(BLOCK, center, half, turn, (*roundness, *taper), paint)

    def slab(self, low, high, paint):
        """A box between two corners."""
        center = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        self.block(center, [b - a for a, b in zip(low, high, strict=True)], paint)

    def cushion(self, center, size, paint, turn=None, softness=4.0):
        """A box with round edges; softness: exponent of the norm, 2.5 (pillow) .. 10 (mattress)."""
        self.block(center, size, paint, turn, (softness, softness))

    def ball(self, center, size, paint, turn=None):
        """An ellipsoid of full `size` (a number for a sphere)."""
        size = (size, size, size) if np.isscalar(size) else size
        self.block(center, size, paint, turn, (2.0, 2.0))

    def round(self, center, size, paint, turn=None, top=1.0, form=SOLID):
        """A cylinder or cone along z, full size (width, depth, height); top: radius ratio of its upper end."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(ROUND, center, half, turn, (top, form, 0.0, 0.0), paint)

    def post(self, x, y, z0, z1, radius, paint, top=1.0, form=SOLID):
        """A vertical cylinder from z0 to z1."""
        self.round((x, y, (z0 + z1) / 2), (2 * radius, 2 * radius, z1 - z0), paint, None, top, form)

    def bar(self, start, end, radius, paint, top=1.0, square=False):
        """A rod between two points, round or square; top: radius ratio at `end`."""
        axes, half = _along(start, end)
        center = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
        parameters = (0.0, 0.0, top, top) if square else (top, SOLID, 0.0, 0.0)
        self._add(BLOCK if square else ROUND, center, (radius, radius, half), axes, parameters, paint)

    def tube(self, points, radius, paint, closed=False):
        """A round rod along a polyline."""
        ends = points[1:] + points[:1] if closed else points[1:]
        for start, end in zip(points, ends, strict=False):
            self.bar(start, end, radius, paint)

    def ring(self, center, radius, tube, paint, turn=None):
        """A torus around z: ring radius to the middle of the tube, and tube radius."""
        self._add(RING, center, (radius, radius, radius), turn, (tube / radius, 0.0, 0.0, 0.0), paint)

    def sheet(self, center, size, paint, turn=None, folds=0.0, one_sided=False):
        """A thin surface in x and z, full size (width, pleat depth, height), with `folds` pleats along x."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(SHEET, center, half, turn, (folds, float(one_sided), 0.0, 0.0), paint)

    # -- volumes -----------------------------------------------------------------------------------------------------

    def solid(self, low, high):
        """Add a box for collision tests."""
        self.solids.append((tuple(low), tuple(high)))

    def top(self, x0, y0, x1, y1, z, headroom=9.0):
        """Add a rectangle at height z on which things can be placed, with `headroom` metres above."""
        self.tops.append((x0, y0, x1, y1, z, headroom))

    def add(self, other, at=(0.0, 0.0, 0.0), yaw=0.0):
        """Add the parts of another shape, rotated and moved, without its solids and tops."""
        table = other.table.copy()
        place(table, at, yaw)
        table[:, 17] += len(self.paints)
        self.paints.extend(other.paints)
        self._tables.append(table)

    def settle(self):
        """Move the shape along z so that its lowest surface is at z = 0."""
        drop = self.bounds()[0][2]
        self.table[:, 3] -= drop
        self.solids = [((*a[:2], max(0.0, a[2] - drop)), (*b[:2], b[2] - drop)) for a, b in self.solids]
        self.tops = [(*top[:4], top[4] - drop, top[5]) for top in self.tops]

    # -- results -----------------------------------------------------------------------------------------------------

    @property
    def table(self):
        """[P, 18] float64 rows of primitives, see COLUMNS."""
        if self._rows:
            self._tables.append(np.array(self._rows, dtype=np.float64))
            self._rows = []
        if len(self._tables) > 1:
            self._tables = [np.concatenate(self._tables)]
        return self._tables[0] if self._tables else np.zeros((0, COLUMNS))

    def bounds(self):
        """Smallest and largest x, y, z of the surfaces, two [3] arrays in metres (see `extents`)."""
        low, high = extents(self.table)
        return low.min(axis=0), high.max(axis=0)

    def volumes(self):
        """[K, 6] low and high corners of the solid boxes."""
        if self.solids:
            return np.array([low + high for low, high in self.solids])
        return np.concatenate(self.bounds())[None]

    def _add(self, family, center, half, turn, parameters, paint):
        if turn is None:
            axes = _UPRIGHT
        elif isinstance(turn, tuple):
            axes = turn if isinstance(turn[0], tuple) else rotation(*turn)
        else:
            axes = rotation(turn)
        scaled = [value * length for axis, length in zip(axes, half, strict=True) for value in axis]
        self._rows.append((family, *center, *scaled, *parameters, self._paint_index(paint)))

    def _paint_index(self, paint):
        for index, known in enumerate(self.paints):
            if known is paint:
                return index
        self.paints.append(paint)
        return len(self.paints) - 1


def _along(start, end):
    """Axes of a rod, z along it, and half its length."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz) or 1e-6
    dx, dy, dz = dx / length, dy / length, dz / length
    flat = math.hypot(dx, dy)
    side = (-dy / flat, dx / flat, 0.0) if flat > 1e-6 else (1.0, 0.0, 0.0)
    up = (dx, dy, dz)
    other = (up[1] * side[2] - up[2] * side[1], up[2] * side[0] - up[0] * side[2], up[0] * side[1] - up[1] * side[0])
    return (side, other, up), length / 2


def place(table, at, yaw):
    """Rotate rows of primitives about z by `yaw` (radians) and move them by `at` (metres), in place."""
    if yaw:
        c, s = math.cos(yaw), math.sin(yaw)
        for column in (1, 4, 7, 10):
            x, y = table[:, column].copy(), table[:, column + 1].copy()
            table[:, column] = c * x - s * y
            table[:, column + 1] = s * x + c * y
    table[:, 1:4] += at


def extents(table):
    """Low and high corner of each primitive, [P, 3] each; conservative for tilted tapers and pleats, else exact."""
    family = table[:, 0]
    center, axes, parameters = table[:, 1:4], np.abs(table[:, 4:13].reshape(-1, 3, 3)), table[:, 13:17]
    half = axes.sum(axis=1)  # [P, 3] sharp boxes and sheets
    low, high = center - half, center + half
    soft = np.flatnonzero((family == BLOCK) & (parameters[:, 0] > 0))
    if len(soft):  # the support function of a mixed norm is its dual norm
        p, q = (parameters[soft, column, None] for column in (0, 1))
        p, q = p / (p - 1), q / (q - 1)
        flat = (axes[soft, 0] ** p + axes[soft, 1] ** p) ** (q / p)
        half = (flat + axes[soft, 2] ** q) ** (1 / q)
        low[soft], high[soft] = center[soft] - half, center[soft] + half
    turned = np.flatnonzero(family == ROUND)
    if len(turned):  # two discs, at -z and +z
        disc = np.hypot(axes[turned, 0], axes[turned, 1])
        upper, along = disc * parameters[turned, :1], table[turned, 10:13]
        low[turned] = center[turned] + np.minimum(-along - disc, along - upper)
        high[turned] = center[turned] + np.maximum(-along + disc, along + upper)
    rings = np.flatnonzero(family == RING)
    if len(rings):
        tube = parameters[rings, :1] * np.linalg.norm(table[rings, 4:7], axis=1, keepdims=True)
        half = np.hypot(axes[rings, 0], axes[rings, 1]) + tube
        low[rings], high[rings] = center[rings] - half, center[rings] + half
    return low, high
