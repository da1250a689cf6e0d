# SPDX-License-Identifier: Apache-2.0
"""New instances are merged and split as an operator has merged and split the objects that they show."""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.boxes import OrientedBox
from .occupancy import TRACK_CELL, occupied_cells

MIN_INSIDE = 0.6  # of the cells of an instance in those of a merged object, of which it is then a part
MIN_COVERED = 0.5  # of the cells of each of several split objects that an instance covers, which is then split


def reshaped(instances, scene, cloud_occupancy):
    """(Instances, set of rows that are parts of others now).

    scene: the last Scene in this frame, or None. Rows keep their places; parts of split instances are appended.
    """
    shaped = [item for item in scene.objects if item.shaped] if scene else []
    if not shaped:
        return instances, set()
    known = [item.occupancy.cells for item in shaped]
    found = [occupied_cells(cloud_occupancy.of_mask(mask).own, TRACK_CELL) for mask in instances.masks]
    parts = set()
    for cells in known:
        inside = [k for k, own in enumerate(found) if k not in parts and _share(own, cells) >= MIN_INSIDE]
        if len(inside) > 1:
            whole = np.unique(np.concatenate([instances.masks[k] for k in inside])).astype(np.int32)
            instances = _with_mask(instances, inside[0], whole)
            parts |= set(inside[1:])
    for k, own in enumerate(found):
        covered = [item for item, cells in zip(shaped, known) if _share(cells, own) >= MIN_COVERED]
        if len(covered) > 1 and k not in parts:
            instances = _split(instances, k, covered)
    return instances, parts


def _share(cells, others):
    """Share of sorted cells that are among others."""
    return np.isin(cells, others).mean() if len(cells) else 0.0


def _split(instances, k, items):
    """Instances with one divided among objects, each voxel to the nearest."""
    mask = instances.masks[k]
    xyz = instances.voxels.positions[mask]
    distance = np.stack([cKDTree(item.occupancy.own).query(xyz)[0] for item in items])
    owner = distance.argmin(axis=0)
    pieces = [mask[owner == i] for i in range(len(items)) if (owner == i).any()]
    for piece in pieces[1:]:
        instances = instances.with_rows(instances[[k]], [piece])
        instances = _with_mask(instances, len(instances) - 1, piece)
    return _with_mask(instances, k, pieces[0])


def _with_mask(instances, k, mask):
    """Instances with another mask of one, and its points, centroid and box."""
    voxels = instances.voxels
    xyz, counts = voxels.positions[mask], voxels.point_counts[mask]
    num_points, centroids = instances.num_points.copy(), instances.centroids.copy()
    num_points[k], centroids[k] = counts.sum(), np.average(xyz, axis=0, weights=counts)
    masks, boxes = list(instances.masks), list(instances.boxes)
    masks[k], boxes[k] = mask, OrientedBox.fit(xyz)
    return replace(instances, masks=tuple(masks), boxes=tuple(boxes), num_points=num_points, centroids=centroids)
