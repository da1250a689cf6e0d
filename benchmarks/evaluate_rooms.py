#!/usr/bin/env python3
"""How well does a checkpoint find and name things in generated rooms that it was never trained on?

Usage: tools/env.sh python benchmarks/evaluate_rooms.py [--checkpoint demo] [-n 100] [--first-seed 500000]

Prints ScanNet average precision (vocabulary: all kinds of the generator) and how often the first answer to a query, or
one of the first five, is right: by name, by a synonym that no training caption used, and by colour and name where
several of a kind differ.
Training seeds start at 1000000, so no room here was seen. Writes the same rows as JSON with --json.
"""

import argparse
import json
import pathlib

import numpy as np
from tqdm import tqdm

from spaceformer_ros.cli import print_table
from spaceformer_ros.config import Config
from spaceformer_ros.evaluation import (
    MIN_REGION_POINTS,
    GroundTruth,
    Prediction,
    first_right_rank,
    overlap,
    success,
    summarise,
)
from spaceformer_ros.find import ObjectQuery
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.rooms import KIND_NAMES, OBJECT_KINDS, STRUCTURE, make_room
from spaceformer_ros.timing import Stopwatch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=100, help="rooms (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows here")
    options = parser.parse_args()
    values = {
        "checkpoint": options.checkpoint,
        "vocabulary": list(OBJECT_KINDS),
        "background_labels": list(STRUCTURE),
        "warm_up": False,
    }
    pipeline = build_pipeline(Config().with_values(values))
    scenes, answers, seconds = [], {"name": [], "held-out synonym": [], "colour and name": []}, []
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None):
        room, watch = make_room(seed), Stopwatch()
        scene = pipeline.process(room.cloud, watch).scene
        seconds.append(sum(watch.seconds.values()))
        scenes.append((prediction_of(scene), truth_of(room)))
        iou = overlap(prediction_of(scene, background=True), scenes[-1][1]).iou
        for kind, asked in questions(room).items():
            answers[kind] += [first_right_rank(iou, ranking(pipeline, scene, text), wanted) for text, wanted in asked]
    rows = summarise(scenes, OBJECT_KINDS)
    rows = [row for row in rows if row[0].count(" ") < 2 or "agnostic" in row[0]]
    rows += [(f"first answer right, by {kind}", success(ranks, 1)) for kind, ranks in answers.items() if ranks]
    rows += [(f"one of five answers right, by {kind}", success(ranks, 5)) for kind, ranks in answers.items() if ranks]
    rows += [(f"questions, by {kind}", len(ranks)) for kind, ranks in answers.items()]
    rows += [("seconds per room, median", np.median(seconds)), ("rooms", options.n)]
    print_table([(name, f"{value:.3f}") for name, value in rows], ("figure", "value"))
    if options.json:
        options.json.write_text(json.dumps({name: float(value) for name, value in rows}, indent=1))


def prediction_of(scene, background=False):
    """All objects of a scene as an evaluation Prediction on points, without those of background unless wanted."""
    kept = [item for item in scene.objects if background or not item.background]
    masks = tuple(np.flatnonzero(scene.instances.point_mask(item.row)) for item in kept)
    labels = np.array([item.label_index for item in kept], dtype=np.int64)
    return Prediction(masks, np.array([item.score for item in kept]), labels)


def truth_of(room):
    """The room's objects; what was seen too little to be one of them is not judged."""
    labels = np.array([OBJECT_KINDS.index(item.kind) for item in room.objects], dtype=np.int64)
    structure = np.isin(room.kind, [KIND_NAMES.index(name) for name in STRUCTURE])
    return GroundTruth(room.instance, labels, ignored=(room.instance < 0) & ~structure)


def questions(room):
    """Dict of lists of (text, set of rows of the objects that are right answers)."""
    sizes = np.bincount(room.instance[room.instance >= 0], minlength=len(room.objects))
    seen = [row for row, item in enumerate(room.objects) if sizes[row] >= MIN_REGION_POINTS]
    by_kind = {}
    for row in seen:
        by_kind.setdefault(room.objects[row].kind, set()).add(row)
    asked = {"name": [], "held-out synonym": [], "colour and name": []}
    for kind, rows in by_kind.items():
        asked["name"].append((kind, rows))
        item = room.objects[next(iter(rows))]
        asked["held-out synonym"] += [(name, rows) for name in item.held_out_names]
        colors = {color: {row for row in rows if room.objects[row].color == color} for color in colors_of(room, rows)}
        if len(colors) > 1:
            asked["colour and name"] += [(f"{color} {kind}", wanted) for color, wanted in colors.items()]
    return asked


def colors_of(room, rows):
    return sorted({room.objects[row].color for row in rows})


def ranking(pipeline, scene, text):
    """Places in scene.objects of all answers to a text, best first."""
    place = {item.id: i for i, item in enumerate(scene.objects)}
    matches = pipeline.find(ObjectQuery(text, max_results=len(place) or 1, min_score=-1.0), scene).matches
    return [place[match.object.id] for match in matches]


if __name__ == "__main__":
    main()
