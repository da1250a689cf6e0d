# SPDX-License-Identifier: Apache-2.0
"""Voxels of a cloud and their coarser levels: packed keys, parents, and the tables computed from them.

Level l has voxels of `voxel_size * 2**l` metres. Several clouds can share one grid: each voxel has the index of its
cloud.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from .. import SpaceformerError
from .neighbours import find_neighbour_pairs, find_neighbour_table, sort_by_neighbours
from .packing import AXIS_BITS, AXIS_LIMIT, AXIS_MASK, MAX_CLOUDS, coarser_keys, pack, unpack, voxel_coords
from .transfer import to_host


@dataclass(frozen=True)
class LevelFacts:
    """What the host knows of a Level of B clouds.

    cloud_sizes: voxels of each cloud, list of int;
    extent: number of voxels along the longest axis of the largest cloud;
    low: [B, 3] int64, minimum of the coordinates of each cloud, on the level's device.
    """

    cloud_sizes: list
    extent: int
    low: torch.Tensor


class Level:
    """The voxels of one resolution step, rows sorted by packed key, and the tables computed from them.

    The blocks of a level, in the encoder and in the decoder, share these tables: neighbour lists, attention groups and
    rotary angles (see `cached`).
    """

    def __init__(self, key, shared=None):
        self.key = key  # [M] int64, ascending and unique
        self._tables = {}  # name -> (variant, table), see `cached`
        self.shared = {} if shared is None else shared  # tables of all levels of a map, by name
        self._facts = self._coarser = self._parent = None  # see `prepare`

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
        height = (self.key & AXIS_MASK) - AXIS_LIMIT
        return start, unpack(self.key[start[:-1]])[0][:, :2], height

    @property
    def cloud_sizes(self):
        """Number of voxels of each cloud, list of int."""
        return self.facts.cloud_sizes

    @property
    def extent(self):
        """Number of voxels along the longest axis of the largest cloud."""
        return self.facts.extent

    @cached_property
    def local_coords(self):
        """Coordinates relative to the minimum of the voxel's cloud, [M, 3] int64 >= 0.

        The published code takes the minimum over the whole batch. For one cloud per call, its only tested use, the two
        agree; the minimum per cloud makes a cloud's result independent of the rest of the batch.
        """
        low = self.facts.low
        return self.coords - (low if len(low) == 1 else low.index_select(0, self.cloud_index))

    @property
    def facts(self):
        """LevelFacts of this level."""
        if self._facts is None:
            self.prepare(0)
        return self._facts

    @facts.setter
    def facts(self, facts):
        self._facts = facts

    @property
    def coarser(self):
        """The next level (voxels twice as large); `parent` maps the rows of this level onto its rows."""
        if self._coarser is None:
            self.prepare(1)
        return self._coarser

    @property
    def parent(self):
        """[M] int64, row of each voxel's parent in `coarser`."""
        self.coarser  # noqa: B018 - computes both
        return self._parent

    def prepare(self, steps):
        """Compute the next `steps` coarser levels and the facts of all; the host waits once for a GPU."""
        key, parent, sizes = find_parents(self.key, steps)
        low, high = cloud_bounds(self.coords, self.cloud_index)
        sizes, host_low, host_high = to_host(sizes, low, high)
        clouds = int((sizes[0] > 0).nonzero()[0].max()) + 1
        level = self
        for step in range(steps + 1):
            extent = int(((host_high[:clouds] >> step) - (host_low[:clouds] >> step)).max()) + 1
            level._facts = LevelFacts(sizes[step, :clouds].tolist(), extent, low[:clouds] >> step)
            if step < steps:
                level._parent = parent[step, : len(level)]
                level._coarser = Level(key[step, : sizes[step + 1].sum()], self.shared)
                level = level._coarser

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

    def neighbour_rows(self, kernel_size):
        """[M, K] int32: `neighbour_table`, voxel by voxel."""
        return self.cached(
            "neighbours",
            lambda: find_neighbour_table(self.key, kernel_size).t().contiguous(),
            (kernel_size, "rows"),
        )

    def neighbour_table(self, kernel_size):
        """[K, M] int32, see `find_neighbour_table`."""
        return self.cached("neighbours", lambda: find_neighbour_table(self.key, kernel_size), kernel_size)

    def sorted_neighbours(self, kernel_size):
        """`sort_by_neighbours` of the table; for more than 3^3 offsets, which a bit each does not hold, as it is."""
        if kernel_size > 3:
            return self.neighbour_table(kernel_size), None
        return self.cached(
            "neighbours",
            lambda: sort_by_neighbours(find_neighbour_table(self.key, kernel_size)),
            (kernel_size, "sorted"),
        )


def find_parents(key, steps):
    """The next `steps` coarser levels of a level of M voxels. The host does not wait for a GPU here.

    key: [M] int64, sorted. Returns

    keys [steps, M] int64: of every coarser level, finest first, followed by the largest int64
    parents [steps, M] int64: row in the next level of every voxel of this level and of all but the coarsest one
    sizes [steps + 1, MAX_CLOUDS] int64: voxels of each cloud, this level first
    """
    above = coarser_keys(key, steps)  # [steps, M], of the voxels of the finest level
    order = torch.sort(above, dim=1)
    new = (order.values[:, 1:] != order.values[:, :-1]).cumsum(dim=1)
    row = torch.empty_like(above).scatter_(1, order.indices, F.pad(new, (1, 0)))
    # voxels of one parent write the same value
    keys = torch.full_like(above, torch.iinfo(torch.int64).max).scatter_(1, row, above)
    finer = torch.cat([torch.arange(len(key), device=key.device)[None], row])[:-1] if steps else row
    parents = torch.empty_like(above).scatter_(1, finer, row)
    last = ((torch.arange(MAX_CLOUDS, device=key.device) + 1) << (3 * AXIS_BITS)) - 1  # beyond any key of a cloud
    ends = torch.searchsorted(torch.cat([key[None], keys]), last.repeat(steps + 1, 1))
    return keys, parents, torch.diff(ends, prepend=torch.zeros_like(ends[:, :1]))


def cloud_bounds(coords, cloud_index):
    """Lowest and highest coordinates of every cloud, two [MAX_CLOUDS, 3] int64. coords: [M, 3] int64."""
    both = torch.cat([coords, -coords], dim=1)
    low = torch.full((MAX_CLOUDS, 6), AXIS_LIMIT, device=coords.device)
    low.scatter_reduce_(0, cloud_index[:, None].expand_as(both), both, reduce="amin")
    return low[:, :3], -low[:, 3:]


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
