#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well does a checkpoint find and name objects in generated rooms that it was not trained on?

Usage: tools/env.sh python -m benchmarks.evaluate_rooms [--checkpoint demo] [-n 100] [--first-seed 500000]

Prints ScanNet average precision (vocabulary: all kinds of the generator), point mIoU, and how often the first answer to
a query, or one of the first five, is right: by name, by a held-out synonym, and by colour and name if several objects
of a kind differ in colour. Training seeds start at 1000000, validation seeds at 400000, so none of these rooms was used
before. With --unseen-shapes the rooms have furniture models that no training room has (`spaceformer assets` reads them
once). Writes the same rows as JSON with --json; --per-class prints AP50 of every kind as well.
"""

import argparse
import json
import pathlib
import sys

from tqdm import tqdm

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.config import Config
from spaceformer_ros.disk.paths import cache_folder
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.synthetic.assets import default_folder, unseen_shapes_config
from spaceformer_ros.training.validate import all_kinds_config, validate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=100, help="rooms (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    parser.add_argument("--unseen-shapes", action="store_true", help="rooms with held-out furniture models only")
    parser.add_argument("--per-class", action="store_true", help="also AP50 of every kind")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows here")
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    seeds = tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None)
    config = room_config(options.unseen_shapes)
    rows = validate(pipeline, (make_room(seed, config) for seed in seeds))
    shown = [row for row in rows if options.per_class or not row[0].startswith("AP50 ")]
    print_table([(name, f"{value:.3f}") for name, value in shown], ("figure", "value"))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({name: float(value) for name, value in rows}, indent=1))


def room_config(unseen_shapes):
    """The RoomConfig of the rooms; with unseen shapes, exits with a message without the asset cache."""
    if not unseen_shapes:
        return RoomConfig()
    try:
        return unseen_shapes_config(default_folder(cache_folder(Config().model)))
    except SpaceformerError as error:
        sys.exit(f"no rooms with unseen shapes: {error}")


if __name__ == "__main__":
    main()
