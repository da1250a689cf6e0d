# SPDX-License-Identifier: Apache-2.0
"""Training samples: augmented generated rooms with instances and the captions that describe each object."""

from dataclasses import dataclass

import numpy as np
import torch

from ..geometry.floor import base_height
from ..geometry.heading import QUARTER_TURN, manhattan_yaw
from ..synthetic import KIND_NAMES, RoomConfig, make_room

MAX_POINTS = 60_000  # of a sample; larger rooms are cropped around a random point
HEADING_JITTER = 2.0  # degrees, standard deviation of the heading of samples that are aligned with the walls
TILT = 0.7  # degrees, standard deviation about x and y
UNLEVEL_SHARE = 0.4  # of the samples that are tilted up to `max_tilt` and, apart from that, raised by `max_rise`
GRID_JITTER = 0.004  # metres, standard deviation of noise on every point, as voxel borders must not be learned


@dataclass(frozen=True)
class Sample:
    """One augmented room, shifted as for inference, with G objects.

    xyz: [N, 3] float32 metres;
    colors: [N, 3] float32 in [-1, 1];
    instance: [N] int64 row of the object, -1 for none;
    kind: [N] int64 index into KIND_NAMES;
    captions: tuple of G tuples of str, all captions that describe the object;
    object_kinds: [G] int64 index into KIND_NAMES.
    """

    xyz: torch.Tensor
    colors: torch.Tensor
    instance: torch.Tensor
    kind: torch.Tensor
    captions: tuple
    object_kinds: torch.Tensor


@dataclass(frozen=True)
class Augmentation:
    """How samples are drawn from a room.

    min_points: smaller objects are left out;
    any_heading_share: share of samples with any heading, the others are aligned with the walls;
    max_tilt: degrees, about x and y, of UNLEVEL_SHARE of the samples;
    max_rise: metres that the floor of UNLEVEL_SHARE of the samples lies above z = 0, where points below it would be.
    """

    min_points: int = 40
    any_heading_share: float = 1.0
    max_tilt: float = 0.0
    max_rise: float = 0.0


class RoomStream(torch.utils.data.IterableDataset):
    """Endless stream of Samples. Each worker has different rooms, each used `reuse` times on average."""

    def __init__(self, first_seed, reuse, augmentation=None, buffer_size=80, configs=None):
        """Arguments:

        first_seed: rooms have seeds first_seed, first_seed + 1, ...;
        reuse: mean number of samples of a room;
        augmentation: Augmentation, None for the default;
        buffer_size: number of rooms that are kept for reuse;
        configs: pairs of a share and the RoomConfig of this share of the rooms, None for the default RoomConfig.
        """
        self.first_seed = first_seed
        self.reuse = reuse
        self.buffer_size = buffer_size
        self.augmentation = augmentation or Augmentation()
        self.shares, self.configs = zip(*(configs or [(1.0, RoomConfig())]), strict=True)

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        worker, step = (info.id, info.num_workers) if info else (0, 1)
        rng = np.random.default_rng([self.first_seed, worker])
        rooms, seed = [], self.first_seed + worker
        while True:
            if len(rooms) < 4 or rng.random() < 1 / self.reuse:
                config = self.configs[rng.choice(len(self.configs), p=self.shares)]
                rooms = [*rooms[-self.buffer_size + 1 :], make_room(seed, config)]
                seed += step
                room = rooms[-1]
            else:
                room = rooms[rng.integers(len(rooms))]
            sample = augment(room, rng, self.augmentation)
            if sample is not None:
                yield sample


def augment(room, rng, augmentation=Augmentation()):
    """A Sample of a room with random crop, pose, scale, tilt and colours; None if no object is left."""
    keep = _crop(room.cloud.xyz, room.instance < 0, rng)
    xyz, instance = room.cloud.xyz[keep].astype(np.float32), room.instance[keep]
    turned = rng.uniform(0, 2 * np.pi)
    if rng.random() >= augmentation.any_heading_share:
        turned = (
            QUARTER_TURN * rng.integers(4) + np.radians(rng.normal(0, HEADING_JITTER)) - manhattan_yaw(room.cloud.xyz)
        )
    xyz = _move(xyz, turned, _draw_tilt(rng, augmentation.max_tilt), rng)
    xyz = xyz + rng.normal(0, GRID_JITTER, xyz.shape).astype(np.float32)
    colors = _recolor(room.cloud.colors[keep], rng)
    low, high = xyz.min(axis=0), xyz.max(axis=0)
    base = base_height(xyz[:, 2])
    if rng.random() < UNLEVEL_SHARE:
        base -= rng.uniform(0, augmentation.max_rise)
    xyz = xyz - np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, base], dtype=np.float32)
    counts = np.bincount(instance[instance >= 0], minlength=len(room.objects))
    kept = np.flatnonzero(counts >= augmentation.min_points)
    if not len(kept):
        return None
    rows = np.full(len(room.objects) + 1, -1, dtype=np.int64)
    rows[kept] = np.arange(len(kept))
    return Sample(
        xyz=torch.from_numpy(xyz),
        colors=torch.from_numpy(colors),
        instance=torch.from_numpy(rows[instance]),
        kind=torch.from_numpy(room.kind[keep].astype(np.int64)),
        captions=tuple(tuple(room.objects[g].captions()) for g in kept),
        object_kinds=torch.tensor([KIND_NAMES.index(room.objects[g].kind) for g in kept]),
    )


