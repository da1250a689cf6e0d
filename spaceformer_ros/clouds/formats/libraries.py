# SPDX-License-Identifier: Apache-2.0
"""Formats that are read with optional libraries: LAS, LAZ, E57 and meshes."""

import importlib

import numpy as np

from ... import SpaceformerError
from .npz import stack_columns

MESH_SPACING = 0.02  # metres between points on the surface of a mesh, about the voxel size of the networks
MAX_MESH_POINTS = 5_000_000
SEED = 0  # of the points on a mesh: the same file gives the same points


def import_library(name, kind, instead):
    """An optional library. Raises SpaceformerError that names it and what to do instead."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SpaceformerError(f"{kind} files need the package {name}: pip install {name}, or {instead}") from error


def read_las(path):
    """Points of a LAS or LAZ file in float64, with 16-bit colours where it has them."""
    convert = "convert it with `pdal translate IN OUT.ply`"
    laspy = import_library("laspy", path.suffix[1:].upper(), convert)
    try:
        content = laspy.read(path)
    except Exception as error:  # laspy raises many types of exceptions for damaged files and for a missing LAZ backend
        hint = f"; LAZ needs a backend: pip install 'laspy[lazrs]', or {convert}" if path.suffix == ".laz" else ""
        raise SpaceformerError(f"cannot be read as LAS ({type(error).__name__}: {error}){hint}") from error
    columns = dict(zip("xyz", np.asarray(content.xyz, dtype=np.float64).T))
    names = set(content.point_format.dimension_names)
    if {"red", "green", "blue"} <= names:
        columns.update({name: np.asarray(content[name]) for name in ("red", "green", "blue")})
    return stack_columns(columns)


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
        raise SpaceformerError(f"cannot be read as E57 ({type(error).__name__}: {error})") from error
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
    try:
        loaded = trimesh.load(path)
        meshes = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
        parts = [_mesh_points(trimesh, mesh) for mesh in meshes]
    except SpaceformerError:
        raise
    except Exception as error:  # the library raises many types of exceptions
        raise SpaceformerError(f"cannot be read as a mesh ({type(error).__name__}: {error})") from error
    parts = [part for part in parts if part]
    if not parts:
        raise SpaceformerError("the file has neither faces nor points")
    names = set.intersection(*map(set, parts))  # colours only where all parts have them
    return stack_columns({name: np.concatenate([part[name] for part in parts]) for name in sorted(names)})


def _mesh_points(trimesh, mesh):
    """Dict of columns of one part of a scene."""
    if isinstance(mesh, trimesh.PointCloud):
        columns = dict(zip("xyz", np.asarray(mesh.vertices, dtype=np.float64).T))
        return {**columns, "rgb": np.asarray(mesh.colors)[:, :3]} if len(mesh.colors) else columns
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        return {}
    count = int(np.clip(mesh.area / MESH_SPACING**2, 1000, MAX_MESH_POINTS))
    if mesh.visual.kind is None:
        xyz, _ = trimesh.sample.sample_surface(mesh, count, seed=SEED)
        return dict(zip("xyz", np.asarray(xyz).T))
    xyz, _, colors = trimesh.sample.sample_surface(mesh, count, sample_color=True, seed=SEED)
    return {**dict(zip("xyz", np.asarray(xyz).T)), "rgb": np.asarray(colors)[:, :3].astype(np.uint8)}
