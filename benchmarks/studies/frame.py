#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do stray points below the floor and a tilted frame cost?

Usage: tools/env.sh python -m benchmarks.studies.frame [-n 16] [--first-seed 400000] [--checkpoint demo]

Evaluates generated rooms as they are and changed, and prints average precision and first answers for every change.
"""

import argparse
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import make_room
from spaceformer_ros.training.validate import all_kinds_config, validate

FIGURES = ("class-agnostic AP50", "AP50", "mIoU", "first answer right, by name")
STRAYS = 5  # points
DEPTH = 0.3  # metres of the stray points below the lowest point


def with_strays(room, rng):
    """The Room with a few points below its floor."""
    low, high = room.cloud.bounds
    xyz = rng.uniform(low, high, (STRAYS, 3)).astype(np.float32)
    xyz[:, 2] = low[2] - DEPTH
    cloud = Cloud(np.concatenate([room.cloud.xyz, xyz]), np.pad(room.cloud.rgb, ((0, STRAYS), (0, 0)), mode="edge"))
    instance = np.pad(room.instance, (0, STRAYS), constant_values=-1)
    return replace(room, cloud=cloud, instance=instance, kind=np.pad(room.kind, (0, STRAYS), mode="edge"))


def tilted(degrees):
    """A function that turns a Room about the x axis. The boxes of its objects stay as they are."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=np.float32)
    return lambda room, rng: replace(room, cloud=replace(room.cloud, xyz=room.cloud.xyz @ matrix.T))


CHANGES = {
    "none": lambda room, rng: room,
    f"{STRAYS} points {DEPTH} m below the floor": with_strays,
    "tilted by 1 degree": tilted(1.0),
    "tilted by 3 degrees": tilted(3.0),
    "tilted by 30 degrees": tilted(30.0),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=16, help="rooms (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=400_000)
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    rooms = [make_room(seed) for seed in range(options.first_seed, options.first_seed + options.n)]
    table = []
    for name, change in CHANGES.items():
        progress = tqdm(rooms, desc=name, unit="room", disable=None)
        changed = (change(room, np.random.default_rng(room.seed)) for room in progress)
        figures = dict(validate(pipeline, changed))
        table.append((name, *(f"{figures[figure]:.3f}" for figure in FIGURES)))
    print_table(table, ("change", *FIGURES))


if __name__ == "__main__":
    main()
