#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well does a checkpoint find and name objects in generated rooms that it was not trained on?

Usage: tools/env.sh python -m benchmarks.evaluate_rooms [--checkpoint demo] [-n 100] [--first-seed 500000]

Prints ScanNet average precision (vocabulary: all kinds of the generator), point mIoU, and how often the first answer to
a query, or one of the first five, is right: by name, by a held-out synonym, and by colour and name if several objects
of a kind differ in colour. Training seeds start at 1000000, validation seeds at 400000, so none of these rooms was used
before. With --unseen N also on N rooms of furniture models that no training room has (`spaceformer assets` reads them);
without these models a sentence says so. With --model-kinds the vocabulary also has the kinds that only such models
have, and a quarter of the things in the rooms of models are of these kinds. With --few-frames all rooms are seen in one
to six frames of a depth camera, most with coarse steps (`RoomConfig.in_few_frames`), instead of tours. Writes the same
rows as JSON with --json; --per-class prints AP50 of every kind as well. Rooms are evaluated in parallel, in --jobs
processes, which share the cores.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
from concurrent.futures import ProcessPoolExecutor

from tqdm import tqdm

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.config import Config
from spaceformer_ros.disk.paths import cache_folder
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import MODEL_KINDS, OBJECT_KINDS, RoomConfig, make_room
from spaceformer_ros.synthetic.assets import default_folder, unseen_shapes_config
from spaceformer_ros.training.validate import all_kinds_config, evaluate_room, figure_rows

MODEL_KINDS_SHARE = 0.25  # of the things in rooms of models


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=100, help="rooms (default: %(default)s)")
    parser.add_argument("--unseen", type=int, default=0, help="rooms with held-out furniture models only (default: 0)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    parser.add_argument("--per-class", action="store_true", help="also AP50 of every kind")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows here")
    parser.add_argument("--model-kinds", action="store_true", help="with the kinds that only furniture models have")
    parser.add_argument("--few-frames", action="store_true", help="one to six frames of a depth camera, not tours")
    parser.add_argument("--views", type=int, default=1, help="the setting network_views (default: %(default)s)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=min(cores, 4), help="rooms at a time (default here: %(default)s)")
    options = parser.parse_args()
    kinds = OBJECT_KINDS + MODEL_KINDS * options.model_kinds
    settings = {"checkpoint": options.checkpoint, "network_views": options.views}
    configs = {"generated rooms": (RoomConfig(), options.n)}
    if options.unseen and (unseen := unseen_config(MODEL_KINDS_SHARE * options.model_kinds)):
        configs["unseen shapes"] = unseen, options.unseen
    if options.few_frames:
        configs = {title: (config.in_few_frames(), count) for title, (config, count) in configs.items()}
    jobs = [
        (title, seed)
        for title, (_, count) in configs.items()
        for seed in range(options.first_seed, options.first_seed + count)
    ]
    figures = {title: [] for title, _ in jobs}
    spawn = multiprocessing.get_context("spawn")  # a fork would share the threads of torch
    start = kinds, settings, configs, max(1, cores // options.jobs)
    with ProcessPoolExecutor(options.jobs, spawn, Worker.start, start) as pool:
        for title, found in tqdm(pool.map(Worker.evaluate, jobs), total=len(jobs), unit="room", disable=None):
            figures[title].append(found)
    threshold = Config().scene.min_match_confidence
    tables = {title: figure_rows(found, kinds, threshold) for title, found in figures.items()}
    for title, rows in tables.items():
        shown = [row for row in rows if options.per_class or not row[0].startswith("AP50 ")]
        print_table([(name, f"{value:.3f}") for name, value in shown], (title, "value"))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps({title: {k: float(v) for k, v in rows} for title, rows in tables.items()}, indent=1)
        )


class Worker:
    """What a process of the pool keeps from room to room."""

    @classmethod
    def start(cls, kinds, settings, configs, threads):
        """Load the network. kinds: the vocabulary; configs: dict of title to (RoomConfig, number of rooms)."""
        import torch

        torch.set_num_threads(threads)
        cls.kinds, cls.configs = kinds, configs
        cls.pipeline = build_pipeline(all_kinds_config(kinds, **settings))

    @classmethod
    def evaluate(cls, job):
        """(title, RoomFigures) of a job, (title, seed)."""
        title, seed = job
        room = make_room(seed, cls.configs[title][0])
        return title, evaluate_room(cls.pipeline, room, cls.kinds)


def room_configs():
    """Dict of title to RoomConfig: generated rooms and, with the asset cache, rooms with held-out models."""
    unseen = unseen_config()
    return {"generated rooms": RoomConfig(), **({"unseen shapes": unseen} if unseen else {})}


def unseen_config(model_kinds_share=0.0):
    """The RoomConfig of rooms with held-out models; without the asset cache None, and a sentence is printed."""
    try:
        return unseen_shapes_config(default_folder(cache_folder(Config().model)), model_kinds_share)
    except SpaceformerError as error:
        print(f"no rooms with unseen shapes: {error}")
        return None


if __name__ == "__main__":
    main()
