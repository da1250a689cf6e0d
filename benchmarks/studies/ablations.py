#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much time and memory does each design choice of the network save?

Usage: tools/env.sh python -m benchmarks.studies.ablations [--voxels 10000]

Runs the network on one map unchanged and with one choice disabled, alternately: seconds, ratio and peak memory. Then
prints the ten operations of PyTorch's profiler that take the most time.
"""

import argparse
import contextlib
import sys
from dataclasses import replace
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import bench
from benchmarks.maps import grid_of, maps
from benchmarks.measure import Clock, start_of_peak
from benchmarks.tables import machine, markdown
from spaceformer_ros.network import attention, decoder, groups, layers, neighbours
from spaceformer_ros.network.voxels import Level
from spaceformer_ros.segment.memory import peak_bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="released", choices=tuple(bench.SIZES))
    parser.add_argument("--map", action="append", default=[], help="a coloured cloud; default: generated rooms")
    parser.add_argument("--voxels", type=int, default=10_000)
    parser.add_argument("--points", type=int, help="size of the map instead of --voxels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    options = parser.parse_args()
    clock = Clock(options.device, options.clock)
    print(machine(clock, options) + "\n")
    segmenter = bench.make_pipeline(options.config, options).segmenter
    size = (options.points, None) if options.points else (options.voxels, segmenter.voxel_size)
    ((source, cloud),) = maps(options.map, [size[0]], size[1])
    first = grid_of(cloud, segmenter)
    model = segmenter.backend.model

    def run(**arguments):
        grid = replace(first, level=Level(first.level.key))  # without cached tables of an earlier run
        before, start = start_of_peak(segmenter.device), clock.now()
        model(grid, segmenter.orders, **arguments)
        return clock.now() - start, peak_bytes(segmenter.device) - before

    with torch.inference_mode():
        run()  # warm-up
        rows = [measure(run, name, undo, arguments, options.repeats) for name, undo, arguments in choices(cloud, first)]
        print(f"{len(first)} voxels of {source}, {options.config}; each choice disabled, and the unchanged network:\n")
        markdown(("without", "seconds", "unchanged", "ratio", "peak MiB", "unchanged"), rows)
        print("\nThe ten largest of one run:\n")
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            run()
    markdown(("operation", "share", "calls"), largest(profiler.key_averages()))


def choices(cloud, grid):
    """Rows (disabled choice, context that disables it, arguments of the run)."""
    points = torch.from_numpy(cloud.xyz - cloud.floor_center).to(grid.positions.device)
    everything = {"cpu": 1 << 40, "cuda": 1 << 40}

    def uncached(self, name, make, variant=None):
        return make()

    yield "attention as large products", mock.patch.object(attention, "MIN_BY_ROWS", sys.maxsize), {}
    yield "convolution in pieces", mock.patch.dict(layers.CONVOLUTION_SUMS, everything), {}
    yield "rows in pieces", mock.patch.dict(layers.PIECE_VALUES, everything), {}
    yield "groups in pieces", mock.patch.dict(groups.GROUP_ROWS, everything), {}
    yield "few lengths of products", mock.patch.object(neighbours, "padded_length", lambda length: length), {}
    yield "tables shared by blocks", mock.patch.object(Level, "cached", uncached), {}

    def unfolded(self, name, first, second, dtype):
        return lambda x: second(first(x))

    yield "folded projection", mock.patch.object(decoder.QueryDecoder, "folded", unfolded), {}
    yield "narrow convolutions as one product", mock.patch.object(layers, "NARROW", 0), {}
    yield "keys in chunks", contextlib.nullcontext(), {"chunk_size": 1 << 40}
    yield "voxels as keys", contextlib.nullcontext(), {"points": points}


def measure(run, name, undo, arguments, repeats):
    """One row of the table: minimum seconds and highest peak of several alternating runs."""
    ours, others = [], []
    for _ in range(repeats):
        ours.append(run())
        with undo:
            others.append(run(**arguments))
    seconds, without = (min(row[0] for row in rows) for rows in (ours, others))
    peak, peak_without = (max(row[1] for row in rows) >> 20 for rows in (ours, others))
    return name, f"{without:.3f}", f"{seconds:.3f}", f"{without / seconds:.2f}", peak_without, peak


def largest(events):
    """Rows (operation, share of the time, calls) of the ten operations with the largest self time."""
    events = sorted(events, key=lambda event: event.self_cpu_time_total, reverse=True)
    total = sum(event.self_cpu_time_total for event in events)
    return [(e.key, f"{100 * e.self_cpu_time_total / total:.1f} %", e.count) for e in events[:10]]


if __name__ == "__main__":
    main()
