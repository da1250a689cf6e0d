"""A room on disk: the points as binary PLY, what is in it as JSON."""

import json
from pathlib import Path

import numpy as np

from .kinds import KIND_NAMES
from .questions import questions

_VERTEX = np.dtype(
    [
        *((axis, "<f4") for axis in "xyz"),
        *((channel, "u1") for channel in ("red", "green", "blue")),
        ("instance", "<i4"),
        ("kind", "<i4"),
    ]
)
_PLY_TYPES = {"<f4": "float", "|u1": "uchar", "<i4": "int"}


def write_room(room, folder, stem):
    """Write <folder>/<stem>.ply (x, y, z, red, green, blue, instance, kind), <stem>.json (objects, kinds, seed) and
    <stem>_texts.json (questions with the rows of the right objects, as `spaceformer evaluate` reads them).

    Returns the first two paths. The folder is made if it is missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vertex = np.empty(len(room.cloud), dtype=_VERTEX)
    for axis, name in enumerate("xyz"):
        vertex[name] = room.cloud.xyz[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        vertex[name] = room.cloud.rgb[:, channel]
    vertex["instance"], vertex["kind"] = room.instance, room.kind
    fields = "".join(f"property {_PLY_TYPES[_VERTEX[name].str]} {name}\n" for name in _VERTEX.names)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertex)}\n{fields}end_header\n"
    ply, description = folder / f"{stem}.ply", folder / f"{stem}.json"
    ply.write_bytes(header.encode("ascii") + vertex.tobytes())
    description.write_text(json.dumps(_description(room), indent=1))
    texts = {text: sorted(rows) for asked in questions(room).values() for text, rows in asked}
    (folder / f"{stem}_texts.json").write_text(json.dumps(texts, indent=1))
    return ply, description


def _description(room):
    objects = [
        {
            "instance": index,
            "kind": thing.kind,
            "names": list(thing.names),
            "held_out_names": list(thing.held_out_names),
            "color": thing.color,
            "second_color": thing.second_color,
            "material": thing.material,
            "size": thing.size_word,
            "box": {
                "center": np.round(thing.box.center, 4).tolist(),
                "size": np.round(thing.box.size, 4).tolist(),
                "yaw": round(thing.box.yaw, 5),
            },
        }
        for index, thing in enumerate(room.objects)
    ]
    return {"seed": room.seed, "points": len(room.cloud), "kinds": list(KIND_NAMES), "objects": objects}
