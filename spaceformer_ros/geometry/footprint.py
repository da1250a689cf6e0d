# SPDX-License-Identifier: Apache-2.0
"""The floor that a robot covers: a circle, or a polygon written as the parameter `footprint` of Nav2."""

import ast
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError

MAX_TEXT = 2000  # characters
MAX_EXTENT = 5.0  # metres from the centre
EXAMPLE = "[[0.3, 0.2], [0.3, -0.2], [-0.3, -0.2], [-0.3, 0.2]]"


@dataclass(frozen=True, eq=False)
class Footprint:
    """The floor that a robot covers in its own frame: x forward, the origin is its centre.

    radius: metres from the centre to the furthest point
    corners: [n, 2] metres, of a polygon around the centre; None: a circle
    """

    radius: float
    corners: np.ndarray | None = None

    def __str__(self):
        if self.corners is None:
            return f"a robot of radius {self.radius:.2f} m"
        return "a robot of {:.2f} x {:.2f} m".format(*np.ptp(self.corners, axis=0))

    @property
    def inner_radius(self):
        """Metres from the centre to the nearest place on the outline."""
        import shapely

        return self.radius if self.corners is None else shapely.Point(0.0, 0.0).distance(self._polygon.exterior)

    @property
    def front(self):
        """Metres from the centre to the front of the robot."""
        return self.radius if self.corners is None else float(self.corners[:, 0].max())

    @property
    def _polygon(self):
        import shapely

        return shapely.Polygon(self.corners)

    def covers(self, offsets):
        """[n] bool: which places [n, 2], in the robot's frame, are inside or on the outline."""
        import shapely

        if self.corners is None:
            return np.linalg.norm(offsets, axis=1) <= self.radius
        return shapely.intersects_xy(self._polygon, offsets)

    def offsets(self, step):
        """[n, 2] metres in the robot's frame: places inside, in rows `step` apart, and along the outline."""
        import shapely

        along = np.arange(-self.radius, self.radius + step / 2, step)
        places = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
        places = places[self.covers(places)]
        if self.corners is None:
            return places
        return np.concatenate([places, shapely.get_coordinates(self._polygon.exterior.segmentize(step))])


def placed(offsets, pose):
    """Places [n, 2] of the frame of a robot that stands at `pose` [3]: x, y in metres, yaw in radians."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return offsets @ np.array([[c, s], [-s, c]]) + pose[:2]


def footprint_of(text, radius):
    """The Footprint of a list of [x, y] written as text; of an empty text a circle of `radius` metres.

    Raises SpaceformerError for what is not the outline of a robot.
    """
    if not text.strip():
        return Footprint(radius)
    corners = _corners(text)
    if not (np.isfinite(corners).all() and np.abs(corners).max() <= MAX_EXTENT):
        raise SpaceformerError(f"footprint: {text[:100]!r} has a point that is not within {MAX_EXTENT:g} m")
    made = Footprint(float(np.linalg.norm(corners, axis=1).max()), corners)
    if not made._polygon.is_valid or made._polygon.area == 0:
        raise SpaceformerError(f"footprint: the outline {text[:100]!r} crosses itself, or has no area")
    if not made.covers(np.zeros((1, 2)))[0] or made.inner_radius == 0:
        raise SpaceformerError(f"footprint: the robot's centre, [0, 0], is not inside {text[:100]!r}")
    return made


def _corners(text):
    """[n, 2] of a list written as text. Raises SpaceformerError."""
    try:
        corners = np.array(ast.literal_eval(text[:MAX_TEXT].strip()), dtype=np.float64)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError):
        corners = np.zeros(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise SpaceformerError(
            f"footprint: {text[:100]!r} is not a list of three or more points [x, y] in metres, as Nav2 has it, such "
            f'as "{EXAMPLE}"'
        )
    return corners
