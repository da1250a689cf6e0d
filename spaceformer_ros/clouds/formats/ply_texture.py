# SPDX-License-Identifier: Apache-2.0
"""PLY whose colours are in a texture only, as MeshLab writes it: read as the other meshes are."""

from ... import SpaceformerError
from ..colors import have_color
from .meshes import read_mesh
from .ply import read_header, read_ply
from .ply_faces import read_faces


def read_any_ply(path):
    """The vertices of a PLY, as `read_ply`, or, if the colours are in a texture only, points on its faces."""
    header = read_header(path)
    vertices = read_ply(path, header)  # trimesh does not check what the header declares
    if not has_textures_only(header):
        return vertices
    if len(header.textures) > 1 or read_faces(path, header) is None:
        raise SpaceformerError("the colours are in textures, which cannot be read from this PLY: save it as OBJ or GLB")
    return read_mesh(path)


def faces_of_vertices(path):
    """As `read_faces`; None for files of which `read_any_ply` gives other points than the vertices."""
    header = read_header(path)
    return None if has_textures_only(header) else read_faces(path, header)


def has_textures_only(header):
    """Whether images have the colours of a mesh whose vertices have none."""
    return bool(header.textures) and not have_color([prop.name for prop in header.vertices.properties])
