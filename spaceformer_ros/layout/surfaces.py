# SPDX-License-Identifier: Apache-2.0
"""Which points of a map belong to the floors, ceilings and walls of its layout."""

import numpy as np

from ..grids.keys import cell_keys

SURFACES = ("wall", "ceiling", "floor")
NEAR = 0.06  # metres from a floor, a ceiling or the face of a wall: noise of depth cameras, and skirting boards
COLUMN, BELOW = 0.1, 0.5  # metres: edge of the columns in which, and how far below a ceiling, there must be nothing


def surface_of(layout, xyz):
    """[N] int64: index into SURFACES of what each point is part of, -1 for none. Where they meet, the last one.

    layout: Layout; xyz: [N, 3] metres in its coordinates
    """
    found = np.full(len(xyz), -1, dtype=np.int64)
    for wall in layout.walls:
        along, across = wall.local(xyz[:, :2])
        above = xyz[:, 2] - wall.z
        inside = (np.abs(across) <= wall.thickness / 2 + NEAR) & (above >= -NEAR) & (above <= wall.height + NEAR)
        found[inside & (along >= -NEAR) & (along <= wall.length + NEAR)] = SURFACES.index("wall")
    for storey in layout.storeys:
        found[_ceiling(xyz, storey.ceiling_z)] = SURFACES.index("ceiling")
        found[np.abs(xyz[:, 2] - storey.floor_z) <= NEAR] = SURFACES.index("floor")
    return found


def _ceiling(xyz, height):
    """Rows of the points of a ceiling at this height: free below, unlike the upper ends of walls, curtains and shelves.

    A storey whose ceiling was not seen is as high as its walls."""
    near = np.flatnonzero(np.abs(xyz[:, 2] - height) <= NEAR)
    below = (xyz[:, 2] >= height - BELOW) & (xyz[:, 2] < height - 2 * NEAR)
    return near[~np.isin(cell_keys(xyz[near, :2], COLUMN), cell_keys(xyz[below, :2], COLUMN))]
