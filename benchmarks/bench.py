#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does every stage take, compared with its arithmetic?

Usage: tools/env.sh python -m benchmarks.bench (`make bench`)

For maps of several sizes: seconds of every stage from the bytes of the input message to the output messages; the
network by part, each with its floor (multiply-adds that the map needs, divided by the highest matrix rate measured in
this run); peak memory; and, in the same run, a plain implementation of the network (benchmarks/naive.py) and, on CUDA
if installed, the official module warpconvnet. Ratios are within one run.

The released network runs with random weights, which do not change its time. The stages after it would depend on them (a
random network finds 200 masks of half the map), so they are not run. `--clock cpu` measures CPU seconds of all threads,
for busy machines.
"""

import argparse
import contextlib
import json
import pathlib
from collections import Counter
from dataclasses import replace
from unittest import mock

import numpy as np
import torch

from benchmarks.alternatives import compare
from benchmarks.floor import count_feature_bytes, count_multiply_adds
from benchmarks.maps import grid_of, maps, to_message
from benchmarks.measure import Clock, TensorMemory, matrix_rate, part_seconds, start_of_peak
from benchmarks.tables import Case, machine, report
from spaceformer_ros.clouds.pointcloud2 import decode
from spaceformer_ros.config import Config, ModelConfig, PostprocessConfig
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig
from spaceformer_ros.network.voxels import Level
from spaceformer_ros.pipeline import Pipeline
from spaceformer_ros.segment.memory import peak_bytes
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.weights.checkpoint import RELEASED_TEXT_MODEL, Checkpoint, load_checkpoint
from spaceformer_ros.words.similarity import Similarity

SIZES = {"demo": (20_000, 80_000, 300_000), "released": (5_000, 20_000)}  # points; voxels for "released"
FULL = (20_000, 80_000, 200_000, 700_000, 2_000_000)


def main():
    options = parse_options()
    clock = Clock(options.device, options.clock)
    print(machine(clock, options), flush=True)
    cases = []
    for name in options.config or ("demo", "released"):
        pipeline = make_pipeline(name, options)
        segmenter = pipeline.segmenter
        rate = matrix_rate(clock, segmenter.dtype)
        print(f"\n## {name}\n\nHighest matrix rate ({segmenter.dtype}): {rate / 1e9:.0f} GFLOP/s", flush=True)
        sizes = options.sizes or (FULL if options.full else SIZES[name])
        counted = segmenter.voxel_size if name == "released" else None
        found = [
            run(name, pipeline, source, cloud, rate, clock, options.tensors)
            for source, cloud in maps(options.map, sizes, counted)
        ]
        report(found)
        if options.compare:
            for source, cloud in maps(options.map, [options.compare], segmenter.voxel_size):
                compare(segmenter, source, cloud, clock, not options.no_naive)
        cases += found
    if options.json:
        options.json.write_text(json.dumps([vars(case) for case in cases], indent=1))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="append", choices=tuple(SIZES), help="default: both")
    parser.add_argument("--map", action="append", default=[], help="a coloured cloud; default: generated rooms")
    parser.add_argument("--sizes", type=int, nargs="+", help="points of the maps; for released: voxels")
    parser.add_argument("--full", action="store_true", help=f"the sizes {', '.join(map(str, FULL))}")
    parser.add_argument(
        "--compare", type=int, default=2000, help="voxels of the map for other ways to compute the same; 0: none"
    )
    parser.add_argument("--tensors", action="store_true", help="also count the memory of tensors, in one more run")
    parser.add_argument("--no-naive", action="store_true", help="leave the plain version out of it: it is slow")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    parser.add_argument("--json", type=pathlib.Path, help="also write every figure here")
    return parser.parse_args()


class RandomTexts:
    """Replaces the text model, which is not used in these stages."""

    model_id = "random"

    def __init__(self, channels):
        self.channels = channels

    def embed(self, texts):
        vectors = np.random.default_rng(0).normal(size=(len(texts), self.channels)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_pipeline(name, options):
    """A Pipeline without tiles, which would change the arithmetic of the network."""
    config = Config()
    config = replace(
        config,
        tiling=replace(config.tiling, tile_voxels=10**8),
        input=replace(config.input, max_points=10**8, max_voxels=10**8),
    )
    torch.manual_seed(0)
    if name == "demo":
        checkpoint = load_checkpoint("demo")
    else:
        model = SpaCeFormer(SpaCeFormerConfig.released()).eval().requires_grad_(False)
        checkpoint = Checkpoint(model, RELEASED_TEXT_MODEL, Similarity(), "random", name)
    segmenter = Segmenter(checkpoint, ModelConfig(device=options.device, precision=options.dtype))
    segmenter.warm_up()
    return Pipeline(segmenter, RandomTexts(checkpoint.model.config.text_channels), checkpoint.similarity, config)


def run(name, pipeline, source, cloud, rate, clock, with_tensors=False):
    """Case of a Cloud: every stage once, from a message to messages; up to the network for "released"."""
    segmenter, message, stopwatch = pipeline.segmenter, to_message(cloud), Stopwatch(clock.now)
    segmenter.forget()
    pipeline.clear()
    watch = Watch(segmenter, clock, with_tensors)
    with stopwatch.stage("decode"):
        decoded = decode(message).cloud
    if name == "released":
        with stopwatch.stage("voxelise"):
            grid = grid_of(decoded, segmenter)
        with torch.inference_mode():
            watch.predict(grid, segmenter.orders)
    else:
        with mock.patch.object(segmenter.backend, "predict", watch.predict):
            scene = pipeline.process(decoded, stopwatch).scene
        make_messages(scene, pipeline.config, stopwatch)
    stopwatch.seconds["network"] = watch.seconds  # without the overhead of measuring memory
    if watch.first:
        stopwatch.seconds["network, first run of this size"] = watch.first
    return watch.case(config=name, map=source, points=len(cloud), seconds=stopwatch.seconds, rate=rate)


class Watch:
    """Replaces the predict function of a Segmenter's backend, measures it and keeps its result."""

    def __init__(self, segmenter, clock, with_tensors):
        self._segmenter, self._clock, self._with_tensors = segmenter, clock, with_tensors
        self._backend_predict = segmenter.backend.predict
        self._keys, self._parts = [], Counter()
        self._peak = self._peak_again = self._tensors = 0
        self.seconds = self._watched = 0.0  # in all; of the runs whose parts were measured
        self.first = 0.0  # on CUDA: of the first run of the map, after maps of other sizes

    def predict(self, grid, orders):
        """Prediction of a VoxelGrid, as the backend's."""
        model, clock = self._segmenter.backend.model, self._clock

        def again():
            return self._backend_predict(replace(grid, level=Level(grid.level.key)), orders)

        on_cpu = clock.device.type == "cpu"
        if not on_cpu:
            start = clock.now()
            again()
            self.first += clock.now() - start
        before, start = start_of_peak(clock.device), clock.now()
        with part_seconds(model, clock) if on_cpu else contextlib.nullcontext() as parts:
            prediction = again()
        watched = clock.now() - start
        self.seconds += watched
        self._peak = max(self._peak, peak_bytes(clock.device) - before)
        if not on_cpu:
            start = clock.now()  # another run: synchronising at every part slows it down
            with part_seconds(model, clock) as parts:
                again()
            watched = clock.now() - start
        self._watched += watched
        if self._with_tensors:
            self._count_tensors(again)
        self._parts.update(parts)
        self._keys.append(grid.level.key.cpu())
        return prediction

    def _count_tensors(self, predict):
        with TensorMemory():
            torch.zeros(1)  # warm-up of the counter
        before = start_of_peak(self._clock.device)
        with TensorMemory() as memory:
            predict()
        self._tensors = max(self._tensors, memory.peak)
        self._peak_again = max(self._peak_again, peak_bytes(self._clock.device) - before)

    def case(self, **facts):
        """The Case of the measured map. facts: its other fields."""
        model, itemsize, counts = self._segmenter.backend.model, self._segmenter.dtype.itemsize, Counter()
        for key in self._keys:
            counts.update(count_multiply_adds(model, Level(key), self._segmenter.orders))
        decoder = self._watched - sum(self._parts.values())
        return Case(
            voxels=sum(map(len, self._keys)),
            tiles=len(self._keys),
            parts={**self._parts, "query decoder": decoder},
            counts=dict(counts),
            peak=self._peak,
            features=max(count_feature_bytes(model, Level(key), itemsize) for key in self._keys),
            tensors=self._tensors,
            peak_again=self._peak_again,
            **facts,
        )


def make_messages(scene, config, stopwatch):
    """Time the messages of a scene, if ROS is installed."""
    try:
        from spaceformer_ros.ros import messages
        from spaceformer_ros.show.markers import scene_markers
    except ImportError:
        return
    with stopwatch.stage("messages"):
        shown = scene.published(PostprocessConfig(score_threshold=0.0))
        transform, header = scene.cloud.placement, messages.to_header(scene)
        messages.to_instance_array(scene, shown, transform, header)
        messages.to_labeled_cloud(scene, shown, config.output, transform, header)
        messages.to_marker_array(scene_markers(shown, config.output), [], header, transform)


if __name__ == "__main__":
    main()
