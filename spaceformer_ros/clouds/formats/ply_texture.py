# SPDX-License-Identifier: Apache-2.0
"""PLY whose colours are in a texture only, as MeshLab writes it: read as the other meshes are."""

from ... import SpaceformerError
from ..colors import PACKED, TRIPLES
from .meshes import read_mesh
from .ply import MAX_HEADER, parse_header, read_ply
from .ply_faces import read_faces
from .text import BOM, header_lines

COLORS = {*PACKED, *(name for triple in TRIPLES for name in triple)}


def read_any_ply(path):
    """The vertices of a PLY, as `read_ply`, or, if the colours are in a texture only, points on its faces."""
    textures, vertices = textures_of(path), read_ply(path)  # trimesh does not check what the header declares
    if not textures:
        return vertices
    if len(textures) > 1 or read_faces(path) is None:
        raise SpaceformerError("the colours are in textures, which cannot be read from this PLY: save it as OBJ or GLB")
    return read_mesh(path)


def faces_of_vertices(path):
    """As `read_faces`; None for files of which `read_any_ply` gives other points than the vertices."""
    return None if textures_of(path) else read_faces(path)


def textures_of(path):
    """Names of the images that have the colours of a mesh whose vertices have none."""
    with open(path, "rb") as file:
        head = file.read(MAX_HEADER)
    _, elements, count, _ = parse_header(head)
    vertices = next(element for element in elements if element.name == "vertex")
    if COLORS & {prop.name.lower() for prop in vertices.properties}:
        return []
    start = len(BOM) if head.startswith(BOM) else 0
    lines = [line.split(None, 2) for number, line, _ in header_lines(head, start) if number < count]
    return [words[2] for words in lines if len(words) == 3 and words[1].lower() == "texturefile"]
