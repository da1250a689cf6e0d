# SPDX-License-Identifier: Apache-2.0
"""NPZ: one array per property. Never unpickles, and allocates only what the file really holds."""

import zipfile

import numpy as np

from ... import SpaceformerError

HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_arrays(path):
    """All arrays of an NPZ file, dict name -> array. Raises SpaceformerError."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if any(entry.compress_size > path.stat().st_size for entry in entries):  # zipfile would allocate it
                raise ValueError("its directory promises more bytes than it has")
            return {entry.filename.removesuffix(".npy"): _read_array(archive, entry) for entry in entries}
    except OSError as error:
        raise SpaceformerError(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged file
        raise SpaceformerError(f"cannot be read as NPZ ({type(error).__name__}: {error})") from error


def read_npz(path):
    """Arrays xyz [N, 3] and rgb [N, 3] (uint8), and any further array of length N as a property."""
    arrays = read_arrays(path)
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


def _read_array(archive, entry):
    """One array of an NPZ. numpy's own reader allocates what the header promises before it looks for the data."""
    with archive.open(entry) as file:
        shape, column_major, dtype = HEADER_READERS[np.lib.format.read_magic(file)](file)
        if dtype.hasobject:
            raise ValueError(f"{entry.filename} holds Python objects, which are never unpickled")
        return np.ndarray(shape, dtype, buffer=file.read(), order="F" if column_major else "C")


def write_npz(path, cloud, extra):
    """Compressed NPZ with xyz, rgb and the extra arrays."""
    np.savez_compressed(path, xyz=cloud.xyz, rgb=cloud.rgb, **extra)
