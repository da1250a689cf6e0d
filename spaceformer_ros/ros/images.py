# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back; compressed ones where pillow is installed."""

import array
import struct

import numpy as np
from sensor_msgs.msg import Image

from .. import SpaceformerError
from ..cameras.depth import to_metres
from ..cameras.images import decode_picture
from ..clouds.formats.pictures import MAX_PIXELS

# encoding -> type, channels, and the channels that are red, green and blue
COLORS = {
    "rgb8": (np.uint8, 3, (0, 1, 2)),
    "bgr8": (np.uint8, 3, (2, 1, 0)),
    "rgba8": (np.uint8, 4, (0, 1, 2)),
    "bgra8": (np.uint8, 4, (2, 1, 0)),
    "mono8": (np.uint8, 1, (0, 0, 0)),
    "8UC1": (np.uint8, 1, (0, 0, 0)),
    "8UC3": (np.uint8, 3, (2, 1, 0)),  # OpenCV's order
}
DEPTHS = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
LABELS = {"mono8": np.uint8, "8UC1": np.uint8, "mono16": np.uint16, "16UC1": np.uint16, "32SC1": np.int32}
DEPTH_HEADER = 12  # bytes before the PNG in a compressedDepth image: its format, and two floats of the quantisation


def color_of(message):
    """[H, W, 3] uint8 of an Image or CompressedImage. Raises SpaceformerError."""
    if not hasattr(message, "encoding"):
        return np.asarray(_decoded(bytes(message.data), "RGB"))
    if message.encoding not in COLORS:
        raise SpaceformerError(f"colour image: the encoding {message.encoding!r} is not one of {', '.join(COLORS)}")
    kind, channels, order = COLORS[message.encoding]
    return _pixels(message, kind, channels)[..., list(order)]


def depth_of(message):
    """[H, W] float32 metres, 0 where nothing was measured, of an Image, or of a CompressedImage of compressedDepth.

    Raises SpaceformerError.
    """
    if not hasattr(message, "encoding"):
        return _compressed_depth(message)
    if message.encoding not in DEPTHS:
        raise SpaceformerError(f"depth image: the encoding {message.encoding!r} is not one of {', '.join(DEPTHS)}")
    return to_metres(_pixels(message, DEPTHS[message.encoding], 1)[..., 0])


def labels_of(message):
    """[H, W] int32 class numbers of an Image, 0 for none. Raises SpaceformerError."""
    if message.encoding not in LABELS:
        raise SpaceformerError(f"label image: the encoding {message.encoding!r} is not one of {', '.join(LABELS)}")
    return _pixels(message, LABELS[message.encoding], 1)[..., 0].astype(np.int32)


def to_image(pixels, header):
    """An Image of [H, W, 3] uint8 (rgb8), or [H, W] uint16 (16UC1), float32 (32FC1) or int32 (32SC1)."""
    encoding = {np.uint8: "rgb8", np.uint16: "16UC1", np.float32: "32FC1", np.int32: "32SC1"}[pixels.dtype.type]
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.step = pixels[0].nbytes
    message.data = array.array("B", pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes())
    return message


def _pixels(message, kind, channels):
    """[H, W, channels] of an Image, without the padding of its rows."""
    kind = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    height, width, row = message.height, message.width, message.width * channels * kind.itemsize
    if not (0 < height * width <= MAX_PIXELS and row <= message.step and message.step * height <= len(message.data)):
        raise SpaceformerError(
            f"image: {len(message.data)} bytes, rows of {message.step}, for {width} x {height} pixels of "
            f"{message.encoding}: the message is damaged"
        )
    data = np.frombuffer(message.data, dtype=np.uint8, count=message.step * height).reshape(height, message.step)
    pixels = np.ascontiguousarray(data[:, :row]).view(kind).reshape(height, width, channels)
    return pixels.astype(kind.newbyteorder("="), copy=False)


def _compressed_depth(message):
    """As `depth_of`. The format is that of compressed_depth_image_transport: 16UC1 as PNG, and 32FC1 as PNG of
    quantised inverse depth a / (pixel - b)."""
    data, encoding = bytes(message.data), message.format.split(";")[0].strip()
    if "compressedDepth" not in message.format or encoding not in DEPTHS or len(data) <= DEPTH_HEADER:
        raise SpaceformerError(
            f'depth image: the format {message.format!r} is not "16UC1; compressedDepth" or "32FC1; compressedDepth": '
            "lossy compression destroys depth; subscribe to the topic .../compressedDepth"
        )
    pixels = np.asarray(_decoded(data[DEPTH_HEADER:], None)).astype(np.uint16)
    if DEPTHS[encoding] == np.uint16:
        return to_metres(pixels)
    a, b = struct.unpack_from("<ff", data, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        return to_metres(np.where(pixels > 0, a / (pixels - np.float32(b)), 0).astype(np.float32))


def _decoded(data, mode):
    """The PIL image of compressed bytes, in a mode unless it is None."""
    try:
        image = decode_picture(data)
    except SpaceformerError as error:
        text = f"a compressed image of {len(data)} bytes cannot be decoded, subscribe to the raw topic: {error}"
        raise SpaceformerError(text) from error
    return image.convert(mode) if mode else image
