# SPDX-License-Identifier: Apache-2.0
"""A picture of a map with the ids of objects on it, which a language model that sees can point at."""

import io
import math

import numpy as np

from ..cameras.layers import color_layer, ids_layer, marks_layer, marks_of
from ..cameras.model import CameraModel
from ..cameras.render import MapPoints, optical_pose
from ..show.pictures import below_ceiling
from ..show.viewpoints import overview, toward

FOCAL = 600.0  # pixels
CAMERA = CameraModel(640, 480, FOCAL, FOCAL, 319.5, 239.5)
MAX_POINTS = 300_000
QUALITY = 80  # of JPEG


def marked_picture(snapshot, items):
    """(JPEG bytes, ids in the picture): the map from above its edge, or from near the object if there is only one.

    items: MapObjects, which are coloured and get their ids
    """
    from PIL import Image

    rows = np.flatnonzero(below_ceiling(snapshot.cloud.xyz))
    rows = rows[:: max(1, len(rows) // MAX_POINTS)]
    view = MapPoints(snapshot.cloud.xyz[rows]).draw(CAMERA, _pose(snapshot, items).inverse)
    owner = snapshot.owner[rows]
    ids = ids_layer(view, np.where(np.isin(owner, [item.id for item in items]), owner, 0))
    buffer = io.BytesIO()
    picture = marks_layer(color_layer(view, snapshot.cloud.rgb[rows]), ids)
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue(), [mark.id for mark in marks_of(ids)]


def _pose(snapshot, items):
    """The RigidTransform of the camera into the map: one object is seen from the middle of the map, where walls do not
    hide it."""
    eye, target = overview(snapshot.cloud, 2 * math.atan(CAMERA.width / 2 / FOCAL))
    if len(items) == 1:
        eye, target = toward(items[0].box, target)
    x, y, z = target - eye
    return optical_pose(eye, math.atan2(y, x), math.atan2(z, math.hypot(x, y)))
