# SPDX-License-Identifier: Apache-2.0
"""What the headers of LAS, GLB and glTF files declare, checked against the size of the file.

The libraries that read these formats allocate or loop over what a header declares, however small the file is.
"""

import importlib.util
import struct
from typing import NamedTuple

from ... import SpaceformerError

LAS_HEADER, LAS_LONGEST_HEADER = 227, 375  # bytes of the header of LAS 1.0 and 1.4
LAS_LEGACY = struct.Struct("<HIIBHI")  # at 94: size of the header, start of points, VLRs, format, record, points
LAS_EXTENDED = struct.Struct("<QIQ")  # at 235 of LAS 1.4: start and number of extended VLRs, points
LAS_MINOR_VERSION, LAS_COMPRESSED = 25, 0x80  # offset in the header; bit of the point format
VLR, EXTENDED_VLR = 54, 60  # bytes of the smallest records
LAZ_RATIO = 200  # LAZ packs measured points to a tenth, artificial ones to less
LAZ_LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}  # item of point formats 6 to 10 -> layers in a chunk
LAZ_BYTES = 14  # item with one layer for each of its bytes
LAZ_ITEM, LAZ_ITEMS = struct.Struct("<HHH"), 34  # type, size and version of an item; offset of the first one
LAZ_TABLE, LAZ_CHUNKS = struct.Struct("<q"), struct.Struct("<II")  # offset of the chunk table; its version and length
GLB_HEADER, GLB_CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
DRACO, UNREADABLE = "KHR_draco_mesh_compression", ("EXT_meshopt_compression", "KHR_meshopt_compression")
SCALED = ("POSITION", "TEXCOORD_0")  # attributes whose integers readers do not scale to 0..1


class LasHeader(NamedTuple):
    """Numbers of a LAS header of `size` bytes. points: of `record` bytes from byte `start` on, or `compressed`."""

    size: int
    start: int
    points: int
    record: int
    compressed: bool
    records: int  # bytes that the variable length records have at least


def check_las(file, size):
    """Refuse a LAS or LAZ file of `size` bytes, open for reading, that cannot hold what it declares.

    Raises SpaceformerError.
    """
    head = file.read(LAS_LONGEST_HEADER)
    if len(head) < LAS_HEADER or head[:4] != b"LASF":
        raise SpaceformerError("is not a LAS file: it does not begin with a LAS header")
    header = _las_header(head)
    most = size * (LAZ_RATIO if header.compressed else 1)
    if header.points * header.record > most or header.records > size:
        raise SpaceformerError(
            f"is damaged: its header declares {header.points} points of {header.record} bytes and "
            f"{header.records} bytes of records, the file has {size} bytes"
        )
    if not header.size <= header.start <= size:
        raise SpaceformerError(f"is damaged: its points begin at byte {header.start} of {size}")
    if header.compressed:
        _check_chunk_table(file, size, header.start)


def _las_header(head):
    header_size, start, vlrs, point_format, record, points = LAS_LEGACY.unpack_from(head, 94)
    records = VLR * vlrs
    if head[LAS_MINOR_VERSION] >= 4 and len(head) >= 235 + LAS_EXTENDED.size:
        _, extended, more = LAS_EXTENDED.unpack_from(head, 235)
        points, records = max(points, more), records + EXTENDED_VLR * extended
    return LasHeader(header_size, start, points, record, bool(point_format & LAS_COMPRESSED), records)


def _check_chunk_table(file, size, start):
    """The table's offset is at the start of the points, or -1 and at the end of the file."""
    (table,) = _unpack_at(file, LAZ_TABLE, start)
    if table == -1:
        (table,) = _unpack_at(file, LAZ_TABLE, size - LAZ_TABLE.size)
    _, chunks = _unpack_at(file, LAZ_CHUNKS, table)
    if chunks > size:
        raise SpaceformerError(f"is damaged: it declares {chunks} chunks of points, the file has {size} bytes")


def check_laz_layers(file, start, record, chunks):
    """Refuse chunks of point formats 6 to 10 that declare more bytes than they have: LAZ readers allocate them.

    A chunk has its first point, the number of its points, the lengths of its layers, and the layers.
    file: open for reading; start: of the points; record: that of LASzip; chunks: rows (number of points, bytes).
    Raises SpaceformerError.
    """
    items = [
        LAZ_ITEM.unpack_from(record, at) for at in range(LAZ_ITEMS, len(record) - LAZ_ITEM.size + 1, LAZ_ITEM.size)
    ]
    layers = sum(size if kind == LAZ_BYTES else LAZ_LAYERS.get(kind, 0) for kind, size, _ in items)
    if not layers:
        return
    head = struct.Struct(f"<{sum(size for _, size, _ in items)}x{1 + layers}I")
    position = start + LAZ_TABLE.size
    for points, size in chunks:
        count, *lengths = _unpack_at(file, head, position)
        if count > points or head.size + sum(lengths) > size:
            raise SpaceformerError(
                f"is damaged: a chunk declares {count} points in {head.size + sum(lengths)} bytes, it has {points} in "
                f"{size} bytes"
            )
        position += size


def _unpack_at(file, layout, position):
    file.seek(max(position, 0))
    content = file.read(layout.size)
    if position < 0 or len(content) < layout.size:
        raise SpaceformerError("is damaged: the table of its compressed points is not in the file")
    return layout.unpack(content)


def glb_chunks(content):
    """(The bytes of a GLB file without what follows its declared length, its JSON). Raises SpaceformerError.

    The chunks must lie inside the file: a reader allocates the lengths that they declare.
    """
    if len(content) < GLB_HEADER.size:
        raise SpaceformerError("is not a GLB file: it is shorter than its header")
    magic, _, length = GLB_HEADER.unpack_from(content)
    if magic != b"glTF" or length > len(content):
        raise SpaceformerError(f"is damaged: its header declares {length} bytes of GLB, the file has {len(content)}")
    position, document = GLB_HEADER.size, b""
    while position < length:
        size, kind = GLB_CHUNK.unpack_from(content, position) if position + GLB_CHUNK.size <= length else (length, b"")
        position += GLB_CHUNK.size
        document = document or (content[position : position + size] if kind == b"JSON" else b"")
        position += size
    if position != length:
        raise SpaceformerError("is damaged: the chunks of the GLB file do not end where it does")
    return content[:length], document


def check_gltf(document):
    """Refuse what a reader would silently read wrongly: compressed geometry, and positions in quantised integers.

    document: the JSON of a glTF, parsed. Raises SpaceformerError.
    """
    required = document.get("extensionsRequired", ())
    if DRACO in required and not importlib.util.find_spec("DracoPy"):
        raise SpaceformerError("is compressed with Draco: pip install DracoPy, or export it without compression")
    if other := next((name for name in required if name in UNREADABLE), None):
        raise SpaceformerError(f"is compressed ({other[:40]}): export it without compression")
    for mesh in document.get("meshes", ()):
        for primitive in mesh.get("primitives", ()):
            for name, index in primitive.get("attributes", {}).items():
                if name in SCALED and document["accessors"][index].get("normalized"):
                    raise SpaceformerError(f"its {name} are quantised: export it without compression")
