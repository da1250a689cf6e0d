# SPDX-License-Identifier: Apache-2.0
"""How edits are taken back, also after a restart: what they changed is kept as it was, in memory and in scene files."""

from dataclasses import dataclass, replace

import numpy as np

from ..cameras.evidence import Votes
from ..geometry.boxes import OrientedBox
from .columns import MAX_COUNT, MAX_METRES, MAX_SIZE, Column, columns_of, from_columns, to_columns
from .edit_request import DELETE, NAME_ROOM, PIN, RENAME, UNPIN
from .edit_steps import with_changed, with_feature, with_row
from .objects import SceneObject
from .occupancy import SURROUNDINGS, CloudOccupancy, Occupancy

ATTRIBUTES = ("operator_label", "pinned", "deleted", "shaped")  # what an operator decides about an object
SINGLE = (RENAME, DELETE, PIN, UNPIN)  # operations that change nothing but ATTRIBUTES
MAX_UNDO = 50  # edits that can be taken back ...
MAX_KEPT = 2000  # ... as long as they changed no more objects than this in total

# Arrays of KeptObjects and of scene files. Sizes: U objects that edits have changed, C channels.
KEPT = {
    **{name: replace(column, shape=("U",)) for name, column in columns_of(SceneObject).items() if name != "row"},
    "objectness": Column(np.float32, ("U",), "as in `instances`", (0, 1)),
    "mask_score": Column(np.float32, ("U",), "as in `instances`", (0, 1)),
    "centroid": Column(np.float32, ("U", 3), "mean of its points", (-MAX_METRES, MAX_METRES)),
    "center": Column(np.float64, ("U", 3), "centre of its box", (-MAX_METRES, MAX_METRES)),
    "size": Column(np.float64, ("U", 3), "full extents of its box", (0, MAX_SIZE)),
    "yaw": Column(np.float64, ("U",), "rotation of its box about z", (-10, 10)),
    "features": Column(np.float32, ("U", "C"), "as in `instances`"),
}


@dataclass(frozen=True)
class KeptObjects:
    """U objects as they were before an edit.

    arrays: dict name -> [U, ...] array, as KEPT says
    occupancies: U Occupancies
    operator_labels: U texts
    votes: U tuples, see `Votes.sums`
    """

    arrays: dict
    occupancies: tuple = ()
    operator_labels: tuple = ()
    votes: tuple = ()

    @classmethod
    def of(cls, items, features):
        """KeptObjects of SceneObjects and their features [U, C]."""
        values = {
            **to_columns(items, SceneObject),
            **{name: [getattr(item, name) for item in items] for name in ("objectness", "mask_score", "centroid")},
            **{name: [getattr(item.box, name) for item in items] for name in ("center", "size", "yaw")},
            "features": features,
        }
        arrays = {}
        for name, column in KEPT.items():
            shape = (len(items), *np.shape(features)[1:]) if name == "features" else (len(items), *column.shape[1:])
            arrays[name] = np.array(values[name], dtype=column.dtype).reshape(shape)
        return cls(
            arrays,
            tuple(item.occupancy for item in items),
            tuple(item.operator_label for item in items),
            tuple(item.votes.sums for item in items),
        )

    def __len__(self):
        return len(self.occupancies)

    def objects(self):
        """List of (SceneObject, feature [C]); labels follow from the features."""
        columns = {name: self.arrays[name] for name in columns_of(SceneObject) if name != "row"}
        return [(self._object(k, row), self.arrays["features"][k]) for k, row in enumerate(from_columns(columns))]

    def _object(self, k, row):
        one = {name: self.arrays[name][k] for name in KEPT}
        return SceneObject(
            **row,
            row=0,
            label="",
            label_index=-1,
            runners_up=(),
            background=False,
            objectness=float(one["objectness"]),
            mask_score=float(one["mask_score"]),
            box=OrientedBox(one["center"], one["size"], float(one["yaw"])),
            centroid=one["centroid"],
            num_points=0,
            occupancy=self.occupancies[k],
            operator_label=self.operator_labels[k],
            votes=Votes(self.votes[k]),
            found=False,
        )


