# SPDX-License-Identifier: Apache-2.0
"""In which storey and room a place is: the one rule for layouts, scene graphs and what is made of them."""

import numpy as np

BELOW_FLOOR = 0.3  # metres below a floor, or above a ceiling, that still belong to its storey: noise, and poses there
LEAST_HEIGHT = 3.0  # metres above its floor that belong to a storey: maps may end below its ceiling
NEAR_ROOM = 0.3  # metres around a room in which a place still belongs to it: inside a wall, or in a doorway


def storey_at(floors, z):
    """Index of the highest of some floors (heights in metres) that is not above z, of the lowest one below all of them.

    None without floors.
    """
    if not len(floors):
        return None
    below = [k for k, floor in enumerate(floors) if floor <= z + BELOW_FLOOR]
    return max(below, key=floors.__getitem__) if below else int(np.argmin(floors))


def level(middle, height):
    """(floor, ceiling) of a storey in metres, of the middle and the height of its box."""
    return middle - height / 2, middle + height / 2


def storey_around(levels, z):
    """Index of the storey, of (floor, ceiling) in metres, in which a height z is, at most BELOW_FLOOR metres outside.

    Where less was seen than LEAST_HEIGHT, its ceiling is that high. None where z is in no storey, such as on a roof.
    """
    found = storey_at([floor for floor, _ in levels], z)
    if found is None:
        return None
    floor, ceiling = levels[found]
    top = max(ceiling + BELOW_FLOOR, floor + LEAST_HEIGHT)
    return found if floor - BELOW_FLOOR <= z <= top else None


def room_at(outlines, xy):
    """Index of the shapely.Polygon that contains a place (x, y), otherwise of the nearest within NEAR_ROOM metres.

    None if none is near.
    """
    import shapely

    if not len(outlines):
        return None
    distance = shapely.distance(outlines, shapely.Point(float(xy[0]), float(xy[1])))
    return int(np.argmin(distance)) if distance.min() <= NEAR_ROOM else None
