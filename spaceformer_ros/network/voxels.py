"""Voxels of a cloud and the coarser levels above them: packed keys, parents, neighbours.

Coordinates are integers (a voxel's index along each axis), counted from the world origin; level l has voxels of
`voxel_size * 2**l` metres. Every row belongs to a scene, so that several clouds can go through the network at once.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from .. import SpaceformerError

AXIS_BITS = 18  # per axis in a packed key, as in the published implementation
AXIS_LIMIT = 1 << (AXIS_BITS - 1)
MAX_INDEX = AXIS_LIMIT - 8  # voxel indices stay below it (+-2.6 km at 2 cm), so that kernels never leave the range
MAX_SCENES = 512


def voxel_coords(xyz, voxel_size):
    """Voxel index of each point, floor(xyz * (1 / voxel_size)) in float32.

    The published model only ever ran on CUDA, where PyTorch divides by a scalar by multiplying with its float32
    reciprocal. A true division puts 12 % of exact multiples of 2 cm into another voxel, so all devices multiply.

    xyz: [N, 3] float32 metres. Returns [N, 3] int64. Raises SpaceformerError beyond MAX_INDEX voxels.
    """
    rate = float(np.float32(1.0) / np.float32(voxel_size))
    coords = torch.floor(xyz.float() * rate)
    if coords.numel() and not bool((coords.abs() < MAX_INDEX).all()):
        reach = MAX_INDEX * voxel_size
        raise SpaceformerError(
            f"the cloud reaches {xyz.abs().max().item():.6g} m from its origin; at voxel_size {voxel_size} m the "
            f"limit is {reach:.6g} m: crop the cloud or remove far outliers"
        )
    return coords.long()


def pack(coords, scene):
    """One int64 key per voxel, ascending in (scene, x, y, z). coords: [M, 3] int64; scene: [M] int64 < 512."""
    shifted = coords + AXIS_LIMIT
    key = scene << (3 * AXIS_BITS)
    return key | (shifted[:, 0] << (2 * AXIS_BITS)) | (shifted[:, 1] << AXIS_BITS) | shifted[:, 2]


def unpack(key):
    """Inverse of `pack`: coords [M, 3] int64 and scene [M] int64."""
    mask = (1 << AXIS_BITS) - 1
    axes = [((key >> (shift * AXIS_BITS)) & mask) - AXIS_LIMIT for shift in (2, 1, 0)]
    return torch.stack(axes, dim=1), key >> (3 * AXIS_BITS)


@dataclass(frozen=True)
class NeighbourPairs:
    """Active (input row, output row) pairs of a submanifold convolution, one entry per kernel offset.

    Offset k = (i * size + j) * size + l stands for (dx, dy, dz) = (i - r, j - r, l - r): z fastest, centred.
    """

    inputs: list  # K tensors [P_k] int64, rows of the voxel at q + offset_k
    outputs: list  # K tensors [P_k] int64, rows of the voxel q

    @property
    def total(self):
        """Number of pairs over all offsets."""
        return sum(len(rows) for rows in self.inputs)

    def pieces(self, size, padded):
        """The pairs by output, NeighbourPieces of `size` consecutive rows. Needs outputs in ascending order.

        padded: fill each list up to one of a few lengths with pairs (0, row behind the piece's last).
        """
        count = len(self.inputs[len(self.inputs) // 2])  # at the centre every voxel meets itself
        starts = range(0, count, size)
        bounds = torch.tensor([*starts, count], device=self.outputs[0].device)
        cuts = torch.stack([torch.searchsorted(rows, bounds) for rows in self.outputs]).tolist()
        pieces = []
        for i, start in enumerate(starts):
            spans = [slice(cut[i], cut[i + 1]) for cut in cuts]
            piece = NeighbourPiece(
                rows=slice(start, min(start + size, count)),
                inputs=[rows[span] for rows, span in zip(self.inputs, spans)],
                outputs=[rows[span] - start for rows, span in zip(self.outputs, spans)],
            )
            pieces.append(piece.padded() if padded else piece)
        return pieces


@dataclass(frozen=True)
class NeighbourPiece:
    """The NeighbourPairs whose outputs lie in the slice `rows` of a level; outputs are counted from its start."""

    rows: slice
    inputs: list  # K tensors [P_k] int64: int32 is half as large, but makes narrow convolutions twice as slow on a CPU
    outputs: list  # K tensors [P_k] int64

    def __len__(self):
        return self.rows.stop - self.rows.start

    def padded(self):
        """The same pairs and some of input 0 with the output behind the last, so that few lengths occur.

        On a CPU every new shape of a matrix product is compiled first, which takes longer than a small product.
        """
        fill = lambda rows, row: F.pad(rows, (0, padded_length(len(rows)) - len(rows)), value=row)  # noqa: E731
        inputs, outputs = [fill(rows, 0) for rows in self.inputs], [fill(rows, len(self)) for rows in self.outputs]
        return NeighbourPiece(self.rows, inputs, outputs)


def padded_length(length, steps=4):
    """The next of the lengths 64 * 2**(i / steps), rounded up to multiples of 16; 0 stays 0."""
    if length == 0:
        return 0
    exact = 64 * 2 ** (math.ceil(steps * math.log2(max(length, 64) / 64)) / steps)
    return max(16 * math.ceil(exact / 16), length)


class Level:
    """The voxels of one resolution step, rows sorted by packed key, with everything that depends on them only.

    All blocks of a level share these tables: neighbour pairs, attention groups and rotary angles are computed once
    (see `remember`) and reused by the encoder and the decoder.
    """

    def __init__(self, key):
        self.key = key  # [M] int64, ascending and unique
        self._memory = {}
        self._last = None, None  # see `_keep_last`

    def __len__(self):
        return len(self.key)

    @cached_property
    def coords(self):
        """[M, 3] int64 voxel coordinates."""
        return unpack(self.key)[0]

    @cached_property
    def scene(self):
        """[M] int64, the scene of each voxel."""
        return self.key >> (3 * AXIS_BITS)

    def piles(self):
        """Voxels of one scene that stand one above the other, P piles: the rows that they start at, and M, [P + 1];
        their coordinates along x and y [P, 2]; and those of all voxels along z [M]. int64."""
        pile = self.key >> AXIS_BITS
        new = torch.nonzero(torch.diff(pile))[:, 0] + 1
        start = F.pad(new, (1, 1))
        start[-1] = len(pile)
        height = (self.key & ((1 << AXIS_BITS) - 1)) - AXIS_LIMIT
        return start, unpack(self.key[start[:-1]])[0][:, :2], height

    @cached_property
    def scene_sizes(self):
        """Number of voxels of each scene, list of int."""
        return torch.bincount(self.scene).tolist()

    @cached_property
    def local_coords(self):
        """Coordinates counted from the minimum of the voxel's own scene, [M, 3] int64 >= 0.

        The published code takes the minimum over the whole batch; with one cloud per call, its only tested use, the
        two agree, and taking it per scene makes a scene's result independent of its batch mates.
        """
        parts = self.coords.split(self.scene_sizes)
        return torch.cat([part - part.amin(dim=0) for part in parts])

    @cached_property
    def extent(self):
        """Voxels along the longest axis of the largest scene."""
        return int(self.local_coords.max()) + 1

    @cached_property
    def coarser(self):
        """The next level (voxels twice as large); `parent` maps the rows of this level onto its rows."""
        return self._coarser_and_parent[0]

    @cached_property
    def parent(self):
        """[M] int64, row of each voxel's parent in `coarser`."""
        return self._coarser_and_parent[1]

    @cached_property
    def _coarser_and_parent(self):
        halved = torch.div(self.coords, 2, rounding_mode="floor")
        key, parent = torch.unique(pack(halved, self.scene), return_inverse=True)
        return Level(key), parent

    def remember(self, name, make):
        """The value stored under `name`, made by `make()` on first use."""
        if name not in self._memory:
            self._memory[name] = make()
        return self._memory[name]

    def neighbour_pairs(self, kernel_size):
        """NeighbourPairs of an odd cubic kernel; not remembered: found in less time than one convolution takes."""
        return find_neighbour_pairs(self.key, kernel_size)

    def neighbour_pieces(self, kernel_size, size):
        """The same as NeighbourPieces of `size` rows, padded on a CPU; the last that were asked for are remembered."""
        size, padded = min(size, len(self)), self.key.device.type == "cpu"
        return self._keep_last((kernel_size, size), lambda: self.neighbour_pairs(kernel_size).pieces(size, padded))

    def neighbour_table(self, kernel_size):
        """[K, M] int32, see `find_neighbour_table`; the last that was asked for is remembered."""
        return self._keep_last(kernel_size, lambda: find_neighbour_table(self.key, kernel_size))

    def _keep_last(self, name, make):
        """As `remember`, but only until another name is asked for: neighbour lists are large, and the blocks that share
        them follow one another."""
        if self._last[0] != name:
            self._last = None, None  # free before the next are made
            self._last = name, make()
        return self._last[1]


def find_neighbour_pairs(key, kernel_size):
    """NeighbourPairs for sorted packed keys [M]."""
    last, rows = kernel_size**3 - 1, torch.arange(len(key), device=key.device)
    inputs, outputs = {last // 2: rows}, {last // 2: rows}
    for k, candidate, hit in _search(key, kernel_size):
        here = torch.nonzero(hit)[:, 0]
        inputs[k] = outputs[last - k] = candidate[here]
        outputs[k] = inputs[last - k] = here
    return NeighbourPairs([inputs[k] for k in range(last + 1)], [outputs[k] for k in range(last + 1)])


def find_neighbour_table(key, kernel_size):
    """The pairs for sorted packed keys [M] as a table [K, M] int32: row of the voxel at q + offset_k, -1 where there is
    none. Nothing here waits for a GPU, because no size depends on what is found."""
    last, count = kernel_size**3 - 1, len(key)
    rows = torch.arange(count, dtype=torch.int32, device=key.device)
    # the last column takes what is dropped
    table = torch.full((last + 1, count + 1), -1, dtype=torch.int32, device=key.device)
    table[last // 2, :count] = rows
    for k, candidate, hit in _search(key, kernel_size):
        table[k, :count] = torch.where(hit, candidate, -1)
        table[last - k].scatter_(0, torch.where(hit, candidate, count), rows)
    return table[:, :count]


def _search(key, kernel_size):
    """Rows (k, candidate [M] int64, hit [M] bool) for the offsets before the centre: where `hit`, `candidate` is the
    row of the voxel at q + offset_k. Offset K-1-k is the mirror of offset k, so the other half follows from these.

    Along z neighbours have consecutive keys: one search per (dx, dy) column finds the first candidate, and walking
    up from it finds the rest.
    """
    radius, centre = kernel_size // 2, kernel_size**3 // 2
    padded = torch.cat([key, key.new_full((1,), torch.iinfo(torch.int64).max)])
    for k in range(0, centre, kernel_size):
        dx, dy = k // kernel_size**2 - radius, k // kernel_size % kernel_size - radius
        lowest = key + (dx << (2 * AXIS_BITS)) + (dy << AXIS_BITS) - radius
        candidate = torch.searchsorted(key, lowest)
        for dz in range(min(kernel_size, centre - k)):
            hit = padded[candidate] == lowest + dz
            yield k + dz, candidate, hit
            candidate = candidate + hit


@dataclass(frozen=True)
class VoxelGrid:
    """One mean point per occupied voxel of one or more clouds.

    level: rows of the finest level; positions: [M, 3] float32 metres, mean of the member points;
    features: [M, C] float32, mean of the member features; point_to_voxel: [N] int32; counts: [M] int64 member points;
    voxel_size: metres.
    """

    level: Level
    positions: torch.Tensor
    features: torch.Tensor
    point_to_voxel: torch.Tensor
    counts: torch.Tensor
    voxel_size: float

    def __len__(self):
        return len(self.level)

    @classmethod
    def from_points(cls, xyz, features, voxel_size, scene=None):
        """Mean-pool points into voxels.

        xyz: [N, 3] float32 metres; features: [N, C] float32; scene: [N] int64 ascending from 0, or None for one
        cloud. Sums are taken in float64, so that the order of the points does not show in the means.
        """
        if len(xyz) == 0:
            raise SpaceformerError("the cloud has no points: nothing to voxelise")
        if scene is None:
            scene = torch.zeros(len(xyz), dtype=torch.int64, device=xyz.device)
        elif int(scene.max()) >= MAX_SCENES:
            raise SpaceformerError(f"{int(scene.max()) + 1} scenes in one batch; at most {MAX_SCENES} are supported")
        key, inverse, counts = torch.unique(
            pack(voxel_coords(xyz, voxel_size), scene), return_inverse=True, return_counts=True
        )
        positions, pooled = _group_mean(xyz, inverse, counts), _group_mean(features, inverse, counts)
        return cls(Level(key), positions, pooled, inverse.int(), counts, voxel_size)


def _group_mean(values, group, counts):
    total = torch.zeros(len(counts), values.shape[1], dtype=torch.float64, device=values.device)
    total.index_add_(0, group, values.double())
    return (total / counts[:, None]).float()
