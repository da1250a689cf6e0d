# SPDX-License-Identifier: Apache-2.0
"""Read and write PLY, without a library: none has a suitable licence and reads all properties.

plyfile is GPL-3, meshio reads uchar colours as signed, and trimesh drops further properties such as instances.
Format: G. Turk, "The PLY Polygon File Format" (1994).
"""

from dataclasses import dataclass, field

import numpy as np

from ... import SpaceformerError
from .text import BOM, NEW_LINE, check_binary, check_first_row, check_rows, header_lines, parse_numbers, to_records

TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"int64": "i8", "uint64": "u8"},  # not in the standard, but written
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
NAMES = {"i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint", "f4": "float"}
NAMES["f8"] = "double"
BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
MAX_HEADER = 1 << 16  # bytes
MAX_PROPERTIES = 1000  # of an element
MAX_LISTS = 1_000_000  # rows of lists of different lengths that are skipped


@dataclass
class Property:
    """A property of an element. kind: numpy type; length_kind: numpy type of a list's length, "" for a single value."""

    name: str
    kind: str
    length_kind: str = ""


@dataclass
class Element:
    """An element of the header with its properties."""

    name: str
    count: int
    properties: list = field(default_factory=list)


@dataclass
class Header:
    """byte_order: "" for text; elements; textures: names of images in its comments; lines, size in bytes: of itself."""

    byte_order: str
    elements: list
    textures: list
    lines: int
    size: int

    def index(self, name):
        """Index of the first element with a name, -1 if there is none."""
        return next((index for index, element in enumerate(self.elements) if element.name == name), -1)

    @property
    def vertices(self):
        """The Element of the vertices, which every Header has."""
        return self.elements[self.index("vertex")]


def read_ply(path, header):
    """Vertex properties of an ASCII or binary PLY; list properties and all other elements are skipped.

    header: its Header. Faces: see `ply_faces.py`.
    """
    with open(path, "rb") as file:
        file.seek(header.size)
        index, byte_order = header.index("vertex"), header.byte_order
        before, is_last = header.elements[:index], index == len(header.elements) - 1
        _check_size(header.elements[: index + 1], path.stat().st_size - header.size, byte_order)
        if byte_order:
            return _read_binary(file, before, header.vertices, byte_order, is_last)
        return _read_text(file, before, header.vertices, header.lines + 1)


def _check_size(elements, size, byte_order):
    """Refuse headers that declare more data than the file has, before memory is allocated for it."""
    needed = sum(element.count * _min_row(element, byte_order) for element in elements)
    if size < needed:
        raise SpaceformerError(
            f"holds {size} bytes of vertices, its header declares {elements[-1].count} of at least "
            f"{_min_row(elements[-1], byte_order)}: truncated"
        )


def _min_row(element, byte_order):
    """Minimum size of a row of an element in bytes: in text a digit and a blank for each value."""
    if not byte_order:
        return max(1, 2 * len(element.properties) - 1)
    return sum(np.dtype(prop.length_kind or prop.kind).itemsize for prop in element.properties)


# --- header ----------------------------------------------------------------------------------------------------------


def read_header(path):
    """The Header of a PLY. Raises SpaceformerError."""
    with open(path, "rb") as file:
        head = file.read(MAX_HEADER)
    position = len(BOM) if head.startswith(BOM) else 0
    if not head[position:].lower().startswith(b"ply"):
        raise SpaceformerError("this is not a PLY file: it does not begin with 'ply'")
    byte_order, elements, textures = None, [], []
    for number, line, end in header_lines(head, position):
        words = line.split()
        keyword = words[0].lower() if words else ""
        if keyword == "end_header":
            _check_header(byte_order, elements)
            return Header(byte_order, elements, textures, number, end)
        if keyword == "format":
            byte_order = _byte_order(words, number)
        elif keyword == "element":
            elements.append(_element(words, number))
        elif keyword == "property":
            _add_property(elements, words, number)
        elif keyword == "comment" and len(words) > 2 and words[1].lower() == "texturefile":
            textures.append(line.split(None, 2)[2])
    raise SpaceformerError(f"the PLY header has no end_header among its first {MAX_HEADER} bytes")


def _byte_order(words, number):
    if len(words) < 2 or words[1].lower() not in BYTE_ORDERS:
        raise SpaceformerError(
            f"line {number} of the PLY header, {' '.join(words)[:80]!r}: expected one of {', '.join(BYTE_ORDERS)}"
        )
    return BYTE_ORDERS[words[1].lower()]


