# SPDX-License-Identifier: Apache-2.0
"""Pictures of clouds from the top and at an angle, with boxes and labels of objects."""

import numpy as np

from ..geometry.boxes import EDGES
from .colors import stable_color

BACKGROUND = "#14161a"
MAX_POINTS = 400_000  # drawn per panel
VIEWS = {"top": (90.0, 0.0), "oblique": (38.0, 30.0)}  # elevation above the horizon and azimuth, degrees
CEILING_SHARE = 0.82  # of the height; the top view leaves out what lies above, so that no ceiling hides the room


def draw_scene(path, cloud, items=(), view="top", title=""):
    """Write a PNG of a Cloud in its colours.

    items: things with id, label, score and box, drawn as boxes with texts; view: a key of VIEWS.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _visible_rows(cloud.xyz, view)
    flat, depth = project(cloud.xyz[rows], view)
    order = np.argsort(depth)  # far points first
    span = np.maximum(np.ptp(flat, axis=0), 0.5)
    figure = Figure(figsize=(11, 11 * min(1.2, max(0.5, span[1] / span[0]))), dpi=110, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 0.96))
    points_per_metre = 72 * figure.get_figwidth() / span[0]  # typographic points
    area = max(0.6, (1.5 * points_per_metre * point_spacing(cloud.xyz)) ** 2)
    axes.scatter(*flat[order].T, s=area, c=cloud.rgb[rows][order] / 255.0, marker="s", linewidths=0)
    for item in items:
        _draw_object(axes, item, view)
    axes.set_aspect("equal")
    axes.set_axis_off()
    figure.suptitle(title, color="white", fontsize=13, y=0.985)
    figure.savefig(path, facecolor=BACKGROUND)


def project(xyz, view):
    """Orthographic projection: picture plane [N, 2] metres and depth [N], larger is nearer to the eye."""
    elevation, azimuth = np.radians(VIEWS[view])
    c, s = np.cos(azimuth), np.sin(azimuth)
    right = np.array([c, s, 0.0])
    forward = np.array([-s * np.cos(elevation), c * np.cos(elevation), -np.sin(elevation)])
    up = np.cross(right, forward)
    return xyz @ np.column_stack([right, up]), -(xyz @ forward)


def _visible_rows(xyz, view):
    rows = np.arange(len(xyz))
    low, high = np.percentile(xyz[:, 2], (1, 99))
    rows = rows[xyz[:, 2] < low + CEILING_SHARE * (high - low)] if view == "top" else rows
    return rows[:: max(1, len(rows) // MAX_POINTS)]


def point_spacing(xyz):
    """Median distance of a point to its nearest neighbour, metres."""
    from scipy.spatial import cKDTree

    sample = xyz[:: max(1, len(xyz) // 500)]
    return float(np.median(cKDTree(xyz).query(sample, k=2)[0][:, 1])) if len(xyz) > 1 else 0.02


def _draw_object(axes, item, view):
    color = stable_color(f"instance {item.id}")
    corners, _ = project(item.box.corners, view)
    for a, b in EDGES:
        axes.plot(*corners[[a, b]].T, color=color, linewidth=1.2, alpha=0.9)
    anchor, _ = project(item.box.center[None] + np.array([[0, 0, item.box.size[2] / 2]]), view)
    axes.annotate(
        f"{item.label} {item.score:.2f}",
        anchor[0],
        color="white",
        fontsize=8,
        ha="center",
        bbox={"boxstyle": "round,pad=0.2", "facecolor": (*color, 0.75), "edgecolor": "none"},
    )
