"""Scenes in files: what is kept, that it fits together, and whose it is. docs/scene_format.md describes the format."""

from dataclasses import asdict, dataclass

import numpy as np

from .. import SpaceformerError, StorageError, __version__
from ..clouds.cloud import Cloud
from ..geometry.boxes import OrientedBox
from ..instances import Instances, VoxelMap
from .occupancy import AROUND, Place
from .tensor_file import read_tensors, write_tensors

KEY, FORMAT, VERSION = "spaceformer", "spaceformer_ros scene", 2
# Arrays with their types and shapes: N points, M voxels, K instances, C channels, O objects, V voxels of all masks,
# P points of all places.
ARRAYS = {
    "points.xyz": (np.float32, ("N", 3)),
    "points.rgb": (np.uint8, ("N", 3)),
    "points.voxel": (np.int32, ("N",)),
    "voxels.xyz": (np.float32, ("M", 3)),
    "masks.voxels": (np.int32, ("V",)),
    "masks.ends": (np.int64, ("K",)),
    "instances.objectness": (np.float32, ("K",)),
    "instances.mask_score": (np.float32, ("K",)),
    "instances.features": (np.float32, ("K", "C")),
    "instances.num_points": (np.int64, ("K",)),
    "instances.centroids": (np.float32, ("K", 3)),
    "boxes.center": (np.float64, ("K", 3)),
    "boxes.size": (np.float64, ("K", 3)),
    "boxes.yaw": (np.float64, ("K",)),
    "objects.id": (np.int64, ("O",)),
    "objects.row": (np.int64, ("O",)),
    "objects.first_seen_ns": (np.int64, ("O",)),
    "objects.last_seen_ns": (np.int64, ("O",)),
    "objects.num_observations": (np.int64, ("O",)),
    "objects.weight": (np.float64, ("O",)),
    "objects.missed_views": (np.float64, ("O",)),
    "objects.label_score": (np.float32, ("O",)),
    "places.xyz": (np.float32, ("P", 3)),
    "places.kind": (np.uint8, ("P",)),
    "places.ends": (np.int64, ("O",)),
}
# Fields of the JSON header with their types.
FIELDS = {
    "format": str,
    "version": int,
    "written_by": str,
    "map_id": str,
    "frame_id": str,
    "stamp_ns": int,
    "map_revision": int,
    "next_id": int,
    "voxel_size": float,
    "labels": list,
    "vocabulary": dict,
    "model": dict,
}
MAX_COUNT = 2**31  # of ids and revisions: messages carry 32 bits
MAX_NS = 2**31 * 1_000_000_000  # of times: ROS messages carry 32 bits of seconds
NOWHERE = Place(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8))


@dataclass(frozen=True)
class ModelIdentity:
    """Which network made the features, and which text model they are compared with.

    name: what the checkpoint is called; sha256: of its header and weights; text_model: name@revision.
    """

    name: str
    sha256: str
    text_model: str


@dataclass(frozen=True)
class SavedScene:
    """Everything that a scene needs to go on after a restart, with O objects.

    ids, rows: [O] int64, rows into the instances; first_seen_ns, last_seen_ns, num_observations: [O] int64; weights,
    missed_views: [O] float64; places: O Places, None where the object's mask says where it is; labels: O str, and
    label_scores: [O] float32, as they were when it was saved; vocabulary: the two lists of `Vocabulary.entries`;
    next_id: every id given so far is below it; map_revision: of the scene.
    """

    cloud: Cloud
    instances: Instances
    ids: np.ndarray
    rows: np.ndarray
    first_seen_ns: np.ndarray
    last_seen_ns: np.ndarray
    num_observations: np.ndarray
    weights: np.ndarray
    missed_views: np.ndarray
    places: tuple
    labels: tuple
    label_scores: np.ndarray
    vocabulary: tuple
    model: ModelIdentity
    map_id: str
    map_revision: int
    next_id: int


def write_scene(path, saved):
    """Put a SavedScene in the place of the file `path` in one step. Returns the number of bytes.

    Raises StorageError WRITE_FAILED, and leaves the old file, also for a scene that could not be read again.
    """
    header, arrays = to_header(saved), to_arrays(saved)
    try:
        check_header(header)
        check_arrays(header, arrays)
    except ValueError as error:
        raise StorageError("WRITE_FAILED", f"{path} was not written, because of this scene {error}") from error
    return write_tensors(path, KEY, header, arrays)


def read_scene(path):
    """The SavedScene of a file. Raises StorageError NOT_FOUND, READ_FAILED, FILE_CORRUPT or VERSION_MISMATCH."""
    header, arrays = read_tensors(path, KEY)
    try:
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}")
        if header["version"] != VERSION:
            raise StorageError(
                "VERSION_MISMATCH",
                f"{path} has version {header['version']} of the scene format, this package reads version {VERSION}: "
                "update the package, or save the scene again with the one that reads it",
            )
        check_header(header)
        check_arrays(header, arrays)
        return from_parts(header, arrays)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StorageError("FILE_CORRUPT", f"{path} is damaged or was made wrongly: {error}") from error
    except StorageError:
        raise
    except SpaceformerError as error:
        raise StorageError("FILE_CORRUPT", f"{path} was made wrongly: {error}") from error


