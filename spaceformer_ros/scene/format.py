# SPDX-License-Identifier: Apache-2.0
"""The scene format: the arrays and header fields of a scene file, and the validation of their contents.

docs/scene_format.md describes it; the tables there are written from ARRAYS and HEADER.
"""

from dataclasses import dataclass

import numpy as np

from ..cameras.evidence import MAX_SUM
from ..cameras.thumbnails import MAX_SIDE
from ..clouds.cloud import UPRIGHT
from .columns import MAX_COUNT, MAX_METRES, MAX_NS, MAX_SIZE, Column, columns_of
from .edit_request import OPERATIONS, UNDO
from .objects import SceneObject
from .occupancy import SURROUNDINGS
from .undo import UNDO_ARRAYS

KEY, FORMAT, VERSION = "spaceformer", "spaceformer_ros scene", 7
MAX_COUNT_READ = 2**30  # files with higher ids or counts are refused: a node that continues them could not save
MAX_TEXT = 2000  # characters of a text in the header
METRES, SHARE, COUNT = (-MAX_METRES, MAX_METRES), (0, 1), (0, MAX_COUNT)

# Sizes: N points, M voxels, K instances, C channels, O objects, V voxels of all masks, P points of all occupancies,
# U objects that edits have changed, Q points of their occupancies, J bytes of all pictures.
ARRAYS = {
    "map.origin": Column(np.float64, (3,), "where the local coordinates of all positions begin in the frame", METRES),
    "points.xyz": Column(np.float32, ("N", 3), "positions of the points that the network segmented", METRES),
    "points.rgb": Column(np.uint8, ("N", 3), "their colours"),
    "points.voxel": Column(np.int32, ("N",), "the voxel that contains each point, a row of `voxels.xyz`"),
    "voxels.xyz": Column(np.float32, ("M", 3), "mean position of each voxel's points", METRES),
    "masks.voxels": Column(np.int32, ("V",), "voxels inside the masks, mask after mask, sorted within each"),
    "masks.ends": Column(
        np.int64, ("K",), "where each mask ends in `masks.voxels`; it begins where the previous one ends", COUNT
    ),
    "instances.objectness": Column(np.float32, ("K",), "0..1, confidence of the network that this is an object", SHARE),
    "instances.mask_score": Column(np.float32, ("K",), "0..1, mean confidence inside the mask", SHARE),
    "instances.features": Column(
        np.float32,
        ("K", "C"),
        "vectors in the space of the text embeddings, not normalised; means over all observations",
    ),
    "instances.num_points": Column(np.int64, ("K",), "points inside the mask", COUNT),
    "instances.centroids": Column(np.float32, ("K", 3), "mean of those points", METRES),
    "boxes.center": Column(np.float64, ("K", 3), "centre of the upright box", METRES),
    "boxes.size": Column(np.float64, ("K", 3), "its full extents along its own axes", (0, MAX_SIZE)),
    "boxes.yaw": Column(np.float64, ("K",), "its rotation about z", (-10, 10)),
    **{f"objects.{name}": column for name, column in columns_of(SceneObject).items()},
    "occupancies.xyz": Column(
        np.float32,
        ("P", 3),
        "where objects were last found and their surroundings, one point per 5 cm cell, object after object",
        METRES,
    ),
    "occupancies.kind": Column(
        np.uint8,
        ("P",),
        "0: of the object, nothing else near; 1: of the object, something else near; 2: of its surroundings",
        (0, SURROUNDINGS),
    ),
    "thumbnails.jpeg": Column(np.uint8, ("J",), "the bytes of JPEG files, object after object"),
    "thumbnails.ends": Column(
        np.int64,
        ("O",),
        "where each object's picture ends in them; it begins where the previous one ends",
        COUNT,
    ),
    "occupancies.ends": Column(
        np.int64,
        ("O",),
        "where each object's part of `occupancies.xyz` ends; it begins where the previous one ends",
        COUNT,
    ),
    **UNDO_ARRAYS,
}


@dataclass(frozen=True)
class HeaderField:
    """A field of the JSON header. kind: its Python type; limits: lowest and highest value of a number."""

    kind: type
    text: str
    limits: tuple = ()


