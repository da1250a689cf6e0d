# SPDX-License-Identifier: Apache-2.0
"""Evaluate a pipeline on generated rooms, for training and benchmarks."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..config import Config
from ..evaluation import (
    MIN_REGION_POINTS,
    GroundTruth,
    SamplePrediction,
    SampleResult,
    evaluate_sample,
    first_right_rank,
    make_report,
    overlap,
    success,
)
from ..evaluation.calibration import Claims
from ..pipeline import Pipeline
from ..scene.find import ObjectQuery
from ..synthetic import KIND_NAMES, OBJECT_KINDS, QUESTION_KINDS, STRUCTURE, questions
from ..timing import Stopwatch
from .claims import CLAIM_KINDS, NAMES, OBJECTS, PUBLISHED, SYNONYMS, answer_claims, object_claims


def all_kinds_config(kinds=OBJECT_KINDS, **values):
    """Config with all kinds of the room generator, or the given ones, as its vocabulary."""
    return Config().with_values(
        {"vocabulary": list(kinds), "background_labels": list(STRUCTURE), "warm_up": False, **values}
    )


def pipeline_of(segmenter, embedder, similarity):
    """A Pipeline with the vocabulary of all kinds."""
    return Pipeline(segmenter, embedder, similarity, all_kinds_config())


@dataclass
class RoomFigures:
    """What a pipeline makes of one generated room.

    sample: SampleResult; seconds: of its inference
    ranks: dict of QUESTION_KINDS to ranks of the first right answers
    claims: dict of CLAIM_KINDS to rows of Claims; published: Counter of what its published objects are
    """

    sample: SampleResult
    seconds: float
    ranks: dict
    claims: dict
    published: Counter


def evaluate_room(pipeline, room, kinds=OBJECT_KINDS):
    """The RoomFigures of a Room. kinds: the vocabulary of the pipeline, with all kinds of the room's objects."""
    stopwatch = Stopwatch()
    pipeline.clear()  # the next room is another map
    scene = pipeline.process(room.cloud, stopwatch).scene
    published, truth = scene.published(pipeline.config.postprocess), truth_of(room, kinds)
    everything = overlap(prediction_of(scene, background=True), truth)
    place, asked = {item.id: k for k, item in enumerate(scene.objects)}, questions(room, MIN_REGION_POINTS)
    claims, counts = object_claims(scene, [place[item.id] for item in published], everything)
    return RoomFigures(
        evaluate_sample(str(room.seed), prediction_of(scene, published=published), truth, len(kinds)),
        sum(stopwatch.seconds.values()),
        {
            kind: [first_right_rank(everything.iou, ranking(pipeline, scene, text), wanted) for text, wanted in texts]
            for kind, texts in asked.items()
        },
        {OBJECTS: claims, **answer_claims(pipeline, scene, room, asked, everything.iou, kinds)},
        counts,
    )


def validate(pipeline, rooms, kinds=OBJECT_KINDS):
    """The `figure_rows` of a pipeline on an iterable of Rooms, which must not be training rooms.

    kinds: as for `evaluate_room`.
    """
    figures = [evaluate_room(pipeline, room, kinds) for room in rooms]
    return figure_rows(figures, kinds, pipeline.config.scene.min_match_confidence)


def figure_rows(figures, kinds, threshold):
    """List of (figure, value) from the RoomFigures of all rooms.

    ScanNet AP over names and class-agnostic, recall, precision, box F1, point mIoU; the share of questions whose first
    answer (or one of the first five) overlaps a right object; and what published objects and confidences are worth.
    kinds: the vocabulary; threshold: the setting min_match_confidence.
    """
    report = make_report([room.sample for room in figures], kinds)
    rows = [*report.summary.items(), *((f"AP50 {name}", row["AP50"]) for name, row in report.classes.items())]
    ranks = {kind: [rank for room in figures for rank in room.ranks[kind]] for kind in QUESTION_KINDS}
    rows += [(f"first answer right, by {kind}", success(found, 1)) for kind, found in ranks.items() if found]
    rows += [(f"one of five answers right, by {kind}", success(found, 5)) for kind, found in ranks.items() if found]
    rows += [(f"questions, by {kind}", len(found)) for kind, found in ranks.items()]
    rows += _published_rows(figures) + _confidence_rows(figures, threshold)
    return [*rows, ("seconds per room, median", float(np.median([room.seconds for room in figures])))]


def _published_rows(figures):
    """What the published objects are: rows (figure, share)."""
    counts = sum((room.published for room in figures), Counter())
    total = max(counts.total(), 1)
    right = np.mean([row[2] for room in figures for row in room.claims[OBJECTS]] or [np.nan])
    return [
        ("published objects per room", counts.total() / max(len(figures), 1)),
        *((f"published objects: {what}", counts[what] / total) for what in PUBLISHED),
        ("published objects: with the right name", float(right)),
    ]


def _confidence_rows(figures, threshold):
    """What confidences are worth: rows (figure, value). threshold: the setting min_match_confidence."""
    claims = {kind: Claims.of([row for room in figures for row in room.claims[kind]]) for kind in CLAIM_KINDS}
    rows = [(f"calibration error, {kind}", found.expected_error()) for kind, found in claims.items()]
    for kind in (NAMES, SYNONYMS):
        rows.append((f"absent things that get a match, {kind}", claims[kind].matched_absent(threshold)))
        rows.append((f"right first answers refused, {kind}", claims[kind].lost_right(threshold)))
    return rows


def prediction_of(scene, background=False, published=None):
    """The objects of a scene as SamplePrediction on points.

    background: with objects of background labels;
    published: the only objects that have a box, as F1 counts the boxes that are published; None: all of them.
    """
    kept = [item for item in scene.objects if background or not item.background]
    masks = tuple(np.flatnonzero(scene.instances.point_mask(item.row)) for item in kept)
    labels = np.array([item.label_index for item in kept], dtype=np.int64)
    shown = {item.id for item in (scene.objects if published is None else published)}
    boxes = tuple(item.box if item.id in shown else None for item in kept)
    return SamplePrediction(masks, np.array([item.score for item in kept]), labels, boxes)


def truth_of(room, kinds=OBJECT_KINDS):
    """GroundTruth of a Room, labels into `kinds`; points of things with too few points to be an object are ignored."""
    labels = np.array([kinds.index(item.kind) for item in room.objects], dtype=np.int64)
    structure = np.isin(room.kind, [KIND_NAMES.index(name) for name in STRUCTURE])
    boxes = tuple(item.box for item in room.objects)
    return GroundTruth(room.instance, labels, ignored=(room.instance < 0) & ~structure, boxes=boxes)


def ranking(pipeline, scene, text):
    """Indices into scene.objects of all answers to a text, best first."""
    place = {item.id: i for i, item in enumerate(scene.objects)}
    matches = pipeline.find(ObjectQuery(text, max_results=len(place) or 1, min_score=-1.0), scene).matches
    return [place[match.object.id] for match in matches]
