# SPDX-License-Identifier: Apache-2.0
"""A floor plan of a scene graph as a picture: rooms with names and areas, walls, doors, windows, objects."""

import math

import numpy as np

from ..graph.formats import ends_of
from ..graph.nodes import DOOR, OBJECT, ROOM, STOREY, WALL, WINDOW
from ..graph.places import ground_corners
from .solids import color_of

INCHES_PER_METRE = 0.55
SIDES = (4.0, 24.0)  # inches, smallest and largest side of a storey's picture
DOTS_PER_INCH = 150
MARGIN = 0.6  # metres around the building
MIN_THICKNESS = 0.1  # metres of a wall as it is drawn, so that those seen from one side are visible
WALL_COLOR, DOOR_COLOR, WINDOW_COLOR, OBJECT_COLOR = "#3a3a3a", "#9a6a2f", "#3f7fbf", "#6b6b6b"
PALE = 0.72  # share of white in the colour of a room
MIN_NAMED = 0.35  # metres, shorter side of an object whose name is written
MAX_LEAF = 1.3  # metres; wider openings are drawn without a leaf
SWING = math.pi / 2  # radians, angle of an open door's leaf
SCALES = (1.0, 2.0, 5.0, 10.0, 20.0)  # metres, lengths of the scale bar


def write_plan(path, graph, form):
    """Write the floor plan of a SceneGraph as "png" or "svg".

    The picture is turned so that most walls are horizontal or vertical; an arrow shows the x axis of the map.
    """
    import matplotlib  # here: most exports need no pictures
    from matplotlib.figure import Figure

    storeys = sorted(graph.of_kind(STOREY), key=lambda storey: storey.center[2]) or [None]
    turn = _turn(graph)
    sizes = [_extent(_nodes_of(graph, storey), turn) for storey in storeys]
    wide = [float(np.clip((high[0] - low[0]) * INCHES_PER_METRE, *SIDES)) for low, high in sizes]
    tall = max(float(np.clip((high[1] - low[1]) * INCHES_PER_METRE, *SIDES)) for low, high in sizes)
    figure = Figure(figsize=(sum(wide), tall), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(storeys), squeeze=False, gridspec_kw={"width_ratios": wide})[0]
    plans = []
    for axes, storey, extent in zip(panels, storeys, sizes):
        plans.append(_Plan(axes, turn))
        plans[-1].draw(graph, _nodes_of(graph, storey), extent)
        if len(storeys) > 1:
            axes.set_title(f"storey {storey.number}")
    figure.draw_without_rendering()  # places the texts
    for plan in plans:
        plan.remove_overlapping_names()
    metadata = {"Title": f"floor plan {graph.map_id}".strip(), **({"Date": None} if form == "svg" else {})}
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # texts of SVG remain texts
        figure.savefig(path, format=form, dpi=DOTS_PER_INCH, metadata=metadata)


def _turn(graph):
    """[2, 2] matrix that turns rows (x, y) so that the longest wall is horizontal, by at most 45 degrees."""
    longest = max(graph.of_kind(WALL), key=lambda node: node.size[0], default=None)
    yaw = longest.yaw if longest else 0.0
    yaw = (yaw + math.pi / 4) % (math.pi / 2) - math.pi / 4
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s], [s, c]])


def _nodes_of(graph, storey):
    """Nodes of a storey; all nodes for None."""
    return [node for node in graph.nodes if storey is None or graph.storey_of(node) is storey]


def _corners(node):
    if node.kind == ROOM:
        return np.array(node.outline)
    return ends_of(node) if node.kind in (WALL, DOOR, WINDOW) else np.array(ground_corners(node))


def _extent(nodes, turn):
    """(low [2], high [2]) metres in the picture."""
    drawn = [_corners(node) @ turn for node in nodes if node.kind in (ROOM, WALL, OBJECT)]
    xy = np.concatenate([*drawn, np.zeros((0, 2))]) if drawn else np.zeros((1, 2))
    return xy.min(axis=0) - MARGIN, xy.max(axis=0) + MARGIN


