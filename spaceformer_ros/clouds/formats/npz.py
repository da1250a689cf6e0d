# SPDX-License-Identifier: Apache-2.0
"""Read and write NPZ and NPY. Nothing is unpickled, and memory is allocated only for data that the file contains."""

import math
import zipfile

import numpy as np

from ... import SpaceformerError
from ..colors import PACKED
from ..coordinates import list_names
from .unnamed import table_columns

COORDINATES = (  # best first
    *("xyz", "points", "positions", "position", "pos", "coord", "coords", "coordinates", "vertices", "pc", "pts"),
    *("pcd", "point_cloud", "pointcloud", "means"),
)
MAX_WIDTH = 16  # columns of a table of coordinates; more are probably [3, N]
MAX_RATIO, MAX_EXPANDED = 200, 1 << 27  # an array above both, expansion ratio and expanded bytes, is refused
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_arrays(path):
    """All arrays of an NPZ file, dict name -> array. Raises SpaceformerError."""
    if path.exists() and not path.is_file():  # reading a pipe may block, and a device may have no end
        raise SpaceformerError("is not a regular file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if any(entry.compress_size > path.stat().st_size for entry in entries):  # zipfile would allocate it
                raise ValueError("its directory declares more bytes than it has")
            return {entry.filename.removesuffix(".npy"): _read_array(archive, entry) for entry in entries}
    except OSError as error:
        raise SpaceformerError(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile, zlib and numpy raise many types of exceptions for a damaged file
        raise SpaceformerError(f"cannot be read as NPZ ({type(error).__name__}: {error})") from error


def read_npz(path):
    """Records of an NPZ file. Names of arrays are case-insensitive.

    Coordinates are an array [N, C] or [H, W, C] (one of COORDINATES, or the only array of the file) with columns as in
    `table_columns`, or a structured one, or three arrays x, y and z. Colours are an array of the same length with 3 or
    4 columns (see colors.py). Any further array of that length becomes a field. Raises SpaceformerError.
    """
    arrays = {name.lower(): array for name, array in read_arrays(path).items()}
    name = next((name for name in COORDINATES if name in arrays), None)
    if name is None and len(arrays) == 1:
        return table_records(next(iter(arrays.values())))
    if name is None and all(axis in arrays for axis in "xyz"):
        lead, columns = arrays["x"].shape, {}
    elif name and arrays[name].dtype.names:
        table = arrays.pop(name)
        flat, lead = table.reshape(-1), table.shape
        columns = {field: flat[field] for field in table.dtype.names}
    elif name is None or arrays[name].ndim not in (2, 3) or not 3 <= arrays[name].shape[-1] <= MAX_WIDTH:
        found = [f"{key} {list(array.shape)}" for key, array in arrays.items()]
        turned = "; transpose it" if name and 3 <= len(arrays[name]) <= MAX_WIDTH else ""
        raise SpaceformerError(f"needs an array xyz [N, 3] (found {list_names(found)}){turned}")
    else:
        table = arrays.pop(name)
        lead, columns = table.shape[:-1], table_columns(table.reshape(-1, table.shape[-1]))
    further = {
        key: array.reshape(-1, *array.shape[len(lead) :])
        for key, array in arrays.items()
        if key and key not in columns and array.ndim and array.shape[: len(lead)] == lead
    }
    for key in set(PACKED) & set(arrays) - set(further) - set(columns):
        raise SpaceformerError(f"the array {key} {list(arrays[key].shape)} has no row for each of {list(lead)} points")
    return stack_columns({**columns, **{key: array for key, array in further.items() if array.ndim <= 2}})


def read_npy(path):
    """Records of an NPY file: structured, or a table; see `table_records`."""
    try:
        with open(path, "rb") as file:
            array = _parse_array(file, path.stat().st_size)
    except OSError:
        raise
    except Exception as error:  # numpy raises many types of exceptions for a damaged header
        raise SpaceformerError(f"cannot be read as NPY ({type(error).__name__}: {error})") from error
    return table_records(array)


def table_records(array):
    """Records of a structured array, or of a table [N, C] or [H, W, C] with columns as in `table_columns`."""
    if array.dtype.names:
        return array.reshape(-1)
    if array.ndim not in (2, 3) or not 3 <= array.shape[-1] <= MAX_WIDTH:
        turned = "; transpose it" if array.ndim == 2 and 3 <= len(array) <= MAX_WIDTH else ""
        raise SpaceformerError(
            f"holds an array {list(array.shape)}, expected [N, 3] or [N, 6]: x, y, z, r, g, b{turned}"
        )
    return stack_columns(table_columns(array.reshape(-1, array.shape[-1])))


def stack_columns(columns):
    """Structured array of a dict name -> array [N] or [N, K]."""
    dtype = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    points = np.empty(len(next(iter(columns.values()))), dtype=dtype)
    for name, column in columns.items():
        points[name] = column
    return points


def _read_array(archive, entry):
    """One array of an NPZ. numpy's own reader allocates the size declared in the header before it reads the data."""
    if entry.file_size > MAX_RATIO * max(entry.compress_size, 1) and entry.file_size > MAX_EXPANDED:
        raise ValueError(f"{list_names([entry.filename])} expands {entry.compress_size} bytes to {entry.file_size}")
    with archive.open(entry) as file:
        return _parse_array(file, entry.file_size)


def _parse_array(file, size):
    shape, column_major, dtype = HEADER_READERS[np.lib.format.read_magic(file)](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"its header declares {list(shape)} values of {dtype.itemsize} bytes, it has {size} bytes")
    return np.ndarray(shape, dtype, buffer=file.read(), order="F" if column_major else "C")


def write_npz(path, cloud, extra):
    """Compressed NPZ with xyz, for coloured clouds rgb, and the extra arrays."""
    colors = {"rgb": cloud.rgb} if cloud.colored else {}
    np.savez_compressed(path, xyz=cloud.in_frame(), **colors, **extra)