def _crop(xyz, structure, rng):
    """Indices of the points that are kept: all or a disc of 1.5 to 4 m, with a few round holes, thinned.

    structure: [N] bool, points of walls, floor and ceiling; often they are kept only near objects: maps are partial,
    and the time of a training step is proportional to its voxels.
    """
    keep = np.ones(len(xyz), dtype=bool)
    if rng.random() < 0.6 and not structure.all():
        keep &= ~structure | _near(xyz, xyz[~structure], rng.uniform(0.2, 0.8))
    if rng.random() < 0.4:
        centre = xyz[rng.integers(len(xyz)), :2]
        keep &= np.hypot(*(xyz[:, :2] - centre).T) < rng.uniform(1.5, 4.0)
    rows = np.flatnonzero(keep)
    if len(rows) > MAX_POINTS:
        distance = np.hypot(*(xyz[rows, :2] - xyz[rng.choice(rows), :2]).T)
        keep[rows[distance > np.partition(distance, MAX_POINTS)[MAX_POINTS]]] = False
    for _ in range(rng.integers(0, 4)):
        centre = xyz[rng.integers(len(xyz))]
        keep &= np.linalg.norm(xyz - centre, axis=1) > rng.uniform(0.05, 0.3)
    keep &= rng.random(len(xyz)) < (rng.uniform(0.7, 1.0) if rng.random() < 0.75 else rng.uniform(0.1, 0.7))
    return np.flatnonzero(keep)


def _near(xyz, others, distance):
    """[N] bool: whether a point's cell, of side `distance`, or one of its 26 neighbours has a point of `others`."""
    cell, occupied = (np.floor(points / distance).astype(np.int64) for points in (xyz, others))
    low = np.minimum(cell.min(axis=0), occupied.min(axis=0)) - 1
    grid = np.zeros(np.maximum(cell.max(axis=0), occupied.max(axis=0)) - low + 2, dtype=bool)
    grid[tuple((occupied - low).T)] = True
    for axis in range(3):
        grid |= np.roll(grid, 1, axis) | np.roll(grid, -1, axis)
    return grid[tuple((cell - low).T)]


def _draw_tilt(rng, max_tilt):
    """Radians about x and y, [2]: up to `max_tilt` degrees for UNLEVEL_SHARE of the samples, else small."""
    if max_tilt and rng.random() < UNLEVEL_SHARE:
        return np.radians(rng.uniform(-max_tilt, max_tilt, 2))
    return np.radians(rng.normal(0, TILT, 2))


def _move(xyz, angle, tilt, rng):
    """Rotate by `angle` (radians) about z and by small angles `tilt`, mirror, and scale by up to 10 %."""
    tilt_x, tilt_y = tilt
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c, -s, tilt_x], [s, c, tilt_y], [-tilt_x, -tilt_y, 1.0]]) * rng.uniform(0.9, 1.1)
    matrix[0] *= rng.choice([-1, 1])
    return (xyz @ matrix.T).astype(np.float32)


def _recolor(colors, rng):
    """Change gain, offset, white balance and gamma, and add noise, so little that colour words stay true."""
    value = (colors + 1) / 2
    value = value ** rng.uniform(0.8, 1.25)
    value = value * rng.uniform(0.85, 1.15, 3) * rng.uniform(0.8, 1.2) + rng.uniform(-0.05, 0.05)
    value = value + rng.normal(0, 0.02, value.shape)
    return (np.clip(value, 0, 1) * 2 - 1).astype(np.float32)


def collate(samples):
    """Return the list of Samples unchanged: they differ in size and are joined as voxels later."""
    return samples
