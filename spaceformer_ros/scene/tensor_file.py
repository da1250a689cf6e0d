# SPDX-License-Identifier: Apache-2.0
"""Named arrays and a JSON header in one file. It is replaced atomically, and damage is detected when it is read.

The file is a safetensors file, which other programs can open, with the SHA-256 of all other bytes at a fixed position
at the beginning of its metadata. The safetensors library cannot write such a digest and copies all arrays, so the file
is encoded here. Reading parses JSON and numbers and cannot execute code.
"""

import hashlib
import json
import math
import pathlib

import numpy as np

from .. import StorageError
from ..disk.atomic import ReplacedMeanwhileError, replace_file
from ..disk.paths import display_path
from ..disk.reading import open_regular_file, read_exactly

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
TYPE_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
LENGTH = 8  # bytes of the header's length, at the beginning
PREFIX = b'{"__metadata__":{"sha256":"'  # follows the length; then 64 hexadecimal digits
DIGEST = slice(LENGTH + len(PREFIX), LENGTH + len(PREFIX) + 64)
ALIGNMENT = 8  # bytes; the arrays begin at a multiple of it, so that all types can be used in place
MAX_BYTES = 1 << 32  # of a file
MAX_HEADER = 1 << 24  # bytes of the JSON part
BLOCK = 1 << 22  # bytes hashed at a time


def write_tensors(path, key, header, tensors):
    """Write arrays and a header (a dict for JSON) under metadata key `key`. Returns the number of bytes.

    Atomic: after a crash or a full disk `path` contains the complete old or the complete new file. Symbolic links in
    the path are refused, so that it cannot be redirected after it was checked. Raises StorageError WRITE_FAILED, also
    if another writer replaced the file meanwhile.
    """
    path = pathlib.Path(path)
    buffers = encode(key, header, tensors)
    size = sum(len(buffer) for buffer in buffers)
    if size > MAX_BYTES or len(buffers[0]) > MAX_HEADER:
        raise StorageError(
            "WRITE_FAILED",
            f"{display_path(path)} was not written: {size} bytes, {len(buffers[0])} of them header; the limits are "
            f"{MAX_BYTES} and {MAX_HEADER}",
        )
    try:
        replace_file(path, buffers, follow_links=False, keep_newer=True)
    except ReplacedMeanwhileError as error:
        raise StorageError(
            "WRITE_FAILED", f"{display_path(path)} was not replaced: another node or program wrote it meanwhile"
        ) from error
    except OSError as error:
        raise StorageError(
            "WRITE_FAILED",
            f"{display_path(path)} cannot be written ({error.strerror or type(error).__name__}): it needs "
            f"{size / 1e6:.1f} MB and a folder that can be written, without symbolic links in its path",
        ) from error
    return size


def read_tensors(path, key):
    """Header and dict of read-only arrays of a file by `write_tensors`.

    Nothing is allocated before the file's beginning, size and digest are known to be right. Raises StorageError
    NOT_FOUND, READ_FAILED or FILE_CORRUPT; the last also for files of any other kind.
    """
    try:
        with open_regular_file(path, MAX_BYTES, follow_links=False) as (file, size):
            _check_beginning(file.read(DIGEST.stop), size)
            file.seek(0)
            _check_digest(file)
            file.seek(0)
            return decode(read_exactly(file, size), key)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _not_a_scene(path, error) from error


def read_header(path, key):
    """The header of a file by `write_tensors` alone, without a check of the digest. Errors: see `read_tensors`."""
    try:
        with open_regular_file(path, MAX_BYTES, follow_links=False) as (file, size):
            head = file.read(DIGEST.stop)
            _check_beginning(head, size)
            length = int.from_bytes(head[:LENGTH], "little")
            file.seek(LENGTH)
            return json.loads(json.loads(bytes(read_exactly(file, length)))["__metadata__"][key])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _not_a_scene(path, error) from error


def _not_a_scene(path, error):
    return StorageError("FILE_CORRUPT", f"{display_path(path)} is damaged, or is not a scene file ({error})")


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
    head = bytearray(len(text).to_bytes(LENGTH, "little") + text)
    buffers = [head, *(array.reshape(-1).view(np.uint8) for array in arrays.values())]
    digest = hashlib.sha256()
    for buffer in buffers:
        digest.update(buffer)
    head[DIGEST] = digest.hexdigest().encode()
    return buffers


def _check_beginning(head, size):
    """Raise ValueError unless `head` is a valid beginning of a file of `size` bytes."""
    if head[LENGTH : DIGEST.start] != PREFIX:
        raise ValueError("it begins differently")
    if int.from_bytes(head[:LENGTH], "little") > min(MAX_HEADER, size - LENGTH):
        raise ValueError("its header is longer than the file or the limit")


def _check_digest(file):
    """Raise ValueError unless the digest is correct. It is computed with zeros in its own place."""
    head = file.read(DIGEST.stop)
    digest = hashlib.sha256(head[: DIGEST.start] + b"0" * 64)
    while block := file.read(BLOCK):
        digest.update(block)
    if head[DIGEST] != digest.hexdigest().encode():
        raise ValueError("its SHA-256 differs from the one it was written with")


def decode(content, key):
    """Header and arrays of a file's bytes. Raises ValueError, LookupError, TypeError or AttributeError."""
    view = memoryview(content).toreadonly()
    start = LENGTH + int.from_bytes(view[:LENGTH], "little")
    table = json.loads(bytes(view[LENGTH:start]))
    header = json.loads(table.pop("__metadata__")[key])
    return header, {name: _array(view[start:], entry) for name, entry in table.items()}


def _array(data, entry):
    begin, end = entry["data_offsets"]
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
    if any(type(number) is not int or number < 0 for number in (begin, end, *shape)):
        raise ValueError("a shape or offset is not a non-negative integer")
    if end > len(data) or math.prod(shape) * dtype.itemsize != end - begin:
        raise ValueError("an array is outside the file, or its size does not match its shape")
    if begin == end:
        return np.zeros(shape, dtype)
    return np.frombuffer(data[begin:end], dtype).reshape(shape)
