#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which size and overlap of tiles finds and names most in houses of several rooms?

Usage: tools/env.sh python -m benchmarks.studies.tiles [-n 4] [--rooms 6] [--voxels 15000 30000] [--margins 0.75 1.5]

Evaluates generated houses, whose rooms are connected by doorways, with every combination. A house of at most twice
as many voxels as a tile is one run of the network.
"""

import argparse

from tqdm import tqdm

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.pipeline import Pipeline, build_pipeline
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.training.validate import all_kinds_config, validate

FIGURES = ("class-agnostic AP50", "AP50", "recall50", "precision50", "first answer right, by name")
SECONDS = "seconds per room, median"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=4, help="houses (default: %(default)s)")
    parser.add_argument("--rooms", type=int, default=6, help="of a house (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=410_000)
    parser.add_argument("--voxels", type=int, nargs="+", default=[15_000, 30_000, 60_000, 88_000])
    parser.add_argument("--margins", type=float, nargs="+", default=[0.75, 1.5])
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.n)
    houses = [make_room(seed, RoomConfig(rooms=options.rooms)) for seed in tqdm(seeds, unit="house", disable=None)]
    first = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    table = []
    for voxels in options.voxels:
        for margin in options.margins:
            config = all_kinds_config(tile_voxels=voxels, tile_margin=margin)
            pipeline = Pipeline(first.segmenter, first.embedder, first.similarity, config)
            found = dict(validate(pipeline, tqdm(houses, unit="house", disable=None)))
            shown = [f"{found[name]:.3f}" for name in FIGURES]
            table.append((str(voxels), f"{margin:g}", *shown, f"{found[SECONDS]:.1f}"))
    print_table(table, ("voxels per tile", "margin", *FIGURES, "seconds per house, median"))


if __name__ == "__main__":
    main()
