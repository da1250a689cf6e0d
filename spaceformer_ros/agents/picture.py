# SPDX-License-Identifier: Apache-2.0
"""A picture of a map with numbered marks, which a language model that sees can point at."""

import io

import numpy as np

from ..show.camera import Camera, render
from ..show.colors import stable_color
from ..show.pictures import BACKGROUND, point_spacing, visible_rows
from ..show.viewpoints import overview, toward

WIDTH, HEIGHT = 640, 480  # pixels
MAX_POINTS = 300_000
MARK = 11  # pixels, radius
QUALITY = 80  # of JPEG


def marked_picture(snapshot, items):
    """JPEG bytes: the map from above its edge, or from near the object if there is only one.

    items: MapObjects, which get a mark with their id.
    """
    from PIL import Image, ImageColor, ImageDraw, ImageFont

    camera = Camera(*_viewpoint(snapshot, items), WIDTH, HEIGHT)
    cloud = snapshot.cloud[visible_rows(snapshot.cloud.xyz, "top")]
    cloud = cloud[:: max(1, len(cloud) // MAX_POINTS)]
    drawn = render(cloud.xyz, 0.75 * point_spacing(cloud.xyz), camera)
    image = Image.fromarray(drawn.paint(cloud.rgb, ImageColor.getrgb(BACKGROUND)).astype(np.uint8))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for item in items:
        (pixel,), (depth,) = camera.project(item.box.center[None])
        if depth > 0:
            x, y = pixel.tolist()
            color = tuple(round(255 * part) for part in stable_color(f"instance {item.id}"))
            draw.ellipse((x - MARK, y - MARK, x + MARK, y + MARK), fill="white", outline=color, width=3)
            draw.text((x, y), str(item.id), fill="black", font=font, anchor="mm")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _viewpoint(snapshot, items):
    """(eye, target): one object is seen from the middle of the map, where walls do not hide it."""
    eye, target = overview(snapshot.cloud)
    return toward(items[0].box, target) if len(items) == 1 else (eye, target)
