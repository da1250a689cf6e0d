# SPDX-License-Identifier: Apache-2.0
"""Draw clouds from the top or at an angle, with boxes and labels of objects, or with the answer to a query.

The ceiling, and the walls between a room and the eye, are cut away.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..geometry.boxes import EDGES, OrientedBox
from ..geometry.extent import inner_bounds, within
from .colors import heat_colors, shaded_gray, stable_color
from .relevancy import point_relevancy

BACKGROUND = "#14161a"
APPROACH_COLOR = "#40e0a0"
MAX_POINTS = 400_000  # drawn
VIEWS = {"top": (90.0, 0.0), "oblique": (38.0, 30.0)}  # elevation above the horizon and azimuth, degrees
CEILING_SHARE = 0.82  # of the map's height; what is above is cut away
WALL = 0.25  # metres from a side of the map in which its walls are cut away
MIN_FACING = 0.05  # cosine between a side's normal and the direction to the eye from which the side hides the room
MIN_SCORE = 0.2  # objects below it are not drawn
MAX_OBJECTS = 30  # drawn, those with the highest scores
ARROW = np.array([(-0.1, -0.06), (0.3, -0.06), (0.3, -0.16), (0.55, 0), (0.3, 0.16), (0.3, 0.06), (-0.1, 0.06)])  # m


def draw_scene(path, cloud, items=(), view="top", title="", approach=None):
    """Write a PNG of a Cloud in its colours.

    items: objects with id, label, score and box, drawn as boxes with labels; weak ones are left out, and so are labels
        that would cover others
    view: a key of VIEWS
    approach: an Approach, drawn as an arrow on the floor
    """
    items = sorted((item for item in items if item.score >= MIN_SCORE), key=lambda item: -item.score)[:MAX_OBJECTS]
    _draw(path, cloud, items, view, title, approach)


def _draw(path, cloud, items, view, title, approach):
    rows = visible_rows(cloud.xyz, view)
    figure, axes = _draw_points(cloud.xyz[rows], cloud.rgb[rows], view)
    for item in items:
        _draw_box(axes, item, view)
    if approach is not None:
        _draw_approach(axes, approach, view)
    _draw_labels(figure, axes, items, view)
    title = title.encode(errors="replace").decode()  # names of files may not be text
    figure.suptitle(title, color="white", fontsize=13, y=0.985, parse_math=False)
    figure.savefig(path, facecolor=BACKGROUND)


def draw_answer(path, scene, answer, approach=None, view="oblique"):
    """Write a PNG of a Scene with an Answer: points coloured by relevancy, matches with boxes and labels.

    approach: an Approach, drawn as an arrow on the floor
    """
    relevancy = point_relevancy(scene, answer.matches)
    hot = (relevancy > 0)[:, None]
    share = relevancy / max(float(relevancy.max(initial=0.0)), 1e-6)
    rgb = np.where(hot, heat_colors(0.3 + 0.7 * share), shaded_gray(scene.cloud.rgb))
    items = [LabeledBox(m.object.id, m.object.label, m.score, m.object.box) for m in answer.matches]
    _draw(path, dataclasses.replace(scene.cloud, rgb=rgb), items, view, f'"{answer.text}"', approach)


@dataclass(frozen=True)
class LabeledBox:
    """An object to draw."""

    id: int
    label: str
    score: float
    box: OrientedBox


def project(xyz, view):
    """Orthographic projection: picture plane [N, 2] metres and depth [N], larger is nearer to the eye."""
    elevation, azimuth = np.radians(VIEWS[view])
    c, s = np.cos(azimuth), np.sin(azimuth)
    right = np.array([c, s, 0.0])
    forward = np.array([-s * np.cos(elevation), c * np.cos(elevation), -np.sin(elevation)])
    up = np.cross(right, forward)
    return xyz @ np.column_stack([right, up]), -(xyz @ forward)


def visible_rows(xyz, view):
    """Rows of the points [N, 3] to draw: all except strays, the ceiling and the walls that hide the room."""
    visible = below_ceiling(xyz) & within(xyz, *inner_bounds(xyz))
    if VIEWS[view][0] < 90.0:
        visible &= ~_near_walls(xyz, view, np.percentile(xyz[:, 2], 1))
    rows = np.flatnonzero(visible) if visible.any() else np.arange(len(xyz))
    return rows[:: max(1, len(rows) // MAX_POINTS)]


def below_ceiling(xyz):
    """[N] bool: points in the lower CEILING_SHARE of the map's height; all points of a flat map."""
    floor, ceiling = np.percentile(xyz[:, 2], (1, 99))
    below = xyz[:, 2] < floor + CEILING_SHARE * (ceiling - floor)
    return below if below.any() else np.ones(len(xyz), dtype=bool)


