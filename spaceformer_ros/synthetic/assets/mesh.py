# SPDX-License-Identifier: Apache-2.0
"""OBJ and MTL files in an archive as triangles with materials. Only what surface colours need is read."""

import io
import itertools
import posixpath
from dataclasses import dataclass

import numpy as np

from ... import SpaceformerError
from ...clouds.formats.pictures import TEXTURES
from .catalogue import BAD_ARCHIVE, read_member

MAX_SIDE = 20.0  # metres of a model
DEFAULT_COLOR = (200.0, 200.0, 200.0)  # of materials without a colour
TRANSPARENT = 0.6  # opacity below which a material is glass


@dataclass(frozen=True)
class Material:
    """Surface of triangles: color (r, g, b) in 0..255; texture [H, W, 3] uint8 or None; opacity 0..1."""

    name: str
    color: tuple = DEFAULT_COLOR
    texture: np.ndarray | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Mesh:
    """F triangles: corners [F, 3, 3] metres; uv [F, 3, 2]; material [F] int index into materials."""

    corners: np.ndarray
    uv: np.ndarray
    material: np.ndarray
    materials: tuple


def read_mesh(archive, model):
    """The Mesh of a catalogue Model in the frame of `shapes` (x right, y back, z up, centred, on z = 0), metres.

    archive: open zipfile.ZipFile. Raises SpaceformerError that names the model.
    """
    size = np.array(model.size)
    if not (((size >= 0) & (size <= MAX_SIDE)).all() and np.isfinite(model.rotation).all()):
        raise SpaceformerError(f"{model.key}: sides of {model.size} m, expected at most {MAX_SIDE:g}")
    try:
        vertices, uv, faces = _parse_obj(_text(archive, model.path))
        materials = _read_materials(archive, model.path, faces["libraries"])
        corners, corner_uv = vertices[faces["corner"]], uv[faces["uv"]]
    except BAD_ARCHIVE as error:
        raise SpaceformerError(f"{model.key}: cannot be read ({type(error).__name__}: {error})") from error
    if not len(faces["corner"]):
        raise SpaceformerError(f"{model.key}: {model.path} has no faces")
    names = list(dict.fromkeys(faces["material"]))
    placed = _place(corners, model)
    index = {name: i for i, name in enumerate(names)}
    return Mesh(
        placed,
        corner_uv,
        np.array([index[name] for name in faces["material"]]),
        tuple(materials.get(name, Material(name)) for name in names),
    )


def _text(archive, path):
    return read_member(archive, path).decode("latin-1")


def _parse_obj(text):
    """Vertices [V, 3]; texture coordinates [T + 1, 2], the last is (0, 0) for corners without; and dict of triangles:
    corner [F, 3] int, uv [F, 3] int, material: F names, libraries: MTL files."""
    vertices, uv, corner, corner_uv, material, libraries = [], [], [], [], [], []
    current = ""
    for line in text.replace("\\\n", " ").splitlines():
        parts = line.split()
        if not parts:
            continue
        match parts[0]:
            case "v":
                vertices.append([float(value) for value in parts[1:4]])
            case "vt":
                uv.append([float(value) for value in (parts[1:3] + ["0"])[:2]])
            case "usemtl":
                current = line.split(None, 1)[1].strip() if len(parts) > 1 else ""
            case "mtllib":
                libraries.append(line.split(None, 1)[1].strip())
            case "f":
                points = [_corner(part, len(vertices), len(uv)) for part in parts[1:]]
                for a, b in itertools.pairwise(points[1:]):  # a fan
                    corner.append([points[0][0], a[0], b[0]])
                    corner_uv.append([points[0][1], a[1], b[1]])
                    material.append(current)
    triangles = {"corner": np.array(corner, dtype=np.int64).reshape(-1, 3), "material": material}
    triangles |= {"uv": np.array(corner_uv, dtype=np.int64).reshape(-1, 3), "libraries": libraries}
    return np.array(vertices, dtype=np.float64).reshape(-1, 3), np.array([*uv, [0.0, 0.0]]), triangles


def _corner(part, num_vertices, num_uv):
    """Zero-based (vertex, texture coordinate) of a corner such as "3/5/3" or "-1"; -1 for no texture coordinate."""
    fields = part.split("/")
    vertex = int(fields[0])
    uv = int(fields[1]) if len(fields) > 1 and fields[1] else 0
    vertex = vertex - 1 if vertex > 0 else num_vertices + vertex
    return vertex, (uv - 1 if uv > 0 else num_uv + uv if uv < 0 else -1)


def _read_materials(archive, path, libraries):
    """Dict name -> Material of the MTL files next to an OBJ file. Missing files are not an error."""
    materials, names = {}, set(archive.namelist())
    folder = posixpath.dirname(path)
    for library in libraries:
        file = posixpath.normpath(posixpath.join(folder, library))
        if file in names:
            for name, row in _parse_mtl(_text(archive, file)).items():
                texture = _read_texture(archive, names, folder, row.get("map_Kd"))
                color = tuple(255 * min(1.0, max(0.0, value)) for value in row.get("Kd", (0.78, 0.78, 0.78)))
                materials[name] = Material(name, color, texture, row.get("d", 1.0))
    return materials


def _parse_mtl(text):
    rows, row = {}, {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 2:
            continue
        if parts[0] == "newmtl":
            row = rows.setdefault(line.split(None, 1)[1].strip(), {})
        elif parts[0] == "Kd":
            row["Kd"] = tuple(float(value) for value in parts[1:4])
        elif parts[0] == "d":
            row["d"] = float(parts[-1])
        elif parts[0] == "Tr":
            row.setdefault("d", 1 - float(parts[1]))
        elif parts[0] == "map_Kd":
            row["map_Kd"] = parts[-1] if line.split(None, 1)[1].startswith("-") else line.split(None, 1)[1].strip()
    return rows


def _read_texture(archive, names, folder, file):
    """[H, W, 3] uint8 of an image in the archive, at most 512 pixels a side; None if it is missing or unreadable."""
    from PIL import Image, UnidentifiedImageError

    path = posixpath.normpath(posixpath.join(folder, file.replace("\\", "/"))) if file else ""
    if path not in names:
        return None
    try:
        with Image.open(io.BytesIO(read_member(archive, path)), formats=TEXTURES) as image:
            image = image.convert("RGB")
            image.thumbnail((512, 512))
            return np.asarray(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
        return None


def _place(corners, model):
    """Corners in OBJ coordinates (y up, front at +z) in the frame of `shapes`, scaled to the size of the catalogue."""
    rotated = corners @ model.rotation.T
    xyz = rotated[..., [0, 2, 1]] * [1.0, -1.0, 1.0]
    low, high = xyz.min(axis=(0, 1)), xyz.max(axis=(0, 1))
    scaled = (xyz - (low + high) / 2) / np.maximum(high - low, 1e-9) * model.size
    scaled[..., 2] += model.size[2] / 2
    return scaled
