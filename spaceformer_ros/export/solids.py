# SPDX-License-Identifier: Apache-2.0
"""What is drawn of a scene in three dimensions: boxes of nodes, floors of rooms, and the coloured points.

Files of models have float32 coordinates, which cannot resolve those of UTM: all is relative to the origin of the
scene's cloud (`Cloud.origin`), along the axes of its frame, and the files have one transform to the frame.
"""

import colorsys
import hashlib
from dataclasses import dataclass

import numpy as np

from ..geometry.boxes import OrientedBox
from ..geometry.polygons import triangulate
from ..graph.nodes import DOOR, OBJECT, ROOM, WALL, WINDOW

MAX_POINTS = 1_000_000  # of a cloud in a file; of larger ones an even share is kept
MIN_SIDE = 0.02  # metres of a box, so that walls seen from one side are visible
COLORS = {WALL: (190, 190, 190, 90), DOOR: (200, 160, 60, 170), WINDOW: (90, 150, 230, 150)}
BOX_ALPHA, FLOOR_ALPHA = 110, 120
# Corners of the triangles of a box whose corners are those of OrientedBox, seen from outside counter-clockwise.
BOX_TRIANGLES = np.array(
    [(0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7), (0, 1, 5), (0, 5, 4)]
    + [(1, 2, 6), (1, 6, 5), (2, 3, 7), (2, 7, 6), (3, 0, 4), (3, 4, 7)]
)


@dataclass(frozen=True)
class Solid:
    """One thing as triangles.

    node: Node; vertices: [V, 3] metres, see above; triangles: [T, 3] rows of them; color: r, g, b, a in 0..255
    """

    node: object
    vertices: np.ndarray
    triangles: np.ndarray
    color: tuple


def solids_of(graph, origin):
    """List of Solids: floors of rooms, and boxes of walls, doors, windows and objects of a SceneGraph.

    origin: [3] metres, of the scene's cloud
    """
    made = []
    for node in graph.nodes:
        if node.kind == ROOM:
            floor = np.array([(x, y, node.center[2]) for x, y in node.outline]) - origin
            made.append(Solid(node, floor, triangulate(node.outline), (*color_of(node.id), FLOOR_ALPHA)))
        elif node.kind in (*COLORS, OBJECT):
            color = COLORS.get(node.kind) or (*color_of(node.label), BOX_ALPHA)
            size = np.maximum(node.size, MIN_SIDE)
            corners = OrientedBox(np.subtract(node.center, origin), size, node.yaw).corners
            made.append(Solid(node, corners, BOX_TRIANGLES, color))
    return made


def color_of(text):
    """A saturated colour, r, g, b in 0..255, that depends on the text alone."""
    hue = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big") / 65536
    return tuple(round(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.65, 0.95))


def points_of(scene):
    """xyz [n, 3] float64 metres, see above, and rgb [n, 3] uint8, at most MAX_POINTS."""
    cloud = scene.cloud[:: -(-len(scene.cloud) // MAX_POINTS)]
    return cloud.xyz.astype(np.float64) @ cloud.placement.rotation.T, cloud.rgb
