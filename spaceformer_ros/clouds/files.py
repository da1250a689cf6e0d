"""Coloured clouds in files: PLY, PCD and NPZ, chosen by suffix.

PCD goes through pypcd4. PLY is read and written here, because no library fits: plyfile is GPL-3, meshio reads uchar
colours as signed, trimesh keeps no further properties (labels, instances).
"""

import pathlib
import struct
import zipfile

import numpy as np

from .. import SpaceformerError
from .point_records import decode_records, pack_color

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
PLY_WORDS = {"format": 2, "element": 3, "property": 3}  # least words of a header line
NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LZF_RATIO = 100  # LZF makes at most 264 bytes of 3
MAX_HEADER = 1 << 16  # bytes
MAX_POINT = 1 << 16  # bytes of one point in a PCD


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
        if len(line) < PLY_WORDS.get(line[0], 1):
            raise SpaceformerError(f"the line {' '.join(line)!r} of the PLY header is incomplete")
        if line[0] == "format":
            byte_order = PLY_FORMATS.get(line[1])
        elif line[0] == "element":
            if element is None and line[1] != "vertex":
                raise SpaceformerError(f"element {line[1]} stands before the vertices: write the vertices first")
            element = line[1]
            count = _vertex_count(line[2]) if element == "vertex" else count
        elif line[0] == "property" and element == "vertex":
            if line[1] not in PLY_TYPES:
                raise SpaceformerError(f"vertex property {' '.join(line[1:])!r} has a type that is not supported")
            if line[-1] in [name for name, _ in properties]:
                raise SpaceformerError(f"vertex property {line[-1]!r} is there twice")
            properties.append((line[-1], (byte_order or "<") + PLY_TYPES[line[1]]))
    if byte_order is None or not properties:
        raise SpaceformerError(f"the PLY header has no known format or no vertices (formats: {', '.join(PLY_FORMATS)})")
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


def read_npz(path):
    """Arrays xyz [N, 3] and rgb [N, 3] (uint8), and any further array of length N as a property."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if any(entry.compress_size > path.stat().st_size for entry in entries):  # zipfile would allocate it
                raise ValueError("its directory promises more bytes than it has")
            arrays = {entry.filename.removesuffix(".npy"): _read_npy(archive, entry) for entry in entries}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged file
        raise SpaceformerError(f"cannot be read as NPZ ({type(error).__name__}: {error})") from error
    xyz = arrays.pop("xyz", None)
    if xyz is None or xyz.ndim != 2 or xyz.shape[1] != 3:
        raise SpaceformerError(f"needs an array xyz [N, 3] (found {', '.join(arrays) or 'nothing'})")
    columns = dict(zip("xyz", xyz.T))
    rgb = arrays.pop("rgb", None)
    if rgb is not None and rgb.shape == xyz.shape:
        columns.update(zip(("red", "green", "blue"), rgb.T))
    columns.update({name: array for name, array in arrays.items() if name and array.shape == (len(xyz),)})
    points = np.empty(len(xyz), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        points[name] = column
    return points


def _read_npy(archive, entry):
    """One array of an NPZ. numpy's own reader allocates what the header promises before it looks for the data."""
    with archive.open(entry) as file:
        shape, column_major, dtype = NPY_HEADERS[np.lib.format.read_magic(file)](file)
        if dtype.hasobject:
            raise ValueError(f"{entry.filename} holds Python objects, which are never unpickled")
        return np.ndarray(shape, dtype, buffer=file.read(), order="F" if column_major else "C")


def write_npz(path, cloud, extra):
    """Compressed NPZ with xyz, rgb and the extra arrays."""
    np.savez_compressed(path, xyz=cloud.xyz, rgb=cloud.rgb, **extra)


READERS = {".ply": read_ply, ".pcd": read_pcd, ".npz": read_npz}
WRITERS = {".ply": write_ply, ".pcd": write_pcd, ".npz": write_npz}
