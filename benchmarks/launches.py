#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many kernels does a forward pass launch on a GPU, how many bytes do they move, and how often does the host wait?

Usage: tools/env.sh python -m benchmarks.launches [--config released] [--voxels 80000]

Counted on a CPU, on the code path of a GPU: kernels that only a GPU has are replaced by stand-ins, each of which counts
as one launch, so the results of the network mean nothing. Everything else runs, operation by operation. Bytes are what
an operation reads and writes: rows of features that a convolution reads several times count once, as they stay in the
GPU's cache.
"""

import argparse
import contextlib
from collections import Counter
from functools import cached_property
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.maps import maps, tensors_of
from benchmarks.measure import TensorMemory
from benchmarks.tables import markdown
from spaceformer_ros.network import attention, backbone, decoder, groups, layers, neighbours, seeds, voxels
from spaceformer_ros.network.layers import SparseConv3d, freeze
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig
from spaceformer_ros.network.neighbours import sort_by_neighbours
from spaceformer_ros.network.voxels import VoxelGrid
from spaceformer_ros.segment.backends import convert

ROWS = 128  # of a tile, as in network/triton_launch.py
# Operations that launch nothing: views, memory, and reading one number.
FREE = frozenset(
    [
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "permute",
        "expand",
        "unsqueeze",
        "squeeze",
        "slice",
        "select",
        "split",
        "split_with_sizes",
        "unbind",
        "detach",
        "alias",
        "as_strided",
        "reshape",
        "unflatten",
        "_reshape_alias",
        "view_as_real",
        "view_as_complex",
        "empty",
        "empty_like",
        "new_empty",
        "chunk",
        "new_empty_strided",
        "empty_strided",
        "_local_scalar_dense",
        "lift_fresh",
        "diagonal",
        "unfold",
        "narrow",
        "is_same_size",
    ]
)
# Kernels that one operation launches on CUDA, where these are several: sorts by radix, scans and compactions of CUB.
SEVERAL = {"_unique2": 12, "sort": 6, "argsort": 6, "bincount": 4, "nonzero": 4, "cumsum": 2, "topk": 4, "randperm": 4}
SEVERAL["_native_multi_head_attention"] = 8
# Operations that make the host wait for a GPU, because their result, or its size, is needed to go on.
WAITING = frozenset(["nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount"])
# Functions that wait and are no operations on a CPU: reading a tensor, copies to the host, copies of lists.
WAITS_OF_HOST = (
    *((torch.Tensor, name) for name in ("tolist", "item", "__int__", "__float__", "__bool__")),
    *((module, "to_host") for module in (voxels, groups)),
    (torch, "tensor"),
)


class Launches(TorchDispatchMode):
    """Counts what runs while the block is active, by the part of the network that is running.

    launches, bytes: Counters by part; waits: Counter by the name of the operation that waits.
    """

    def __init__(self):
        super().__init__()
        self.launches, self.bytes, self.waits = Counter(), Counter(), Counter()
        self.part = "rest"

    def __enter__(self):
        self._patches = contextlib.ExitStack()
        for owner, name in WAITS_OF_HOST:
            self._patches.enter_context(mock.patch.object(owner, name, self._waiting(owner, name)))
        return super().__enter__()

    def __exit__(self, *error):
        self._patches.close()
        return super().__exit__(*error)

    def _waiting(self, owner, name):
        original = getattr(owner, name)

        def wait(*args, **kwargs):
            self.waits[name] += 1
            return original(*args, **kwargs)

        return wait

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result, name = function(*args, **(kwargs or {})), function.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in WAITING or by_mask:
            self.waits[name] += 1
        if name not in FREE:
            self.launches[self.part] += SEVERAL.get(name, 1)
            self.bytes[self.part] += bytes_moved(name, tensors((args, kwargs)), tensors(result))
        return result

    def count(self, inputs, outputs):
        """Count one kernel that a stand-in replaces. inputs, outputs: the tensors that it reads and writes."""
        self.launches[self.part] += 1
        self.bytes[self.part] += sum(map(nbytes, [*inputs, *outputs]))

    @contextlib.contextmanager
    def inside(self, part):
        """Count for a part of the network while the block runs."""
        before, self.part = self.part, part
        try:
            yield
        finally:
            self.part = before


def tensors(values):
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def nbytes(tensor):
    return tensor.numel() * tensor.element_size()


def bytes_moved(name, inputs, outputs):
    """Bytes that an operation reads and writes. A result in place of an input is counted as the input only."""
    if name == "index_select":  # reads the chosen rows, not all
        return 2 * nbytes(outputs[0]) + nbytes(inputs[1])
    if name == "index_add_":  # reads the addends, reads and writes the chosen rows
        return 3 * nbytes(inputs[2]) + nbytes(inputs[1])
    written = [tensor for tensor in outputs if not any(tensor is other for other in inputs)]
    return sum(map(nbytes, [*inputs, *written]))


# --- the code path of a GPU -------------------------------------------------------------------------------------------

# (owner, attribute, part): what runs inside these functions counts for the part.
PARTS = (
    (voxels.Level, "sorted_neighbours", "neighbour tables"),
    (voxels.Level, "prepare", "levels"),
    (voxels.Level, "local_coords", "levels"),
    (backbone, "prepare_groups", "groups"),
    (attention.GroupedAttention, "groups", "groups"),
    (attention, "rotary_table", "rotary tables"),
    (attention.GroupedAttention, "forward", "attention: projections"),
    (attention, "varlen_attention", "attention: softmax"),
    (layers.SparseConv3d, "forward", "convolution"),
    (backbone.Block, "mix", "norms after convolution"),
    (backbone.Block, "finish", "norm and MLP"),
    (backbone.Down, "forward", "down, up"),
    (backbone.Up, "forward", "down, up"),
    (decoder.QueryDecoder, "make_keys", "query decoder: keys"),
    (decoder.QueryDecoder, "predict", "query decoder: masks"),
    (decoder.QueryDecoder, "folded", "query decoder: masks"),
    (decoder.CrossAttention, "forward", "query decoder: attention"),
    (decoder, "blocked_voxels", "query decoder: attention"),
    (decoder.SelfAttention, "forward", "query decoder: attention"),
    (decoder.FeedForward, "forward", "query decoder: attention"),
    (seeds.QuerySeeds, "pick", "query decoder: seeds"),
)


def within(launches, function, part):
    """`function`, counted for a part."""

    def run(*args, **kwargs):
        with launches.inside(part):
            return function(*args, **kwargs)

    return run


def counted(launches, owner, name, part):
    """A patch that counts a function, or a cached property, for a part."""
    original = vars(owner)[name]
    if not isinstance(original, cached_property):
        return mock.patch.object(owner, name, within(launches, original, part))
    replaced = cached_property(within(launches, original.func, part))
    replaced.__set_name__(owner, name)
    return mock.patch.object(owner, name, replaced)


def stand_ins(launches):
    """Patches that take the code path of a GPU on a CPU: its kernels are counted and compute nothing."""

    def flash(q, k, v, groups):
        out = q.new_empty(q.shape)
        launches.count([q, k, v, hidden(getattr)(groups, "cumulative")], [out])
        return filled(out)

    def convolve(x, weight, bias, table, order):
        out = x.new_empty(len(x), weight.shape[2])
        launches.count([x, weight, bias, table, *(() if order is None else (order,))], [out])
        return hidden(torch.Tensor.uniform_)(out, -1, 1)

    def on_gpu(q):
        return True

    yield mock.patch.object(attention, "has_flash_kernel", on_gpu)
    yield mock.patch.object(attention, "varlen_attention", flash)
    yield mock.patch.object(SparseConv3d, "kernel", staticmethod(convolve))
    for owner in (
        backbone.Block,
        attention.GroupedAttention,
        decoder.QueryDecoder,
        decoder.CrossAttention,
        seeds.QuerySeeds,
    ):
        yield mock.patch.object(owner, "kernels", Kernels(launches))
    for sizes in (layers.PIECE_VALUES, groups.GROUP_ROWS, neighbours.SEARCH_ROWS):
        yield mock.patch.dict(sizes, clear=True)


class Kernels:
    """Stands in for the functions of `network/triton_products.py`, `triton_attention.py` and `triton_sampling.py`."""

    def __init__(self, launches):
        self.count = launches.count

    def project_rotated(self, x, rows, weight, bias, table, coords, shape, rotated):
        out = x.new_empty(len(x) if rows is None else len(rows), *shape)
        read = [x[: len(out)], *(() if rows is None else (rows, coords[: len(out)]))]
        self.count([*read, weight, bias, table], [out])
        return filled(out)

    def add_product(self, total, x, weight, bias=None, rows=None):
        used = total[: len(x)]  # as many rows
        self.count([x, weight, used, *(value for value in (bias, rows) if value is not None)], [used])
        return total

    def gated_product(self, x, weight, gated):
        out = x.new_empty(len(x), len(weight))
        self.count([x, weight, gated], [out])
        return filled(out)

    def normalise_sum(self, x, total, inner, outer):
        self.count([x, total, inner.weight, inner.bias, outer.weight, outer.bias], [total])
        return total

    def attend(self, query, keys, blocked):
        query, parts = query.contiguous(), 8
        out = query.new_empty(parts, *query.shape, dtype=torch.float32)
        log_sums = query.new_empty(parts, *query.shape[:2], 1, dtype=torch.float32)
        self.count([query, keys.key, keys.value, blocked], [out, log_sums])
        return (filled(out) * filled(log_sums).softmax(dim=0)).sum(dim=0).to(query.dtype)

    def farthest_points(self, points, count):
        columns, distance = points.t().contiguous(), points.new_full((len(points),), torch.inf)
        chosen = seeds.farthest_from_mean(columns).repeat(count)
        self.count([columns, distance], [chosen])
        return hidden(torch.Tensor.copy_)(chosen, torch.arange(count))


def filled(out):
    return hidden(torch.Tensor.fill_)(out, 0.1)


def hidden(function):
    """`function`, whose own operations are not counted."""

    def run(*args):
        with torch.utils._python_dispatch._disable_current_modes():
            return function(*args)

    return run


@torch.no_grad()
def count_launches(model, grid):
    """Launches of one forward pass of a SpaCeFormer in half precision on a VoxelGrid, and the peak bytes of tensors."""
    freeze(model)
    model(grid)  # computes what is kept between calls
    launches = Launches()
    with contextlib.ExitStack() as stack:
        for patch in stand_ins(launches):
            stack.enter_context(patch)
        for part in PARTS:
            stack.enter_context(counted(launches, *part))
        memory = stack.enter_context(TensorMemory())
        stack.enter_context(launches)
        model(grid)
    return launches, memory.peak


# --- the report -------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="append", choices=("released", "demo"), help="default: both")
    parser.add_argument("--map", action="append", default=[], help="a coloured cloud; default: generated rooms")
    parser.add_argument("--voxels", type=int, default=80_000)
    options = parser.parse_args()
    for name in options.config or ("released", "demo"):
        config = getattr(SpaCeFormerConfig, name)()
        model = convert(SpaCeFormer(config).eval().requires_grad_(False), torch.bfloat16)
        ((source, cloud),) = maps(options.map, [options.voxels], config.voxel_size)
        grid = VoxelGrid.from_points(*tensors_of(cloud, torch.device("cpu")), config.voxel_size)
        print(f"\n## {name}, {len(grid)} voxels of {source}\n")
        report(*count_launches(model, grid), len(grid))
        report_tiles(grid.level, len(config.encoder))


def report(launches, peak, voxels):
    """Print the counts as a table, with their sums."""
    rows = [
        (part, launches.launches[part], f"{launches.bytes[part] / voxels / 1e3:.1f}")
        for part in dict.fromkeys(part for *_, part in (*PARTS, (None, "rest")))
        if launches.launches[part]
    ]
    total = "sum", launches.launches.total(), f"{launches.bytes.total() / voxels / 1e3:.1f}"
    markdown(("part", "launches", "kB per voxel"), [*rows, total])
    waits = ", ".join(f"{name} {count}" for name, count in launches.waits.most_common())
    print(f"\nThe host waits {launches.waits.total()} times ({waits or 'never'}); ", end="")
    print(f"peak of tensors: {peak / voxels / 1024:.1f} KiB per voxel")


def report_tiles(level, levels):
    """Print which share of the products that the convolution kernel computes has a neighbour, on each level."""
    shares = []
    for _ in range(levels):
        table = level.neighbour_table(3)
        shares.append([f"{fill(rows):.2f}" for rows in (table, sort_by_neighbours(table)[0])])
        level = level.coarser
    unsorted, ordered = (", ".join(column) for column in zip(*shares))
    print(f"\nProducts of tiles with a neighbour, from the finest level: {ordered}; with rows as they are: {unsorted}")


def fill(table, rows=ROWS):
    """Entries with a neighbour of all that are computed, as offsets without any in a tile of `rows` are skipped."""
    there = table < table.shape[1]
    tiles = torch.nn.functional.pad(there, (0, -len(there[0]) % rows)).unflatten(1, (-1, rows)).any(dim=2)
    return (there.sum() / (tiles.sum() * rows)).item()


if __name__ == "__main__":
    main()
