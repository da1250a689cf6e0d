# SPDX-License-Identifier: Apache-2.0
"""Markers of a scene graph as plain records: floors of rooms in colours with names, walls, doors and windows."""

from ..geometry.polygons import triangulate
from .colors import stable_color
from .markers import MarkerRecord

ROOMS, ROOM_NAMES, WALLS, DOORS, WINDOWS = LAYOUT_NAMESPACES = ("rooms", "room_names", "walls", "doors", "windows")
FLOOR_LIFT = 0.02  # metres by which the colour of a room is above its floor
FLOOR_ALPHA, WALL_ALPHA, OPENING_ALPHA = 0.35, 0.25, 0.6
MIN_THICKNESS = 0.05  # metres of walls in the picture; walls seen from one side only have none
DOOR_COLORS = {"open": (0.2, 0.8, 0.3), "closed": (0.8, 0.3, 0.2), "unknown": (0.7, 0.6, 0.2)}
WALL_COLOR, WINDOW_COLOR, NAME_COLOR = (0.75, 0.75, 0.75), (0.3, 0.6, 0.9), (1.0, 1.0, 1.0, 1.0)
UNIT = (1.0, 1.0, 1.0)


def layout_markers(graph, text_height):
    """MarkerRecords of the rooms, walls, doors and windows of a SceneGraph. text_height: metres."""
    records = []
    for node in graph.nodes:
        if node.kind == "room":
            records += _room(node, text_height)
        elif node.kind == "wall":
            records.append(_box(WALLS, node, (*WALL_COLOR, WALL_ALPHA), 0.0))
        elif node.kind == "door":
            records.append(_box(DOORS, node, (*DOOR_COLORS.get(node.state, WALL_COLOR), OPENING_ALPHA), 0.02))
        elif node.kind == "window":
            records.append(_box(WINDOWS, node, (*WINDOW_COLOR, OPENING_ALPHA), 0.02))
    return records


def _room(node, text_height):
    """A coloured floor and a name."""
    x, y, z = node.center
    color = (*stable_color(f"{node.label} {node.number}"), FLOOR_ALPHA)
    corners = [(float(a - x), float(b - y), FLOOR_LIFT) for a, b in node.outline]
    points = tuple(corners[k] for triangle in triangulate(node.outline).tolist() for k in triangle)
    floor = MarkerRecord(ROOMS, node.number, "triangles", node.center, 0.0, UNIT, color, points=points)
    text = f"{node.label} {node.number}\n{node.area:.1f} m²"
    size = (0.0, 0.0, 1.5 * text_height)
    return [floor, MarkerRecord(ROOM_NAMES, node.number, "text", (x, y, z + 0.1), 0.0, size, NAME_COLOR, text)]


def _box(namespace, node, color, grown):
    """A solid box, thick enough to be seen."""
    length, thickness, height = node.size
    size = (max(length, MIN_THICKNESS), max(thickness, MIN_THICKNESS) + grown, max(height, MIN_THICKNESS))
    return MarkerRecord(namespace, node.number, "cube", node.center, node.yaw, size, color)
