# SPDX-License-Identifier: Apache-2.0
"""F1 of walls, doors, windows and rooms, as SpatialLM scores layouts: one-to-one by intersection over union.

Walls, doors and windows are upright rectangles. Two of them that are parallel and close are compared in the plane of
the second (manycore-research/SpatialLM, eval.py). There the distance of the planes has a sign, so that every rectangle
on one side counts as close; here it has none. Rooms are compared by the area of their polygons.
"""

import dataclasses

import numpy as np
import shapely

from .boxes import BOX_THRESHOLDS, box_iou, f1

PARALLEL = np.sin(np.radians(5.0))  # largest sine of the angle between two rectangles
CLOSE = 0.2  # metres between their planes
THIN = ("wall", "door", "window")


@dataclasses.dataclass(frozen=True)
class LayoutScore:
    """F1 at BOX_THRESHOLDS of each class that one of the two layouts has: dict class -> tuple."""

    classes: dict

    def rows(self):
        """Dict class -> dict figure -> value."""
        return {
            name: {f"F1@{threshold:.2f}": value for threshold, value in zip(BOX_THRESHOLDS, values)}
            for name, values in self.classes.items()
        }


def score_layout(found, truth, found_boxes=(), true_boxes=()):
    """LayoutScore of a Layout against the true one, and of boxes: sequences of (label, OrientedBox)."""
    tables = {}
    for name in THIN:
        tables[name] = thin_iou(rectangles(found, name), rectangles(truth, name))
    tables["room"] = polygon_iou(found.rooms, truth.rooms)
    for label in sorted({label for label, _ in (*found_boxes, *true_boxes)}):
        sides = [[box for name, box in boxes if name == label] for boxes in (found_boxes, true_boxes)]
        tables[label] = box_iou(*sides)
    there = {name: iou for name, iou in tables.items() if sum(iou.shape)}
    return LayoutScore({name: tuple(f1(iou, t) for t in BOX_THRESHOLDS) for name, iou in there.items()})


def mean_scores(scores):
    """Dict class -> dict figure -> mean over the layouts of a list of LayoutScore that have the class."""
    names = list(dict.fromkeys(name for score in scores for name in score.classes))
    mean = {name: np.mean([s.classes[name] for s in scores if name in s.classes], axis=0).tolist() for name in names}
    return LayoutScore(mean).rows()


def rectangles(layout, name):
    """[K, 6] upright rectangles of the walls, doors or windows of a Layout: x and y of both ends, z from, z to.

    name: one of THIN. Walls without length, and what is in them, are left out.
    """
    walls = {wall.id: wall for wall in layout.walls if wall.length > 1e-6}
    if name == "wall":
        rows = [(*wall.start, *wall.end, wall.z, wall.z + wall.height) for wall in walls.values()]
    else:
        items = layout.doors if name == "door" else layout.windows
        rows = [_on_wall(item, walls[item.wall]) for item in items if item.wall in walls]
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


def _on_wall(item, wall):
    center, half = np.array(item.center), item.width / 2 * wall.direction
    low, high = center[2] - item.height / 2, center[2] + item.height / 2
    return (*(center[:2] - half), *(center[:2] + half), low, high)


def thin_iou(first, second):
    """[A, B] intersection over union of rectangles [A, 6] and [B, 6], 0 unless they are parallel and close."""
    a, b = first[:, None], second[None]
    along_a, _ = _directions(a)
    along_b, length_b = _directions(b)
    cross = along_a[..., 0] * along_b[..., 1] - along_a[..., 1] * along_b[..., 0]
    offset = b[..., :2] - a[..., :2]
    away = np.abs(along_a[..., 0] * offset[..., 1] - along_a[..., 1] * offset[..., 0])
    ends = np.stack([((a[..., k : k + 2] - b[..., :2]) * along_b).sum(axis=-1) for k in (0, 2)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    wide = np.maximum(np.minimum(high, length_b) - np.maximum(low, 0.0), 0.0)
    tall = np.maximum(np.minimum(a[..., 5], b[..., 5]) - np.maximum(a[..., 4], b[..., 4]), 0.0)
    shared = wide * tall
    union = (high - low) * (a[..., 5] - a[..., 4]) + length_b * (b[..., 5] - b[..., 4]) - shared
    return np.where((np.abs(cross) < PARALLEL) & (away < CLOSE), shared / np.maximum(union, 1e-9), 0.0)


def _directions(rectangle):
    """Unit vectors [..., 2] along rectangles [..., 6] and their lengths."""
    step = rectangle[..., 2:4] - rectangle[..., :2]
    length = np.hypot(step[..., 0], step[..., 1])
    return step / np.maximum(length, 1e-9)[..., None], length


def polygon_iou(first, second):
    """[A, B] intersection over union by area of two sequences of Room."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    a, b = (np.array([shapely.make_valid(room.polygon) for room in rooms]) for rooms in (first, second))
    shared = shapely.area(shapely.intersection(a[:, None], b[None]))
    return shared / np.maximum(shapely.area(a)[:, None] + shapely.area(b)[None] - shared, 1e-9)
