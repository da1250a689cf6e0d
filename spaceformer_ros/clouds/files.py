# SPDX-License-Identifier: Apache-2.0
"""Coloured clouds in files; the suffix chooses the format."""

import pathlib

from .. import SpaceformerError
from .formats.npz import read_npz, write_npz
from .formats.pcd import read_pcd, write_pcd
from .formats.ply import read_ply, write_ply
from .point_records import decode_records

READERS = {".ply": read_ply, ".pcd": read_pcd, ".npz": read_npz}
WRITERS = {".ply": write_ply, ".pcd": write_pcd, ".npz": write_npz}


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
        raise SpaceformerError(f"cannot be read: {error.strerror or error}") from error


def write_cloud(path, cloud, extra=None):
    """Write a Cloud.

    extra: dict name -> [N] numeric array of further point properties, such as instance ids.
    Raises SpaceformerError for columns of another length, unknown suffixes and values that the format cannot hold.
    """
    path, extra = pathlib.Path(path), extra or {}
    for name, column in extra.items():
        if len(column) != len(cloud):
            raise SpaceformerError(f"write_cloud: {len(column)} values of {name} for {len(cloud)} points")
    _by_suffix(WRITERS, path)(path, cloud, extra)


def _by_suffix(table, path):
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in table:
        raise SpaceformerError(f"suffix {suffix!r} is not one of {', '.join(sorted(table))}")
    return table[suffix]
