# SPDX-License-Identifier: Apache-2.0
"""Conversion of scene graphs to messages. `transform`: RigidTransform of the graph's frame into that of the message."""

from geometry_msgs.msg import Vector3

from ..graph.nodes import NODE_KINDS
from . import interfaces
from .messages import to_point, to_pose

GraphEdge = interfaces.GraphEdge
EDGE_TYPES = {
    "in": GraphEdge.IN,
    "on": GraphEdge.ON,
    "under": GraphEdge.UNDER,
    "next to": GraphEdge.NEXT_TO,
    "attached to": GraphEdge.ATTACHED_TO,
    "connects": GraphEdge.CONNECTS,
}


def to_scene_graph(graph, revision, transform, header):
    """A SceneGraph as a message."""
    return interfaces.SceneGraph(
        header=header,
        map_id=graph.map_id,
        map_revision=graph.map_revision,
        revision=revision,
        nodes=[to_node(node, transform) for node in graph.nodes],
        edges=[
            GraphEdge(type=EDGE_TYPES[edge.kind], source=edge.source, target=edge.target, score=edge.score)
            for edge in graph.edges
        ],
    )


def to_node(node, transform):
    """One Node as a message."""
    floor = node.center[2]
    return interfaces.GraphNode(
        id=node.id,
        kind=NODE_KINDS.index(node.kind),
        number=node.number,
        label=node.label,
        score=node.score,
        label_source=node.source,
        parent=node.parent,
        pose=to_pose(node.center, node.yaw, transform),
        size=Vector3(x=node.size[0], y=node.size[1], z=node.size[2]),
        outline=[to_point(transform.apply((x, y, floor))) for x, y in node.outline],
        area=node.area,
        state=node.state,
        candidate_labels=[name for name, _ in node.candidates],
        candidate_scores=[score for _, score in node.candidates],
        evidence=list(node.evidence),
    )
