# SPDX-License-Identifier: Apache-2.0
"""Read the faces of a mesh in PLY: polygons with any numbers of corners, binary or as text."""

import itertools

import numpy as np

from ... import SpaceformerError
from .ply import MAX_LISTS, row_type, skip_binary, skip_lines
from .text import parse_numbers

CORNERS = ("vertex_indices", "vertex_index")  # names of the list; the second one is that of the first writers
MAX_FACES = 2_000_000  # triangles; a mesh with more is dense, or larger than a building
MAX_BYTES = 1 << 27  # of the faces
MAX_TEXT = 1 << 26  # bytes of the faces as text, which takes four times as much memory
MAX_LINE = 2000  # bytes of a face on average
MAX_CORNERS = 4 * MAX_FACES


def read_faces(path, header):
    """[F, 3] int64: rows of the vertices of each triangle; polygons are cut into triangles around their first corner.

    header: of the file. None for files without faces, with more than MAX_FACES, or with damaged ones: their vertices
    are what is read.
    """
    index, byte_order = header.index("face"), header.byte_order
    face = header.elements[index]
    corners = [prop for prop in face.properties if prop.length_kind and prop.name.lower() in CORNERS]
    if index < 0 or not corners or not 0 < face.count <= MAX_FACES:
        return None
    polygons = _binary_polygons if byte_order else _text_polygons
    with open(path, "rb") as file:
        file.seek(header.size)
        try:
            found = polygons(file, header.elements[:index], face, corners[0], byte_order)
            return _triangles(found, header.vertices.count)
        except (SpaceformerError, ValueError, IndexError, OverflowError):
            return None


def _triangles(polygons, num_vertices):
    """[F, 3] int64 of a list of arrays [F, corners]. Raises ValueError for too many and for corners without vertex."""
    polygons = [polygon for polygon in polygons if polygon.shape[1] >= 3]
    if sum(len(polygon) * (polygon.shape[1] - 2) for polygon in polygons) > MAX_FACES:
        raise ValueError
    with np.errstate(invalid="ignore"):
        polygons = [polygon.astype(np.int64) for polygon in polygons]
    if any(polygon.min() < 0 or polygon.max() >= num_vertices for polygon in polygons):
        raise ValueError
    return np.concatenate(
        [polygon[:, [0, corner, corner + 1]] for polygon in polygons for corner in range(1, polygon.shape[1] - 1)]
    )


def _binary_polygons(file, before, face, corner, byte_order):
    for element in before:
        skip_binary(file, element, byte_order)
    start, dtype = file.tell(), row_type(file, face, byte_order)
    content = file.read(min(face.count * dtype.itemsize, MAX_BYTES))
    rows = np.frombuffer(content[: len(content) // dtype.itemsize * dtype.itemsize], dtype=dtype)
    lengths = [rows[name] for name in dtype.names if name.startswith("length of ")]
    if len(rows) == face.count and all((length == length[0]).all() for length in lengths):
        return [rows[f"list {face.properties.index(corner)}"]]
    file.seek(start)
    content = file.read(MAX_BYTES)
    order = "little" if byte_order == "<" else "big"
    starts, lengths = _lists(
        face,
        corner,
        len(content),
        length_at=lambda at, size: int.from_bytes(content[at : at + size], order),
        size_of=lambda kind: np.dtype(kind).itemsize,
    )
    kind, values = np.dtype(byte_order + corner.kind), np.frombuffer(content, np.uint8)
    return [
        values[starts[lengths == length][:, None] + np.arange(length * kind.itemsize)].view(kind)
        for length in np.unique(lengths)
    ]


def _text_polygons(file, before, face, corner, _):
    text = file.read()
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    rest = skip_lines(text, sum(element.count for element in before))
    size = len(rest) - len(skip_lines(rest, face.count))
    if size > min(MAX_TEXT, face.count * MAX_LINE):
        raise ValueError
    numbers = parse_numbers(rest[:size])
    table = numbers[: len(numbers) // face.count * face.count].reshape(face.count, -1)
    if table.size == len(numbers) and len(face.properties) == 1 and (table[:, 0] == table.shape[1] - 1).all():
        return [table[:, 1:]]
    starts, lengths = _lists(face, corner, len(numbers), lambda at, _: int(numbers[at]), lambda _: 1)
    return [numbers[starts[lengths == length][:, None] + np.arange(length)] for length in np.unique(lengths)]


def _lists(face, corner, end, length_at, size_of):
    """Where the list of corners of each face begins, and how many it has: two arrays [F].

    end: where the faces end at most
    length_at: function of a position and a size that gives the length of the list there
    size_of: function of a type that gives how far a value of it moves the position
    Raises ValueError or IndexError for lists that do not fit.
    """
    if face.count > MAX_LISTS:
        raise ValueError
    steps = [
        (size_of(prop.length_kind) if prop.length_kind else 0, size_of(prop.kind), prop is corner)
        for prop in face.properties
    ]
    at, found, corners = 0, [], 0
    for _, (head, size, is_corner) in itertools.product(range(face.count), steps):
        length = length_at(at, head) if head else 1
        at += head
        if is_corner:
            found.append((at, length))
            corners += length
        at += length * size
        if length < 0 or at > end or corners > MAX_CORNERS:
            raise ValueError
    return np.array(found, dtype=np.int64).T
