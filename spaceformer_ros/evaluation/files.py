# SPDX-License-Identifier: Apache-2.0
"""Read the instances of one sample from coloured clouds with label columns, or from arrays in NPZ files.

Predictions and ground truth have the same formats, described at `read_columns` and `read_masks`. JSON next to a file
(`<scene>.json`, as `spaceformer segment` and `spaceformer rooms` write it) has the classes and the boxes.
"""

import pathlib
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from ..clouds.files import READERS, read_records
from ..clouds.formats.npz import read_arrays
from ..disk.text_files import read_json
from ..geometry.boxes import OrientedBox
from .classes import ONE_CLASS

LABELED = "_labeled"  # suffix of the stem of the cloud that `spaceformer segment` writes
MAX_ID = 2**31 - 1  # of instances and classes
INSTANCE_COLUMNS = {"instance_id": 0, "instance": -1}  # column -> largest value that means "no instance"


@dataclass(frozen=True)
class SampleFile:
    """K instances on N points, as read from a file.

    ids: [K] int, as used by other files;
    classes: K names (str) or ids (int);
    masks: K arrays of point rows;
    scores: [K] float;
    boxes: K OrientedBox or None;
    xyz: [N, 3] metres or None;
    point_classes: ([N] int codes, dict code -> class), or None; codes not in the dict are annotated background;
    ignored: [N] bool, points without annotation, or None.
    """

    path: pathlib.Path
    num_points: int
    ids: np.ndarray
    classes: tuple
    masks: tuple
    scores: np.ndarray
    boxes: tuple
    xyz: np.ndarray | None = None
    point_classes: tuple | None = None
    ignored: np.ndarray | None = None


@dataclass(frozen=True)
class _Described:
    """One object of the JSON next to a file; score is None if it has none."""

    name: str
    score: float | None
    box: OrientedBox | None


def sample_name(path):
    """Name of a file's sample: its stem, without the suffix of a labelled cloud."""
    return pathlib.Path(path).stem.removesuffix(LABELED)


def read_sample(path):
    """SampleFile of a cloud or an NPZ file. Raises SpaceformerError that names the file."""
    path = pathlib.Path(path)
    try:
        described, kinds = read_description(path.with_name(f"{sample_name(path)}.json"))
        if path.suffix.lower() == ".npz":
            arrays = read_arrays(path)
            if "masks" in arrays:
                return read_masks(path, arrays)
        elif path.suffix.lower() in READERS:
            records = read_records(path)
            arrays = {name: records[name] for name in records.dtype.names}
            if all(axis in arrays for axis in "xyz"):
                arrays["xyz"] = np.column_stack([arrays[axis] for axis in "xyz"])
        else:
            raise SpaceformerError(f"suffix {path.suffix!r} is none of {', '.join(sorted(READERS))}")
        return read_columns(path, arrays, described, kinds)
    except SpaceformerError as error:
        raise SpaceformerError(f"{path}: {error}") from error