class _Plan:
    """Draws one storey on matplotlib axes. turn: [2, 2] matrix from rows (x, y) of the map to the picture."""

    def __init__(self, axes, turn):
        self._axes, self._turn = axes, turn
        self._rooms, self._objects = [], []  # texts of rooms; (size, text) of objects

    def draw(self, graph, nodes, extent):
        """Draw Nodes; extent: (low, high) metres in the picture."""
        for node in nodes:
            if node.kind == ROOM:
                self._room(node)
            elif node.kind == OBJECT and node.label not in (DOOR, WINDOW, WALL):
                self._object(node)
            elif node.kind == WALL:
                self._bar(node, WALL_COLOR, node.size[1], 3)
        for node in nodes:
            if node.kind == DOOR:
                self._door(graph, node)
            elif node.kind == WINDOW:
                self._bar(node, "white", self._thickness(graph, node) * 1.05, 4, edge=WINDOW_COLOR)
                self._axes.plot(*(ends_of(node) @ self._turn).T, color=WINDOW_COLOR, linewidth=1.0, zorder=5)
        self._frame(*extent)

    def remove_overlapping_names(self):
        """Leave out the names of objects that cover the name of a room or of a larger object."""
        taken = [text.get_window_extent() for text in self._rooms]
        for _, text in sorted(self._objects, key=lambda item: -item[0]):
            place = text.get_window_extent()
            if any(place.overlaps(other) for other in taken):
                text.remove()
            else:
                taken.append(place)

    def _room(self, node):
        color = tuple(PALE + (1 - PALE) * value / 255 for value in color_of(node.id))
        self._axes.fill(*(_corners(node) @ self._turn).T, facecolor=color, edgecolor="none", zorder=1)
        x, y = np.array(node.center[:2]) @ self._turn
        paper = {"facecolor": color, "edgecolor": "none", "alpha": 0.7, "pad": 0.8}
        style = {"ha": "center", "va": "center", "zorder": 6, "bbox": paper, "parse_math": False}
        name = node.label if node.label != ROOM else f"room {node.number}"
        self._rooms += [
            self._axes.text(x, y + 0.14, name, fontsize=12, fontweight="bold", color="#222222", **style),
            self._axes.text(x, y - 0.24, f"{node.area:.1f} m²", fontsize=9, color="#444444", **style),
        ]

    def _object(self, node):
        corners = _corners(node) @ self._turn
        self._axes.fill(*corners.T, facecolor="#ffffff80", edgecolor=OBJECT_COLOR, linewidth=0.8, zorder=2)
        if min(node.size[:2]) >= MIN_NAMED:
            x, y = corners.mean(axis=0)
            paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.5, "pad": 0.2}
            style = {"ha": "center", "va": "center", "clip_on": True, "zorder": 5, "bbox": paper, "parse_math": False}
            text = self._axes.text(x, y, node.label, fontsize=6, color=OBJECT_COLOR, **style)
            self._objects.append((node.size[0] * node.size[1], text))

    def _thickness(self, graph, node):
        parent = graph.by_id.get(node.parent)
        return max(parent.size[1] if parent else 0.0, MIN_THICKNESS)

    def _bar(self, node, color, thickness, order, edge="none"):
        """A wall, or a part of it, as a rectangle with the thickness of the wall."""
        ends = ends_of(node) @ self._turn
        along = (ends[1] - ends[0]) / max(np.hypot(*(ends[1] - ends[0])), 1e-9)
        out = np.array([-along[1], along[0]]) * max(thickness, MIN_THICKNESS) / 2
        reach = out[::-1] * (1, -1) if order == 3 else np.zeros(2)  # walls are closed at their corners
        start, end = ends[0] - reach, ends[1] + reach
        corners = np.array([start - out, end - out, end + out, start + out])
        self._axes.fill(*corners.T, facecolor=color, edgecolor=edge, linewidth=0.8, zorder=order)

    def _door(self, graph, node):
        """A gap in the wall with the leaf: across it if closed, swung open with its arc if open."""
        self._bar(node, "white", self._thickness(graph, node) * 1.05, 4)
        hinge, latch = ends_of(node) @ self._turn
        style = {"color": DOOR_COLOR, "zorder": 5}
        if node.state == "closed":
            self._axes.plot(*np.array([hinge, latch]).T, linewidth=2.0, **style)
        elif node.state == "open" and node.size[0] <= MAX_LEAF:
            angle = np.linspace(0, SWING, 20)[:, None]
            leaf, side = latch - hinge, np.array([-(latch - hinge)[1], (latch - hinge)[0]])
            arc = hinge + np.cos(angle) * leaf + np.sin(angle) * side
            self._axes.plot(*arc.T, linewidth=0.7, linestyle="--", **style)
            self._axes.plot(*np.array([hinge, arc[-1]]).T, linewidth=1.6, **style)

    def _frame(self, low, high):
        """Limits, the scale bar and the x axis of the map."""
        axes = self._axes
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1] - 0.5, high[1])
        axes.set_aspect("equal")
        axes.axis("off")
        bar = max((scale for scale in SCALES if scale <= 0.35 * (high[0] - low[0])), default=SCALES[0])
        x, y = low[0] + 0.3, low[1] - 0.1
        axes.plot([x, x + bar], [y, y], color="#222222", linewidth=2.5, solid_capstyle="butt")
        axes.text(x + bar / 2, y - 0.1, f"{bar:g} m", ha="center", va="top", fontsize=8)
        tip = np.array([0.6, 0.0]) @ self._turn
        start = np.array([x + bar + 0.6, y])
        axes.annotate("", start + tip, start, arrowprops={"arrowstyle": "->", "color": "#b03030"})
        axes.text(*(start + 1.35 * tip), "x", ha="center", va="center", fontsize=8, color="#b03030")