HEADER = {
    "format": HeaderField(str, f"`{FORMAT}`"),
    "version": HeaderField(int, f"{VERSION}; any other is refused"),
    "written_by": HeaderField(str, "name and version of the program"),
    "map_id": HeaderField(str, "name of the map, empty if it has none"),
    "frame_id": HeaderField(str, "frame of the map"),
    "up": HeaderField(str, f"axis of the frame that is the local z axis: {', '.join(UPRIGHT)}"),
    "input_scale": HeaderField(float, "metres per unit of the clouds that the map was made of", (1e-6, 1e6)),
    "stamp_ns": HeaderField(int, "stamp of the cloud", (-MAX_NS, MAX_NS)),
    "map_revision": HeaderField(int, "number of results, from 1", (1, MAX_COUNT)),
    "next_id": HeaderField(int, "all ids ever given are lower, also those of removed objects", (1, MAX_COUNT)),
    "voxel_size": HeaderField(float, "metres", (1e-6, 1e3)),
    "labels": HeaderField(list, "O texts: the label of each object when it was saved, in the order of `objects.id`"),
    "vocabulary": HeaderField(dict, "lists `labels` and `background` of that time, synonyms joined by `|`"),
    "operator_labels": HeaderField(list, "O texts: the label that an operator gave to each object, or an empty one"),
    "votes": HeaderField(list, "O lists of what detectors called each object: word, sum of weights, detections"),
    "thumbnails": HeaderField(list, "O lists, empty or of the picture: stamp in ns, frame, quality of the view"),
    "room_names": HeaderField(list, "pairs of a room's number and the name that an operator gave it"),
    "edits": HeaderField(list, "the last edits by operators, oldest first: time in ns, author and what was done"),
    "undo": HeaderField(
        list,
        "how the last of these edits are taken back, oldest first: `operation`, `text`, `frame_id`, ids `created`, "
        "`room_names` before it, and `operator_labels` and `votes` of its objects, which follow each other in `undo.*`",
    ),
    "layout": HeaderField(
        dict,
        "storeys, walls, doors, windows and rooms with their numbers, also of those that the last map did not reach; "
        "empty without them",
    ),
    "model": HeaderField(dict, "`name` and `sha256` of the checkpoint, `text_model` as name@revision"),
}


def check_header(header, max_count=MAX_COUNT):
    """Raise ValueError, KeyError or TypeError unless every field exists, has its type and is in its range.

    max_count: highest id, revision and count.
    """
    for name, field in HEADER.items():
        value = header.get(name)
        _require(type(value) is field.kind, f"{name} is missing or not of type {field.kind.__name__}")
        if field.limits:
            low, high = _limits(field.limits, max_count)
            _require(low <= value <= high, f"{name} is {value}, expected {low} to {high}")
    _require(header["up"] in UPRIGHT, f"up is {header['up'][:10]!r}, expected one of {', '.join(UPRIGHT)}")
    texts = {name: header[name] for name in ("written_by", "map_id", "frame_id")}
    texts |= {f"model.{name}": header["model"][name] for name in ("name", "sha256", "text_model")}
    labels = (*header["labels"], *header["vocabulary"]["labels"], *header["vocabulary"]["background"])
    labels += (*header["operator_labels"], *(name for _, name in header["room_names"]))
    labels += tuple(text for _, *texts in header["edits"] for text in texts)
    _require(len(header["operator_labels"]) == len(header["labels"]), "operator_labels and labels differ in length")
    _check_votes(header["votes"], len(header["labels"]))
    for undo in header["undo"]:
        _check_undo(undo, header["next_id"])
    _check_thumbnails(header["thumbnails"], len(header["labels"]))
    numbers = [number for number, *_ in (*header["room_names"], *header["edits"])]
    _require(all(type(number) is int for number in numbers), "a number of room_names or edits is not an integer")
    _require(all(len(edit) == 3 for edit in header["edits"]), "an edit is not a triple")
    for name, text in (*texts.items(), *(("a label", label) for label in labels)):
        _check_text(name, text)


def _check_undo(undo, next_id):
    """Check the header's part of one edit that can be taken back."""
    _require(undo["operation"] in OPERATIONS and undo["operation"] != UNDO, "undo has an unknown operation")
    texts = (undo["text"], undo["frame_id"], *undo["operator_labels"], *(name for _, name in undo["room_names"]))
    for text in texts:
        _check_text("a text of undo", text)
    numbers = (*undo["created"], *(number for number, _ in undo["room_names"]))
    _require(all(type(number) is int for number in numbers), "a number of undo is not an integer")
    _require(all(0 < number < next_id for number in undo["created"]), f"undo has an id that is not below {next_id}")
    _check_votes(undo["votes"], len(undo["operator_labels"]))


