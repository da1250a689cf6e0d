# SPDX-License-Identifier: Apache-2.0
"""The scene graph as plain data: nodes and the relations between them."""

from dataclasses import dataclass, replace
from functools import cached_property

from .. import SpaceformerError

BUILDING, STOREY, ROOM, WALL, DOOR, WINDOW, OBJECT = NODE_KINDS = (
    *("building", "storey", "room", "wall", "door", "window", "object"),
)
CONNECTS = "connects"  # a door to the rooms on its sides
NETWORK, OPERATOR = "network", "operator"
OUTSIDE = "not in the current map"


def node_id(kind, number):
    """Id of a node, such as "room_3"; stable as long as the number is."""
    return kind if kind == BUILDING else f"{kind}_{number}"


@dataclass(frozen=True)
class Node:
    """One node of a SceneGraph. Positions in metres in the graph's frame.

    id, kind, number: see `node_id`; the number of an object is its id
    label: name of the object or room
    score: 0..1, of an object: SceneObject.score; of a room: probability of its name; otherwise 1
    source: NETWORK or OPERATOR, who named it
    parent: id of the node that contains it, "" for the building
    center, size, yaw: of its upright box; yaw in radians about z
    outline: ((x, y), ...) of a room's floor; area: square metres
    state: of a door; OUTSIDE of an object without a point of the current map near it, otherwise ""
    candidates: ((name, probability), ...) of a room, best first
    evidence: words for the objects that speak for a room's name
    """

    id: str
    kind: str
    number: int
    label: str
    parent: str
    center: tuple
    size: tuple
    yaw: float = 0.0
    score: float = 1.0
    source: str = NETWORK
    outline: tuple = ()
    area: float = 0.0
    state: str = ""
    candidates: tuple = ()
    evidence: tuple = ()


@dataclass(frozen=True)
class Edge:
    """`source` is in a relation of `kind` to `target`: ids of nodes. score: 0..1."""

    source: str
    kind: str
    target: str
    score: float = 1.0


@dataclass(frozen=True)
class SceneGraph:
    """Nodes, parents before children, and edges of one map.

    frame_id: frame of all positions; stamp_ns: of the cloud; map_id, map_revision: of the scene
    """

    frame_id: str
    stamp_ns: int
    map_id: str
    map_revision: int
    nodes: tuple = ()
    edges: tuple = ()

    @cached_property
    def by_id(self):
        """Dict id -> Node."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def _edges_from(self):
        found = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return found

    def edges_from(self, source):
        """List of the Edges of a node to others."""
        return self._edges_from.get(source, [])

    def of_kind(self, kind):
        """List of the Nodes of one of NODE_KINDS."""
        return [node for node in self.nodes if node.kind == kind]

    def objects_called(self, labels):
        """(list of the Nodes of objects with one of some labels, a sentence about the labels that none has, or "").

        Case does not matter, nor underscores for blanks, as SpatialLM's text has them. Without labels: all objects.
        """
        objects = self.of_kind(OBJECT)
        known = {_plain(node.label) for node in objects}
        missing = ", ".join(label for label in labels if _plain(label) not in known)
        wanted = {_plain(label) for label in labels} or known
        there = ", ".join(sorted(known)) or "none"
        remark = f"no object is called {missing} (labels in the map: {there})" if missing else ""
        return [node for node in objects if _plain(node.label) in wanted], remark

    def room_of(self, node):
        """The Node of the room that contains a node, or None."""
        return self._around(node, ROOM)

    def storey_of(self, node):
        """The Node of the storey that contains a node, or None."""
        return self._around(node, STOREY)

    def _around(self, node, kind):
        while node is not None and node.kind != kind:
            node = self.by_id.get(node.parent)
        return node

    def in_storey(self, number):
        """This SceneGraph with one storey and what is in it. Raises SpaceformerError where there is no such storey."""
        storey = self.by_id.get(node_id(STOREY, number))
        if storey is None:
            raise SpaceformerError(f"storey is {number}, expected one of {self.storeys_in_words() or 'none'}")
        nodes = tuple(node for node in self.nodes if node.kind == BUILDING or self.storey_of(node) is storey)
        kept = {node.id for node in nodes}
        return replace(
            self, nodes=nodes, edges=tuple(edge for edge in self.edges if {edge.source, edge.target} <= kept)
        )

    def storeys_in_words(self):
        """The storeys with the heights of their floors, lowest first: "1 (floor at 0.00 m), 2 (floor at 2.80 m)"."""
        floors = sorted((node.center[2] - node.size[2] / 2, node.number) for node in self.of_kind(STOREY))
        return ", ".join(f"{number} (floor at {z:.2f} m)" for z, number in floors)

    def phrases(self, node):
        """List of the relations of a node in words, such as "on desk 4"."""
        return [f"{edge.kind} {self.name(edge.target)}" for edge in self.edges_from(node.id)]

    def name(self, key):
        """A node in words: "desk 4", "kitchen (room 2)", "wall 3"."""
        node = self.by_id[key]
        if node.kind == OBJECT:
            return f"{node.label} {node.number}"
        plain = node.id.replace("_", " ")
        return f"{node.label} ({plain})" if node.kind == ROOM and node.label != ROOM else plain


def _plain(label):
    return " ".join(label.replace("_", " ").lower().split())


def empty_graph(scene):
    """The SceneGraph of a Scene without any node."""
    return SceneGraph(scene.frame_id, scene.cloud.stamp_ns, scene.map_id, scene.map_revision)
