# SPDX-License-Identifier: Apache-2.0
"""Other implementations of the network in the same run: its plain path, plain PyTorch, the official module."""

from dataclasses import dataclass, replace
from unittest import mock

import torch

import spaceformer_ros
from benchmarks import naive
from benchmarks.maps import grid_of, tensors_of
from benchmarks.measure import part_seconds, plain_kernels, start_of_peak
from benchmarks.tables import markdown
from spaceformer_ros.network import layers
from spaceformer_ros.network.model import SpaCeFormerConfig
from spaceformer_ros.network.voxels import Level
from spaceformer_ros.segment.memory import peak_bytes
from spaceformer_ros.segment.warp_backend import WarpConvNetBackend


def compare(segmenter, source, cloud, clock, with_naive=True):
    """Print a table: this package's network against others on the same voxels, in this run."""
    model, device = segmenter.backend.model, segmenter.device
    first, rows = grid_of(cloud, segmenter), []

    def measure(name, predict):
        predict()  # warm-up
        before, start = start_of_peak(device), clock.now()
        masks = predict()
        rows.append((name, clock.now() - start, peak_bytes(device) - before, masks))

    def grid():  # without cached tables of an earlier run
        return replace(first, level=Level(first.level.key))

    def own():
        return model(grid(), segmenter.orders)[0].mask_logits

    with torch.inference_mode():
        measure("spaceformer_ros", own)
        if device.type == "cuda":
            compare_convolutions(model, own, measure, clock)
        else:
            with mock.patch.object(layers, "NARROW", 0):
                measure("narrow convolutions as wide ones", own)
        if with_naive and not model.config.seeded_queries:
            measure("plain PyTorch (naive.py)", lambda: naive.predict(model, first.positions, first.features)[0])
        for name, predict in official(segmenter, grid, cloud):
            measure(name, predict)
    if len(rows) > 1:
        print(f"\nThe same network on {len(first)} voxels of {source}:\n")
        _, seconds, _, ours = rows[0]
        agreement = no_agreement if model.config.seeded_queries else mask_agreement
        shown = [
            (name, f"{t:.3f}", f"{t / seconds:.2f}", f"{peak / 2**20:.0f}", *agreement(ours, masks))
            for name, t, peak, masks in rows
        ]
        markdown(("", "seconds", "times ours", "peak MiB", "mean mask IoU with ours", "masks of 0.98 or more"), shown)


def compare_convolutions(model, predict, measure, clock):
    """Print the seconds of the convolutions with and without Triton, and measure the network without."""

    def seconds():
        with part_seconds(model, clock) as parts:
            predict()
        return parts["convolution"]

    fast = seconds()
    with plain_kernels(model) as taken:
        if taken:
            measure("without Triton", predict)
        print(f"\nConvolutions: {fast:.3f} s with Triton, {seconds():.3f} s without" if taken else "\nwithout Triton")


def official(segmenter, grid, cloud):
    """Rows (name, function) of the official module on one mean point per voxel and on all points; none without it."""
    model = segmenter.backend.model
    if segmenter.device.type != "cuda" or model.config != SpaCeFormerConfig.released():
        return
    try:
        backend = WarpConvNetBackend(model, segmenter.device, segmenter.dtype)
    except spaceformer_ros.SpaceformerError as error:
        print(f"\nwithout warpconvnet: {error}")
        return
    points = Points(*tensors_of(cloud, segmenter.device))
    voxel = grid().point_to_voxel
    some = torch.empty(len(grid()), dtype=torch.int64, device=voxel.device)
    some[voxel] = torch.arange(len(voxel), device=voxel.device)  # one point of each voxel, to compare masks there
    yield "warpconvnet, one point per voxel", lambda: backend.predict(grid(), segmenter.orders).mask_logits
    yield "warpconvnet, every point", lambda: backend.predict(points, segmenter.orders).mask_logits[some]


@dataclass(frozen=True)
class Points:
    """What the official module's backend reads of a grid."""

    positions: torch.Tensor
    features: torch.Tensor

    def __len__(self):
        return len(self.positions)


def no_agreement(*_):
    """Seeded queries may change places with the rounding of a vote: benchmarks.revisions compares any with any."""
    return "", ""


def mask_agreement(a, b):
    """Mean IoU of the masks of the same queries, of those that hold anything, and the share of them with an IoU of 0.98
    or more, in words. a, b: [N, Q] logits."""
    a, b = a > 0, b > 0
    shared, either = (a & b).sum(dim=0), (a | b).sum(dim=0)
    iou = shared[either > 0] / either[either > 0]
    return f"{iou.mean().item():.3f}", f"{100 * (iou >= 0.98).float().mean().item():.0f} %"
