# SPDX-License-Identifier: Apache-2.0
"""Write and read scene files, and check whether a file belongs to the current map and model."""

from dataclasses import asdict

import numpy as np

from .. import SpaceformerError, StorageError, __version__
from ..cameras.thumbnails import Thumbnail
from ..clouds.cloud import Cloud
from ..geometry.boxes import OrientedBox
from ..instances import Instances, VoxelMap
from . import undo
from .columns import columns_of
from .format import ARRAYS, FORMAT, KEY, MAX_COUNT_READ, VERSION, check_arrays, check_header
from .objects import SceneObject
from .occupancy import Occupancy
from .saved_scene import Edit, ModelIdentity, SavedScene
from .tensor_file import read_header, read_tensors, write_tensors

_EMPTY = Occupancy(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8))  # represents None in files


def write_scene(path, saved):
    """Replace the file `path` by a SavedScene, atomically. Returns the number of bytes.

    path: without symbolic links. Raises StorageError WRITE_FAILED and keeps the old file, also if the scene could not
    be read back.
    """
    header, arrays = _to_header(saved), _to_arrays(saved)
    try:
        check_header(header)
        check_arrays(header, arrays)
    except ValueError as error:
        raise StorageError("WRITE_FAILED", f"{path} was not written: in this scene, {error}") from error
    return write_tensors(path, KEY, header, arrays)


def read_scene(path):
    """The SavedScene of a file. Raises StorageError NOT_FOUND, READ_FAILED, FILE_CORRUPT or VERSION_MISMATCH."""
    header, arrays = read_tensors(path, KEY)
    try:
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {str(header['format'])[:40]!r}")
        if type(header["version"]) is int and header["version"] != VERSION:
            raise StorageError(
                "VERSION_MISMATCH",
                f"{path} has version {str(header['version'])[:10]} of the scene format, this package reads version "
                f"{VERSION}: update the package, or save the scene again with the one that reads it",
            )
        check_header(header, MAX_COUNT_READ)
        check_arrays(header, arrays, MAX_COUNT_READ)
        return _from_parts(header, arrays)
    except StorageError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, SpaceformerError) as error:
        raise StorageError("FILE_CORRUPT", f"{path} is not a valid scene: {error}") from error


def saved_objects(path):
    """(number of objects, frame) of a file; 0 if it is not a scene file of this version. Reads the header only."""
    try:
        header = read_header(path, KEY)
        number, frame_id = len(header["labels"]), header["frame_id"]
        return (number, frame_id) if header["version"] == VERSION and isinstance(frame_id, str) else (0, "")
    except (StorageError, LookupError, TypeError):
        return 0, ""


def check_expected(saved, path, model, map_id="", frame_id=""):
    """Raise StorageError MODEL_MISMATCH, MAP_MISMATCH or FRAME_MISMATCH unless the scene fits the current node.

    model: the ModelIdentity in use
    map_id, frame_id: the required values; empty: any
    """
    if (model.sha256, model.text_model) != (saved.model.sha256, saved.model.text_model):
        raise StorageError(
            "MODEL_MISMATCH",
            f"{path} was made with {saved.model}, this node runs {model}: features of different models cannot be "
            "compared. Start the node with the model of the file, or segment the map again",
        )
    if map_id and map_id != saved.map_id:
        raise StorageError("MAP_MISMATCH", f"{path} is of map {saved.map_id!r}, expected {map_id!r}")
    if frame_id and frame_id != saved.cloud.frame_id:
        raise StorageError(
            "FRAME_MISMATCH",
            f"{path} is in frame {saved.cloud.frame_id!r}, expected {frame_id!r}: name its frame in the request, or "
            "call ~/clear first if the current map is no longer needed",
        )


def _to_header(saved):
    """The JSON header of a SavedScene."""
    labels, background = saved.vocabulary
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"spaceformer_ros {__version__}",
        "map_id": saved.map_id,
        "frame_id": saved.cloud.frame_id,
        "up": saved.cloud.up,
        "input_scale": float(saved.input_scale),
        "stamp_ns": int(saved.cloud.stamp_ns),
        "map_revision": int(saved.map_revision),
        "next_id": int(saved.next_id),
        "voxel_size": float(saved.instances.voxels.voxel_size),
        "labels": list(saved.labels),
        "operator_labels": list(saved.operator_labels),
        "votes": [[list(row) for row in sums] for sums in saved.votes],
        "thumbnails": [[one.stamp_ns, one.frame_id, one.quality] if one else [] for one in saved.thumbnails],
        "room_names": [list(row) for row in saved.room_names],
        "edits": [[edit.stamp_ns, edit.author, edit.text] for edit in saved.history],
        "undo": undo.to_header(saved.undo),
        "layout": saved.layout,
        "vocabulary": {"labels": list(labels), "background": list(background)},
        "model": asdict(saved.model),
    }


