"""Named arrays and a JSON header in one file that is never half written and never read damaged.

The file is a safetensors file, so that other programs can open it. Its metadata begin with a SHA-256 over all other
bytes, at a fixed place. Reading parses JSON and numbers and can execute nothing. Standard library and numpy only.
"""

import hashlib
import json
import math
import os
import pathlib
import stat

import numpy as np

from .. import StorageError
from ..disk.atomic import replace_file, sync_folder

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
TYPE_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
PREFIX = b'{"__metadata__":{"sha256":"'  # after the 8 bytes of the header's length; then 64 hexadecimal digits
DIGEST = slice(8 + len(PREFIX), 8 + len(PREFIX) + 64)
ALIGNMENT = 8  # bytes; the data begin at a multiple of it, so that arrays of any type can be used in place
MAX_BYTES = 1 << 34  # larger files are refused before anything is read


def write_tensors(path, key, header, tensors):
    """Write arrays and a header (a dict for JSON) under metadata key `key`; returns the number of bytes.

    Whatever happens, and be it `kill -9` or a full disk, the path holds the file that was there or the new one, whole.
    Raises StorageError WRITE_FAILED.
    """
    path = pathlib.Path(path)
    buffers = encode(key, header, tensors)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffers)
    except OSError as error:
        size = sum(len(buffer) for buffer in buffers) / 1e6
        raise StorageError(
            "WRITE_FAILED",
            f"{path} cannot be written ({error.strerror or error}): {size:.1f} MB are needed there; what it held "
            "before is unchanged",
        ) from error
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            "WRITE_FAILED",
            f"{path} is written, but a power cut could undo it: its folder cannot be synchronised ({error})",
        ) from error
    return sum(len(buffer) for buffer in buffers)


def read_tensors(path, key):
    """Header and dict of read-only arrays of a file by `write_tensors`.

    Raises StorageError NOT_FOUND, READ_FAILED or FILE_CORRUPT; the latter also for files of any other kind.
    """
    content = read_whole(pathlib.Path(path))
    try:
        check_digest(content)
        return decode(content, key)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise StorageError(
            "FILE_CORRUPT", f"{path} is damaged, or is no file of this package ({error}): it was not loaded"
        ) from error


def encode(key, header, tensors):
    """The file as a list of buffers of bytes: the JSON part, then the arrays, widest types first."""
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    arrays = dict(sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])))
    table, position = {"__metadata__": {"sha256": "0" * 64, key: json.dumps(header)}}, 0
    for name, array in arrays.items():
        offsets = [position, position + array.nbytes]
        table[name] = {"dtype": TYPE_NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        position += array.nbytes
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    head = bytearray(len(text).to_bytes(8, "little") + text)
    buffers = [head, *(array.reshape(-1).view(np.uint8) for array in arrays.values())]
    digest = hashlib.sha256()
    for buffer in buffers:
        digest.update(buffer)
    head[DIGEST] = digest.hexdigest().encode()
    return buffers


def check_digest(content):
    """Raise ValueError unless the bytes are what was written. The digest is taken with zeros in its own place."""
    view = memoryview(content)
    if view[8 : DIGEST.start] != PREFIX:
        raise ValueError("it does not begin as such a file does")
    digest = hashlib.sha256(view[: DIGEST.start])
    digest.update(b"0" * 64)
    digest.update(view[DIGEST.stop :])
    if view[DIGEST] != digest.hexdigest().encode():
        raise ValueError("its SHA-256 is not the one that it was written with")


def decode(content, key):
    """Header and arrays of a file's bytes. Raises ValueError, LookupError, TypeError or AttributeError."""
    view = memoryview(content).toreadonly()
    start = 8 + int.from_bytes(view[:8], "little")
    if start > len(view):
        raise ValueError("its header is longer than the file")
    table = json.loads(bytes(view[8:start]))
    header = json.loads(table.pop("__metadata__")[key])
    return header, {name: _array(view[start:], entry) for name, entry in table.items()}


def _array(data, entry):
    begin, end = entry["data_offsets"]
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
    if any(type(number) is not int or number < 0 for number in (begin, end, *shape)):
        raise ValueError("a shape or an offset is no whole number")
    if end > len(data) or math.prod(shape) * dtype.itemsize != end - begin:
        raise ValueError("an array lies outside the file, or does not fill its place")
    if begin == end:
        return np.zeros(shape, dtype)
    return np.frombuffer(data[begin:end], dtype).reshape(shape)


def read_whole(path):
    """The bytes of a regular file. Raises StorageError NOT_FOUND or READ_FAILED."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe must not make us wait
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_BYTES:
                raise StorageError("READ_FAILED", f"{path} is not a regular file of at most {MAX_BYTES >> 30} GiB")
            content = bytearray(info.st_size)
            view, position = memoryview(content), 0
            while count := os.readv(descriptor, [view[position:]]):
                position += count
            return content
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise StorageError("NOT_FOUND", f"there is no file {path}") from error
    except (OSError, ValueError, MemoryError) as error:
        raise StorageError("READ_FAILED", f"{path} cannot be read ({error})") from error
