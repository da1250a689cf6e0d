#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much faster is the network than in another revision of this repository?

Usage: tools/env.sh python -m benchmarks.revisions REVISION [--config demo] [--voxels 44000]

Both run in one process each, alternately, on one map and one core; CPU seconds, so that other work on the machine
matters little. Also printed: how well their masks agree.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    options = parse_options()
    if options.worker:
        return work(options)
    folder = checkout(options.revision)
    with tempfile.TemporaryDirectory() as results:
        names = {"before": folder, "now": ROOT}
        runs = {name: Run(root, options, pathlib.Path(results) / name) for name, root in names.items()}
        for _ in range(options.repeats):
            for run in runs.values():
                run.once()
        before, now = (np.load(run.result) for run in runs.values())
        report(runs, before, now)
    return None


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revision", help="anything that git resolves, such as HEAD~3")
    parser.add_argument("--config", default="demo", choices=("demo", "released"))
    parser.add_argument("--map", action="append", default=[], help="a coloured cloud; default: generated rooms")
    parser.add_argument("--voxels", type=int, default=44_000)
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def checkout(revision):
    """Folder with the files of a revision, below build/."""
    name = git("rev-parse", "--short=12", revision)
    folder = ROOT / "build" / "revisions" / name
    if not folder.is_dir():
        git("worktree", "add", "--detach", str(folder), name)
    return folder


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


class Run:
    """A process that runs the network of one checkout on request; seconds: CPU seconds of every run."""

    def __init__(self, root, options, result):
        self.seconds, self.result = [], result.with_suffix(".npy")
        arguments = [options.revision, "--config", options.config, "--voxels", options.voxels, "--dtype", options.dtype]
        maps = [part for path in options.map for part in ("--map", pathlib.Path(path).resolve())]
        # -P: modules come from the checkout, not from the folder of this file
        command = [sys.executable, "-P", __file__, *map(str, [*arguments, *maps, "--worker", self.result])]
        paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=root, env=environment, **pipes)

    def once(self):
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        self.seconds.append(float(self._process.stdout.readline()))


def work(options):
    """One process: run the network once for every line of the standard input, and print its CPU seconds."""
    from dataclasses import replace
    from types import SimpleNamespace

    import torch

    from benchmarks import bench
    from benchmarks.maps import grid_of, maps
    from spaceformer_ros.network.voxels import Level

    torch.set_num_threads(1)
    settings = SimpleNamespace(device="cpu", dtype=options.dtype)
    segmenter = bench.make_pipeline(options.config, settings).segmenter
    ((_, cloud),) = maps(options.map, [options.voxels], segmenter.voxel_size)
    first = grid_of(cloud, segmenter)
    with torch.inference_mode():
        for number, _ in enumerate(sys.stdin):
            start = time.process_time()
            prediction = segmenter.backend.predict(replace(first, level=Level(first.level.key)), segmenter.orders)
            print(time.process_time() - start, flush=True)
            if number == 0:
                np.save(options.worker, prediction.mask_logits.float().numpy())


def report(runs, before, now):
    """Print the seconds of both, their ratio, and the agreement of their mask logits [M, Q]."""
    for name, run in runs.items():
        print(f"{name}: {min(run.seconds):.3f} s; all: {', '.join(f'{seconds:.3f}' for seconds in run.seconds)}")
    ratios = [old / new for old, new in zip(runs["before"].seconds, runs["now"].seconds)]
    fastest = min(runs["before"].seconds) / min(runs["now"].seconds)
    print(f"{len(before)} voxels; before / now: {fastest:.2f} of the fastest runs, ", end="")
    print(f"{statistics.median(ratios):.2f} in the median of the pairs")
    masks = [(logits > 0).astype(np.float32) for logits in (before, now)]
    shared, size = masks[0].T @ masks[1], [mask.sum(axis=0) for mask in masks]
    best = (shared / np.maximum(size[0][:, None] + size[1] - shared, 1)).max(axis=1)[size[0] > 0]
    print(f"best IoU of each mask with any other: {best.mean():.3f} in the mean, {(best > 0.98).mean():.0%} above 0.98")


if __name__ == "__main__":
    main()
