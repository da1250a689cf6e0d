#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What are the objects that `confidence_threshold` lets through?

Usage: tools/env.sh python -m benchmarks.studies.published [--checkpoint demo] [-n 24] [--first-seed 500000]

Prints, by threshold, for generated rooms and, where `spaceformer assets` has read them, for rooms of furniture models
that no training room has: published objects per room; the shares that are objects (mask IoU above 0.25 with a thing of
any name), fragments (mostly inside one) and walls, floors or ceilings; the share with the right name; F1 of their boxes
at IoU 0.25 and 0.5, and what it would be if every mask had the box of the thing that it overlaps most.
"""

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from benchmarks.evaluate_rooms import room_configs
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.evaluation import evaluate_sample, make_report, overlap
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import OBJECT_KINDS, make_room
from spaceformer_ros.training.claims import FRAGMENT, REAL, STRUCTURE, object_claims
from spaceformer_ros.training.validate import all_kinds_config, prediction_of, truth_of

THRESHOLDS = (0, 0.22, 0.26, 0.28, 0.3, 0.35)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=24, help="rooms of each kind (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    seeds = range(options.first_seed, options.first_seed + options.n)
    for title, config in room_configs().items():
        table = sweep(pipeline, (make_room(seed, config) for seed in tqdm(seeds, unit="room", disable=None)))
        print_table(table, (title, "per room", REAL, "fragments", "structure", "right name", "box F1", "true boxes"))


def sweep(pipeline, rooms):
    """Rows of text, one per threshold, for an iterable of Rooms."""
    found = {threshold: [] for threshold in THRESHOLDS}
    for room in rooms:
        pipeline.clear()
        scene, truth = pipeline.process(room.cloud).scene, truth_of(room)
        everything = overlap(prediction_of(scene, background=True), truth)
        place = {item.id: k for k, item in enumerate(scene.objects)}
        for threshold in THRESHOLDS:
            config = replace(pipeline.config.postprocess, confidence_threshold=threshold)
            published = scene.published(config)
            claims, counts = object_claims(scene, [place[item.id] for item in published], everything)
            prediction = prediction_of(scene, published=published)
            samples = [
                evaluate_sample("", p, truth, len(OBJECT_KINDS))
                for p in (prediction, with_true_boxes(prediction, truth))
            ]
            found[threshold].append((claims, counts, *samples))
    return [row(threshold, results) for threshold, results in found.items()]


def with_true_boxes(prediction, truth):
    """A SamplePrediction with the boxes of the things that its masks overlap by an IoU above 0.25."""
    iou = overlap(prediction, truth).iou
    best = iou.argmax(axis=1)
    fits = iou[np.arange(len(iou)), best] > 0.25
    boxes = zip(prediction.boxes, best, fits)
    return replace(prediction, boxes=tuple(truth.boxes[k] if box and fit else box for box, k, fit in boxes))


def row(threshold, results):
    """The cells of one threshold. results: per room the claims, the Counter of what they are, and two SampleResults."""
    claims, counts, *samples = zip(*results)
    counts, right = sum(counts, Counter()), [claim[2] for room in claims for claim in room]
    shares = [f"{counts[what] / max(counts.total(), 1):.3f}" for what in (REAL, FRAGMENT, STRUCTURE)]
    boxes = [make_report(part, OBJECT_KINDS).summary for part in samples]
    f1 = [f"{part['box F1@0.25']:.3f} / {part['box F1@0.50']:.3f}" for part in boxes]
    return f"{threshold:g}", f"{counts.total() / len(results):.1f}", *shares, f"{np.mean(right or [np.nan]):.3f}", *f1


if __name__ == "__main__":
    main()
