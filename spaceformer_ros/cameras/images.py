# SPDX-License-Identifier: Apache-2.0
"""Read and write picture files with pillow."""

import io
import warnings

import numpy as np

from .. import SpaceformerError
from ..disk.reading import read_regular_file
from .depth import to_metres

MAX_BYTES = 1 << 28  # of a file
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
    values = np.asarray(image)
    return to_metres(np.where((values >= 0) & (values < 1 << 16), values, 0).astype(np.uint16), scale)


def write_png(path, image):
    """Write [H, W] uint16 or uint8, or [H, W, 3] uint8."""
    from PIL import Image

    Image.fromarray(image).save(path)


def _open(path):
    from PIL import Image, UnidentifiedImageError

    content = read_regular_file(path, MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels, at most {MAX_PIXELS}")
            image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        is_none = isinstance(error, UnidentifiedImageError)
        reason = "it is none" if is_none else getattr(error, "strerror", None) or error
        raise SpaceformerError(f"{path} cannot be read as a picture: {reason}") from error
