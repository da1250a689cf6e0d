# SPDX-License-Identifier: Apache-2.0
"""Evaluate a pipeline on generated rooms, for training and benchmarks."""

import numpy as np

from ..config import Config
from ..evaluation import (
    MIN_REGION_POINTS,
    GroundTruth,
    SamplePrediction,
    evaluate_sample,
    first_right_rank,
    make_report,
    overlap,
    success,
)
from ..pipeline import Pipeline
from ..scene.find import ObjectQuery
from ..synthetic import KIND_NAMES, OBJECT_KINDS, QUESTION_KINDS, STRUCTURE, questions
from ..timing import Stopwatch


def all_kinds_config(**values):
    """Config with all kinds of the room generator as its vocabulary."""
    return Config().with_values(
        {"vocabulary": list(OBJECT_KINDS), "background_labels": list(STRUCTURE), "warm_up": False, **values}
    )


def pipeline_of(segmenter, embedder, similarity):
    """A Pipeline with the vocabulary of all kinds."""
    return Pipeline(segmenter, embedder, similarity, all_kinds_config())


def validate(pipeline, rooms):
    """List of (figure, value) for a pipeline on an iterable of Rooms.

    ScanNet AP over names and class-agnostic, recall, box F1, point mIoU, and the share of questions whose first
    answer (or one of the first five) overlaps a right object. The rooms must not be training rooms.
    """
    results, ranks, seconds = [], {kind: [] for kind in QUESTION_KINDS}, []
    for room in rooms:
        stopwatch = Stopwatch()
        pipeline.clear()  # the next room is another map
        scene = pipeline.process(room.cloud, stopwatch).scene
        seconds.append(sum(stopwatch.seconds.values()))
        truth = truth_of(room)
        found = prediction_of(scene, min_box_score=pipeline.config.postprocess.score_threshold)
        results.append(evaluate_sample(str(room.seed), found, truth, len(OBJECT_KINDS)))
        iou = overlap(prediction_of(scene, background=True), truth).iou
        for kind, asked in questions(room, MIN_REGION_POINTS).items():
            ranks[kind] += [first_right_rank(iou, ranking(pipeline, scene, text), wanted) for text, wanted in asked]
    report = make_report(results, OBJECT_KINDS)
    rows = [*report.summary.items(), *((f"AP50 {name}", row["AP50"]) for name, row in report.classes.items())]
    rows += [(f"first answer right, by {kind}", success(found, 1)) for kind, found in ranks.items() if found]
    rows += [(f"one of five answers right, by {kind}", success(found, 5)) for kind, found in ranks.items() if found]
    rows += [(f"questions, by {kind}", len(found)) for kind, found in ranks.items()]
    return [*rows, ("seconds per room, median", float(np.median(seconds)))]


def prediction_of(scene, background=False, min_box_score=0.0):
    """The objects of a scene as SamplePrediction on points.

    background: with objects of background labels;
    min_box_score: objects with a lower score have no box, as F1 counts the boxes that are published.
    """
    kept = [item for item in scene.objects if background or not item.background]
    masks = tuple(np.flatnonzero(scene.instances.point_mask(item.row)) for item in kept)
    labels = np.array([item.label_index for item in kept], dtype=np.int64)
    boxes = tuple(item.box if item.score >= min_box_score else None for item in kept)
    return SamplePrediction(masks, np.array([item.score for item in kept]), labels, boxes)


def truth_of(room):
    """GroundTruth of a Room; points of things with too few points to be an object are ignored."""
    labels = np.array([OBJECT_KINDS.index(item.kind) for item in room.objects], dtype=np.int64)
    structure = np.isin(room.kind, [KIND_NAMES.index(name) for name in STRUCTURE])
    boxes = tuple(item.box for item in room.objects)
    return GroundTruth(room.instance, labels, ignored=(room.instance < 0) & ~structure, boxes=boxes)


def ranking(pipeline, scene, text):
    """Indices into scene.objects of all answers to a text, best first."""
    place = {item.id: i for i, item in enumerate(scene.objects)}
    matches = pipeline.find(ObjectQuery(text, max_results=len(place) or 1, min_score=-1.0), scene).matches
    return [place[match.object.id] for match in matches]
