#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where does the layout fail? Draws rooms that it does not find as they are.

Usage: tools/env.sh python -m benchmarks.studies.layout_failures [--out docs/images]

Writes one picture per case, seen from above: the points, the true walls, and the walls, doors and rooms that are found.
Prints how many walls and rooms there are and how many are found.
"""

import argparse
import pathlib
from dataclasses import dataclass

import numpy as np

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.layout.find import find_layout

STEP, NOISE = 0.03, 0.01  # metres between points, and standard deviation of their noise
HEIGHT = 2.5  # metres
HOUSE = ((0, 0), (7, 0), (7, 4), (0, 4))  # corners of the outer walls, metres
DIVIDER = ((4, 0), (4, 4))  # the wall between two rooms, with a doorway
DOORWAY = (1.5, 2.5)  # metres along it
KNEE, RIDGE = 1.0, 2.6  # metres, heights of an attic at its eaves and in its middle
SHOWN_POINTS = 30_000  # of a cloud
SIZE, DOTS_PER_INCH = (4.2, 2.7), 100  # of a picture: inches, and dots per inch
POINT_COLOR, TRUE_COLOR, WALL_COLOR, ROOM_COLOR, DOOR_COLOR = "#9aa7b5", "#c03030", "#303030", "#dbe9d3", "#9a6a2f"


@dataclass(frozen=True)
class Case:
    """A room or two with their cloud. walls: ((x, y), (x, y)) of each true wall; rooms: how many there are."""

    parts: tuple  # of [N, 3] points
    walls: tuple
    rooms: int

    @property
    def cloud(self):
        """The Cloud of all parts with noise, all of one colour."""
        xyz = np.concatenate(self.parts)
        xyz = xyz + np.random.default_rng(0).normal(0, NOISE, xyz.shape)
        return Cloud(xyz.astype(np.float32), np.full(xyz.shape, 128, np.uint8), "map")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs/images"), help="folder of the pictures")
    options = parser.parse_args()
    table = []
    for name, case in (("loop", bare_loop()), ("glass", glass_wall()), ("attic", attic())):
        cloud = case.cloud
        found = find_layout(cloud)
        draw(options.out / f"layout_{name}.png", case, cloud, found)
        walls = f"{len(found.walls)} of {len(case.walls)}"
        table.append((name, walls, f"{len(found.rooms)} of {case.rooms}", str(len(found.doors))))
    print_table(table, ("case", "walls found", "rooms found", "doors found"))


# --- the cases --------------------------------------------------------------------------------------------------------


def bare_loop():
    """The walls of two rooms by a scanner that never looked at the floor."""
    low = 0.6  # metres above the floor where the scan begins
    parts = [upright(*side, low, HEIGHT) for side in sides(HOUSE)]
    return Case((*parts, *divider(low)), (*sides(HOUSE), DIVIDER), 2)


def glass_wall():
    """Two rooms with a wall of glass between them, of which only the frame was seen."""
    parts = [upright(*side, 0.0, HEIGHT) for side in sides(HOUSE)]
    frame = [upright((4, y), (4, y + 0.06), 0.0, HEIGHT) for y in (0.0, *DOORWAY, 3.94)]
    return Case((level(HOUSE[0], HOUSE[2]), *parts, *frame), (*sides(HOUSE), DIVIDER), 2)


def attic():
    """One room below a roof: two low walls, two gables, and slopes that meet at the ridge."""
    (x0, y0), (x1, y1) = HOUSE[0], HOUSE[2]
    eaves = [upright((x0, y), (x1, y), 0.0, KNEE) for y in (y0, y1)]
    gables = [below_roof(upright((x, y0), (x, y1), 0.0, RIDGE)) for x in (x0, x1)]
    slope = level(HOUSE[0], HOUSE[2])
    slope[:, 2] = roof(slope[:, 1])
    return Case((level(HOUSE[0], HOUSE[2]), *eaves, *gables, slope), tuple(sides(HOUSE)), 1)


def divider(bottom):
    """Parts of the wall between both rooms, beside and above its doorway."""
    x = DIVIDER[0][0]
    spans = ((0.0, DOORWAY[0], bottom), (DOORWAY[1], HOUSE[2][1], bottom), (*DOORWAY, 2.05))
    return [upright((x, low), (x, high), z, HEIGHT) for low, high, z in spans]


def sides(corners):
    """The sides of a polygon as pairs of corners."""
    return list(zip(corners, (*corners[1:], corners[0])))


def upright(start, end, bottom, top):
    """[N, 3] points of a wall from start to end (x, y), between two heights."""
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    along = np.arange(0, np.hypot(*(end - start)), STEP) / np.hypot(*(end - start))
    t, z = (grid.ravel() for grid in np.meshgrid(along, np.arange(bottom, top, STEP)))
    return np.column_stack([start + t[:, None] * (end - start), z])


def level(low, high):
    """[N, 3] points of a floor at height 0 between two corners (x, y)."""
    x, y = (grid.ravel() for grid in np.meshgrid(*(np.arange(a, b, STEP) for a, b in zip(low, high))))
    return np.column_stack([x, y, np.zeros(len(x))])


def roof(y):
    """[N] heights of the attic's roof."""
    middle = HOUSE[2][1] / 2
    return RIDGE - (RIDGE - KNEE) * np.abs(y - middle) / middle


def below_roof(points):
    """Those of the points [N, 3] that are below the attic's roof."""
    return points[points[:, 2] < roof(points[:, 1])]


# --- pictures ---------------------------------------------------------------------------------------------------------


def draw(path, case, cloud, found):
    """Write a picture of a Case with the Layout that is found in its cloud."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
    axes = figure.subplots()
    if not found.rooms:
        axes.text(*np.mean(HOUSE, axis=0), "no room", ha="center")
    for room in found.rooms:
        axes.fill(*np.array(room.outline).T, color=ROOM_COLOR, zorder=0)
        axes.text(*room.polygon.representative_point().coords[0], f"room {room.id}, {room.area:.1f} m²", ha="center")
    upper = cloud.xyz[cloud.xyz[:, 2] > 0.1]
    shown = upper[:: max(len(upper) // SHOWN_POINTS, 1)]
    axes.scatter(shown[:, 0], shown[:, 1], s=1.0, color=POINT_COLOR, zorder=1, linewidths=0)
    for number, wall in enumerate(found.walls):
        ends = np.array([wall.start, wall.end]).T
        axes.plot(*ends, color=WALL_COLOR, linewidth=4, zorder=2, label="" if number else "wall, found")
    for number, door in enumerate(found.doors):
        reach = found.item("walls", door.wall).direction * door.width / 2
        ends = np.array([door.center[:2] - reach, door.center[:2] + reach]).T
        axes.plot(*ends, color=DOOR_COLOR, linewidth=4, zorder=3, label="" if number else "door, found")
    for number, wall in enumerate(case.walls):
        ends = np.array(wall).T
        axes.plot(*ends, color=TRUE_COLOR, linewidth=1.2, dashes=(4, 3), zorder=4, label="" if number else "true wall")
    axes.set_aspect("equal")
    axes.axis("off")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, fontsize=8, frameon=False)
    figure.savefig(path, dpi=DOTS_PER_INCH)


if __name__ == "__main__":
    main()