def _element(words, number):
    if len(words) < 3:
        raise SpaceformerError(f"line {number} of the PLY header, {' '.join(words)[:80]!r}, is incomplete")
    if not words[2].isdecimal() or len(words[2]) > 18:
        raise SpaceformerError(
            f"line {number} of the PLY header declares {words[2][:40]!r} of {words[1][:40]}, expected an integer of 0 "
            "or more"
        )
    return Element(words[1].lower(), int(words[2]))


def _add_property(elements, words, number):
    where = f"line {number} of the PLY header, {' '.join(words)[:80]!r}"
    is_list = [word.lower() for word in words[1:2]] == ["list"]
    if len(words) < (5 if is_list else 3):
        raise SpaceformerError(f"{where}, is incomplete")
    if not elements:
        raise SpaceformerError(f"{where}, is not below an element")
    kinds = [word.lower() for word in (words[2:4] if is_list else words[1:2])]
    if any(kind not in TYPES for kind in kinds) or (is_list and TYPES[kinds[0]][0] == "f"):
        raise SpaceformerError(f"{where}, has a type that is not supported")
    properties = elements[-1].properties
    if words[-1] in [prop.name for prop in properties]:
        raise SpaceformerError(f"{where}: property {words[-1][:40]!r} is duplicated")
    if len(properties) == MAX_PROPERTIES:
        raise SpaceformerError(f"{where}: more than {MAX_PROPERTIES} properties")
    properties.append(Property(words[-1], TYPES[kinds[-1]], TYPES[kinds[0]] if is_list else ""))


def _check_header(byte_order, elements):
    if byte_order is None:
        raise SpaceformerError(f"the PLY header has no line 'format' (formats: {', '.join(BYTE_ORDERS)})")
    names = [element.name for element in elements]
    if names.count("vertex") > 1:
        raise SpaceformerError(f"the PLY header has {names.count('vertex')} elements 'vertex', expected one")
    if "vertex" not in names or not elements[names.index("vertex")].properties:
        raise SpaceformerError(f"the PLY header has no vertices (elements: {', '.join(names)[:200] or 'none'})")
    if any(prop.name == "packed_position" for prop in elements[names.index("vertex")].properties):
        raise SpaceformerError("the PLY holds compressed Gaussian splats: export it as uncompressed PLY")


# --- binary ----------------------------------------------------------------------------------------------------------


def _read_binary(file, before, vertices, byte_order, is_last):
    for element in before:
        skip_binary(file, element, byte_order)
    dtype = row_type(file, vertices, byte_order)
    content = file.read(vertices.count * dtype.itemsize)
    if len(content) < vertices.count * dtype.itemsize:
        raise SpaceformerError(
            f"holds {len(content) // dtype.itemsize} vertices, {vertices.count} are declared: truncated"
        )
    check_binary(content, file.read() if is_last else b"")
    rows = np.frombuffer(content, dtype=dtype)
    _check_lengths(rows, vertices)
    names = [prop.name for prop in vertices.properties if not prop.length_kind]
    return rows[names] if len(names) < len(vertices.properties) else rows


def row_type(file, element, byte_order):
    """numpy type of a row whose lists have the lengths of the first row; the file position is unchanged."""
    position, fields = file.tell(), []
    for index, prop in enumerate(element.properties):
        if prop.length_kind:
            length = read_length(file, byte_order + prop.length_kind) if element.count else 0
            fields.append((f"length of {index}", byte_order + prop.length_kind))
            fields.append((f"list {index}", byte_order + prop.kind, (length,)))
            file.seek(length * np.dtype(prop.kind).itemsize, 1)
        else:
            fields.append((prop.name, byte_order + prop.kind))
            file.seek(np.dtype(prop.kind).itemsize, 1)
    file.seek(position)
    return np.dtype(fields)


def read_length(file, kind):
    content = file.read(np.dtype(kind).itemsize)
    length = int(np.frombuffer(content, dtype=kind)[0]) if len(content) == np.dtype(kind).itemsize else -1
    if not 0 <= length <= MAX_PROPERTIES:
        raise SpaceformerError(f"a list has {length} values, expected 0 to {MAX_PROPERTIES}: the file is damaged")
    return length


def _check_lengths(rows, element):
    for index, prop in enumerate(element.properties):
        if prop.length_kind and len(rows) and (rows[f"length of {index}"] != rows[f"length of {index}"][0]).any():
            raise SpaceformerError(
                f"the lists {prop.name!r} of the vertices have different lengths: write the vertices without lists"
            )


