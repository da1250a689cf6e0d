# SPDX-License-Identifier: Apache-2.0
"""A rerun recording of a scene: cloud, objects that appear when they were first seen, rooms, walls, doors."""

import numpy as np

from ..clouds.formats.libraries import import_library
from ..graph.nodes import DOOR, OBJECT, ROOM, WALL, WINDOW
from .solids import MIN_SIDE, points_of, solids_of

TIMELINE = "stamp"


def write_rrd(path, graph, scene):
    """A file for `rerun FILE`. Needs rerun-sdk. The timeline `stamp` has the times at which objects were first seen.

    Of maps with an origin, the entity `map/origin` has it in words: rerun's numbers cannot resolve it.
    """
    rr = import_library("rerun", "rerun", "use --to json", "rerun-sdk")
    stream = rr.RecordingStream("spaceformer", recording_id=f"{graph.map_id or 'map'}-{graph.map_revision}")
    stream.save(str(path))
    stream.log("map", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    xyz, rgb = points_of(scene)
    stream.log("map/points", rr.Points3D(xyz, colors=rgb, radii=0.01), static=True)
    origin = scene.cloud.origin
    if any(origin):
        text = f"positions are relative to ({', '.join(f'{value:.10g}' for value in origin)}) m"
        stream.log("map/origin", rr.TextDocument(text), static=True)
    for solid in solids_of(graph, origin):
        if solid.node.kind == ROOM:
            mesh = rr.Mesh3D(
                vertex_positions=solid.vertices, triangle_indices=solid.triangles, albedo_factor=solid.color
            )
            stream.log(f"map/rooms/{solid.node.id}", mesh, static=True)
    for kind in (WALL, DOOR, WINDOW):
        nodes = graph.of_kind(kind)
        if nodes:
            stream.log(f"map/{kind}s", _boxes(rr, nodes, [node.id for node in nodes], origin), static=True)
    seen = {item.id: item.first_seen_ns for item in scene.objects}
    for node in sorted(graph.of_kind(OBJECT), key=lambda node: seen[node.number]):
        stream.set_time(TIMELINE, timestamp=np.datetime64(seen[node.number], "ns"))
        stream.log(f"map/objects/{node.id}", _boxes(rr, [node], [f"{node.label} {node.number}"], origin))
    stream.flush()
    stream.disconnect()


def _boxes(rr, nodes, labels, origin):
    half = np.maximum([node.size for node in nodes], MIN_SIDE) / 2
    turns = [[0.0, 0.0, np.sin(node.yaw / 2), np.cos(node.yaw / 2)] for node in nodes]
    centers = np.subtract([node.center for node in nodes], origin)
    return rr.Boxes3D(half_sizes=half, centers=centers, quaternions=turns, labels=labels)
