#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which functions take the most time for one map? Usage: tools/env.sh python -m benchmarks.hot_paths [--map map.ply]

Profiles the demo configuration once, from the bytes of the input message to the output messages: the ten functions with
the largest self time, including calls into PyTorch, numpy and scipy; first of everything, then outside the network.
"""

import argparse
import cProfile
import gc
import pathlib
import pstats
import time

from benchmarks import bench
from benchmarks.maps import maps, to_message
from benchmarks.measure import Clock
from benchmarks.tables import machine, markdown
from spaceformer_ros.clouds.pointcloud2 import decode
from spaceformer_ros.timing import Stopwatch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--map", action="append", default=[], help="a coloured cloud; default: generated rooms")
    parser.add_argument("--points", type=int, default=300_000)
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    options = parser.parse_args()
    print(machine(Clock(options.device, options.clock), options))
    pipeline = bench.make_pipeline("demo", options)
    ((source, cloud),) = maps(options.map, [options.points], None)
    message = to_message(cloud)
    timer = time.process_time if options.clock == "cpu" else time.perf_counter
    process(pipeline, message)  # warm-up
    gc.disable()  # a collection would be attributed to the function that it interrupts
    everything, outside = cProfile.Profile(timer), cProfile.Profile(timer)
    everything.runcall(process, pipeline, message)
    process(pipeline, message, outside)
    for title, profile in (("everything", everything), ("outside the network", outside)):
        print(f"\n{len(cloud)} points of {source}, {title}:\n")
        markdown(("function", "share", "seconds", "calls"), largest(profile))


def process(pipeline, message, profile=None):
    """One map from message to messages. profile: cProfile.Profile of everything but the network."""
    pipeline.segmenter.forget()
    pipeline.clear()
    predict = pipeline.segmenter.backend.predict

    def unwatched(grid, orders):
        profile.disable()
        try:
            return predict(grid, orders)
        finally:
            profile.enable()

    if profile is not None:
        pipeline.segmenter.backend.predict = unwatched
        profile.enable()
    try:
        scene = pipeline.process(decode(message).cloud, Stopwatch()).scene
        bench.make_messages(scene, pipeline.config, Stopwatch())
    finally:
        if profile is not None:
            profile.disable()
            del pipeline.segmenter.backend.predict


def largest(profile):
    """Rows (function, share, self seconds, calls) of the ten functions with the largest self time."""
    stats = pstats.Stats(profile)
    rows = sorted(stats.stats.items(), key=lambda row: row[1][2], reverse=True)
    for (file, _, name), (_, calls, own, _, _) in rows[:10]:
        place = name.strip("<>") if file == "~" else f"{pathlib.Path(file).name}: {name}"
        yield place, f"{100 * own / stats.total_tt:.1f} %", f"{own:.3f}", calls


if __name__ == "__main__":
    main()
