# SPDX-License-Identifier: Apache-2.0
"""Farthest point sampling as one Triton kernel, for CUDA devices: in plain PyTorch every point costs several launches.

Imported only by `kernels.use_triton`: Triton comes with torch's CUDA builds and is missing otherwise.
"""

import torch
import triton
import triton.language as tl

from .seeds import farthest_from_mean
from .triton_launch import launch

BLOCK, WARPS = 4096, 16  # points at a time, of the only program


def farthest_points(points, count):
    """As `seeds.farthest_points`: [count] int64. points: [K, 3] float32, K < 2**29."""
    columns, distance = points.t().contiguous(), points.new_full((len(points),), torch.inf)
    chosen = farthest_from_mean(columns).repeat(count)
    launch(kernel, (1,), columns, distance, chosen, len(points), count, block=BLOCK, num_warps=WARPS)
    return chosen


@triton.jit(do_not_specialize=["num_points", "count"])  # they differ between maps
def kernel(columns, distance, chosen, num_points, count, block: tl.constexpr):
    """chosen[i] from chosen[0] on; distance: squared, of every point to the nearest one that was chosen."""
    pick = tl.load(chosen)
    for turn in range(1, count):
        farthest, place = tl.full((block,), -1.0, tl.float32), tl.zeros((block,), tl.int64)
        x, y, z = (
            tl.load(columns + pick),
            tl.load(columns + num_points + pick),
            tl.load(columns + 2 * num_points + pick),
        )
        for start in range(0, num_points, block):
            row = start + tl.arange(0, block)
            there = row < num_points
            dx = tl.load(columns + row, mask=there, other=0.0) - x
            dy = tl.load(columns + num_points + row, mask=there, other=0.0) - y
            dz = tl.load(columns + 2 * num_points + row, mask=there, other=0.0) - z
            nearest = tl.minimum(tl.load(distance + row, mask=there, other=-1.0), dx * dx + dy * dy + dz * dz)
            tl.store(distance + row, nearest, mask=there)
            place = tl.where(nearest > farthest, row, place)
            farthest = tl.maximum(nearest, farthest)
        # of equally far ones the first, as `argmax` does
        pick = tl.min(tl.where(farthest == tl.max(farthest, axis=0), place, num_points), axis=0)
        tl.store(chosen + turn, pick)
        tl.debug_barrier()  # all threads see the distances of this turn
