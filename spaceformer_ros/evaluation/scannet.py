# SPDX-License-Identifier: Apache-2.0
"""ScanNet's text format: one integer per line and point.

Ground truth `<scene>.txt`: label id * 1000 + instance, 0 where nothing is annotated. Predictions `<scene>.txt`: rows
"mask_file label_id confidence"; a mask file, relative to the folder of `<scene>.txt`, has 0 or 1 per point.
"""

import math
import pathlib

import numpy as np

from .. import SpaceformerError
from ..disk.reading import read_regular_file
from .files import SampleFile

INSTANCES_PER_LABEL = 1000
MAX_BYTES = 1 << 28  # of a file: a line per point


def read_truth(path):
    """SampleFile of a ground-truth file. Raises SpaceformerError."""
    path = pathlib.Path(path)
    values = read_numbers(path)
    if len(values) and values.min() < 0:
        raise SpaceformerError(f"{path}: has {values.min()}, expected label id * 1000 + instance, 0 or more")
    label = values // INSTANCES_PER_LABEL
    order = np.argsort(values, kind="stable")
    order = order[np.searchsorted(values[order], INSTANCES_PER_LABEL) :]
    ids, starts = np.unique(values[order], return_index=True)
    return SampleFile(
        path,
        len(values),
        ids,
        tuple((ids // INSTANCES_PER_LABEL).tolist()),
        tuple(np.split(order, starts[1:])) if len(ids) else (),
        np.ones(len(ids)),
        (None,) * len(ids),
        point_classes=(label, {int(code): int(code) for code in np.unique(label) if code > 0}),
        ignored=label == 0,
    )


def read_prediction(path, num_points):
    """SampleFile of a prediction file; num_points: N, lines of every mask. Raises SpaceformerError."""
    path, rows = pathlib.Path(path), []
    for number, line in enumerate(_read_bytes(path).decode("utf-8", "replace").splitlines(), start=1):
        parts = line.split()
        try:
            if parts:
                rows.append((parts[0], int(parts[1]), _finite(float(parts[2]))))
        except (ValueError, IndexError):
            raise SpaceformerError(
                f"{path}: line {number} is {line[:200]!r}, expected: mask_file label_id confidence"
            ) from None
    masks = tuple(np.flatnonzero(_read_mask(path.parent / name, num_points)) for name, _, _ in rows)
    scores = np.array([row[2] for row in rows], dtype=np.float64)
    return SampleFile(
        path, num_points, np.arange(len(rows)), tuple(row[1] for row in rows), masks, scores, (None,) * len(rows)
    )


def _finite(number):
    """A number. Raises ValueError for NaN and infinity."""
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number


def _read_mask(path, num_points):
    mask = read_numbers(path) != 0
    if len(mask) != num_points:
        raise SpaceformerError(
            f"{path}: {len(mask)} lines for the {num_points} points of its ground truth: write one per point, in order"
        )
    return mask


def read_numbers(path):
    """[N] int64, one per line; a fast path for masks of single digits with line feeds. Raises SpaceformerError."""
    raw = np.frombuffer(_read_bytes(path), dtype=np.uint8)
    pairs = raw[: len(raw) - len(raw) % 2]
    digits = raw[::2]
    if (pairs[1::2] == ord("\n")).all() and ((digits >= ord("0")) & (digits <= ord("9"))).all():
        return (digits - ord("0")).astype(np.int64)
    try:
        return np.array(raw.tobytes().split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise SpaceformerError(f"{path}: {error}; expected one integer per line") from error


def _read_bytes(path):
    try:
        return bytes(read_regular_file(path, MAX_BYTES))
    except SpaceformerError as error:
        raise SpaceformerError(f"{error}; expected a file in ScanNet's format") from error
