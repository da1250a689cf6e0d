# SPDX-License-Identifier: Apache-2.0
"""The table of formats in which a scene is exported."""

import pathlib

from .. import SpaceformerError
from ..disk.atomic import replace_file
from ..graph.formats import FORMATS as TEXTS
from ..graph.formats import to_text
from .floor_plan import write_plan
from .models import write_gltf, write_usd
from .openlex3d import write_openlex3d
from .planning import json_text, keepout_shapes, route_graph
from .recording import write_rrd

# Format -> suffix of its file; "" for a folder.
SUFFIXES = {
    "json": ".json",
    "geojson": ".geojson",
    "spatiallm": ".txt",
    "text": ".graph.txt",
    "keepout": ".keepout.json",
    "nav2_route": ".route.geojson",
    "gltf": ".glb",
    "usd": ".usdc",
    "rrd": ".rrd",
    "openlex3d": "",
    "png": ".png",
    "svg": ".svg",
}
FILES = {"gltf": write_gltf, "usd": write_usd, "rrd": write_rrd, "openlex3d": write_openlex3d}
PLANS = ("png", "svg")


def export_scene(form, path, graph, scene, labels=()):
    """Write a Scene and its SceneGraph in a format of SUFFIXES. Raises SpaceformerError.

    path: of the file, or of the folder of openlex3d; labels: of the objects of keepout, all without any
    """
    if form not in SUFFIXES:
        raise SpaceformerError(f"format is {form!r}, expected one of {', '.join(SUFFIXES)}")
    path = pathlib.Path(path)
    try:
        if form in FILES:
            FILES[form](path, graph, scene)
        elif form in PLANS:
            write_plan(path, graph, form)
        else:
            replace_file(path, [_text(form, graph, labels).encode()])
    except OSError as error:
        raise SpaceformerError(f"{path} cannot be written: {error.strerror or error}") from error


def _text(form, graph, labels):
    if form in TEXTS:
        return to_text(graph, form)
    return json_text(route_graph(graph) if form == "nav2_route" else keepout_shapes(graph, labels))
