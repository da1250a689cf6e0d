# SPDX-License-Identifier: Apache-2.0
"""`spaceformer layout`: rooms, walls, doors, windows and objects of a map as text, JSON and a floor plan."""

import dataclasses
import sys

from .. import SpaceformerError
from ..graph.nodes import OBJECT
from .options import add_cloud, add_settings, file_name, name_list, results_folder

ALL, LAYOUT, OBJECTS = WHAT = ("all", "layout", "objects")
KINDS = {LAYOUT: ("room", "wall", "door", "window"), OBJECTS: (OBJECT,)}  # that are counted
KINDS[ALL] = KINDS[LAYOUT] + KINDS[OBJECTS]
OUTPUTS = ("spatiallm", "json", "png", "svg")


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    add_cloud(parser, text=", or a scene file (.safetensors) that the node has saved")
    parser.add_argument("--what", choices=WHAT, default=ALL, help="what is written (default: %(default)s)")
    parser.add_argument("--labels", default="", help='of the objects, comma-separated, such as "bed,nightstand"')
    parser.add_argument("--out", type=file_name, default="out", help="folder of the files (default: %(default)s)")
    add_settings(parser)


def run(options):
    """Find rooms, walls, doors, windows and objects.

    Writes SpatialLM's text, the scene graph as JSON and a floor plan as PNG and SVG, named after the map.
    """
    from ..export.formats import SUFFIXES, export_scene
    from .scene_of_file import scene_or_saved

    labels = name_list(options.labels)
    if labels and options.what == LAYOUT:
        raise SpaceformerError("--labels selects objects, which --what layout leaves out: give one of them")
    folder = results_folder(options.out)
    pipeline, scene, name = scene_or_saved(options)
    everything = pipeline.graph(scene)
    objects, remark = everything.objects_called(labels)
    if remark:
        print(f"spaceformer: {remark}", file=sys.stderr)
    graph = _selected(everything, options.what, {node.id for node in objects})
    for form in OUTPUTS:
        export_scene(form, folder / f"{name}{SUFFIXES[form]}", graph, scene)
    counts = {kind: len(graph.of_kind(kind)) for kind in KINDS[options.what]}
    found = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in counts.items())
    print(f"{found}; {', '.join(name + SUFFIXES[form] for form in OUTPUTS)} in {folder}/")


def _selected(graph, what, objects):
    """The SceneGraph with only the nodes that are asked for, and the edges between them. objects: set of ids"""
    kept = [node for node in graph.nodes if _is_asked(node, what, objects)]
    ids = {node.id for node in kept}
    edges = tuple(edge for edge in graph.edges if edge.source in ids and edge.target in ids)
    return dataclasses.replace(graph, nodes=tuple(kept), edges=edges)


def _is_asked(node, what, objects):
    return what != OBJECTS if node.kind != OBJECT else what != LAYOUT and node.id in objects
