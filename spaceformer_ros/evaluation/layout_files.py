# SPDX-License-Identifier: Apache-2.0
"""Evaluation of layouts in files: SpatialLM's text against SpatialLM's text."""

import pathlib

import numpy as np

from ..disk.text_files import read_text
from .layouts import THIN, mean_scores, score_layout
from .pairs import match_files
from .report import EvaluationReport
from .spatiallm import is_layout_text, read_layout_text


def are_layouts(path):
    """Whether a file, or the first text file with content of a folder, is a layout and not ScanNet's list of masks.

    None for an empty text, which may be either: a layout in which nothing was found.
    """
    path = pathlib.Path(path)
    texts = sorted(path.glob("*.txt")) if path.is_dir() else [path] if path.suffix.lower() == ".txt" else []
    found = [is_layout_text(text) for text in texts if text.is_file()]
    return next((answer for answer in found if answer is not None), None if found else False)


def evaluate_layouts(predictions, ground_truth):
    """(EvaluationReport, remarks) of two layout files, or of two folders matched by name. Raises SpaceformerError.

    F1 of walls, doors, windows and of the boxes of each label, mean over the scenes that have the class; the summary is
    the mean of walls, doors and windows. remarks: sentences about lines that cannot be read.
    """
    scores, remarks = [], []
    for _, *paths in match_files(predictions, ground_truth):
        found, truth = (read_layout_text(read_text(path)) for path in paths)
        remarks += [f"{path}: {text}" for path, content in zip(paths, (found, truth)) for text in content.skipped]
        scores.append(score_layout(found.layout, truth.layout, found.boxes, truth.boxes))
    classes = mean_scores(scores)
    figures = dict.fromkeys(figure for row in classes.values() for figure in row)
    structure = [classes[name] for name in THIN if name in classes]
    summary = {figure: float(np.mean([row[figure] for row in structure])) for figure in figures if structure}
    return EvaluationReport({**summary, "scenes": len(scores)}, classes, settings={"format": "SpatialLM"}), remarks