def read_description(path):
    """Dict id -> _Described, and the names of the codes in `kind`, () if there are none; (None, ()) without a file."""
    if not path.is_file():
        return None, ()
    try:
        content = read_json(path)
        objects = content["objects"] if isinstance(content, dict) else content
        return {_object_id(item): _described(item) for item in objects}, _kinds(content)
    except (SpaceformerError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise SpaceformerError(
            f"{path.name} next to it cannot be read ({error}); expected what `spaceformer "
            "segment` or `spaceformer rooms` writes: objects with id or instance, and label or kind"
        ) from error


def _object_id(item):
    return int(item["id"] if "id" in item else item["instance"])


def _described(item):
    box = item.get("box", item)
    if "center" in box:
        box = OrientedBox(np.array(box["center"], float), np.array(box["size"], float), float(box.get("yaw", 0.0)))
    else:
        box = None
    return _Described(str(item["label"] if "label" in item else item["kind"]), item.get("score"), box)


def _kinds(content):
    return tuple(content.get("kinds", ())) if isinstance(content, dict) else ()


def read_columns(path, arrays, described, kinds):
    """SampleFile from arrays of one value per point.

    arrays: dict with instance_id (0: none; of `spaceformer segment`) or instance (negative: none; of `spaceformer
    rooms`); optional: label (class id > 0; 0 or less: not annotated), kind (index into `kinds`), score, ignored (bool),
    xyz. described, kinds: of `read_description`.
    """
    column = next((name for name in INSTANCE_COLUMNS if name in arrays), None)
    if column is None:
        raise SpaceformerError(
            f"has no instances: expected a column {' or '.join(INSTANCE_COLUMNS)} (found {', '.join(arrays)}), as "
            "`spaceformer segment` and `spaceformer rooms` write, or masks [K, N] in an NPZ file"
        )
    instance = _whole_per_point(arrays, column, len(arrays[column]))
    ids, masks = _split(instance, INSTANCE_COLUMNS[column], described)
    label = _whole_per_point(arrays, "label", len(instance))
    point_classes, ignored = _point_classes(arrays, instance, kinds, label if described is None else None)
    if "ignored" in arrays:
        ignored = _per_point(arrays, "ignored", len(instance)).astype(bool)
    score = _per_point(arrays, "score", len(instance))
    return SampleFile(
        path,
        len(instance),
        ids,
        _classes(ids, masks, described, label),
        masks,
        np.array([_score(mask, described, i, score) for i, mask in zip(ids, masks)], dtype=np.float64),
        tuple(described[i].box if described else None for i in ids.tolist()),
        arrays.get("xyz"),
        point_classes,
        ignored,
    )


def _per_point(arrays, name, count):
    """A column [N], or None if there is none."""
    if name not in arrays:
        return None
    if arrays[name].shape != (count,):
        raise SpaceformerError(f"{name} has shape {list(arrays[name].shape)}, expected one value for {count} points")
    return arrays[name]


def _whole_per_point(arrays, name, count):
    """A column [N] of ids as int64, or None if there is none: text tables hold them as floats."""
    values = _per_point(arrays, name, count)
    if values is None or values.dtype.kind in "bui":
        return values if values is None else values.astype(np.int64)
    wrong = ~((values == np.floor(values)) & (np.abs(values) <= MAX_ID))  # NaN is wrong, too
    if wrong.any():
        raise SpaceformerError(f"{name} has {values[wrong][0]:g}, expected whole numbers up to {MAX_ID}")
    return values.astype(np.int64)


def _split(instance, none, described):
    """Ids [K], ascending, and the rows of each; described objects without points have no rows."""
    order = np.argsort(instance, kind="stable")
    order = order[np.searchsorted(instance[order], none, side="right") :]
    present, starts = np.unique(instance[order], return_index=True)
    rows = dict(zip(present.tolist(), np.split(order, starts[1:])))
    unknown = sorted(rows.keys() - described.keys()) if described is not None else []
    if unknown:
        raise SpaceformerError(
            f"instance {unknown[0]} is not among the objects of the JSON next to it: write both again or delete it"
        )
    ids = sorted(described) if described is not None else list(rows)
    return np.array(ids, dtype=np.int64), tuple(rows.get(i, np.empty(0, dtype=np.int64)) for i in ids)


def _point_classes(arrays, instance, kinds, label):
    """point_classes and ignored of SampleFile. In generated rooms, things with too few points to be an object are
    ignored, while walls, floor and ceiling are background."""
    if "kind" in arrays and kinds:
        from ..synthetic import STRUCTURE

        kind = _per_point(arrays, "kind", len(instance))
        named = {code: name for code, name in enumerate(kinds) if name not in STRUCTURE}
        return (kind, named), (instance < 0) & np.isin(kind, list(named))
    if label is None:
        return None, None
    return (label, {int(code): int(code) for code in np.unique(label) if code > 0}), label <= 0


def _classes(ids, masks, described, label):
    """Class of each instance: from the description, or the label of most of its points."""
    if described is not None:
        return tuple(described[i].name for i in ids.tolist())
    if label is None:
        return (ONE_CLASS,) * len(ids)
    values, code = np.unique(label, return_inverse=True)
    return tuple(int(values[np.bincount(code[mask]).argmax()]) for mask in masks)


def _score(mask, described, instance_id, score):
    """Score of an instance: from its points, otherwise from the description, otherwise 1."""
    if score is not None and len(mask):
        return score[mask[0]]
    known = described[int(instance_id)].score if described is not None else None
    return 1.0 if known is None else known


def _is_finite(name, values):
    """Whether numbers are finite; positions need not be: sensors write NaN for missing measurements."""
    return name == "xyz" or values.dtype.kind != "f" or bool(np.isfinite(values).all())


def read_masks(path, arrays):
    """SampleFile from arrays of masks, which may overlap.

    arrays: dict with masks [K, N] bool; optional: labels [K] (ids or names), scores [K], ids [K] (default 0, 1, ...),
    boxes [K, 7] (centre, size, yaw), semantic [N] class ids, xyz [N, 3] and ignored [N].
    """
    masks = arrays["masks"]
    if masks.ndim != 2:
        raise SpaceformerError(f"masks has shape {list(masks.shape)}, expected [K, N], one row per instance")
    K, N = masks.shape
    wanted = {"labels": (K,), "scores": (K,), "ids": (K,), "boxes": (K, 7), "semantic": (N,), "xyz": (N, 3)}
    for name, shape in {**wanted, "ignored": (N,)}.items():
        if name in arrays and arrays[name].shape != shape:
            raise SpaceformerError(
                f"{name} has shape {list(arrays[name].shape)}, expected {list(shape)} to go with masks {[K, N]}"
            )
    for name in ("masks", "ids", "scores", "boxes", "semantic", "xyz"):
        if name in arrays and (arrays[name].dtype.kind not in "buif" or not _is_finite(name, arrays[name])):
            raise SpaceformerError(f"{name} holds {arrays[name].dtype}, or NaN, expected finite numbers")
    labels, semantic = arrays.get("labels", np.full(K, ONE_CLASS)), arrays.get("semantic")
    if semantic is not None:
        semantic = semantic, {int(code): int(code) for code in np.unique(semantic) if code > 0}
    return SampleFile(
        path,
        N,
        np.asarray(arrays.get("ids", np.arange(K)), dtype=np.int64),
        tuple(labels.tolist()),
        tuple(np.flatnonzero(mask) for mask in masks),
        np.asarray(arrays.get("scores", np.ones(K)), dtype=np.float64),
        tuple(OrientedBox(row[:3], row[3:6], float(row[6])) for row in arrays.get("boxes", ())) or (None,) * K,
        arrays.get("xyz"),
        semantic,
        arrays["ignored"].astype(bool) if "ignored" in arrays else None,
    )