def _to_arrays(saved):
    """The arrays of a SavedScene by name, in the types of ARRAYS."""
    instances, boxes = saved.instances, saved.instances.boxes
    occupancies = [occupancy or _EMPTY for occupancy in saved.occupancies]
    values = {
        "map.origin": saved.cloud.origin,
        "points.xyz": saved.cloud.xyz,
        "points.rgb": saved.cloud.rgb,
        "points.voxel": instances.voxels.point_to_voxel,
        "voxels.xyz": instances.voxels.positions,
        "masks.voxels": np.concatenate([np.zeros(0, np.int32), *instances.masks]),
        "masks.ends": np.cumsum([len(mask) for mask in instances.masks]),
        "boxes.center": np.array([box.center for box in boxes]).reshape(-1, 3),
        "boxes.size": np.array([box.size for box in boxes]).reshape(-1, 3),
        "boxes.yaw": np.array([box.yaw for box in boxes]),
        "occupancies.xyz": np.concatenate([_EMPTY.xyz, *(occupancy.xyz for occupancy in occupancies)]),
        "occupancies.kind": np.concatenate([_EMPTY.kind, *(occupancy.kind for occupancy in occupancies)]),
        "thumbnails.jpeg": np.frombuffer(b"".join(one.jpeg for one in saved.thumbnails if one), dtype=np.uint8),
        "thumbnails.ends": np.cumsum([len(one.jpeg) if one else 0 for one in saved.thumbnails]),
        "occupancies.ends": np.cumsum([len(occupancy) for occupancy in occupancies]),
    }
    values |= {name: getattr(instances, column) for name, column in _columns("instances")}
    values |= undo.to_arrays(saved.undo, instances.features.shape[1])
    values |= {f"objects.{name}": column for name, column in saved.objects.items()}
    return {name: np.asarray(values[name], dtype=column.dtype) for name, column in ARRAYS.items()}


def _columns(group):
    """(name of the array, name of the column) of all arrays of a group."""
    return [(name, name.split(".")[1]) for name in ARRAYS if name.startswith(f"{group}.")]


def _thumbnails(rows, arrays):
    """The Thumbnails of O objects, None for those without. rows: of the header."""
    for row, jpeg in zip(rows, np.split(arrays["thumbnails.jpeg"], arrays["thumbnails.ends"])):
        yield Thumbnail(jpeg.tobytes(), *row) if row else None


def _from_parts(header, arrays):
    """The SavedScene of a checked header and checked arrays."""
    boxes = zip(arrays["boxes.center"], arrays["boxes.size"], arrays["boxes.yaw"].tolist())
    occupancies = (
        np.split(arrays[name], arrays["occupancies.ends"])[:-1] for name in ("occupancies.xyz", "occupancies.kind")
    )
    return SavedScene(
        cloud=Cloud(
            arrays["points.xyz"],
            arrays["points.rgb"],
            header["frame_id"],
            header["stamp_ns"],
            origin=tuple(arrays["map.origin"].tolist()),
            up=header["up"],
        ),
        instances=Instances(
            voxels=VoxelMap(arrays["voxels.xyz"], arrays["points.voxel"], header["voxel_size"]),
            masks=tuple(np.split(arrays["masks.voxels"], arrays["masks.ends"])[:-1]),
            boxes=tuple(OrientedBox(*box) for box in boxes),
            **{column: arrays[name] for name, column in _columns("instances")},
        ),
        objects={name: arrays[f"objects.{name}"] for name in columns_of(SceneObject)},
        occupancies=tuple(Occupancy(xyz, kind) if len(xyz) else None for xyz, kind in zip(*occupancies)),
        labels=tuple(header["labels"]),
        vocabulary=(header["vocabulary"]["labels"], header["vocabulary"]["background"]),
        model=ModelIdentity(*(header["model"][name] for name in ("name", "sha256", "text_model"))),
        map_id=header["map_id"],
        map_revision=header["map_revision"],
        next_id=header["next_id"],
        operator_labels=tuple(header["operator_labels"]),
        votes=tuple(tuple(map(tuple, sums)) for sums in header["votes"]),
        thumbnails=tuple(_thumbnails(header["thumbnails"], arrays)),
        room_names=tuple((number, name) for number, name in header["room_names"]),
        history=tuple(Edit(*row) for row in header["edits"]),
        undo=undo.from_file(header["undo"], arrays),
        layout=header["layout"],
        input_scale=header["input_scale"],
    )
