# SPDX-License-Identifier: Apache-2.0
"""Evaluation of files, as `spaceformer evaluate` prints it."""

from dataclasses import replace

from .. import SpaceformerError
from .answers import sample_ranks
from .classes import Classes, OneClass, read_classes
from .pairs import match_files, read_pair, to_prediction, to_truth
from .report import evaluate_sample, make_report
from .sample import MIN_REGION_POINTS


def evaluate_files(
    predictions, ground_truth, labels=None, class_agnostic=False, min_region=MIN_REGION_POINTS, progress=iter
):
    """EvaluationReport of two files, or of two folders whose files are matched by name. Raises SpaceformerError.

    labels: argument of `read_classes`, None to evaluate all classes of the ground truth;
    class_agnostic: evaluate all classes as one;
    min_region: points, smaller instances do not count;
    progress: function that wraps the list of samples for iteration (such as tqdm).

    One sample at a time is in memory.
    """
    pairs = match_files(predictions, ground_truth)
    known = read_classes(labels) if labels else Classes()
    classes = OneClass() if class_agnostic else known
    results = [_evaluate_pair(*pair, classes, min_region) for pair in progress(pairs)]
    _check_common_class(results, classes)
    return make_report(results, classes.names, classes.groups, min_region)


def _evaluate_pair(name, prediction_path, truth_path, classes, min_region):
    files = read_pair(prediction_path, truth_path)
    truth, rows = to_truth(files[1], classes)
    prediction = to_prediction(files[0], classes)
    result = evaluate_sample(name, prediction, truth, len(classes.names))
    ranks = sample_ranks(files, rows, result.overlaps, min_region)
    return result if ranks is None else replace(result, ranks=ranks)


def _check_common_class(results, classes):
    """Raise if predictions and ground truth have no class in common: names differ, and all figures would be 0."""
    found = {int(label) for result in results for label in result.overlaps.labels}
    there = {int(label) for result in results for label in result.overlaps.truth_labels}
    if found and there and not found & there:
        raise SpaceformerError(
            f"no class of the predictions ({_some(found, classes)}) is in the ground truth ({_some(there, classes)}): "
            "give their names with --labels, or --class-agnostic"
        )


def _some(labels, classes):
    names = [classes.names[label] if label >= 0 else "not among the labels" for label in sorted(labels)]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