def skip_binary(file, element, byte_order):
    """Move to the end of an element; fast if all its lists are as long as those of its first row."""
    start, dtype = file.tell(), row_type(file, element, byte_order)
    if not any(prop.length_kind for prop in element.properties):
        file.seek(element.count * dtype.itemsize, 1)
        return
    content = file.read(element.count * dtype.itemsize)
    rows = np.frombuffer(content[: len(content) // dtype.itemsize * dtype.itemsize], dtype=dtype)
    lengths = [rows[name] for name in dtype.names if name.startswith("length of ")]
    if len(rows) == element.count and all((length == length[:1]).all() for length in lengths):
        return
    if element.count > MAX_LISTS:
        raise SpaceformerError(
            f"element {element.name!r} before the vertices has {element.count} lists of different lengths: write the "
            "vertices first"
        )
    file.seek(start)
    for _ in range(element.count):
        for prop in element.properties:
            length = read_length(file, byte_order + prop.length_kind) if prop.length_kind else 1
            file.seek(length * np.dtype(prop.kind).itemsize, 1)


# --- text ------------------------------------------------------------------------------------------------------------


def _read_text(file, before, vertices, line):
    """Records of the vertices. line: number of the first line after the header."""
    text = file.read()
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    rest = skip_lines(text, sum(element.count for element in before))
    line += text.count(b"\n", 0, len(text) - len(rest))
    singles = [prop for prop in vertices.properties if not prop.length_kind]
    if len(singles) < len(vertices.properties):
        table = _parse_rows(rest, vertices)
    else:
        table = _parse_table(rest, vertices.count, len(singles), line)
    if len(table) < vertices.count:
        raise SpaceformerError(f"holds {len(table)} vertices, its header declares {vertices.count}: truncated")
    return to_records(table, np.dtype([(prop.name, prop.kind) for prop in singles]))


def _parse_table(text, count, width, line):
    """Table [N, width] of the first `count` rows of a text, whose first line has the number `line` in the file."""
    check_first_row(text, width)
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == NEW_LINE)
    own = text[: ends[count - 1]] if 0 < count <= len(ends) else text
    numbers = _parse_vertices(own, -1, line)
    has_all = len(numbers) == count * width
    check_rows(own + b"\n" if has_all else text, width, count, line)
    if not has_all:  # blank lines
        numbers = _parse_vertices(text, count * width, line)
    return numbers[: min(len(numbers) // width, count) * width].reshape(-1, width)


def _parse_vertices(text, count, line=None):
    try:
        return parse_numbers(text, count, line)
    except SpaceformerError as error:
        raise SpaceformerError(f"a vertex is not a row of numbers: {error}") from error


def skip_lines(text, count):
    """The rest of a text after `count` lines that are not blank."""
    position = 0
    while count:
        end = text.find(b"\n", position)
        if end < 0:
            return b""
        count -= bool(text[position:end].strip())
        position = end + 1
    return text[position:]


def _parse_rows(text, vertices):
    """Table [N, C] of the single values of vertices with lists, line by line."""
    lines = [line for line in text.split(b"\n", 2 * vertices.count + 1) if line.strip()][: vertices.count]
    table = np.empty((len(lines), sum(not prop.length_kind for prop in vertices.properties)))
    for row, line in zip(table, lines):
        values, position, column = _parse_vertices(line, -1), 0, 0
        for prop in vertices.properties:
            if position >= len(values):
                raise SpaceformerError(f"the vertex {line[:60].decode('latin-1')!r} has too few values")
            if prop.length_kind:
                position += int(min(max(values[position], 0), len(values))) + 1
            else:
                row[column] = values[position]
                position, column = position + 1, column + 1
    return table


# --- writing ---------------------------------------------------------------------------------------------------------


def write_ply(path, cloud, extra):
    """Binary little-endian PLY with x, y, z, for coloured clouds red, green, blue, and the extra properties."""
    columns = dict(zip("xyz", cloud.in_frame().T))
    if cloud.colored:
        columns.update(zip(("red", "green", "blue"), cloud.rgb.T))
    columns.update({name: _ply_column(name, column) for name, column in extra.items()})
    points = np.empty(len(cloud), dtype=[(name, column.dtype.newbyteorder("<")) for name, column in columns.items()])
    for name, column in columns.items():
        points[name] = column
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(cloud)}"]
    header += [f"property {NAMES[column.dtype.str[1:]]} {name}" for name, column in columns.items()]
    with open(path, "wb") as file:
        file.write("\n".join([*header, "end_header", ""]).encode())
        file.write(points.tobytes())


def _ply_column(name, column):
    """The column in a type that PLY has (bool and 64-bit integers have none)."""
    column = np.asarray(column)
    if column.dtype.kind in "bui" and column.dtype.str[1:] not in NAMES:
        if column.size and (column.min() < -(2**31) or column.max() >= 2**31):
            raise SpaceformerError(f"{name} holds {column.max()}, which PLY's 32-bit integers cannot")
        return column.astype(np.int32)
    return column
