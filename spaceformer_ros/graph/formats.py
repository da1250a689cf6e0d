# SPDX-License-Identifier: Apache-2.0
"""A scene graph as text: JSON, GeoJSON, SpatialLM's layout lines, or plain sentences. Formats: docs/graph.md."""

import json
from dataclasses import asdict

import numpy as np

from .. import SpaceformerError
from ..layout.structure import plain
from .nodes import CONNECTS, DOOR, OBJECT, ROOM, STOREY, WALL, WINDOW
from .places import ground_corners

JSON_FORMAT, JSON_VERSION = "spaceformer_ros scene graph", 1


def to_text(graph, form):
    """A SceneGraph in one of FORMATS. Raises SpaceformerError for any other."""
    if form not in FORMATS:
        raise SpaceformerError(f"format is {form!r}, expected one of {', '.join(FORMATS)}")
    return FORMATS[form](graph)


def to_json(graph):
    """All nodes and edges with their fields, metres and radians in the graph's frame."""
    return json.dumps(graph_dict(graph), indent=1, ensure_ascii=False)


def graph_dict(graph):
    """A SceneGraph as a dict for JSON."""
    return {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "frame_id": graph.frame_id,
        "map_id": graph.map_id,
        "map_revision": graph.map_revision,
        "stamp_ns": graph.stamp_ns,
        "nodes": [plain(asdict(node)) for node in graph.nodes],
        "edges": [plain(asdict(edge)) for edge in graph.edges],
    }


def to_geojson(graph):
    """Rooms and objects as polygons, walls, doors and windows as lines, in metres of the graph's frame.

    GeoJSON (RFC 7946) asks for degrees; like other programs for indoor maps, this writes metres and names the frame.
    """
    features = []
    for node in graph.nodes:
        if node.kind in (ROOM, OBJECT):
            ring = [[*map(float, corner)] for corner in (node.outline or ground_corners(node))]
            geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        elif node.kind in (WALL, DOOR, WINDOW):
            geometry = {"type": "LineString", "coordinates": [[*map(float, end)] for end in ends_of(node)]}
        else:
            continue
        z = node.center[2] if node.kind == ROOM else node.center[2] - node.size[2] / 2
        properties = {
            **{name: getattr(node, name) for name in ("kind", "label", "number", "score", "parent", "source")},
            **{"z": z, "height": node.size[2], "relations": graph.phrases(node)},
            **({"area": node.area} if node.kind == ROOM else {}),
            **({"state": node.state} if node.kind in (DOOR, OBJECT) else {}),
        }
        features.append({"type": "Feature", "id": node.id, "geometry": geometry, "properties": properties})
    content = {"type": "FeatureCollection", "frame_id": graph.frame_id, "map_id": graph.map_id, "features": features}
    return json.dumps(plain(content), indent=1, ensure_ascii=False)


def ends_of(node):
    """[2, 2] metres: the ends of a wall, door or window in plan."""
    half = np.array([np.cos(node.yaw), np.sin(node.yaw)]) * node.size[0] / 2
    return np.array([node.center[:2] - half, node.center[:2] + half])


def to_spatiallm(graph):
    """SpatialLM's text: one wall, door, window or box a line; walls before their doors, no spaces in labels."""
    lines, walls = [], {}
    for node in graph.of_kind(WALL):
        (ax, ay), (bx, by) = ends_of(node)
        z = node.center[2] - node.size[2] / 2
        walls[node.id] = f"wall_{len(walls)}"
        numbers = (ax, ay, z, bx, by, z, node.size[2], node.size[1])
        lines.append(f"{walls[node.id]}=Wall({_row(numbers)})")
    for kind, name in ((DOOR, "Door"), (WINDOW, "Window")):
        inside = [node for node in graph.of_kind(kind) if node.parent in walls]
        for count, node in enumerate(inside):
            numbers = _row((*node.center, node.size[0], node.size[2]))
            lines.append(f"{kind}_{count}={name}({walls[node.parent]},{numbers})")
    for count, node in enumerate(graph.of_kind(OBJECT)):
        label = "".join(c if c.isalnum() else "_" for c in node.label)
        lines.append(f"bbox_{count}=Bbox({label},{_row((*node.center, node.yaw, *node.size))})")
    return "\n".join(lines) + "\n"


def _row(numbers):
    return ",".join(f"{float(number):.4f}".rstrip("0").rstrip(".") for number in numbers)


def to_sentences(graph):
    """The rooms with their doors and objects in words, for people and language models."""
    lines, doors, several = [], {}, len(graph.of_kind(STOREY)) > 1
    for edge in graph.edges:
        if edge.kind == CONNECTS:
            doors.setdefault(edge.source, []).append(edge.target)
    for room in graph.of_kind(ROOM):
        where = f", storey {graph.storey_of(room).number}" if several else ""
        lines.append(f"{graph.name(room.id)}{where}: {room.area:.1f} m2, at {_place(room.center)}")
        for door, rooms in doors.items():
            others = [graph.name(other) for other in rooms if other != room.id]
            if room.id in rooms:
                state = graph.by_id[door].state
                lines.append(f"  {graph.name(door)} ({state}) to {others[0] if others else 'outside'}")
        lines += [f"  {_sentence(graph, node)}" for node in graph.of_kind(OBJECT) if node.parent == room.id]
    rest = [node for node in graph.of_kind(OBJECT) if graph.room_of(node) is None]
    if rest:
        lines += ["in no known room:", *(f"  {_sentence(graph, node)}" for node in rest)]
    return "\n".join(lines) + "\n" if lines else "nothing is known\n"


def _sentence(graph, node):
    phrases = [phrase for phrase in graph.phrases(node) if not phrase.startswith("attached")]
    note = f" ({node.state})" if node.state else ""
    return f"{graph.name(node.id)}{note} at {_place(node.center)}" + (f": {', '.join(phrases)}" if phrases else "")


def _place(xyz):
    return f"({', '.join(f'{value:.2f}' for value in xyz)})"


FORMATS = {"json": to_json, "geojson": to_geojson, "spatiallm": to_spatiallm, "text": to_sentences}