def check_expected(saved, path, model, map_id="", frame_id=""):
    """Raise StorageError MODEL_MISMATCH, MAP_MISMATCH or FRAME_MISMATCH unless the scene belongs here.

    model: the ModelIdentity in use; map_id, frame_id: what they must be, empty for any.
    """
    ours, theirs = model, saved.model
    if (ours.sha256, ours.text_model) != (theirs.sha256, theirs.text_model):
        raise StorageError(
            "MODEL_MISMATCH",
            f"{path} was made with {describe(theirs)}, this node runs {describe(ours)}: features of different models "
            "cannot be compared; use the same checkpoint and text_model, or segment the map again",
        )
    if map_id and saved.map_id != map_id:
        raise StorageError("MAP_MISMATCH", f"{path} is of map {saved.map_id!r}, expected {map_id!r}; see map_id")
    if frame_id and saved.cloud.frame_id != frame_id:
        raise StorageError(
            "FRAME_MISMATCH",
            f"{path} is in frame {saved.cloud.frame_id!r}, expected {frame_id!r}: name its frame in the request, or "
            "call ~/clear first if the present map is to be given up",
        )


def describe(model):
    """A ModelIdentity in a few words."""
    return f"checkpoint {model.name} ({model.sha256[:12]}) and text model {model.text_model}"


def to_header(saved):
    """The JSON header of a SavedScene."""
    labels, background = saved.vocabulary
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"spaceformer_ros {__version__}",
        "map_id": saved.map_id,
        "frame_id": saved.cloud.frame_id,
        "stamp_ns": int(saved.cloud.stamp_ns),
        "map_revision": int(saved.map_revision),
        "next_id": int(saved.next_id),
        "voxel_size": float(saved.instances.voxels.voxel_size),
        "labels": list(saved.labels),
        "vocabulary": {"labels": list(labels), "background": list(background)},
        "model": asdict(saved.model),
    }


def to_arrays(saved):
    """The arrays of a SavedScene by name, in the types of ARRAYS."""
    instances, boxes = saved.instances, saved.instances.boxes
    places = [place or NOWHERE for place in saved.places]
    values = {
        "points.xyz": saved.cloud.xyz,
        "points.rgb": saved.cloud.rgb,
        "points.voxel": instances.voxels.point_to_voxel,
        "voxels.xyz": instances.voxels.positions,
        "masks.voxels": np.concatenate([np.zeros(0, np.int32), *instances.masks]),
        "masks.ends": np.cumsum([len(mask) for mask in instances.masks]),
        "instances.objectness": instances.objectness,
        "instances.mask_score": instances.mask_score,
        "instances.features": instances.features,
        "instances.num_points": instances.num_points,
        "instances.centroids": instances.centroids,
        "boxes.center": np.array([box.center for box in boxes]).reshape(-1, 3),
        "boxes.size": np.array([box.size for box in boxes]).reshape(-1, 3),
        "boxes.yaw": np.array([box.yaw for box in boxes]),
        "objects.id": saved.ids,
        "objects.row": saved.rows,
        "objects.first_seen_ns": saved.first_seen_ns,
        "objects.last_seen_ns": saved.last_seen_ns,
        "objects.num_observations": saved.num_observations,
        "objects.weight": saved.weights,
        "objects.missed_views": saved.missed_views,
        "objects.label_score": saved.label_scores,
        "places.xyz": np.concatenate([NOWHERE.xyz, *(place.xyz for place in places)]),
        "places.kind": np.concatenate([NOWHERE.kind, *(place.kind for place in places)]),
        "places.ends": np.cumsum([len(place) for place in places]),
    }
    return {name: np.asarray(values[name], dtype=dtype) for name, (dtype, _) in ARRAYS.items()}


def check_header(header):
    """Raise ValueError unless every field is there, of its type and in its range."""
    for name, kind in FIELDS.items():
        if type(header.get(name)) is not kind:
            raise ValueError(f"{name} is missing or not of type {kind.__name__}")
    texts = [*header["labels"], *header["vocabulary"]["labels"], *header["vocabulary"]["background"]]
    texts += [header["model"][name] for name in ("name", "sha256", "text_model")]
    if not all(type(text) is str for text in texts):
        raise ValueError("a label or a part of the model's identity is no text")
    for name in ("map_revision", "next_id"):
        _require(1 <= header[name] <= MAX_COUNT, f"{name} {header[name]} lies outside [1, {MAX_COUNT}]")
    _require(-MAX_NS <= header["stamp_ns"] < MAX_NS, f"stamp_ns {header['stamp_ns']} is no time")
    _require(0 < header["voxel_size"] < float("inf"), f"voxel_size {header['voxel_size']} is not positive")


