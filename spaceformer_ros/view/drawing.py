# SPDX-License-Identifier: Apache-2.0
"""Draws a map, boxes and answers into the 3D scene of one visitor of the page."""

import numpy as np

from ..geometry.boxes import EDGES
from ..show.pictures import APPROACH_COLOR, below_ceiling, point_spacing
from .coloring import COLORS, object_color, point_colors
from .thinning import even_rows

MAX_POINTS = 500_000  # sent to a browser: 7.5 MB
MAX_NAMES = 60  # names in the picture at once, those of the best objects; more would cover the map
LINE, THICK_LINE = 2.0, 5.0  # pixels, of boxes and of the boxes of matches
MATCH_COLOR = (1.0, 0.85, 0.2)
WALL_COLOR = (120, 170, 255)  # r, g, b, 0..255
ARROW_LENGTH = 0.5  # metres
ARROW = {"shaft_radius": 0.04, "head_radius": 0.1, "head_length": 0.2}  # metres
ABOVE_FLOOR = 0.05  # metres, of the approach arrow: points of the floor would hide it


class Drawing:
    """What one visitor sees. Coordinates are the local ones of the snapshot's cloud, relative to its centre: viser
    sends them as float16 or float32."""

    def __init__(self, scene):
        """scene: viser's SceneApi of a client."""
        self._scene = scene
        self._cloud = None  # viser's handle of the cloud
        self._rows = None
        self._boxes, self._answer, self._plan = [], [], []  # viser's handles
        self.origin = np.zeros(3)  # metres, local coordinates of the picture's origin

    def draw_cloud(self, snapshot, ceiling):
        """Replace the cloud by that of a Snapshot, in its own colours. ceiling: also draw what is above the rooms."""
        cloud = snapshot.cloud
        kept = np.arange(len(cloud)) if ceiling else np.flatnonzero(below_ceiling(cloud.xyz))
        self._rows = kept[even_rows(cloud.xyz[kept], MAX_POINTS)]
        self.origin = np.asarray(cloud.floor_center, dtype=np.float64)
        xyz = (cloud.xyz[self._rows] - self.origin).astype(np.float32)
        self._cloud = self._scene.add_point_cloud(
            "/map",
            xyz,
            point_colors(snapshot, self._rows, COLORS),
            point_size=max(1.3 * point_spacing(xyz), 0.005),
            point_shape="rounded",
            point_shading="flat",
            precision="float32",
        )

    def color_cloud(self, snapshot, mode, relevancy=None):
        """Colour the drawn cloud. Arguments as `point_colors`."""
        self._cloud.colors = point_colors(snapshot, self._rows, mode, relevancy)

    def draw_boxes(self, items, named, mode):
        """Replace the boxes by those of MapObjects `items`, and the names by those of the first of `named`."""
        _remove(self._boxes)
        if not items:
            return
        colors = np.array([object_color(item, mode) for item in items])
        self._boxes.append(self._lines("/boxes", [item.box for item in items], colors, LINE))
        self._boxes += [self._name(f"/names/{item.id}", item, item.label) for item in named[:MAX_NAMES]]

    def draw_answer(self, findings):
        """Replace the highlighted matches by those of Findings; None: remove them."""
        _remove(self._answer)
        if findings is None or not findings.found:
            return
        boxes = [finding.object.box for finding in findings.found]
        self._answer.append(self._lines("/matches", boxes, np.array([MATCH_COLOR] * len(boxes)), THICK_LINE))
        for finding in findings.found:
            item = finding.object
            self._answer.append(self._name(f"/match_names/{item.id}", item, f"{item.label} {finding.score:.2f}"))
        arrows = [self._arrow(finding.approach) for finding in findings.found if finding.approach is not None]
        if arrows:
            color = tuple(int(APPROACH_COLOR[i : i + 2], 16) for i in (1, 3, 5))
            self._answer.append(self._scene.add_arrows("/approaches", np.array(arrows), color, **ARROW))

    def draw_plan(self, layout):
        """Replace the floor plan by that of a Layout: walls as lines on the floor, rooms with their names."""
        _remove(self._plan)
        if layout.walls:
            ends = np.array([[(*wall.start, wall.z), (*wall.end, wall.z)] for wall in layout.walls])
            segments = (ends - self.origin + (0.0, 0.0, ABOVE_FLOOR)).astype(np.float32)
            options = {"thickness": THICK_LINE, "thickness_units": "screen"}
            self._plan.append(self._scene.add_line_segments("/walls", segments, WALL_COLOR, **options))
        for room in layout.rooms:
            position = np.array([*room.center, layout.item("storeys", room.storey).floor_z]) - self.origin
            text = f"room {room.id}, {room.area:.0f} m²"
            self._plan.append(self._scene.add_label(f"/rooms/{room.id}", text, position=position))

    def _lines(self, name, boxes, colors, thickness):
        """Line segments of the edges of boxes. colors: [n, 3] in [0, 1]."""
        segments = np.concatenate([(box.corners - self.origin)[EDGES] for box in boxes]).astype(np.float32)
        rgb = np.rint(255 * np.repeat(colors, len(EDGES), axis=0)).astype(np.uint8)
        rgb = np.broadcast_to(rgb[:, None], segments.shape).copy()
        return self._scene.add_line_segments(name, segments, rgb, thickness=thickness, thickness_units="screen")

    def _name(self, name, item, text):
        top = item.box.center - self.origin + (0.0, 0.0, item.box.size[2] / 2)
        return self._scene.add_label(name, text, position=top, anchor="bottom-center")

    def _arrow(self, approach):
        start = approach.position - self.origin + (0.0, 0.0, ABOVE_FLOOR)
        return start, start + ARROW_LENGTH * np.array([np.cos(approach.yaw), np.sin(approach.yaw), 0.0])


def _remove(handles):
    for handle in handles:
        handle.remove()
    handles.clear()
