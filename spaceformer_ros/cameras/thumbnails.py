# SPDX-License-Identifier: Apache-2.0
"""Small pictures of objects, cut out of camera images."""

import io
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError

MAX_SIDE = 128  # pixels
MAX_BYTES = 32_768  # of one picture; 128 x 128 pixels have about 5,000
MAX_THUMBNAILS = 2000  # of one scene
MIN_SIDE = 16  # pixels of an object in the image
BORDER = 0.15  # of the sides of the object, around it
JPEG_QUALITY = 85
BETTER = 1.2  # times the quality of the old picture that a new one needs


@dataclass(frozen=True)
class Thumbnail:
    """A picture of an object.

    jpeg: bytes of the file; stamp_ns: of the image; frame_id: optical frame of its camera
    quality: of the view, larger is better: visible share of the object times its side in pixels, up to MAX_SIDE
    """

    jpeg: bytes
    stamp_ns: int
    frame_id: str
    quality: float

    def __repr__(self):
        return f"Thumbnail({len(self.jpeg)} bytes, {self.frame_id!r}, {self.stamp_ns})"


def cut_out(look, image, known, stamp_ns, frame_id):
    """Dict id -> Thumbnail of the objects that an image shows better than the pictures that are known.

    look: Look of the image's camera; image: [H, W, 3] uint8; known: dict id -> quality of its picture
    """
    visible, found = look.visible, {}
    boxes, share = visible.boxes, visible.share
    height, width = image.shape[:2]
    for row in np.flatnonzero(visible.usable):
        left, top, right, bottom = boxes[row]
        side = max(right - left, bottom - top)
        inside = left >= 0 and top >= 0 and right < width and bottom < height
        quality = float(share[row] * min(side, MAX_SIDE) * (1.0 if inside else 0.5))
        if side < MIN_SIDE or quality < BETTER * known.get(int(look.ids[row]), 0.0):
            continue
        margin = BORDER * side
        columns = slice(max(0, int(left - margin)), int(right + margin) + 1)
        rows = slice(max(0, int(top - margin)), int(bottom + margin) + 1)
        found[int(look.ids[row])] = Thumbnail(to_jpeg(image[rows, columns]), stamp_ns, frame_id, quality)
    return {key: one for key, one in found.items() if len(one.jpeg) <= MAX_BYTES}


def to_jpeg(pixels):
    """The bytes of a JPEG of at most MAX_SIDE pixels of [H, W, 3] uint8. Raises SpaceformerError without pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        raise SpaceformerError(f"thumbnails need the package pillow ({error}): pip install pillow") from error
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
