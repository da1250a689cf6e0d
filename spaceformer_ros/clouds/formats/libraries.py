# SPDX-License-Identifier: Apache-2.0
"""Scans that are read with optional libraries: LAS, LAZ and E57."""

import importlib
import warnings

import numpy as np

from ... import SpaceformerError
from .declared import check_las, check_laz_layers
from .npz import stack_columns

MAX_REASON = 200  # characters of a library's own message


def import_library(name, kind, instead, package=""):
    """An optional library. Raises SpaceformerError that names it and what to do instead.

    package: its name for pip, if that differs
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = package or name
        raise SpaceformerError(
            f"{kind} files need the package {package}: pip install {package}, or {instead}"
        ) from error


def first_line(error):
    """Type and first line of an exception of a library, shortened: some tell their whole state."""
    lines = [line.strip(" *") for line in str(error).splitlines()]
    return f"{type(error).__name__}: {next((line for line in lines if line), '')[:MAX_REASON]}"


def read_las(path):
    """Points of a LAS or LAZ file in float64, with 16-bit colours where it has them."""
    convert = "convert it with `pdal translate IN OUT.ply`"
    laspy = import_library("laspy", path.suffix[1:].upper(), convert)
    with open(path, "rb") as file:
        check_las(file, path.stat().st_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, about damaged values
            _check_layers(laspy, path)
            content = laspy.read(path, laz_backend=_laz_backends(laspy))
            xyz = np.asarray(content.xyz, dtype=np.float64)
    except (KeyboardInterrupt, SystemExit, SpaceformerError):
        raise
    except BaseException as error:  # of many types, also for a missing LAZ backend; a panic in Rust is not an Exception
        hint = f"; LAZ needs a backend: pip install 'laspy[lazrs]', or {convert}" if path.suffix == ".laz" else ""
        raise SpaceformerError(f"cannot be read as LAS ({first_line(error)}){hint}") from error
    columns = dict(zip("xyz", xyz.T))
    names = set(content.point_format.dimension_names)
    if {"red", "green", "blue"} <= names:
        columns.update({name: np.asarray(content[name]) for name in ("red", "green", "blue")})
    return stack_columns(columns)


def _check_layers(laspy, path):
    """See `check_laz_layers`; only lazrs tells where the chunks are."""
    if not laspy.LazBackend.Lazrs.is_available():
        return
    import lazrs

    with open(path, "rb") as file:
        header = laspy.LasHeader.read_from(file)
        if not header.are_points_compressed:
            return
        record = header.vlrs.get("LasZipVlr")[0].record_data
        file.seek(header.offset_to_point_data)
        chunks = lazrs.read_chunk_table(file, lazrs.LazVlr(record))
        check_laz_layers(file, header.offset_to_point_data, record, chunks)


def _laz_backends(laspy):
    """Those that are installed, best first. Not LazrsParallel: a wrong chunk size in a file costs it gigabytes."""
    known = laspy.LazBackend.Lazrs, laspy.LazBackend.Laszip
    return tuple(backend for backend in known if backend.is_available())


def read_e57(path):
    """Points of all scans of an E57 file in its common frame, with colours where all scans have them."""
    pye57 = import_library("pye57", "E57", "export it as PLY with CloudCompare")
    try:
        file = pye57.E57(str(path))
        scans = [
            file.read_scan(index, colors=True, ignore_missing_fields=True, transform=True)
            for index in range(file.scan_count)
        ]
    except Exception as error:  # the library raises many types of exceptions
        raise SpaceformerError(f"cannot be read as E57 ({first_line(error)})") from error
    if not scans:
        raise SpaceformerError("the E57 file has no scans")
    names = {"x": "cartesianX", "y": "cartesianY", "z": "cartesianZ"}
    colors = {"red": "colorRed", "green": "colorGreen", "blue": "colorBlue"}
    if all(name in scan for name in colors.values() for scan in scans):
        names.update(colors)
    return stack_columns({name: np.concatenate([scan[key] for scan in scans]) for name, key in names.items()})
