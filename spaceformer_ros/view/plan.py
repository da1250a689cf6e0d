# SPDX-License-Identifier: Apache-2.0
"""Draws the floor plan of a map into the 3D scene of one visitor: rooms with their names, walls, doors, windows."""

import numpy as np

from ..geometry.boxes import OrientedBox
from .drawing import ABOVE_FLOOR, LINE, THICK_LINE, remove

# r, g, b, 0..255
COLORS = {"wall": (120, 170, 255), "door": (120, 230, 140), "window": (230, 230, 120), "room": (160, 160, 160)}


class Plan:
    """The floor plan of one visitor."""

    def __init__(self, scene):
        """scene: viser's SceneApi of a client."""
        self._scene = scene
        self._drawn = []  # viser's handles

    def draw(self, graph, placement, origin):
        """Replace the plan by that of a scene graph, as `Source.graph` gives it; None: remove it.

        placement: RigidTransform of local coordinates into the graph's frame; origin: see Drawing
        """
        remove(self._drawn)
        nodes = [node for node in graph["nodes"] if node["kind"] in COLORS] if graph else []
        for kind, color in COLORS.items():
            lines = [line for node in nodes if node["kind"] == kind for line in _lines(node)]
            if lines:
                segments = (placement.inverse.apply(np.array(lines).reshape(-1, 3)) - origin).reshape(-1, 2, 3)
                width = LINE if kind == "room" else THICK_LINE
                options = {"thickness": width, "thickness_units": "screen"}
                handle = self._scene.add_line_segments(f"/plan/{kind}", segments.astype(np.float32), color, **options)
                self._drawn.append(handle)
        for node in nodes:
            if node["kind"] == "room":
                place = placement.inverse.apply(_on_floor(node, [node["center"][:2]]))[0] - origin
                self._drawn.append(self._scene.add_label(f"/rooms/{node['number']}", room_text(node), position=place))


def has_plan(graph):
    """Whether a scene graph, or None, has anything that `Plan` draws."""
    return graph is not None and any(node["kind"] in COLORS for node in graph["nodes"])


def room_boxes(graph):
    """List (room in words, OrientedBox in the graph's frame) of the rooms of a scene graph, or of None."""
    rooms = [node for node in graph["nodes"] if node["kind"] == "room"] if graph else []
    return [(f"{node['number']}: {room_text(node)}", _box_of(node)) for node in rooms]


def _box_of(node):
    return OrientedBox(np.array(node["center"]), np.array(node["size"], dtype=np.float64), node.get("yaw", 0.0))


def room_text(node):
    """A room of a scene graph in words: "kitchen, 12 m²", "room 3, 8 m²"."""
    name = node["label"] if node["label"] != "room" else f"room {node['number']}"
    return f"{name}, {node['area']:.0f} m²"


def _lines(node):
    """Pairs of ends [3] in metres: the outline of a room, the line on the floor below a wall, door or window."""
    if node["kind"] == "room":
        corners = _on_floor(node, node["outline"])
        return list(zip(corners, np.roll(corners, -1, axis=0)))
    along = np.array([np.cos(node["yaw"]), np.sin(node["yaw"])]) * node["size"][0] / 2
    return [_on_floor(node, np.array([-along, along]) + node["center"][:2])]


def _on_floor(node, xy):
    """[n, 3] metres: places [n, 2] at the lower side of a node's box."""
    xy = np.asarray(xy, dtype=np.float64)
    return np.column_stack([xy, np.full(len(xy), node["center"][2] - node["size"][2] / 2 + ABOVE_FLOOR)])
