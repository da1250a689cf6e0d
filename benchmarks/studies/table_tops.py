#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much does it help to enlarge table tops before they are voxelised?

Usage: tools/env.sh python -m benchmarks.studies.table_tops [-n 10] [--first-seed 700000] [--factors 1 1.5 2 3]

Evaluates generated table tops with 6 to 16 small things, enlarged by every factor, and prints recall, precision,
first answers by name and seconds of one inference.
"""

import argparse
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic.table_top import make_table_top
from spaceformer_ros.training.validate import all_kinds_config, validate

FIGURES = (
    "recall25",
    "recall50",
    "class-agnostic AP50",
    "first answer right, by name",
    "seconds per room, median",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=10, help="table tops (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=700_000)
    parser.add_argument("--factors", type=float, nargs="+", default=[1, 1.5, 2, 3])
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint, enlarge="off"))
    scenes = [make_table_top(seed) for seed in range(options.first_seed, options.first_seed + options.n)]
    table = []
    for factor in options.factors:
        figures = dict(validate(pipeline, (enlarged(scene, factor) for scene in tqdm(scenes, disable=None))))
        table.append((f"{factor:g}", *(f"{figures[figure]:.3f}" for figure in FIGURES)))
    print_table(table, ("factor", *FIGURES))


def enlarged(scene, factor):
    """The Room with its points `factor` times as far apart. The boxes of its objects stay as they are."""
    return replace(scene, cloud=replace(scene.cloud, xyz=scene.cloud.xyz * np.float32(factor)))


if __name__ == "__main__":
    main()
