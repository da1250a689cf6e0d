# SPDX-License-Identifier: Apache-2.0
"""Read and write picture files with pillow."""

import io
import warnings

import numpy as np

from .. import SpaceformerError
from ..clouds.formats.pictures import MAX_PIXELS, PICTURES
from ..disk.reading import read_regular_file
from .depth import to_metres

MAX_BYTES = 1 << 28  # of a file


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
    content = read_regular_file(path, MAX_BYTES)
    try:
        return decode_picture(content)
    except SpaceformerError as error:
        raise SpaceformerError(f"{path} cannot be read as a picture: {error}") from error


def decode_picture(content):
    """The PIL image of the bytes of a file in one of PICTURES, decoded. Raises SpaceformerError."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise SpaceformerError(f"pictures need the package pillow ({error}): pip install pillow") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=PICTURES)
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels, at most {MAX_PIXELS}")
            image.load()
            return image
    except UnidentifiedImageError as error:
        raise SpaceformerError(f"it is none of {', '.join(PICTURES)}") from error
    except Exception as error:  # decoders raise many types for damaged pictures
        raise SpaceformerError(f"{type(error).__name__}: {error}") from error
