# SPDX-License-Identifier: Apache-2.0
"""Read and write coloured clouds in files; the suffix determines the format."""

import os
import pathlib
import re

from .. import SpaceformerError
from .formats.libraries import read_e57, read_las
from .formats.meshes import read_mesh
from .formats.npz import read_npy, read_npz, write_npz
from .formats.pcd import read_pcd, write_pcd
from .formats.ply import write_ply
from .formats.ply_texture import faces_of_vertices, read_any_ply
from .formats.recognise import foreign_content, how_to_export
from .formats.tables import read_table
from .point_records import decode_records
from .surface import fill_faces

READERS = {
    **{".ply": read_any_ply, ".pcd": read_pcd, ".npz": read_npz, ".npy": read_npy},
    **dict.fromkeys((".xyz", ".xyzrgb", ".pts", ".csv", ".tsv", ".asc", ".txt"), read_table),
    **{".las": read_las, ".laz": read_las, ".e57": read_e57},
    **dict.fromkeys((".obj", ".glb", ".gltf", ".stl", ".off"), read_mesh),
}
FACES = {".ply": faces_of_vertices}  # of formats whose points are vertices, which may be too sparse
WRITERS = {".ply": write_ply, ".pcd": write_pcd, ".npz": write_npz}
MAP_SUFFIXES = (".ply", ".pcd", ".npz", ".las", ".laz", ".e57")  # those read from folders
RESULT = re.compile(r"(_labeled|_heat_\d+)$")  # ends of the names of the clouds that `spaceformer segment` writes
BAGS = (".bag", ".db3", ".mcap")


def read_cloud(path, allow_gray=False, scale=1.0):
    """The usable, coloured points of a file with a suffix of READERS, as a DecodedCloud. Raises SpaceformerError.

    Of a mesh whose vertices are too sparse, points on its faces (`fill_faces`).

    allow_gray, scale: see `decode_records`
    """
    try:
        decoded = decode_records(read_records(path), allow_gray, scale)
        faces = FACES.get(pathlib.Path(path).suffix.lower())
        return fill_faces(decoded, faces(path)) if faces else decoded
    except SpaceformerError as error:
        raise SpaceformerError(f"{path}: {error}") from error


def read_records(path):
    """All point properties of a file as a structured array [N]. Raises SpaceformerError."""
    path = pathlib.Path(path)
    reader = _by_suffix(READERS, path)
    try:
        if path.exists() and not path.is_file():
            raise SpaceformerError("is not a regular file")
        if found := foreign_content(path):
            raise SpaceformerError(found)
        return reader(path)
    except OSError as error:
        raise SpaceformerError(f"cannot be read: {error.strerror or error}") from error


def clouds_in(folder):
    """Sorted paths of the maps in a folder, without the clouds that `spaceformer segment` made of others of them."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in MAP_SUFFIXES)
    stems = {path.stem for path in found}
    return [path for path in found if not (RESULT.search(path.stem) and RESULT.sub("", path.stem) in stems)]


def write_cloud(path, cloud, extra=None):
    """Write a Cloud in the coordinates of its frame, as doubles where float32 cannot resolve them. An existing file is
    replaced when the new one is complete.

    extra: dict name -> [N] numeric array of further point properties, such as instance ids.
    Raises SpaceformerError for columns of another length, unknown suffixes, values that the format cannot hold, and
    if the file cannot be written.
    """
    path, extra = pathlib.Path(path), extra or {}
    for name, column in extra.items():
        if len(column) != len(cloud):
            raise SpaceformerError(f"write_cloud: {len(column)} values of {name} for {len(cloud)} points")
    write = _by_suffix(WRITERS, path)
    target = path.resolve()  # of a link
    is_device = target.exists() and not target.is_file()
    partial = path if is_device else target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        write(partial, cloud, extra)
        if not is_device:
            os.replace(partial, target)
    except OSError as error:
        raise SpaceformerError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if not is_device:
            partial.unlink(missing_ok=True)


def require_writer(path):
    """Raise SpaceformerError if `write_cloud` does not know the suffix of a path."""
    _by_suffix(WRITERS, pathlib.Path(path))


def _by_suffix(table, path):
    suffix = path.suffix.lower()
    if suffix in BAGS or (path / "metadata.yaml").is_file():
        raise SpaceformerError(
            "is a bag: play it (`ros2 bag play`) beside the node, or write its clouds as PCD with `ros2 run pcl_ros "
            "pointcloud_to_pcd --ros-args -r input:=/cloud_topic`"
        )
    if suffix not in table and table is READERS and path.is_dir():
        raise SpaceformerError("is a folder: give one of its files")
    if suffix not in table and table is READERS and not path.exists():
        raise SpaceformerError("there is no such file")
    if suffix not in table:
        export = how_to_export(path) if table is READERS else ""
        raise SpaceformerError(f"suffix {suffix!r} is not one of {', '.join(table)}{': ' * bool(export)}{export}")
    return table[suffix]
