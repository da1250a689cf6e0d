# SPDX-License-Identifier: Apache-2.0
"""Which points of a map belong to the floors, ceilings and walls of its layout."""

import numpy as np

SURFACES = ("wall", "ceiling", "floor")
NEAR = 0.06  # metres from a floor, a ceiling or the face of a wall: noise of depth cameras, and skirting boards


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
        for name, height in (("ceiling", storey.ceiling_z), ("floor", storey.floor_z)):
            found[np.abs(xyz[:, 2] - height) <= NEAR] = SURFACES.index(name)
    return found
