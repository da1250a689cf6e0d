# SPDX-License-Identifier: Apache-2.0
"""Files of open-vocabulary retrieval, next to the files of the samples.

Ground truth, `<scene>_texts.json`: {"red chair": [4, 7]}, for each text the ids of the instances that answer it.
Predictions, `<scene>_answers.json`: {"red chair": [12, 3]}, ids best first, or {"red chair": {"12": 0.8, "3": 0.1}}, a
score per id; or `<scene>_answers.npz` with arrays ids [K], features [K, C], texts [T] and text_features [T, C], ranked
by cosine. Ids are those of the sample's file; a list may be empty if nothing was found.
"""

import logging

import numpy as np

from .. import SpaceformerError
from ..clouds.formats.npz import read_arrays
from ..disk.text_files import read_json
from ..geometry.vectors import unit_vectors
from .files import sample_name
from .retrieval import first_right_rank

logger = logging.getLogger(__name__)

TEXTS, ANSWERS = "_texts", "_answers"


def texts_path(truth):
    """Path of the texts of a ground-truth file."""
    return truth.with_name(f"{sample_name(truth)}{TEXTS}.json")


def answers_path(prediction):
    """Path of the answers of a prediction file: NPZ if there is one, else JSON."""
    path = prediction.with_name(f"{sample_name(prediction)}{ANSWERS}.npz")
    return path if path.is_file() else path.with_suffix(".json")


def read_texts(path):
    """Dict text -> list of ids. Raises SpaceformerError."""
    return {text: _ids(path, text, ids) for text, ids in _read_json(path).items()}


def read_answers(path):
    """Dict text -> list of ids, best first. Raises SpaceformerError."""
    if path.suffix == ".npz":
        return _rank_features(path)
    answers = {}
    for text, given in _read_json(path).items():
        if isinstance(given, dict):
            given = sorted(given, key=lambda key: -given[key])
        answers[text] = _ids(path, text, given)
    return answers


def _read_json(path):
    try:
        content = read_json(path)
    except SpaceformerError as error:
        raise SpaceformerError(f"{error}; expected JSON, texts with their instance ids") from error
    if not isinstance(content, dict):
        raise SpaceformerError(f'{path}: holds a {type(content).__name__}, expected {{"text": [instance ids]}}')
    return content


def _ids(path, text, values):
    try:
        return [int(value) for value in values]
    except (TypeError, ValueError, OverflowError) as error:
        raise SpaceformerError(f"{path}: {text!r} has {values!r}, expected a list of instance ids") from error


def _rank_features(path):
    try:
        arrays = read_arrays(path)
        ids, features, texts, vectors = (arrays[name] for name in ("ids", "features", "texts", "text_features"))
        scores = _unit(vectors) @ _unit(features).T
        order = np.argsort(-scores, axis=1, kind="stable")
        return {str(text): ids[row].tolist() for text, row in zip(texts, order)}
    except (SpaceformerError, ValueError, KeyError, IndexError, TypeError) as error:
        raise SpaceformerError(
            f"{path}: {error}; expected arrays ids [K], features [K, C], texts [T], text_features [T, C]"
        ) from error


def _unit(vectors):
    return unit_vectors(vectors)


def sample_ranks(files, truth_rows, overlaps, min_region):
    """Dict text -> rank of its first right answer in one sample; None without texts or without answers.

    files: SampleFiles of prediction and ground truth; truth_rows: dict id -> column of overlaps (OverlapTable).
    Wanted instances smaller than min_region points are not asked for. Raises SpaceformerError.
    """
    answers_file, texts_file = answers_path(files[0].path), texts_path(files[1].path)
    for path, other in ((answers_file, texts_file), (texts_file, answers_file)):
        if other.is_file() and not path.is_file():
            logger.warning("retrieval is not evaluated: %s exists, but not %s", other, path)
    if not answers_file.is_file() or not texts_file.is_file():
        return None
    answers, texts, iou = read_answers(answers_file), read_texts(texts_file), overlaps.iou
    rows, ranks = {int(i): row for row, i in enumerate(files[0].ids)}, {}
    all_ids = set(files[1].ids.tolist())
    for text, ids in texts.items():
        _check_known(texts_file, text, ids, all_ids, files[1].path)
        wanted = [truth_rows[i] for i in ids if i in truth_rows and overlaps.truth_sizes[truth_rows[i]] >= min_region]
        if not wanted:
            continue
        if text not in answers:
            raise SpaceformerError(
                f"{answers_file}: has no entry {text!r}: add one, an empty list if nothing was found"
            )
        _check_known(answers_file, text, answers[text], rows, files[0].path)
        ranks[text] = first_right_rank(iou, [rows[i] for i in answers[text]], wanted)
    return ranks


def _check_known(path, text, ids, known, scene):
    unknown = [i for i in ids if i not in known]
    if unknown:
        raise SpaceformerError(f"{path}: {text!r} names instance {unknown[0]}, which is not in {scene}: correct the id")
