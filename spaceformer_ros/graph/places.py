# SPDX-License-Identifier: Apache-2.0
"""Where a position is in a scene graph: its storey and room, and the objects near it."""

from dataclasses import dataclass

import numpy as np
import shapely

from ..geometry.boxes import OrientedBox
from ..geometry.storeys import level, room_at, storey_around, storey_at
from .nodes import OBJECT, ROOM, STOREY

DEFAULT_RADIUS = 2.0  # metres


@dataclass(frozen=True)
class Place:
    """storey, room: Nodes or None; near: list of (Node, metres), nearest first; outside: why there is no storey."""

    storey: object
    room: object
    near: list
    outside: str = ""

    def __str__(self):
        """In one sentence."""
        where = f"in {self.room.label} (room {self.room.number})" if self.room else "outside all known rooms"
        where += f" of storey {self.storey.number}" if self.storey else self.outside and f" and storeys: {self.outside}"
        near = ", ".join(
            f"{node.label} {node.number}{f' ({node.state})' if node.state else ''} at {distance:.1f} m"
            for node, distance in self.near[:3]
        )
        return f"{where}; near: {near or 'nothing'}"


def locate_in(graph, position, radius):
    """The Place of a position [3] metres in the graph's frame; objects whose boxes are within `radius` are near.

    Above or below all storeys it is in no room, and nothing is near. Without storeys its height does not matter.
    """
    x, y, z = map(float, position)
    storeys = graph.of_kind(STOREY)
    found = storey_around([level(storey.center[2], storey.size[2]) for storey in storeys], z)
    if storeys and found is None:
        known = graph.storeys_in_words()
        return Place(None, None, [], f"{z:.2f} m is not between the floor and the ceiling of one of them: {known}")
    storey = storeys[found] if storeys else None
    rooms = [node for node in graph.of_kind(ROOM) if storey is None or node.parent == storey.id]
    found = room_at([shapely.Polygon(node.outline) for node in rooms], (x, y))
    room = None if found is None else rooms[found]
    near = []
    for node in graph.of_kind(OBJECT):
        other = _storey_at(graph, node.center[2])
        distance = shapely.Polygon(ground_corners(node)).distance(shapely.Point(x, y))
        if distance <= radius and other is storey:
            near.append((node, float(distance)))
    return Place(storey, room, sorted(near, key=lambda row: row[1]))


def _storey_at(graph, z):
    """The Node of the storey of a height; None without storeys."""
    storeys = graph.of_kind(STOREY)
    found = storey_at([level(storey.center[2], storey.size[2])[0] for storey in storeys], z)
    return None if found is None else storeys[found]


def ground_corners(node):
    """[4, 2] corners of the ground rectangle of a node's box."""
    return OrientedBox(np.array(node.center), np.array(node.size), node.yaw).corners[:4, :2]
