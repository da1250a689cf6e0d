# SPDX-License-Identifier: Apache-2.0
"""Files of a room: its points as binary PLY, its objects and questions as JSON."""

import json
from pathlib import Path

import numpy as np

from ..clouds.files import write_cloud
from .kinds import KIND_NAMES
from .questions import questions


def write_room(room, folder, stem):
    """Write <folder>/<stem>.ply (x, y, z, red, green, blue, instance, kind), <stem>.json (objects, kinds, seed) and
    <stem>_texts.json (questions with the rows of the right objects, as `spaceformer evaluate` reads them).

    Returns the first two paths. The folder is created if it is missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ply, description = folder / f"{stem}.ply", folder / f"{stem}.json"
    write_cloud(ply, room.cloud, {"instance": room.instance.astype(np.int32), "kind": room.kind.astype(np.int32)})
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
