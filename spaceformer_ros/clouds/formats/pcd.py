# SPDX-License-Identifier: Apache-2.0
"""PCD, through pypcd4 (an optional dependency)."""

import struct

import numpy as np

from ... import SpaceformerError
from ..point_records import pack_color

LZF_RATIO = 100  # LZF expands 3 bytes to at most 264
MAX_POINT = 1 << 16  # bytes of one point


def read_pcd(path):
    """All fields of an ASCII, binary or compressed PCD."""
    pypcd4 = _import_pypcd4()
    try:
        promised = _check_pcd_header(path, pypcd4.MetaData)
        points = pypcd4.PointCloud.from_path(path).pc_data.reshape(-1)
    except SpaceformerError:
        raise
    except Exception as error:  # pypcd4 raises several kinds for a damaged file
        raise SpaceformerError(f"cannot be read as PCD ({type(error).__name__}: {error})") from error
    if len(points) < promised:
        raise SpaceformerError(f"holds {len(points)} points, its header promises {promised}: truncated")
    return points[:promised]


def _check_pcd_header(path, metadata):
    """The number of points that a PCD promises. Raises SpaceformerError where the file cannot hold them.

    pypcd4 allocates what the header says before it looks at the data. metadata: its class MetaData.
    """
    with open(path, "rb") as file:
        lines = []
        while not (lines and lines[-1].startswith("DATA")) and len(lines) < 10 and (raw := file.readline()):
            if (line := raw.decode().strip()) and not line.startswith("#"):  # these are the lines that pypcd4 reads
                lines.append(line)
        if not (lines and lines[-1].startswith("DATA")):
            raise SpaceformerError("cannot be read as PCD: no line DATA among the first 10 lines of the header")
        header = metadata.parse_header(lines)
        step = sum(size * count for size, count in zip(header.size, header.count))
        if step > MAX_POINT:
            raise SpaceformerError(f"the PCD header promises {step} bytes per point, more than {MAX_POINT}")
        held, needed = path.stat().st_size - file.tell(), header.points * step
        if header.data == "binary_compressed" and header.points:
            packed, unpacked = struct.unpack("<II", file.read(8))
            held = unpacked if packed + 8 <= held and unpacked <= LZF_RATIO * packed else 0
        if header.data != "ascii" and held < needed:
            raise SpaceformerError(
                f"holds {held} bytes of points, its header promises {header.points} x {step}: truncated"
            )
    return header.points


def write_pcd(path, cloud, extra):
    """Compressed PCD with x, y, z, rgb and the extra fields."""
    pypcd4 = _import_pypcd4()
    columns = [*cloud.xyz.T, pack_color(cloud.rgb), *(np.asarray(column) for column in extra.values())]
    names, types = ("x", "y", "z", "rgb", *extra), [column.dtype.type for column in columns]
    pypcd4.PointCloud.from_points(columns, names, types).save(path, pypcd4.Encoding.BINARY_COMPRESSED)


def _import_pypcd4():
    try:
        import pypcd4
    except ImportError as error:
        raise SpaceformerError("PCD files need the package pypcd4: pip install pypcd4") from error
    return pypcd4
