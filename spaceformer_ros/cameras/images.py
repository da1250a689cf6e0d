# SPDX-License-Identifier: Apache-2.0
"""Read and write picture files with pillow."""

import numpy as np

from .. import SpaceformerError
from .depth import to_metres

MAX_PIXELS = 1 << 26  # of a picture; more are refused before memory is allocated


def read_color(path):
    """[H, W, 3] uint8 of a picture file. Raises SpaceformerError."""
    return np.asarray(_open(path).convert("RGB"))


def read_depth(path, scale):
    """[H, W] float32 metres, 0 where nothing was measured, of a PNG with 16 bits. scale: metres per unit.

    Raises SpaceformerError for other pictures.
    """
    image = _open(path)
    if not image.mode.startswith("I"):
        raise SpaceformerError(f"{path}: a depth image of mode {image.mode}, expected 16 bits in one channel")
    return to_metres(np.asarray(image).astype(np.uint16), scale)


def write_png(path, image):
    """Write [H, W] uint16 or uint8, or [H, W, 3] uint8."""
    from PIL import Image

    Image.fromarray(image).save(path)


def _open(path):
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(path)
        if image.width * image.height > MAX_PIXELS:
            raise SpaceformerError(f"{path}: {image.width} x {image.height} pixels, at most {MAX_PIXELS} are read")
        image.load()
        return image
    except (OSError, SyntaxError, ValueError) as error:
        is_none = isinstance(error, UnidentifiedImageError)
        reason = "it is none" if is_none else getattr(error, "strerror", None) or error
        raise SpaceformerError(f"{path} cannot be read as a picture: {reason}") from error
