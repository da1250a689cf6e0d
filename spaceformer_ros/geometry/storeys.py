# SPDX-License-Identifier: Apache-2.0
"""In which storey and room a place is: the one rule for layouts, scene graphs and what is made of them."""

import numpy as np

BELOW_FLOOR = 0.3  # metres below a floor that still belong to its storey: noise, and poses at the height of the floor
NEAR_ROOM = 0.3  # metres around a room in which a place still belongs to it: inside a wall, or in a doorway


def storey_at(floors, z):
    """Index of the highest of some floors (heights in metres) that is not above z, of the lowest one below all of them.

    None without floors.
    """
    if not len(floors):
        return None
    below = [k for k, floor in enumerate(floors) if floor <= z + BELOW_FLOOR]
    return max(below, key=floors.__getitem__) if below else int(np.argmin(floors))


def room_at(outlines, xy):
    """Index of the shapely.Polygon that contains a place (x, y), otherwise of the nearest within NEAR_ROOM metres.

    None if none is near.
    """
    import shapely

    if not len(outlines):
        return None
    distance = shapely.distance(outlines, shapely.Point(float(xy[0]), float(xy[1])))
    return int(np.argmin(distance)) if distance.min() <= NEAR_ROOM else None
