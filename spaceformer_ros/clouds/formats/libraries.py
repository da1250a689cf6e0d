# SPDX-License-Identifier: Apache-2.0
"""Formats that are read with optional libraries: LAS, LAZ, E57 and meshes."""

import importlib
import io
import warnings

import numpy as np

from ... import SpaceformerError
from .declared import check_las, check_laz_layers, glb_content
from .npz import stack_columns

MAX_MESH_BYTES = 1 << 30
MESH_SPACING = 0.02  # metres between points on the surface of a mesh, about the voxel size of the networks
MAX_MESH_SPACING = 0.05  # of large meshes; with fewer points the networks find little
MIN_MESH_POINTS, MAX_MESH_POINTS = 1000, 1_500_000  # of one part; of all together, which takes 250 MB
MAX_REASON = 200  # characters of a library's own message
SEED = 0  # of the points on a mesh: the same file gives the same points


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


def _first_line(error):
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
        raise SpaceformerError(f"cannot be read as LAS ({_first_line(error)}){hint}") from error
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
        raise SpaceformerError(f"cannot be read as E57 ({_first_line(error)})") from error
    if not scans:
        raise SpaceformerError("the E57 file has no scans")
    names = {"x": "cartesianX", "y": "cartesianY", "z": "cartesianZ"}
    colors = {"red": "colorRed", "green": "colorGreen", "blue": "colorBlue"}
    if all(name in scan for name in colors.values() for scan in scans):
        names.update(colors)
    return stack_columns({name: np.concatenate([scan[key] for scan in scans]) for name, key in names.items()})


def read_mesh(path):
    """Points on the surface of a mesh (OBJ, GLB, glTF, STL, OFF) every MESH_SPACING, with its colours or texture."""
    trimesh = import_library("trimesh", path.suffix[1:].upper(), "export it as PLY with MeshLab or CloudCompare")
    if (size := path.stat().st_size) > MAX_MESH_BYTES:  # what follows reads it as a whole
        raise SpaceformerError(f"has {size} bytes; meshes are read up to {MAX_MESH_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, about damaged values
            loaded = _load_mesh(trimesh, path)
            meshes = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
            spacing = _spacing(sum(mesh.area for mesh in meshes if isinstance(mesh, trimesh.Trimesh)))
            parts = [_mesh_points(trimesh, mesh, spacing) for mesh in meshes]
    except SpaceformerError:
        raise
    except Exception as error:  # the library raises many types of exceptions
        raise SpaceformerError(f"cannot be read as a mesh ({_first_line(error)})") from error
    parts = [part for part in parts if part]
    if not parts:
        raise SpaceformerError("the file has neither faces nor points")
    names = set.intersection(*map(set, parts))  # colours only where all parts have them
    return stack_columns({name: np.concatenate([part[name] for part in parts]) for name in sorted(names)})


def _load_mesh(trimesh, path):
    if path.suffix.lower() != ".glb":
        return trimesh.load(path)  # by its path: materials and textures are in files beside it
    content = glb_content(path.read_bytes())
    return trimesh.load(io.BytesIO(content), file_type="glb")


def _spacing(area):
    """Metres between points on meshes of an area in square metres. Raises SpaceformerError for too large ones."""
    spacing = max(MESH_SPACING, (area / MAX_MESH_POINTS) ** 0.5)
    if not spacing <= MAX_MESH_SPACING:
        limit = MAX_MESH_POINTS * MAX_MESH_SPACING**2
        raise SpaceformerError(
            f"its surface has {area:.4g} square metres, at most {limit:g} are read: scale it to metres, or crop it"
        )
    return spacing


def _mesh_points(trimesh, mesh, spacing):
    """Dict of columns of one part of a scene."""
    if isinstance(mesh, trimesh.PointCloud):
        columns = dict(zip("xyz", np.asarray(mesh.vertices, dtype=np.float64).T))
        return {**columns, "rgb": np.asarray(mesh.colors)[:, :3]} if len(mesh.colors) else columns
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        return {}
    count = max(int(mesh.area / spacing**2), MIN_MESH_POINTS)
    if mesh.visual.kind is None:
        xyz, _ = trimesh.sample.sample_surface(mesh, count, seed=SEED)
        return dict(zip("xyz", np.asarray(xyz).T))
    xyz, _, colors = trimesh.sample.sample_surface(mesh, count, sample_color=True, seed=SEED)
    return {**dict(zip("xyz", np.asarray(xyz).T)), "rgb": np.asarray(colors)[:, :3].astype(np.uint8)}
