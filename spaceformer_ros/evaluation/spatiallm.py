# SPDX-License-Identifier: Apache-2.0
"""Reader of layouts as SpatialLM writes them (manycore-research/SpatialLM, spatiallm/layout), one thing a line:

    wall_0=Wall(ax,ay,az,bx,by,bz,height,thickness)
    door_0=Door(wall_0,x,y,z,width,height)
    window_0=Window(wall_0,x,y,z,width,height)
    bbox_0=Bbox(label,x,y,z,angle_z,sx,sy,sz)

Metres and radians; positions of doors, windows and boxes are their centres. `graph/formats.py` writes them.
"""

import re
from dataclasses import dataclass

import numpy as np

from ..disk.text_files import read_text
from ..geometry.boxes import OrientedBox
from ..layout.structure import UNKNOWN, Door, Layout, Storey, Wall, Window

LINE = re.compile(r"(wall|door|window|bbox)_\d+\s*=\s*(?P<kind>Wall|Door|Window|Bbox)\((?P<values>.*)\)")
COUNTS = {"Wall": 8, "Door": 6, "Window": 6, "Bbox": 8}  # values in the brackets


@dataclass(frozen=True)
class TextLayout:
    """Content of a text.

    layout: Layout with walls, doors, windows and one storey; ids count the lines of a kind from 1
    boxes: tuple of (label, OrientedBox)
    skipped: sentences about the lines that cannot be read
    """

    layout: Layout
    boxes: tuple
    skipped: tuple


def is_layout_text(path):
    """Whether a file begins like a layout, None if it is empty. Raises SpaceformerError if it is not readable text."""
    first = read_text(path).lstrip().split("\n", 1)[0]
    return LINE.fullmatch(first.strip()) is not None if first else None


def read_layout_text(text):
    """The TextLayout of a text. Doors and windows without a wall in a line before them are skipped."""
    walls, made, skipped = {}, {"Door": [], "Window": [], "Bbox": []}, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, values = _parsed(line.strip())
            if kind == "Wall":
                walls[line.split("=")[0].strip()] = _wall(len(walls) + 1, _floats(values))
            elif kind == "Bbox":
                made[kind].append(_box(values))
            else:
                made[kind].append(_opening(kind, len(made[kind]) + 1, values, walls))
        except ValueError as error:
            skipped.append(f"line {number} is skipped: {error}")
    base = min((wall.z for wall in walls.values()), default=0.0)
    top = max((wall.z + wall.height for wall in walls.values()), default=base)
    layout = Layout((Storey(1, base, top),), tuple(walls.values()), tuple(made["Door"]), tuple(made["Window"]))
    return TextLayout(layout, tuple(made["Bbox"]), tuple(skipped))


def _parsed(line):
    """Kind and list of the values of a line."""
    match = LINE.fullmatch(line)
    values = match["values"].split(",") if match else []
    if not match or len(values) != COUNTS[match["kind"]]:
        raise ValueError(f"{line[:60]!r} is not as wall_0=Wall(...), door_0=Door(...), bbox_0=Bbox(...)")
    return match["kind"], [value.strip() for value in values]


def _floats(values):
    numbers = [float(value) for value in values]
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return numbers


def _wall(number, values):
    ax, ay, az, bx, by, _, height, thickness = values
    return Wall(number, (ax, ay), (bx, by), az, height, thickness, 1)


def _opening(kind, number, values, walls):
    """A Door or Window; its sill counts from the lower edge of its wall."""
    wall = walls.get(values[0])
    if wall is None:
        raise ValueError(f"{values[0][:40]} is not a wall of an earlier line")
    x, y, z, width, height = _floats(values[1:])
    if kind == "Door":
        return Door(number, wall.id, (x, y, z), width, height, UNKNOWN, (0, 0))
    return Window(number, wall.id, (x, y, z), width, height, z - height / 2 - wall.z)


def _box(values):
    x, y, z, yaw, *size = _floats(values[1:])
    if min(size) < 0:
        raise ValueError(f"a size is negative: {size}")
    return values[0], OrientedBox(np.array([x, y, z]), np.array(size), yaw)
