# SPDX-License-Identifier: Apache-2.0
"""PLY: read and written here, because no library fits.

plyfile is GPL-3, meshio reads uchar colours as signed, and trimesh drops further properties such as instances.
"""

import numpy as np

from ... import SpaceformerError

TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}
FORMATS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
MIN_WORDS = {"format": 2, "element": 3, "property": 3}  # minimum number of words of a header line
MAX_HEADER = 1 << 16  # bytes


def read_ply(path):
    """Vertex properties of an ASCII or binary PLY; faces and other elements behind the vertices are left alone."""
    with open(path, "rb") as file:
        byte_order, count, dtype = _read_ply_header(file)
        least = dtype.itemsize if byte_order else len(dtype)  # bytes of a vertex
        held = path.stat().st_size - file.tell()
        if held < count * least:  # looked at first: reading would allocate what the header promises
            raise SpaceformerError(
                f"holds {held} bytes of vertices, its header promises {count} of at least {least}: truncated"
            )
        if byte_order:
            return np.frombuffer(file.read(count * dtype.itemsize), dtype=dtype)
        return _read_ply_text(file, count, dtype)


def _read_ply_header(file):
    """Byte order ("" for ASCII), number of vertices and their type; leaves the file at the first vertex."""
    if file.readline(16).strip() != b"ply":
        raise SpaceformerError("this is not a PLY file: it does not begin with 'ply'")
    byte_order, element, count, properties = None, None, 0, []
    while (line := file.readline(MAX_HEADER).decode("ascii", "replace").split()) != ["end_header"]:
        if not line or file.tell() > MAX_HEADER:
            raise SpaceformerError("the PLY header has no end_header")
        if len(line) < MIN_WORDS.get(line[0], 1):
            raise SpaceformerError(f"the line {' '.join(line)!r} of the PLY header is incomplete")
        if line[0] == "format":
            byte_order = FORMATS.get(line[1])
        elif line[0] == "element":
            if element is None and line[1] != "vertex":
                raise SpaceformerError(f"element {line[1]} stands before the vertices: write the vertices first")
            element = line[1]
            count = _vertex_count(line[2]) if element == "vertex" else count
        elif line[0] == "property" and element == "vertex":
            if line[1] not in TYPES:
                raise SpaceformerError(f"vertex property {' '.join(line[1:])!r} has a type that is not supported")
            if line[-1] in [name for name, _ in properties]:
                raise SpaceformerError(f"vertex property {line[-1]!r} is there twice")
            properties.append((line[-1], (byte_order or "<") + TYPES[line[1]]))
    if byte_order is None or not properties:
        raise SpaceformerError(f"the PLY header has no known format or no vertices (formats: {', '.join(FORMATS)})")
    return byte_order, count, np.dtype(properties)


def _vertex_count(word):
    if not word.isdigit() or len(word) > 18:
        raise SpaceformerError(f"the PLY header promises {word[:40]!r} vertices, expected a whole number")
    return int(word)


def _read_ply_text(file, count, dtype):
    tokens = file.read().split(None, count * len(dtype))[: count * len(dtype)]
    if len(tokens) < count * len(dtype):
        raise SpaceformerError(f"holds {len(tokens) // len(dtype)} vertices, its header promises {count}: truncated")
    try:
        table = np.array(tokens, dtype=np.float64).reshape(count, len(dtype))
    except ValueError as error:
        raise SpaceformerError(f"a vertex is not a row of numbers: {error}") from error
    points = np.empty(count, dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # a value may not fit into its property
        for column, name in enumerate(dtype.names):
            points[name] = table[:, column]
    return points


def write_ply(path, cloud, extra):
    """Binary little-endian PLY with x, y, z, red, green, blue and the extra properties."""
    columns = {**dict(zip("xyz", cloud.xyz.T)), **dict(zip(("red", "green", "blue"), cloud.rgb.T))}
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
