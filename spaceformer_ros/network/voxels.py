# SPDX-License-Identifier: Apache-2.0
"""Voxels of a cloud and their coarser levels: packed keys, parents, neighbours.

Coordinates are integers (a voxel's index along each axis), counted from the world origin; level l has voxels of
`voxel_size * 2**l` metres. Several clouds can share one grid: each voxel has the index of its cloud.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from .. import SpaceformerError

AXIS_BITS = 18  # of each axis in a packed key, as in the published implementation
AXIS_LIMIT = 1 << (AXIS_BITS - 1)
MAX_INDEX = AXIS_LIMIT - 8  # of voxels (+-2.6 km at 2 cm): the offsets of a kernel stay within AXIS_LIMIT
MAX_CLOUDS = 512


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


def pack(coords, cloud_index):
    """[M] int64 keys, ascending in (cloud, x, y, z). coords: [M, 3] int64; cloud_index: [M] int64 < MAX_CLOUDS."""
    shifted = coords + AXIS_LIMIT
    key = cloud_index << (3 * AXIS_BITS)
    return key | (shifted[:, 0] << (2 * AXIS_BITS)) | (shifted[:, 1] << AXIS_BITS) | shifted[:, 2]


def unpack(key):
    """Inverse of `pack`: coords [M, 3] int64 and cloud_index [M] int64."""
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
        """The pairs split into NeighbourPieces of `size` consecutive output rows. Needs ascending outputs.

        padded: whether pieces are padded to a few lengths (see `NeighbourPiece.padded`).
        """
        count = len(self.inputs[len(self.inputs) // 2])  # at the centre offset every voxel is its own neighbour
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
    """The NeighbourPairs with outputs in the slice `rows` of a level; outputs are relative to its start."""

    rows: slice
    inputs: list  # K tensors [P_k] int64: int32 is half as large, but makes narrow convolutions twice as slow on a CPU
    outputs: list  # K tensors [P_k] int64

    def __len__(self):
        return self.rows.stop - self.rows.start

    def padded(self):
        """The pairs of each offset padded to one of a few lengths by pairs (input 0, the output after the last).

        On a CPU every new shape of a matrix product is compiled first, which takes longer than a small product.
        """
        inputs = [pad_rows(rows, 0) for rows in self.inputs]
        outputs = [pad_rows(rows, len(self)) for rows in self.outputs]
        return NeighbourPiece(self.rows, inputs, outputs)


def pad_rows(rows, value):
    """rows [P], extended with `value` to `padded_length`."""
    return F.pad(rows, (0, padded_length(len(rows)) - len(rows)), value=value)


def padded_length(length, steps=4):
    """The next of the lengths 64 * 2**(i / steps), rounded up to multiples of 16; 0 stays 0."""
    if length == 0:
        return 0
    exact = 64 * 2 ** (math.ceil(steps * math.log2(max(length, 64) / 64)) / steps)
    return max(16 * math.ceil(exact / 16), length)


class Level:
    """The voxels of one resolution step, rows sorted by packed key, and the tables computed from them.

    The blocks of a level, in the encoder and in the decoder, share these tables: neighbour lists, attention groups and
    rotary angles (see `cached`).
    """

    def __init__(self, key):
        self.key = key  # [M] int64, ascending and unique
        self._tables = {}  # name -> (variant, table), see `cached`

    def __len__(self):
        return len(self.key)

    @cached_property
    def coords(self):
        """[M, 3] int64 voxel coordinates."""
        return unpack(self.key)[0]

    @cached_property
    def cloud_index(self):
        """[M] int64, which cloud of the batch each voxel belongs to."""
        return self.key >> (3 * AXIS_BITS)

    def piles(self):
        """The P vertical columns of voxels (same cloud, x and y).

        Returns the first row of each column, followed by M, [P + 1] int64; x and y of each column [P, 2] int64; and z
        of every voxel [M] int64.
        """
        pile = self.key >> AXIS_BITS
        new = torch.nonzero(torch.diff(pile))[:, 0] + 1
        start = F.pad(new, (1, 1))
        start[-1] = len(pile)
        height = (self.key & ((1 << AXIS_BITS) - 1)) - AXIS_LIMIT
        return start, unpack(self.key[start[:-1]])[0][:, :2], height

    @cached_property
    def cloud_sizes(self):
        """Number of voxels of each cloud, list of int."""
        return torch.bincount(self.cloud_index).tolist()

    @cached_property
    def local_coords(self):
        """Coordinates relative to the minimum of the voxel's cloud, [M, 3] int64 >= 0.

        The published code takes the minimum over the whole batch. For one cloud per call, its only tested use, the two
        agree; the minimum per cloud makes a cloud's result independent of the rest of the batch.
        """
        parts = self.coords.split(self.cloud_sizes)
        return torch.cat([part - part.amin(dim=0) for part in parts])

    @cached_property
    def extent(self):
        """Number of voxels along the longest axis of the largest cloud."""
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
        key, parent = torch.unique(pack(halved, self.cloud_index), return_inverse=True)
        return Level(key), parent

    def cached(self, name, make, variant=None):
        """The table `name`, computed by `make()` on first use.

        variant: what the table also depends on. A name keeps its last variant only: neighbour lists are large, and the
        blocks that share one follow each other.
        """
        if name in self._tables and self._tables[name][0] == variant:
            return self._tables[name][1]
        self._tables.pop(name, None)  # frees the old variant before the new one is computed
        table = make()
        self._tables[name] = variant, table
        return table

    def neighbour_pairs(self, kernel_size):
        """NeighbourPairs of an odd cubic kernel; not cached, as one convolution takes longer than the search."""
        return find_neighbour_pairs(self.key, kernel_size)

    def neighbour_pieces(self, kernel_size, size):
        """The same as NeighbourPieces of `size` rows, padded on a CPU."""
        size, padded = min(size, len(self)), self.key.device.type == "cpu"
        return self.cached(
            "neighbours", lambda: self.neighbour_pairs(kernel_size).pieces(size, padded), (kernel_size, size)
        )

    def neighbour_table(self, kernel_size):
        """[K, M] int32, see `find_neighbour_table`."""
        return self.cached("neighbours", lambda: find_neighbour_table(self.key, kernel_size), kernel_size)


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
    """The pairs for sorted packed keys [M] as a table [K, M] int32: row of the voxel at q + offset_k, -1 for none.

    The host does not wait for a GPU here: no tensor's size depends on what is found.
    """
    last, count = kernel_size**3 - 1, len(key)
    rows = torch.arange(count, dtype=torch.int32, device=key.device)
    # the last column collects what is dropped
    table = torch.full((last + 1, count + 1), -1, dtype=torch.int32, device=key.device)
    table[last // 2, :count] = rows
    for k, candidate, hit in _search(key, kernel_size):
        table[k, :count] = torch.where(hit, candidate, -1)
        table[last - k].scatter_(0, torch.where(hit, candidate, count), rows)
    return table[:, :count]


def _search(key, kernel_size):
    """Yields (k, candidate [M] int64, hit [M] bool) for the offsets before the centre.

    Where `hit`, `candidate` is the row of the voxel at q + offset_k. Offset K-1-k mirrors offset k, so the other half
    follows from these. Neighbours along z have consecutive keys: one search per (dx, dy) column finds the first
    candidate, and counting up from it finds the rest.
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

    level: the finest Level, M voxels;
    positions: [M, 3] float32 metres, mean of the voxel's points;
    features: [M, C] float32, mean of their features;
    point_to_voxel: [N] int32 row of each point's voxel;
    counts: [M] int64 points per voxel;
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
    def from_points(cls, xyz, features, voxel_size, cloud_index=None):
        """Mean-pool points into voxels.

        xyz: [N, 3] float32 metres; features: [N, C] float32; cloud_index: [N] int64 ascending from 0, or None for one
        cloud. Sums are float64, so that the order of the points does not change the means. Raises SpaceformerError
        without points, for too many clouds, and for coordinates out of range (see `voxel_coords`).
        """
        if len(xyz) == 0:
            raise SpaceformerError("the cloud has no points: nothing to voxelise")
        if cloud_index is None:
            cloud_index = torch.zeros(len(xyz), dtype=torch.int64, device=xyz.device)
        elif int(cloud_index.max()) >= MAX_CLOUDS:
            count = int(cloud_index.max()) + 1
            raise SpaceformerError(f"{count} clouds in one batch; at most {MAX_CLOUDS} are supported: split the batch")
        key, inverse, counts = torch.unique(
            pack(voxel_coords(xyz, voxel_size), cloud_index), return_inverse=True, return_counts=True
        )
        positions, pooled = _group_mean(xyz, inverse, counts), _group_mean(features, inverse, counts)
        return cls(Level(key), positions, pooled, inverse.int(), counts, voxel_size)


def _group_mean(values, group, counts):
    total = torch.zeros(len(counts), values.shape[1], dtype=torch.float64, device=values.device)
    total.index_add_(0, group, values.double())
    return (total / counts[:, None]).float()
