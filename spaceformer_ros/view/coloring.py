# SPDX-License-Identifier: Apache-2.0
"""Colours of the points of a map, and of its boxes."""

import numpy as np

from ..show.colors import UNLABELED, heat_colors, shade, shaded_gray, stable_color

COLORS, INSTANCES, LABELS, RELEVANCY = MODES = ("colours", "instances", "labels", "relevancy")


def point_colors(snapshot, rows, mode, relevancy=None):
    """[n, 3] uint8 of the points in `rows` of a Snapshot.

    mode: one of MODES
    relevancy: [N] of all points; None in mode "relevancy" means that nothing was asked
    """
    rgb = snapshot.cloud.rgb[rows]
    if mode in (INSTANCES, LABELS):
        return shade(_palette(snapshot, mode)[_object_index(snapshot, rows)], rgb)
    if mode == RELEVANCY and relevancy is not None:
        share = relevancy[rows] / max(float(relevancy.max(initial=0.0)), 1e-6)
        weight = np.minimum(2 * share, 1)[:, None]  # most objects match any text a little: they stay nearly gray
        return np.rint(weight * heat_colors(0.3 + 0.7 * share) + (1 - weight) * shaded_gray(rgb)).astype(np.uint8)
    return rgb


def object_color(item, mode):
    """r, g, b in [0, 1] of the box of a MapObject: that of its label in mode "labels", otherwise its own."""
    return stable_color(item.label if mode == LABELS else f"instance {item.id}")


def _palette(snapshot, mode):
    """[K + 1, 3] colours of the objects, and of points without one."""
    return np.array([*(object_color(item, mode) for item in snapshot.objects), UNLABELED])


def _object_index(snapshot, rows):
    """[n] index into the objects of each point, K for none."""
    ids = np.array([item.id for item in snapshot.objects], dtype=np.int64)
    if not len(ids):
        return np.zeros(len(rows), dtype=np.int64)
    order, owner = np.argsort(ids), snapshot.owner[rows]
    found = order[np.minimum(np.searchsorted(ids[order], owner), len(ids) - 1)]
    return np.where(ids[found] == owner, found, len(ids))
