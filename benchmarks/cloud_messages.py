# SPDX-License-Identifier: Apache-2.0
"""Messages with the fields of PointCloud2, laid out field by field, without ROS."""

import types

import numpy as np

CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}


def message(columns, width=None, height=1, big=False, offsets=None, point_padding=0, row_padding=0, **changes):
    """A message with the fields of PointCloud2, laid out field by field. columns: dict name -> (type, values [N])."""
    order = ">" if big else "<"
    names, kinds = list(columns), [kind for kind, _ in columns.values()]
    if offsets is None:
        offsets = np.cumsum([0, *(np.dtype(kind).itemsize for kind in kinds)])[:-1].tolist()
    step = max(o + np.dtype(k).itemsize for o, k in zip(offsets, kinds)) + point_padding
    dtype = np.dtype({"names": names, "formats": [order + k for k in kinds], "offsets": offsets, "itemsize": step})
    count = len(next(iter(columns.values()))[1])
    points = np.zeros(count, dtype=dtype)
    for name, (_, values) in columns.items():
        points[name] = values
    width = count // height if width is None else width
    rows = points.tobytes()
    if row_padding:
        row = width * step
        rows = b"".join(rows[i * row : (i + 1) * row] + b"\xab" * row_padding for i in range(height))
    values = {
        "header": types.SimpleNamespace(frame_id="map", stamp=types.SimpleNamespace(sec=3, nanosec=5)),
        "fields": [
            types.SimpleNamespace(name=n, offset=o, datatype=CODES[k], count=1)
            for n, o, k in zip(names, offsets, kinds)
        ],
        "width": width,
        "height": height,
        "point_step": step,
        "row_step": width * step + row_padding,
        "is_bigendian": big,
        "data": rows,
    }
    return types.SimpleNamespace(**{**values, **changes})


def packed(rgb, alpha=0):
    rgb = rgb.astype(np.uint32)
    return np.uint32(alpha) << 24 | rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]
