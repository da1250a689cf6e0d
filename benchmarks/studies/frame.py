#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do stray points, noise around a map and a tilted frame cost?

Usage: tools/env.sh python -m benchmarks.studies.frame [-n 16] [--first-seed 400000] [--checkpoint demo]

Evaluates generated rooms as they are and changed, and prints average precision and first answers for every change.
"""

import argparse
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.selection import isolated_points
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import make_room
from spaceformer_ros.training.validate import all_kinds_config, validate

FIGURES = ("class-agnostic AP50", "AP50", "mIoU", "first answer right, by name")
STRAYS = 5  # points
DEPTH = 0.3  # metres of the stray points below the lowest point
NOISE = 0.03  # share of points that are scattered in and around the map
REACH = 5.0  # metres around the map


def with_strays(room, rng):
    """The Room with a few points below its floor."""
    low, high = room.cloud.bounds
    xyz = rng.uniform(low, high, (STRAYS, 3)).astype(np.float32)
    xyz[:, 2] = low[2] - DEPTH
    return with_points(room, xyz, rng)


def with_noise(room, rng):
    """The Room with points scattered in it and around it."""
    low, high = room.cloud.bounds
    count = int(NOISE * len(room.cloud))
    return with_points(room, rng.uniform(low - REACH, high + REACH, (count, 3)).astype(np.float32), rng)


def with_points(room, xyz, rng):
    """The Room with more points [K, 3] metres that belong to nothing, in random colours."""
    rgb = rng.integers(0, 256, (len(xyz), 3), dtype=np.uint8)
    cloud = Cloud(np.concatenate([room.cloud.xyz, xyz]), np.concatenate([room.cloud.rgb, rgb]))
    instance = np.pad(room.instance, (0, len(xyz)), constant_values=-1)
    return replace(room, cloud=cloud, instance=instance, kind=np.pad(room.kind, (0, len(xyz)), mode="edge"))


def with_noise_left_out(room, rng):
    """`with_noise`, without the points that the parameter `isolated_points` leaves out by default."""
    room = with_noise(room, rng)
    kept = ~isolated_points(room.cloud.xyz)
    return replace(room, cloud=room.cloud[kept], instance=room.instance[kept], kind=room.kind[kept])


def tilted(degrees):
    """A function that turns a Room about the x axis. The boxes of its objects stay as they are."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=np.float32)
    return lambda room, rng: replace(room, cloud=replace(room.cloud, xyz=room.cloud.xyz @ matrix.T))


CHANGES = {
    "none": lambda room, rng: room,
    f"{STRAYS} points {DEPTH} m below the floor": with_strays,
    f"{NOISE:.0%} noise": with_noise,
    f"{NOISE:.0%} noise, isolated points left out": with_noise_left_out,
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
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint, isolated_points="keep"))
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
