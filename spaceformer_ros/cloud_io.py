"""Coloured clouds in files: PLY, PCD and NPZ, chosen by suffix.

PCD goes through pypcd4. PLY is read and written here, because no library fits: plyfile is GPL-3, meshio reads uchar
colours as signed, trimesh keeps no further properties (labels, instances).
"""

import pathlib
import zipfile

import numpy as np

from . import SpaceformerError
from .records import decode_records, pack_color

PLY_TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
PLY_NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}
PLY_FORMATS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
MAX_HEADER = 1 << 16  # bytes


def read_cloud(path, allow_gray=False):
    """The finite, coloured points of a .ply, .pcd or .npz file as a DecodedCloud. Raises SpaceformerError."""
    try:
        return decode_records(read_records(path), allow_gray)
    except SpaceformerError as error:
        raise SpaceformerError(f"{path}: {error}") from error


def read_records(path):
    """All point properties of a file as a structured array [N]. Raises SpaceformerError."""
    try:
        return _by_suffix(READERS, path)(pathlib.Path(path))
    except OSError as error:
        raise SpaceformerError(f"cannot be read: {error}") from error


def write_cloud(path, cloud, extra=None):
    """Write a Cloud. extra: dict name -> [N] numeric array of further point properties, such as instance ids."""
    path, extra = pathlib.Path(path), extra or {}
    for name, column in extra.items():
        if len(column) != len(cloud):
            raise SpaceformerError(f"write_cloud: {len(column)} values of {name} for {len(cloud)} points")
    _by_suffix(WRITERS, path)(path, cloud, extra)


def _by_suffix(table, path):
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in table:
        raise SpaceformerError(f"{path}: suffix {suffix!r} is none of {', '.join(sorted(table))}")
    return table[suffix]


def read_ply(path):
    """Vertex properties of an ASCII or binary PLY; faces and other elements behind the vertices are left alone."""
    with open(path, "rb") as file:
        byte_order, count, dtype = _read_ply_header(path, file)
        if byte_order:
            data = file.read(count * dtype.itemsize)
            if len(data) < count * dtype.itemsize:
                raise SpaceformerError(
                    f"holds {len(data)} bytes of vertices, its header promises {count} x {dtype.itemsize}: truncated"
                )
            return np.frombuffer(data, dtype=dtype)
        return _read_ply_text(file, count, dtype)


def _read_ply_header(path, file):
    """Byte order ("" for ASCII), number of vertices and their type; leaves the file at the first vertex."""
    if file.readline(16).strip() != b"ply":
        raise SpaceformerError("this is not a PLY file: it does not begin with 'ply'")
    byte_order, element, count, properties = None, None, 0, []
    while (line := file.readline(MAX_HEADER).decode("ascii", "replace").split()) != ["end_header"]:
        if not line or file.tell() > MAX_HEADER:
            raise SpaceformerError("the PLY header has no end_header")
        if line[0] == "format":
            byte_order = PLY_FORMATS.get(line[1])
        elif line[0] == "element":
            if element is None and line[1] != "vertex":
                raise SpaceformerError(f"element {line[1]} stands before the vertices: write the vertices first")
            element = line[1]
            count = int(line[2]) if element == "vertex" else count
        elif line[0] == "property" and element == "vertex":
            if line[1] not in PLY_TYPES:
                raise SpaceformerError(f"vertex property {' '.join(line[1:])!r} has a type that is not supported")
            properties.append((line[-1], (byte_order or "<") + PLY_TYPES[line[1]]))
    if byte_order is None or not properties:
        raise SpaceformerError(f"the PLY header has no known format or no vertices (formats: {', '.join(PLY_FORMATS)})")
    return byte_order, count, np.dtype(properties)


def _read_ply_text(file, count, dtype):
    tokens = file.read().split(None, count * len(dtype))[: count * len(dtype)]
    if len(tokens) < count * len(dtype):
        raise SpaceformerError(f"holds {len(tokens) // len(dtype)} vertices, its header promises {count}: truncated")
    try:
        table = np.array(tokens, dtype=np.float64).reshape(count, len(dtype))
    except ValueError as error:
        raise SpaceformerError(f"a vertex is not a row of numbers: {error}") from error
    points = np.empty(count, dtype=dtype)
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
    header += [f"property {PLY_NAMES[column.dtype.str[1:]]} {name}" for name, column in columns.items()]
    with open(path, "wb") as file:
        file.write("\n".join([*header, "end_header", ""]).encode())
        file.write(points.tobytes())


def _ply_column(name, column):
    """The column in a type that PLY has (bool and 64-bit integers have none)."""
    column = np.asarray(column)
    if column.dtype.kind in "bui" and column.dtype.str[1:] not in PLY_NAMES:
        if column.size and (column.min() < -(2**31) or column.max() >= 2**31):
            raise SpaceformerError(f"{name} holds {column.max()}, which PLY's 32-bit integers cannot")
        return column.astype(np.int32)
    return column


def read_pcd(path):
    """All fields of an ASCII, binary or compressed PCD."""
    pypcd4 = _import_pypcd4()
    try:
        return pypcd4.PointCloud.from_path(path).pc_data.reshape(-1)
    except Exception as error:  # pypcd4 raises several kinds for a damaged file
        raise SpaceformerError(f"cannot be read as PCD ({type(error).__name__}: {error})") from error


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


def read_npz(path):
    """Arrays xyz [N, 3] and rgb [N, 3] (uint8), and any further array of length N as a property."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SpaceformerError(f"cannot be read as NPZ: {error}") from error
    xyz = arrays.pop("xyz", None)
    if xyz is None or xyz.ndim != 2 or xyz.shape[1] != 3:
        raise SpaceformerError(f"needs an array xyz [N, 3] (found {', '.join(arrays) or 'nothing'})")
    columns = dict(zip("xyz", xyz.T))
    rgb = arrays.pop("rgb", None)
    if rgb is not None and rgb.shape == xyz.shape:
        columns.update(zip(("red", "green", "blue"), rgb.T))
    columns.update({name: array for name, array in arrays.items() if array.shape == (len(xyz),)})
    points = np.empty(len(xyz), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        points[name] = column
    return points


def write_npz(path, cloud, extra):
    """Compressed NPZ with xyz, rgb and the extra arrays."""
    np.savez_compressed(path, xyz=cloud.xyz, rgb=cloud.rgb, **extra)


READERS = {".ply": read_ply, ".pcd": read_pcd, ".npz": read_npz}
WRITERS = {".ply": write_ply, ".pcd": write_pcd, ".npz": write_npz}
