# SPDX-License-Identifier: Apache-2.0
"""`spaceformer export`: write a map with its objects, rooms and relations for other programs."""

import pathlib

from .options import add_cloud, add_settings, count, file_name, name_list, results_file, results_folder

HELP = (
    "format: scene graph (json, geojson, text), floor plan (png, svg), Nav2 (nav2_route, keepout), "
    "3D (gltf, usd, rrd), spatiallm, openlex3d"
)


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    from ..export.formats import SUFFIXES

    add_cloud(parser, text=", or a scene file (.safetensors) that the node has saved")
    parser.add_argument("--to", required=True, choices=SUFFIXES, metavar="FORMAT", help=HELP)
    parser.add_argument("--out", type=file_name, help="file, or folder for openlex3d (default: named after the map)")
    parser.add_argument("--labels", default="", help="of the objects of keepout, comma-separated (default: all)")
    parser.add_argument("--storey", type=count(1), help="number of the storey to write (default: all of them)")
    add_settings(parser)


def run(options):
    """Write a map for other programs: clouds are segmented first, saved scenes are used as they are."""
    from ..export.formats import SUFFIXES, export_scene
    from .scene_of_file import scene_or_saved

    if options.out and SUFFIXES[options.to]:  # checked before the network runs
        results_file(options.out)
    else:
        results_folder(options.out or ".")
    pipeline, scene, name = scene_or_saved(options)
    out = pathlib.Path(options.out or f"{name}{SUFFIXES[options.to] or '_openlex3d'}")
    labels = name_list(options.labels)
    graph = pipeline.graph(scene)
    graph = graph.in_storey(options.storey) if options.storey else graph
    export_scene(options.to, out, graph, scene, labels)
    print(f"{len(graph.nodes)} nodes and {len(graph.edges)} relations written to {out}")
