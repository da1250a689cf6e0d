# SPDX-License-Identifier: Apache-2.0
"""Directions of walls: along which way the surfaces at each place of a plan run."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from .cells import CELL

MIN_FILL = 8  # occupied cells of a column of a wall: 0.4 m of it are seen
MIN_HIGH = 3  # occupied cells above HIGH of a place with nothing below it: a lintel
FREE_FILL = 2  # occupied cells of a column with nothing in it
LINTEL_WEIGHT = 2  # of a cell of a lintel, which has fewer of them than a wall
WINDOW = 9  # cells, side of the square in which the direction at a place is measured
MIN_COHERENCE = 0.3  # 0 (no direction) .. 1 (a straight line)
APART = np.radians(12.0)  # slanted walls differ from the main directions by more than this
MIN_LENGTH = 1.2  # metres of slanted walls for a direction of their own
MAX_SLANTED = 6  # directions besides the two main ones
SMOOTHING = 4  # degrees


@dataclass(frozen=True)
class Upright:
    """Places of a plan where something tall stands, or a wall goes on above a doorway.

    xy: [C, 2] metres; weight: [C] occupied cells; angle: [C] radians in [0, pi), direction of the surface;
    coherence: [C] in [0, 1], how straight it is.
    """

    xy: np.ndarray
    weight: np.ndarray
    angle: np.ndarray
    coherence: np.ndarray

    @classmethod
    def of(cls, plan):
        """The places of a PlanView where a wall or the lintel of a doorway was seen."""
        weight = np.where(plan.fill >= MIN_FILL, plan.fill, 0)
        lintel = (plan.fill < FREE_FILL) & (plan.high >= MIN_HIGH)
        weight = np.where(lintel, LINTEL_WEIGHT * plan.high, weight).astype(np.float32)
        places = np.argwhere(weight > 0)
        angle, coherence = _orientations(weight, places)
        return cls(plan.metres(places), weight[tuple(places.T)], angle, coherence)

    def along(self, direction, tolerance=APART):
        """[C] bool: places whose surface runs along a direction in radians, and those without a clear one."""
        return (_difference(self.angle, direction) < tolerance) | (self.coherence < MIN_COHERENCE)

    def slanted_directions(self):
        """Directions in radians of walls along neither axis, those with the most wall first."""
        slanted = self.coherence >= MIN_COHERENCE
        for axis in (0.0, np.pi / 2):
            slanted &= _difference(self.angle, axis) > APART
        angle, weight, found = self.angle[slanted], self.weight[slanted], []
        length = weight / max(np.median(self.weight), 1.0) * CELL if len(self.weight) else weight
        while len(angle) and len(found) < MAX_SLANTED:
            mass = np.bincount(np.degrees(angle).astype(int) % 180, weights=length, minlength=180)
            wide = sum(np.roll(mass, step) for step in range(-SMOOTHING, SMOOTHING + 1))
            if wide.max() < MIN_LENGTH:
                break
            near = _difference(angle, np.radians(wide.argmax() + 0.5)) < APART
            found.append(_mean_direction(angle[near], length[near]))
            angle, length = angle[~near], length[~near]
        return found


def _orientations(weight, places):
    """Direction [C] and coherence [C] of the line that best fits the weights [X, Y] around each place [C, 2]."""
    x, y = (np.arange(size, dtype=np.float64) for size in weight.shape)
    moments = []
    for p, q in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)):
        image = weight * (x**p)[:, None] * (y**q)[None]
        moments.append(uniform_filter(image.astype(np.float64), WINDOW, mode="constant")[tuple(places.T)])
    mass, mx, my, xx, xy, yy = moments
    mass = np.maximum(mass, 1e-9)
    mx, my = mx / mass, my / mass
    xx, xy, yy = xx / mass - mx * mx, xy / mass - mx * my, yy / mass - my * my
    spread = np.hypot(xx - yy, 2 * xy)
    return (0.5 * np.arctan2(2 * xy, xx - yy)) % np.pi, spread / np.maximum(xx + yy, 1e-9)


def _difference(angle, direction):
    """Absolute difference of directions, in [0, pi/2]."""
    return np.abs((angle - direction + np.pi / 2) % np.pi - np.pi / 2)


def _mean_direction(angle, weight):
    double = np.arctan2((weight * np.sin(2 * angle)).sum(), (weight * np.cos(2 * angle)).sum())
    return float(double / 2 % np.pi)