def check_arrays(header, arrays):
    """Raise ValueError unless all arrays are there, agree in their sizes, are finite and point where they may."""
    sizes = {"O": len(header["labels"])}
    for name, (dtype, shape) in ARRAYS.items():
        array = arrays.get(name)
        _require(array is not None and array.dtype == dtype, f"{name} is missing or not {np.dtype(dtype)}")
        _require(array.ndim == len(shape), f"{name} has shape {list(array.shape)}, expected {list(shape)}")
        for size, expected in zip(array.shape, shape):
            wanted = sizes.setdefault(expected, size) if isinstance(expected, str) else expected
            _require(size == wanted, f"{name} has shape {list(array.shape)}, expected {list(shape)} with {sizes}")
        _require(array.dtype.kind != "f" or bool(np.isfinite(array).all()), f"{name} holds a number that is not finite")
    _check_indices(arrays, sizes)
    ids, times = arrays["objects.id"], (arrays["objects.first_seen_ns"], arrays["objects.last_seen_ns"])
    _require(_within(ids, 1, header["next_id"]) and len(np.unique(ids)) == len(ids), "ids are not unique below next_id")
    _require(all(_within(column, -MAX_NS, MAX_NS) for column in times), "a time of an object is no time")
    _require(_within(arrays["objects.num_observations"], 1, MAX_COUNT), "objects.num_observations is out of range")
    evidence = (arrays["objects.weight"], arrays["objects.missed_views"])
    _require(all(_within(column, 0, np.inf) for column in evidence), "a weight or the views of an object are negative")


def _check_indices(arrays, sizes):
    _require(_within(arrays["points.voxel"], 0, sizes["M"]), "points.voxel names a voxel that is not there")
    _require(_within(arrays["objects.row"], 0, sizes["K"]), "objects.row names an instance that is not there")
    _require(_within(arrays["instances.num_points"], 0, sizes["N"] + 1), "instances.num_points is out of range")
    voxels, ends = arrays["masks.voxels"], arrays["masks.ends"]
    _require(_within(voxels, 0, sizes["M"]), "masks.voxels names a voxel that is not there")
    _check_ends(arrays, "masks.ends", "masks.voxels")
    _check_ends(arrays, "places.ends", "places.xyz")
    _require(_within(arrays["places.kind"], 0, AROUND + 1), "places.kind is out of range")
    inside = np.ones(max(len(voxels) - 1, 0), dtype=bool)  # neighbours of the same mask
    inside[ends[(ends > 0) & (ends < len(voxels))] - 1] = False
    _require(bool((np.diff(voxels)[inside] > 0).all()), "a mask is not sorted")


def _check_ends(arrays, ends, parts):
    starts = np.concatenate([[0], arrays[ends]])
    divided = bool((np.diff(starts) >= 0).all()) and starts[-1] == len(arrays[parts])
    _require(divided, f"{ends} do not divide {parts}")


def _within(values, low, high):
    return bool(((values >= low) & (values < high)).all())


def _require(condition, words):
    if not condition:
        raise ValueError(words)


def from_parts(header, arrays):
    """The SavedScene of a checked header and checked arrays."""
    columns = {name.split(".")[1]: arrays[name] for name in ARRAYS if name.startswith("instances.")}
    boxes = zip(arrays["boxes.center"], arrays["boxes.size"], arrays["boxes.yaw"].tolist())
    places = zip(*(np.split(arrays[name], arrays["places.ends"])[:-1] for name in ("places.xyz", "places.kind")))
    voxels = VoxelMap(arrays["voxels.xyz"], arrays["points.voxel"], header["voxel_size"])
    return SavedScene(
        cloud=Cloud(arrays["points.xyz"], arrays["points.rgb"], header["frame_id"], header["stamp_ns"]),
        instances=Instances(
            voxels=voxels,
            masks=tuple(np.split(arrays["masks.voxels"], arrays["masks.ends"])[:-1]),
            boxes=tuple(OrientedBox(*box) for box in boxes),
            **columns,
        ),
        ids=arrays["objects.id"],
        rows=arrays["objects.row"],
        first_seen_ns=arrays["objects.first_seen_ns"],
        last_seen_ns=arrays["objects.last_seen_ns"],
        num_observations=arrays["objects.num_observations"],
        weights=arrays["objects.weight"],
        missed_views=arrays["objects.missed_views"],
        places=tuple(Place(*place) if len(place[0]) else None for place in places),
        labels=tuple(header["labels"]),
        label_scores=arrays["objects.label_score"],
        vocabulary=(header["vocabulary"]["labels"], header["vocabulary"]["background"]),
        model=ModelIdentity(*(header["model"][name] for name in ("name", "sha256", "text_model"))),
        map_id=header["map_id"],
        map_revision=header["map_revision"],
        next_id=header["next_id"],
    )
