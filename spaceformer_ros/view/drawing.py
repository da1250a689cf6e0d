# SPDX-License-Identifier: Apache-2.0
"""Draws a map, boxes and answers into the 3D scene of one visitor of the page."""

import numpy as np

from ..geometry.boxes import EDGES
from ..show.pictures import APPROACH_COLOR
from .coloring import COLORS, object_color, point_colors
from .detail import FEW_POINTS

MAX_POINTS = 500_000  # that a browser draws: most devices turn them smoothly; 7.5 MB
STEP_POINTS = 150_000  # sent together, so that a slow connection shows something soon
MOVED = 0.5  # metres that a camera moves before other points are sent
MAX_NAMES = 60  # names in the picture, of the best objects; more would cover the map
LINE, THICK_LINE = 2.0, 5.0  # pixels, of boxes and of the boxes of matches
MATCH_COLOR = (1.0, 0.85, 0.2)
ARROW_LENGTH = 0.5  # metres
ARROW = {"shaft_radius": 0.04, "head_radius": 0.1, "head_length": 0.2}  # metres
ABOVE_FLOOR = 0.05  # metres, of the approach arrow: points of the floor would hide it
FAR = 1000.0  # metres from the origin at which float32 positions begin to be too coarse for a small object


class Drawing:
    """What one visitor sees. Coordinates are the local ones of the snapshot's cloud, relative to an origin near it:
    they are sent as float32."""

    def __init__(self, scene):
        """scene: viser's SceneApi of a client."""
        self._scene = scene
        self._snapshot, self._detail, self._paint = None, None, (COLORS, None)
        self._tiles = {}  # number of a tile -> (level, viser's handle)
        self._wanted, self._wanted_at = None, None  # levels of the tiles, and the place of the camera for them
        self._boxes, self._answer = [], []  # viser's handles
        self.origin = None  # [3] metres, local coordinates of the picture's origin

    def draw_cloud(self, snapshot, detail, eye=None, paint=(COLORS, None)):
        """Replace the cloud by that of a Snapshot.

        detail: its Detail
        eye: [3] metres in local coordinates, None: a coarse picture, for `refine` to complete
        paint: mode and relevancy of `point_colors`
        """
        center = np.asarray(snapshot.cloud.floor_center, dtype=np.float64)
        if self.origin is None or np.linalg.norm(center - self.origin) > FAR:
            self.origin = center  # otherwise kept: a growing map must not move below the camera
        for tile in range(len(detail), len(self._detail or ())):
            self._tiles.pop(tile)[1].remove()
        self._snapshot, self._detail, self._paint, self._wanted_at = snapshot, detail, paint, None
        limit = FEW_POINTS if eye is None else MAX_POINTS
        for tile, level in enumerate(detail.levels(center if eye is None else eye, limit)):
            self._draw_tile(tile, level)

    def refine(self, eye):
        """Send more points near the camera and fewer far away, a part at a time. eye: [3] metres, local coordinates."""
        if self._detail is None:
            return
        if self._wanted_at is None or np.linalg.norm(eye - self._wanted_at) > MOVED:
            self._wanted, self._wanted_at = self._detail.levels(eye, MAX_POINTS), eye
        drawn = np.array([self._tiles[tile][0] for tile in range(len(self._detail))])
        changed = np.flatnonzero(drawn != self._wanted)
        has_more = (self._wanted < drawn)[changed]  # those that get fewer points come first
        sent = 0
        for tile in changed[np.lexsort([self._detail.distances(eye)[changed], has_more])]:
            if sent > STEP_POINTS:
                break
            sent += self._draw_tile(tile, self._wanted[tile])

    def _draw_tile(self, tile, level):
        """Draw a tile at a level. Returns the number of points."""
        rows, spacing = self._detail.rows(tile, level), self._detail.spacing[level]
        handle = self._scene.add_point_cloud(
            f"/map/{tile}",
            (self._snapshot.cloud.xyz[rows] - self.origin).astype(np.float32),
            point_colors(self._snapshot, rows, *self._paint),
            point_size=1.3 * spacing,
            point_shape="rounded",
            point_shading="flat",
            precision="float32",
        )
        self._tiles[int(tile)] = int(level), handle
        return len(rows)

    def color_cloud(self, snapshot, mode, relevancy=None):
        """Colour the drawn cloud. Arguments as `point_colors`."""
        self._snapshot, self._paint = snapshot, (mode, relevancy)
        for tile, (level, handle) in self._tiles.items():
            handle.colors = point_colors(snapshot, self._detail.rows(tile, level), mode, relevancy)

    def draw_boxes(self, items, named, mode):
        """Replace the boxes by those of MapObjects `items`, and the names by those of the first of `named`."""
        remove(self._boxes)
        if not items:
            return
        colors = np.array([object_color(item, mode) for item in items])
        self._boxes.append(self._box_lines("/boxes", [item.box for item in items], colors, LINE))
        self._boxes += [self._name(f"/names/{item.id}", item, item.label) for item in named[:MAX_NAMES]]

    def draw_answer(self, findings):
        """Replace the highlighted matches by those of Findings; None: remove them."""
        remove(self._answer)
        if findings is None or not findings.found:
            return
        boxes = [finding.object.box for finding in findings.found]
        self._answer.append(self._box_lines("/matches", boxes, np.array([MATCH_COLOR] * len(boxes)), THICK_LINE))
        for finding in findings.found:
            item = finding.object
            self._answer.append(self._name(f"/match_names/{item.id}", item, f"{item.label} {finding.score:.2f}"))
        arrows = [self._arrow(finding.approach) for finding in findings.found if finding.approach is not None]
        if arrows:
            color = tuple(int(APPROACH_COLOR[i : i + 2], 16) for i in (1, 3, 5))
            self._answer.append(self._scene.add_arrows("/approaches", np.array(arrows), color, **ARROW))

    def _box_lines(self, name, boxes, colors, thickness):
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


def remove(handles):
    """Remove all of viser's handles in a list, and empty it."""
    for handle in handles:
        handle.remove()
    handles.clear()