def _check_votes(votes, count):
    """Check the words that detectors gave to `count` objects."""
    _require(len(votes) == count, "votes and labels differ in length")
    for word, weight, number in (row for sums in votes for row in sums):
        _check_text("a word of votes", word)
        _require(type(weight) is float and 0 <= weight <= MAX_SUM, f"a weight of votes is {weight!r}")
        _require(type(number) is int and 1 <= number <= MAX_COUNT, f"a count of votes is {number!r}")


def _check_thumbnails(thumbnails, count):
    """Check what is said of the pictures of `count` objects."""
    _require(len(thumbnails) == count, "thumbnails and labels differ in length")
    for stamp_ns, frame_id, quality in (row for row in thumbnails if row):
        _require(type(stamp_ns) is int and abs(stamp_ns) <= MAX_NS, f"a stamp of thumbnails is {stamp_ns!r}")
        _check_text("a frame of thumbnails", frame_id)
        _require(type(quality) is float and 0 <= quality <= MAX_SIDE, f"a quality of thumbnails is {quality!r}")


def _check_text(name, text):
    _require(type(text) is str, f"{name} is not a string")
    _require(len(text) <= MAX_TEXT, f"{name} has {len(text)} characters, the limit is {MAX_TEXT}")
    _require(text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text), f"{name} is not valid Unicode")


def check_arrays(header, arrays, max_count=MAX_COUNT):
    """Raise ValueError unless all arrays exist, are in range and consistent in size, and all their indices are valid.

    header: a header that passed `check_header`; max_count: as there.
    """
    sizes = {"O": len(header["labels"]), "U": sum(len(undo["votes"]) for undo in header["undo"])}
    for name, column in ARRAYS.items():
        array = arrays.get(name)
        _require(array is not None and array.dtype == column.dtype, f"{name} is missing or not {column.dtype.__name__}")
        _check_shape(name, array, column.shape, sizes)
        _require(array.dtype.kind != "f" or bool(np.isfinite(array).all()), f"{name} has a number that is not finite")
        low, high = _limits(column.limits, max_count)
        _require(bool(((array >= low) & (array <= high)).all()), f"{name} has a number outside [{low}, {high}]")
    _check_indices(arrays, sizes)
    ids, next_id = arrays["objects.id"], header["next_id"]
    _require(len(np.unique(ids)) == len(ids), "objects.id has an id twice")
    for name in ("objects.id", "undo.id"):
        _require(bool((arrays[name] < next_id).all()), f"{name} has an id that is not below next_id {next_id}")


def _limits(limits, max_count):
    """The limits of a number; for counts, the upper limit is `max_count`."""
    low, high = limits
    return low, max_count if high == MAX_COUNT else high


def _check_shape(name, array, shape, sizes):
    """Compare a shape with the sizes known so far, a dict letter -> size, and add those that are new."""
    _require(array.ndim == len(shape), f"{name} has shape {list(array.shape)}, expected {list(shape)}")
    for size, expected in zip(array.shape, shape):
        wanted = sizes.setdefault(expected, size) if isinstance(expected, str) else expected
        _require(size == wanted, f"{name} has shape {list(array.shape)}, expected {list(shape)} with {sizes}")


def _check_indices(arrays, sizes):
    for name, size in (("points.voxel", "M"), ("objects.row", "K"), ("masks.voxels", "M")):
        inside = (arrays[name] >= 0) & (arrays[name] < sizes[size])
        _require(bool(inside.all()), f"{name} has an index outside its {sizes[size]} rows")
    _require(bool((arrays["instances.num_points"] <= sizes["N"]).all()), "instances.num_points exceeds the points")
    _check_ends(arrays, "masks.ends", "masks.voxels")
    _check_ends(arrays, "occupancies.ends", "occupancies.xyz")
    _check_ends(arrays, "undo.ends", "undo.xyz")
    _check_ends(arrays, "thumbnails.ends", "thumbnails.jpeg")
    voxels, ends = arrays["masks.voxels"], arrays["masks.ends"]
    inside = np.ones(max(len(voxels) - 1, 0), dtype=bool)  # pairs of consecutive voxels of the same mask
    inside[ends[(ends > 0) & (ends < len(voxels))] - 1] = False
    _require(bool((np.diff(voxels)[inside] > 0).all()), "masks.voxels has a mask that is not sorted")


def _check_ends(arrays, ends, parts):
    starts = np.concatenate([[0], arrays[ends]])
    divided = bool((np.diff(starts) >= 0).all()) and starts[-1] == len(arrays[parts])
    _require(divided, f"{ends} does not divide {parts}")


def _require(condition, words):
    if not condition:
        raise ValueError(words)
