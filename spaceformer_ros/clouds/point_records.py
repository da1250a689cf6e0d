# SPDX-License-Identifier: Apache-2.0
"""Point records (numpy structured arrays with fields x, y, z and some form of colour) to Clouds.

Messages and files both arrive as records, so finiteness and colour are handled here, once.
"""

from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from .cloud import Cloud

GRAY = 128
COLOR_TRIPLES = (("r", "g", "b"), ("red", "green", "blue"))


@dataclass(frozen=True)
class DecodedCloud:
    """A cloud and which records it came from."""

    cloud: Cloud
    finite: np.ndarray  # [N_records] bool, which records became points
    colored: bool

    @property
    def num_dropped(self):
        """Records without finite coordinates."""
        return len(self.finite) - len(self.cloud)


def decode_records(points, allow_gray=False, frame_id="", stamp_ns=0):
    """The finite points of structured records [N], in their order.

    Coordinates are float32 or float64; colour is `rgb` or `rgba` packed in 32 bits of any type, or separate r, g, b
    (red, green, blue). A point is dropped where x, y or z is not finite; colour is never tested, because a packed
    colour with alpha 255 is NaN half the time. allow_gray: take records without colour as mid-grey.
    Returns DecodedCloud; raises SpaceformerError.
    """
    missing = [axis for axis in "xyz" if axis not in points.dtype.names]
    if missing:
        raise SpaceformerError(
            f"the cloud has no field {', '.join(missing)} (fields: {', '.join(points.dtype.names) or 'none'})"
        )
    if len(points) == 0:
        raise SpaceformerError("the cloud is empty: 0 points")
    with np.errstate(over="ignore", invalid="ignore"):
        xyz = np.column_stack([_coordinate(points, axis) for axis in "xyz"]).astype(np.float32, copy=False)
    finite = np.isfinite(xyz).all(axis=1)
    kept = int(np.count_nonzero(finite))
    if kept == 0:
        raise SpaceformerError(
            f"all {len(xyz)} points of the cloud have non-finite coordinates: the sensor or map is still empty, or its "
            "fields are laid out differently than it says"
        )
    if kept < len(xyz):
        points, xyz = points[finite], xyz[finite]
    rgb = _colors(points)
    if rgb is None and not allow_gray:
        raise SpaceformerError(
            f"the cloud has no colour (fields: {', '.join(points.dtype.names)}); the network needs rgb, rgba or "
            "r, g, b: use a coloured map, or allow_gray to try without"
        )
    colored = rgb is not None
    if not colored:
        rgb = np.full((len(xyz), 3), GRAY, dtype=np.uint8)
    return DecodedCloud(Cloud(xyz, rgb, frame_id, stamp_ns), finite, colored)


def _coordinate(points, axis):
    column = points[axis]
    if column.ndim != 1 or column.dtype.kind != "f":
        raise SpaceformerError(f"field {axis!r} holds {column.dtype}, expected one float32 or float64 per point")
    return column


def _colors(points):
    """[N, 3] uint8, or None where no field holds colour."""
    for name in ("rgb", "rgba"):
        if name in points.dtype.names:
            return _unpack_color(name, points[name])
    for triple in COLOR_TRIPLES:
        if all(name in points.dtype.names for name in triple):
            return np.column_stack([_channel(name, points[name]) for name in triple])
    return None


def _unpack_color(name, column):
    """Bytes 0x__RRGGBB of a 32-bit field, whatever its type claims to be."""
    if column.dtype.itemsize != 4 or column.dtype.kind not in "uif" or column.ndim != 1:
        raise SpaceformerError(f"field {name!r} holds {column.dtype}, expected 32 bits per point")
    packed = np.ascontiguousarray(column).view(column.dtype.byteorder + "u4")
    return np.column_stack([(packed >> shift) & 0xFF for shift in (16, 8, 0)]).astype(np.uint8)


def _channel(name, column):
    """One colour channel as uint8: integers as they are, floats scaled from [0, 1] unless some exceed 1."""
    if column.dtype.kind not in "buif" or column.ndim != 1:
        raise SpaceformerError(f"field {name!r} holds {column.dtype}, expected one number per point")
    if column.dtype.kind != "f":
        return np.clip(column, 0, 255).astype(np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.nan_to_num(column.astype(np.float32))
        values = np.rint(values * (255.0 if values.max(initial=0.0) <= 1.0 else 1.0))
    return np.clip(values, 0, 255).astype(np.uint8)


def pack_color(rgb):
    """[N, 3] uint8 -> [N] float32 whose bits are 0x00RRGGBB, as PCL and RViz read it. Alpha 0 keeps it finite."""
    rgb = rgb.astype(np.uint32)
    return (rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]).view(np.float32)
