#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do few labels cost? Published objects with vocabularies of a few kinds, with and without `other_things`.

Usage: tools/env.sh python -m benchmarks.studies.few_labels [--checkpoint demo] [-n 24] [--first-seed 450000]

For each room labels are drawn from all kinds, most of which it does not have. Prints the precision of the published
objects (mask IoU above 0.25 with a thing of this kind) and the share of the things of these kinds that are published
with their name, for generated rooms and, where `spaceformer assets` has read them, for furniture models that no
training room has.
"""

import argparse
from collections import defaultdict

import numpy as np
from tqdm import tqdm

from benchmarks.evaluate_rooms import room_configs
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.config import Settings
from spaceformer_ros.evaluation import overlap
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import OBJECT_KINDS, STRUCTURE, make_room
from spaceformer_ros.training.claims import RIGHT_IOU
from spaceformer_ros.training.validate import all_kinds_config, prediction_of, truth_of
from spaceformer_ros.words.vocabulary import Vocabulary

COUNTS = (3, 10, 30, len(OBJECT_KINDS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=24, help="rooms of each kind (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=450_000)
    options = parser.parse_args()
    settings = Settings(all_kinds_config(checkpoint=options.checkpoint))
    pipeline = build_pipeline(settings)
    for title, config in room_configs().items():
        found = defaultdict(lambda: np.zeros(4, dtype=int))  # published, right; things shown, things
        for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None):
            look(pipeline, settings, make_room(seed, config), found)
        rows = [
            (count, "yes" if others else "no", f"{right / max(objects, 1):.3f}", f"{shown / max(things, 1):.3f}")
            for (count, others), (objects, right, shown, things) in found.items()
        ]
        print_table(rows, (f"{title}: labels", "other things", "precision", "recall"))


def look(pipeline, settings, room, found):
    """Add what is found in a Room with each number of labels to `found`."""
    pipeline.clear()
    iou = overlap(prediction_of(pipeline.process(room.cloud).scene, background=True), truth_of(room)).iou
    rng = np.random.default_rng(room.seed)
    for count in COUNTS:
        kinds = [str(kind) for kind in rng.choice(OBJECT_KINDS, count, replace=False)]
        things = [g for g, item in enumerate(room.objects) if item.kind in kinds]
        for others in (False, True):
            settings.config = settings.config.with_values({"other_things": others})
            pipeline.set_vocabulary(Vocabulary.parse(kinds, STRUCTURE))
            found[count, others] += (*published(pipeline.scene, settings.config.postprocess, room, iou), len(things))


def published(scene, config, room, iou):
    """Numbers of published objects, of those with a right name, and of things that one of these shows.

    iou: [K, G] of scene.objects and room.objects
    """
    ids = {item.id for item in scene.published(config)}
    rows = [k for k, item in enumerate(scene.objects) if item.id in ids]
    labels = np.array([scene.objects[k].label for k in rows], dtype=str)
    kinds = np.array([thing.kind for thing in room.objects], dtype=str)
    right = (labels[:, None] == kinds) & (iou[rows] > RIGHT_IOU)
    return len(rows), right.any(axis=1).sum(), right.any(axis=0).sum()


if __name__ == "__main__":
    main()