def _near_walls(xyz, view, floor):
    """[N] bool: points above the floor at the sides of the map that are turned toward the eye."""
    azimuth = np.radians(VIEWS[view][1])
    eye = np.array([np.sin(azimuth), -np.cos(azimuth)])
    outline = OrientedBox.fit(xyz[:: max(1, len(xyz) // 10_000)])
    near = np.zeros(len(xyz), dtype=bool)
    for normal in (*outline.axes, *-outline.axes):
        if normal @ eye > MIN_FACING:
            along = xyz[:, :2] @ normal
            near |= along > np.percentile(along, 99.7) - WALL
    return near & (xyz[:, 2] > floor + 0.1)


def point_spacing(xyz):
    """Median distance of a point to its nearest neighbour, metres."""
    from scipy.spatial import cKDTree

    sample = xyz[:: max(1, len(xyz) // 500)]
    return float(np.median(cKDTree(xyz).query(sample, k=2)[0][:, 1])) if len(xyz) > 1 else 0.02


def _draw_points(xyz, rgb, view):
    """A matplotlib Figure and its Axes with the points drawn, far ones first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    flat, depth = project(xyz, view)
    order = np.argsort(depth)
    span = np.maximum(np.ptp(flat, axis=0), 0.5)
    figure = Figure(figsize=(11, 11 * min(1.2, max(0.5, span[1] / span[0]))), dpi=110, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 0.96))
    points_per_metre = 72 * figure.get_figwidth() / span[0]  # typographic points
    area = max(0.6, (1.5 * points_per_metre * point_spacing(xyz)) ** 2)
    axes.scatter(*flat[order].T, s=area, c=rgb[order] / 255.0, marker="s", linewidths=0)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure, axes


def _draw_box(axes, item, view):
    corners, _ = project(item.box.corners, view)
    for a, b in EDGES:
        axes.plot(*corners[[a, b]].T, color=stable_color(f"instance {item.id}"), linewidth=1.2, alpha=0.9)


def _draw_approach(axes, approach, view):
    c, s = np.cos(approach.yaw), np.sin(approach.yaw)
    ground = ARROW @ np.array([[c, s], [-s, c]]) + approach.position[:2]
    outline, _ = project(np.column_stack([ground, np.full(len(ground), approach.position[2])]), view)
    axes.fill(*outline.T, color=APPROACH_COLOR, alpha=0.9)


def _draw_labels(figure, axes, items, view):
    """Labels at the tops of the boxes, best objects first, moved apart if they would cover each other."""
    texts = []
    for item in items:
        top = item.box.center + np.array([0, 0, item.box.size[2] / 2])
        style = {"facecolor": (*stable_color(f"instance {item.id}"), 0.75), "edgecolor": "none"}
        texts.append(
            axes.annotate(
                f"{item.label} {item.score:.2f}",
                project(top[None], view)[0][0],
                xytext=(0, 0),
                textcoords="offset points",
                color="white",
                fontsize=8,
                ha="center",
                bbox={"boxstyle": "round,pad=0.2", **style},
                parse_math=False,  # a label may have dollar signs
            )
        )
    axes.autoscale_view()  # the final scale, without which extents are wrong
    axes.apply_aspect()
    extents = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    boxes = np.array([extent.extents for extent in extents]).reshape(-1, 4)
    for text, move in zip(texts, place_labels(boxes)):
        if move is None:
            text.remove()
        else:
            text.set_position(move * 72 / figure.dpi)


def place_labels(boxes, gap=4.0):
    """For each of K label rectangles [K, 4] (left, bottom, right, top; pixels) a move [2] after which it overlaps none
    of those before it, or None if there is no space nearby."""
    placed, moves = [], []
    for box in np.asarray(boxes, dtype=np.float64):
        width, height = box[2] - box[0] + gap, box[3] - box[1] + gap
        candidates = [(x * width / 2, y * height) for y in (0, 1, -1, 2, -2, 3) for x in (0, -1, 1)]
        free = (np.array(move) for move in candidates if not any(_overlap(box + [*move, *move], b) for b in placed))
        move = next(free, None)
        moves.append(move)
        if move is not None:
            placed.append(box + [*move, *move])
    return moves


def _overlap(a, b, gap=2.0):
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap
