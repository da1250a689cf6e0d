# SPDX-License-Identifier: Apache-2.0
"""Convert sensor_msgs/PointCloud2 to arrays and back, vectorised over the points.

Imports no ROS: any object with the attributes of the message is accepted, and fields are returned as plain rows.
sensor_msgs_py is not used, because it cannot read padding, foreign byte order or array fields. A test compares the two
on messages that both can read.
"""

import array
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from .colors import pack_color
from .coordinates import MAX_NAME, list_names
from .point_records import decode_records

# sensor_msgs/PointField datatype -> numpy type
DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
INT32, UINT32, FLOAT32, FLOAT64 = 5, 6, 7, 8
MAX_POINT_STEP = 2**31 - 1  # bytes; numpy's limit for one item
MAX_FIELDS = 1000  # of a point; messages of sensors and maps have up to about 70
MAX_SECONDS = 2**31 - 1  # of a stamp


def decode(message, allow_gray=False, scale=1.0):
    """The finite points of a PointCloud2 with their colours, in the order and frame of the message.

    Any field order, offset, row and point padding and byte order is read, organised clouds too; coordinates and colour
    as in `decode_records`. Returns DecodedCloud; raises SpaceformerError.
    """
    stamp_ns = nanoseconds_of(message.header.stamp)
    return decode_records(structured_view(message), allow_gray, scale, message.header.frame_id, stamp_ns)


def nanoseconds_of(stamp):
    """Nanoseconds of the stamp of a message. Raises SpaceformerError for a time that ROS can neither compare nor
    send."""
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    if not 0 <= stamp_ns // 1_000_000_000 <= MAX_SECONDS:
        raise SpaceformerError(
            f"the stamp sec {stamp.sec}, nanosec {stamp.nanosec} is not between 1970 and 2038: set the publisher's "
            "clock, or use stamp 0"
        )
    return stamp_ns


def structured_view(message):
    """The message's points as a structured array [width * height] over its own bytes; padding is skipped.

    Sizes that a publisher has left at 0 or set wrongly are inferred from the data if only one value fits. Raises
    SpaceformerError if the layout does not fit the data.
    """
    size = len(message.data)
    width, height = _shape(message)
    step = message.point_step or (size // (width * height) if size % (width * height) == 0 else 0)
    dtype = _point_dtype(message, step, width * height)
    row_step = message.row_step
    if height == 1 or size == width * height * step:
        row_step = width * step
    if row_step < width * step:
        raise SpaceformerError(f"row_step {row_step} is smaller than width {width} x point_step {step}")
    needed = (height - 1) * row_step + width * step
    if size < needed:
        raise SpaceformerError(
            f"the cloud claims {width} x {height} points of {step} bytes ({needed} bytes) but carries {size}: "
            "it was truncated or its header is wrong"
        )
    rows = np.ndarray((height, width), dtype=dtype, buffer=message.data, strides=(row_step, step))
    return rows.reshape(-1)


def _shape(message):
    """(width, height) of a message; one row if a publisher has left one of the two at 0."""
    width, height = message.width, message.height
    if width * height == 0 and max(width, height) * message.point_step == len(message.data) > 0:
        return max(width, height), 1
    if width * height == 0:
        raise SpaceformerError(f"the cloud is empty: width {width} x height {height}")
    return width, height


def _point_dtype(message, step, points):
    """numpy type of one of so many points of `step` bytes. Padding, which PCL calls "_", may be there several times.

    Raises SpaceformerError for fields that do not fit into it.
    """
    if not 0 < step <= MAX_POINT_STEP:
        raise SpaceformerError(f"point_step is {step}, expected 1 to {MAX_POINT_STEP} bytes")
    if len(message.fields) > MAX_FIELDS:
        raise SpaceformerError(f"a point has {len(message.fields)} fields; at most {MAX_FIELDS} are read")
    order = ">" if message.is_bigendian else "<"
    formats, offsets = {}, []
    for f in message.fields:
        if f.name.startswith("_") and f.name in formats:
            continue
        name = list_names([f.name])
        if f.datatype not in DATATYPES:
            raise SpaceformerError(f"field {name} has datatype {f.datatype}, expected 1 (INT8) to 8 (FLOAT64)")
        kind = np.dtype(order + DATATYPES[f.datatype])
        count = max(int(f.count), 1)
        if count == points and f.offset + kind.itemsize * count > step:
            count = 1  # some publishers count the points
        if f.offset + kind.itemsize * count > step:
            raise SpaceformerError(
                f"field {name} ends at byte {f.offset + kind.itemsize * count} of a point, but point_step is {step}"
            )
        if not f.name or f.name in formats:
            raise SpaceformerError(f"the field name {f.name[:MAX_NAME]!r} is empty or used twice")
        formats[f.name] = kind if count == 1 else (kind, (count,))
        offsets.append(f.offset)
    layout = {"names": list(formats), "formats": list(formats.values()), "offsets": offsets}
    return np.dtype({**layout, "itemsize": step})


@dataclass(frozen=True)
class EncodedCloud:
    """The content of a PointCloud2 of one row. fields: rows (name, offset, datatype); data: array('B')."""

    fields: tuple
    point_step: int
    num_points: int
    data: array.array


def encode(columns):
    """Interleave columns into the bytes of a cloud.

    columns: dict name -> [N] array of float32, float64, uint32 or int32, in the order of the fields. `data` is an
    array('B'), which rclpy takes by reference; anything else it checks element by element.
    """
    codes = {np.dtype("f4"): FLOAT32, np.dtype("f8"): FLOAT64, np.dtype("u4"): UINT32, np.dtype("i4"): INT32}
    rows = np.empty(len(next(iter(columns.values()))), dtype=[(name, col.dtype) for name, col in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    data = array.array("B")
    data.frombytes(rows.view(np.uint8))
    fields = tuple((name, rows.dtype.fields[name][1], codes[rows.dtype[name]]) for name in columns)
    return EncodedCloud(fields, rows.dtype.itemsize, len(rows), data)


def cloud_columns(cloud, xyz=None):
    """The columns x, y, z and, for coloured clouds, rgb of a Cloud, for `encode`.

    xyz: [N, 3] float32 or float64 metres, its positions in another frame; None: in its own
    """
    columns = dict(zip("xyz", (cloud.in_frame() if xyz is None else xyz).T))
    return {**columns, "rgb": pack_color(cloud.rgb)} if cloud.colored else columns
