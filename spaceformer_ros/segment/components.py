# SPDX-License-Identifier: Apache-2.0
"""Split masks into spatially separate parts, as Mask3D does with DBSCAN."""

import numpy as np
from scipy.spatial import cKDTree

from ..grids.groups import Members, components, unique_rows


def split_masks(masks, positions, distance):
    """Cut each mask into its connected components. Returns parents [K'] and the rows of the new masks, in order.

    masks: tuple of K int arrays of voxel rows; positions: [M, 3] metres; distance: see `radius_components`.
    """
    parents, parts = [], []
    for k, rows in enumerate(masks):
        component = radius_components(positions[rows], distance)
        for c in range(component.max() + 1):
            parents.append(k)
            parts.append(rows[component == c])
    return np.array(parents, dtype=np.int64), tuple(parts)


def radius_components(xyz, distance):
    """[N] int component of each of N >= 1 points; points within `distance` metres are connected.

    Equals DBSCAN with min_points 1, in near-linear time: points in one cell of diagonal `distance` are connected, so
    that only neighbouring cells are tested.
    """
    cells, cell = unique_rows(np.floor(xyz / (distance / 3**0.5)).astype(np.int64))
    members = Members(cell, len(cells))
    trees = [cKDTree(xyz[members.of(np.array([k]))]) for k in range(len(cells))]
    near = cKDTree(cells).query_pairs(2.0, p=np.inf, output_type="ndarray")  # ceil(sqrt(3)) = 2 cells on each axis
    touching = np.array([trees[a].count_neighbors(trees[b], distance) > 0 for a, b in near], dtype=bool)
    return components(len(cells), near[touching])[cell]
