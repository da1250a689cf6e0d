# SPDX-License-Identifier: Apache-2.0
"""Pair predictions with ground truth: match files by name and convert them to arrays on the same points."""

import pathlib
from dataclasses import replace

import numpy as np

from .. import SpaceformerError
from ..clouds.files import READERS
from ..geometry.boxes import OrientedBox
from . import scannet
from .answers import ANSWERS
from .files import read_sample, sample_name
from .sample import NONE, GroundTruth, SamplePrediction

SUFFIXES = tuple(sorted({".txt", *READERS}))


def match_files(predictions, ground_truth):
    """List of (name, prediction path, ground-truth path) sorted by name, of two files or of two folders.

    Files of folders are matched by `sample_name`. Raises SpaceformerError for a file without a partner.
    """
    predictions, ground_truth = pathlib.Path(predictions), pathlib.Path(ground_truth)
    for path in (predictions, ground_truth):
        if not path.exists():
            raise SpaceformerError(f"{path}: does not exist; give a file or a folder of files")
    if predictions.is_dir() != ground_truth.is_dir():
        raise SpaceformerError(
            f"{predictions} and {ground_truth}: one is a folder, the other a file: give two files or two folders"
        )
    if not predictions.is_dir():
        return [(sample_name(ground_truth), predictions, ground_truth)]
    found, there = _samples(predictions), _samples(ground_truth)
    for name in sorted(found.keys() ^ there.keys()):
        has, lacks = (predictions, ground_truth) if name in found else (ground_truth, predictions)
        raise SpaceformerError(
            f"scene {name!r} is in {has} but not in {lacks} ({len(found)} predictions, {len(there)} ground truths): "
            "add the missing file, or remove the other"
        )
    return [(name, found[name], there[name]) for name in sorted(there)]


def _samples(folder):
    """Dict name -> path of the samples in a folder."""
    samples = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or path.stem.endswith(ANSWERS):
            continue
        if sample_name(path) in samples:
            raise SpaceformerError(f"{path} and {samples[sample_name(path)]} are the same scene: keep one of them")
        samples[sample_name(path)] = path
    if not samples:
        raise SpaceformerError(f"{folder}: has no file with a suffix of {', '.join(SUFFIXES)}")
    return samples


def read_pair(prediction, truth):
    """The SampleFiles of two paths. Missing boxes are fitted to the points if one of the files has coordinates.

    Raises SpaceformerError, also if the numbers of points differ.
    """
    prediction, truth = pathlib.Path(prediction), pathlib.Path(truth)
    there = scannet.read_truth(truth) if truth.suffix.lower() == ".txt" else read_sample(truth)
    is_text = prediction.suffix.lower() == ".txt"
    found = scannet.read_prediction(prediction, there.num_points) if is_text else read_sample(prediction)
    if found.num_points != there.num_points:
        raise SpaceformerError(
            f"{prediction} has {found.num_points} points, {truth} {there.num_points}: both must hold the same points "
            "in the same order (points without finite coordinates are dropped by `spaceformer segment`)"
        )
    xyz = found.xyz if there.xyz is None else there.xyz
    return _with_boxes(found, xyz), _with_boxes(there, xyz)


def _with_boxes(scene, xyz):
    if xyz is None:
        return scene
    boxes = [
        OrientedBox.fit(xyz[mask]) if box is None and len(mask) else box for box, mask in zip(scene.boxes, scene.masks)
    ]
    return replace(scene, boxes=tuple(boxes))


def to_prediction(scene, classes):
    """SamplePrediction from a SampleFile; classes: Classes."""
    labels = np.array([classes.index(name) for name in scene.classes], dtype=np.int64)
    semantic = None if scene.point_classes is None else _lookup(scene.point_classes, classes)[0]
    return SamplePrediction(scene.masks, scene.scores, labels, _boxes(scene), semantic)


def to_truth(scene, classes):
    """GroundTruth from a SampleFile, and dict id -> row of its instances; classes: Classes.

    Instances and points of classes that are not evaluated become ignored area, as in ScanNet. Raises SpaceformerError
    if instances overlap.
    """
    labels = np.array([classes.index(name) for name in scene.classes], dtype=np.int64)
    kept = np.flatnonzero(labels != NONE)
    instance = np.full(scene.num_points, NONE, dtype=np.int64)
    ignored = np.zeros(scene.num_points, dtype=bool) if scene.ignored is None else scene.ignored.copy()
    semantic = None
    if scene.point_classes is not None:
        semantic, unknown = _lookup(scene.point_classes, classes)
        ignored |= unknown
    for row, k in enumerate(kept):
        instance[scene.masks[k]] = row
    if np.count_nonzero(instance != NONE) != sum(len(scene.masks[k]) for k in kept):
        raise SpaceformerError(f"{scene.path}: instances overlap; a point of ground truth belongs to one at most")
    for k in np.flatnonzero(labels == NONE):
        ignored[scene.masks[k]] = True
    boxes = _boxes(scene)
    boxes = None if boxes is None else tuple(boxes[k] for k in kept)
    rows = {int(scene.ids[k]): row for row, k in enumerate(kept)}
    return GroundTruth(instance, labels[kept], ignored, boxes, semantic), rows


def _boxes(scene):
    """Boxes of a SampleFile; None if no instance has one, as box figures would be meaningless."""
    missing = len(scene.boxes) and all(box is None for box in scene.boxes)
    return None if missing else scene.boxes


def _lookup(point_classes, classes):
    """[N] int evaluated class of each point, NONE for background; and [N] bool, points of classes not evaluated."""
    codes, names = point_classes
    values, inverse = np.unique(codes, return_inverse=True)
    index = np.array([classes.index(names[int(v)]) if int(v) in names else NONE for v in values], dtype=np.int64)
    unknown = np.array([int(v) in names for v in values], dtype=bool) & (index == NONE)
    return index[inverse], unknown[inverse]