@dataclass(frozen=True)
class Undo:
    """How to take back one edit.

    operation: of the edit
    text: what was done
    frame_id: of the scene
    created: ids that it gave to new objects
    room_names: of the scene before it
    before: KeptObjects, those that it changed
    """

    operation: str
    text: str
    frame_id: str
    created: tuple
    room_names: tuple
    before: KeptObjects

    @classmethod
    def of(cls, scene, request, result):
        """How to take back the Edited `result` of a request on a Scene."""
        changed = set(result.ids) if request.operation != NAME_ROOM else ()
        items = [item for item in scene.objects if item.id in changed]
        before = KeptObjects.of(items, scene.instances.features[[item.row for item in items]])
        return cls(request.operation, result.text, scene.frame_id, result.created, scene.room_names, before)

    @property
    def ids(self):
        """List of the ids of the objects that the edit changed."""
        return self.before.arrays["id"].tolist()

    def applied(self, scene):
        """The Scene without the edit; later edits of the same objects are lost with it."""
        if self.operation == NAME_ROOM:
            return replace(scene, room_names=self.room_names)
        current = {item.id: item for item in (*scene.objects, *scene.deleted)}
        back = []
        for item, feature in self.before.objects():
            now = current.get(item.id)
            if now is not None and self.operation in SINGLE:
                scene = with_feature(scene, now, feature)
                back.append(replace(now, **{name: getattr(item, name) for name in ATTRIBUTES}))
            else:
                mask = CloudOccupancy(scene.cloud, scene.instances.voxels).mask_of(item.occupancy)
                scene, placed = with_row(scene, item, feature, mask)
                back.append(placed)
        return with_changed(scene, back, removed=self.created)


def newest(undos):
    """List of the last Undos that are kept: at most MAX_UNDO, of at most MAX_KEPT objects; always the last one."""
    kept, count = [], 0
    for undo in reversed(undos[-MAX_UNDO:]):
        count += len(undo.before)
        if kept and count > MAX_KEPT:
            break
        kept.append(undo)
    return kept[::-1]


# --- scene files ------------------------------------------------------------------------------------------------------

UNDO_ARRAYS = {
    **{f"undo.{name}": column for name, column in KEPT.items()},
    "undo.xyz": Column(np.float32, ("Q", 3), "as `occupancies.xyz`", (-MAX_METRES, MAX_METRES)),
    "undo.kind": Column(np.uint8, ("Q",), "as `occupancies.kind`", (0, SURROUNDINGS)),
    "undo.ends": Column(np.int64, ("U",), "as `occupancies.ends`", (0, MAX_COUNT)),
}


def to_header(undos):
    """Undos as rows for the JSON header of a scene file."""
    return [
        {
            "operation": undo.operation,
            "text": undo.text,
            "frame_id": undo.frame_id,
            "created": list(undo.created),
            "room_names": [list(row) for row in undo.room_names],
            "operator_labels": list(undo.before.operator_labels),
            "votes": [[list(row) for row in sums] for sums in undo.before.votes],
        }
        for undo in undos
    ]


def to_arrays(undos, channels):
    """Dict name -> array of UNDO_ARRAYS: the objects of all Undos, one after another. channels: C."""
    tables = [KeptObjects.of([], np.zeros((0, channels), np.float32)), *(undo.before for undo in undos)]
    arrays = {f"undo.{name}": np.concatenate([table.arrays[name] for table in tables]) for name in KEPT}
    parts = [part for table in tables for part in table.occupancies]
    return {
        **arrays,
        "undo.xyz": np.concatenate([np.zeros((0, 3), np.float32), *(part.xyz for part in parts)]),
        "undo.kind": np.concatenate([np.zeros(0, np.uint8), *(part.kind for part in parts)]),
        "undo.ends": np.cumsum([len(part) for part in parts], dtype=np.int64),
    }


def from_file(rows, arrays):
    """Tuple of Undo: inverse of `to_header` and `to_arrays`, for contents that were checked."""
    ends = arrays["undo.ends"]
    parts = zip(np.split(arrays["undo.xyz"], ends)[:-1], np.split(arrays["undo.kind"], ends)[:-1])
    occupancies, first, undos = [Occupancy(*part) for part in parts], 0, []
    for row in rows:
        last = first + len(row["operator_labels"])
        before = KeptObjects(
            {name: arrays[f"undo.{name}"][first:last] for name in KEPT},
            tuple(occupancies[first:last]),
            tuple(row["operator_labels"]),
            tuple(tuple(map(tuple, sums)) for sums in row["votes"]),
        )
        names = tuple((number, name) for number, name in row["room_names"])
        undos.append(Undo(row["operation"], row["text"], row["frame_id"], tuple(row["created"]), names, before))
        first = last
    return tuple(undos)
