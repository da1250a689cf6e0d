# SPDX-License-Identifier: Apache-2.0
"""Upright boxes of masks."""

import hashlib

import numpy as np

from ..geometry.boxes import OrientedBox
from ..grids.groups import touching_components

SPECK_SHARE = 0.05  # a separate part with a smaller share of a mask's voxels is left out of its box
SPECK_CELL = 0.1  # metres; parts are separate if a whole cell of this size between them is empty


def fit_boxes(parts):
    """The upright boxes of a list of [n, 3] float32 metres, specks left out: tuple of OrientedBox."""
    return tuple(OrientedBox.fit(xyz) for xyz in without_specks(parts))


class BoxCache:
    """Fits boxes and keeps those of the last call: a mask that has not changed is not fitted again."""

    def __init__(self):
        self._boxes = {}

    def fit(self, parts):
        """As `fit_boxes`."""
        keys = [hashlib.sha1(np.ascontiguousarray(xyz).tobytes(), usedforsecurity=False).digest() for xyz in parts]
        new = {key: xyz for key, xyz in zip(keys, parts) if key not in self._boxes}
        known = self._boxes | dict(zip(new, fit_boxes([*new.values()])))
        self._boxes = {key: known[key] for key in keys}
        return tuple(known[key] for key in keys)


def without_specks(parts):
    """The points of each mask without small separate parts, so that stray voxels do not enlarge its box.

    parts: list of [n, 3] metres, n >= 1. Returns such a list.
    """
    if not parts:
        return []
    size = np.array([len(xyz) for xyz in parts])
    starts, mask = np.cumsum(size) - size, np.repeat(np.arange(len(parts)), size)
    cells = np.floor(np.concatenate(parts) / SPECK_CELL).astype(np.int64)
    component = touching_components(np.column_stack([2 * mask, cells]))  # 2 apart: cells of two masks do not touch
    share = np.bincount(component)[component] / size[mask]
    kept = share >= np.minimum(SPECK_SHARE, np.maximum.reduceat(share, starts))[mask]
    return [xyz[part] for xyz, part in zip(parts, np.split(kept, starts[1:]))]
