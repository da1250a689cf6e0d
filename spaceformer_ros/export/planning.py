# SPDX-License-Identifier: Apache-2.0
"""Files for Nav2: a route graph of rooms and doors, and keepout shapes of objects."""

import json
import uuid

import numpy as np

from .. import SpaceformerError
from ..graph.nodes import CONNECTS, DOOR, ROOM, STOREY
from ..graph.places import ground_corners

KEEPOUT_VALUE = 100  # of a cell of an occupancy grid that a robot must not enter
NAMESPACE = uuid.UUID("5bacef02-3d06-4f4f-9d4d-0d7f1c2a0d11")  # of the stable ids of shapes


def route_graph(graph):
    """The rooms and doors of a SceneGraph as a dict for nav2_route's GeoJSON, edges in both directions.

    Nodes are in the middle of rooms and doors; `metadata` has their class, name and, of doors, state. nav2_route reads
    them by its `SemanticScorer` (key `class`). Edges are straight: a planner has to avoid furniture between the nodes.
    Raises SpaceformerError without rooms and doors, and for several storeys.
    """
    _check_one_storey(graph)
    places = [node for node in graph.nodes if node.kind in (ROOM, DOOR)]
    if not places:
        raise SpaceformerError("the map has no rooms and no doors: a route graph needs a layout")
    number = {node.id: k for k, node in enumerate(places)}
    features = [_route_node(number[node.id], node, graph.frame_id) for node in places]
    for edge in graph.edges:
        if edge.kind == CONNECTS:
            for one, other in ((edge.source, edge.target), (edge.target, edge.source)):
                ends = [graph.by_id[one], graph.by_id[other]]
                features.append(_route_edge(len(features), number[one], number[other], ends))
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}  # as in the files of nav2_route
    return {"type": "FeatureCollection", "name": graph.map_id or "graph", "crs": crs, "features": features}


def _route_node(number, node, frame_id):
    metadata = {"class": node.kind, "name": node.label, "node": node.id}
    if node.kind == DOOR:
        metadata["state"] = node.state
    return {
        "type": "Feature",
        "properties": {"id": number, "frame": frame_id, "metadata": metadata},
        "geometry": {"type": "Point", "coordinates": _xy(node)},
    }


def _route_edge(number, start, end, nodes):
    door = next((node for node in nodes if node.kind == DOOR), nodes[0])
    length = float(np.hypot(*np.subtract(_xy(nodes[0]), _xy(nodes[1]))))
    return {
        "type": "Feature",
        "properties": {
            "id": number,
            "startid": start,
            "endid": end,
            "cost": round(length, 4),
            "overridable": True,
            "metadata": {"class": "door", "state": door.state},
        },
        "geometry": {"type": "MultiLineString", "coordinates": [[_xy(node) for node in nodes]]},
    }


def _xy(node):
    return [round(float(value), 4) for value in node.center[:2]]


def keepout_shapes(graph, labels):
    """The ground rectangles of objects as a dict: the request of Nav2's vector object server, nav2_msgs/srv/AddShapes.

    labels: of the objects, all if there are none. Ids of shapes follow from the map and the object: adding them again
    replaces them. Raises SpaceformerError without objects, and for several storeys.
    """
    _check_one_storey(graph)
    objects, remark = graph.objects_called(labels)
    if not objects:
        raise SpaceformerError(remark or "the map has no objects: there is nothing to keep out of")
    polygons = [
        {
            "header": {"frame_id": graph.frame_id},
            "uuid": {"uuid": list(uuid.uuid5(NAMESPACE, f"{graph.map_id}/{node.id}").bytes)},
            "points": [{"x": float(x), "y": float(y), "z": 0.0} for x, y in np.round(ground_corners(node), 4)],
            "closed": True,
            "value": KEEPOUT_VALUE,
        }
        for node in objects
    ]
    return {"circles": [], "polygons": polygons}


def _check_one_storey(graph):
    if len(graph.of_kind(STOREY)) > 1:
        raise SpaceformerError(
            f"the map has several storeys, and Nav2 plans in one: choose it with --storey, {graph.storeys_in_words()}"
        )


def json_text(content):
    """A dict as JSON text."""
    return json.dumps(content, indent=1, ensure_ascii=False)
