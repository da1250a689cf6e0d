"""How a network looks at a map: from where, and in which heading.

Networks on voxels are not invariant to rotation: a grid along the walls sees other voxels than one across them. A
network that was trained on rooms along the axes is shown every map along its own walls, in a heading that turns with
the map, so that it sees a turned map as it saw the first.
"""

from dataclasses import dataclass, replace

import numpy as np

SQUARE = np.pi / 2
STEPS = 90  # of a quarter turn, coarse
FINE = np.radians(np.linspace(-1.5, 1.5, 13))  # around the best coarse one
BIN = 0.05  # metres of the histograms whose peaks are walls
MAX_SAMPLE = 30_000  # points that are looked at


@dataclass(frozen=True)
class View:
    """Where a network looks at a map from. heading: radians about z; origin: [3] float32 metres, in that heading."""

    heading: float
    origin: np.ndarray

    @classmethod
    def of(cls, cloud, along_walls):
        """The view of a Cloud: the centre of its XY bounds and its lowest point, as they are or along its walls."""
        heading = canonical_heading(cloud.xyz) if along_walls else 0.0
        return cls(heading, replace(cloud, xyz=turn(cloud.xyz, -heading)).floor_center)

    def from_map(self, xyz):
        """Points of the map's frame as the network sees them. [N, 3] float32 metres."""
        return turn(xyz, -self.heading) - self.origin

    def to_map(self, xyz):
        """Inverse of `from_map`."""
        return turn(xyz + self.origin, self.heading)


def canonical_heading(xyz):
    """Angle in radians of the map's x axis in the XY plane, in (-pi, pi]; turning the map turns it by as much.

    The direction along which the points gather in the fewest lines, which is that of the walls; of its four quarter
    turns the one nearest to where the points' mean lies from the middle of their bounds. xyz: [N, 3] metres, N >= 1.
    """
    xy = _sample(xyz)
    centred = xy - xy.mean(axis=0)
    far = centred[np.argmax((centred**2).sum(axis=1))]
    angle = np.arctan2(far[1], far[0])  # any direction that turns with the map will do to count from
    coarse = angle + SQUARE / STEPS * np.arange(STEPS)
    angles = coarse[np.argmax(_sharpness(centred, coarse))] + FINE
    peak = _sharpness(centred, angles)
    angle = np.average(angles, weights=(peak - peak.min()) ** 2 + 1e-9)  # smooth, so that rounding changes nothing
    turned = np.column_stack(_turn(centred, -angle))
    offset = -(turned.min(axis=0) + turned.max(axis=0)) / 2
    quarter = np.round(np.arctan2(offset[1], offset[0]) / SQUARE)
    return float(np.angle(np.exp(1j * (angle + quarter * SQUARE))))


def turn(xyz, angle):
    """Points turned by an angle in radians about the z axis, [N, 3] float32; the same array for an angle of 0."""
    if angle == 0:
        return xyz
    turned = np.array(xyz, dtype=np.float32)
    turned[:, 0], turned[:, 1] = _turn(xyz, angle)
    return turned


def _sample(xyz):
    """[n, 2] float64: some points, chosen by height and distance from the mean, which no turn and no order changes."""
    share = max(1, len(xyz) // MAX_SAMPLE)
    distance = np.hypot(*(xyz[:, :2] - xyz[:, :2].mean(axis=0, dtype=np.float64)).T)
    height, distance = (np.round(column * 1000).astype(np.int64) for column in (xyz[:, 2] - xyz[:, 2].min(), distance))
    chosen = (height * 7919 + distance * 104729) % 1_000_003 % share == 0
    return (xyz[chosen] if chosen.any() else xyz[:1])[:, :2].astype(np.float64)


def _sharpness(xy, angles):
    """How much the points gather in lines along the axes turned by each angle: sums of squared histograms, [A]."""
    return np.array([sum(_peaks(column) for column in _turn(xy, -angle)) for angle in angles], dtype=np.float64)


def _peaks(values):
    rows = np.floor(values / BIN).astype(np.int64)
    return np.square(np.bincount(rows - rows.min())).sum()


def _turn(xy, angle):
    """x and y turned, each [N] float64: element by element, so that a point turns alike in every array."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = (xy[:, axis].astype(np.float64) for axis in (0, 1))
    return c * x - s * y, s * x + c * y
