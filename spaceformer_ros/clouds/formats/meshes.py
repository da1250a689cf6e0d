# SPDX-License-Identifier: Apache-2.0
"""Read meshes (OBJ, GLB, glTF, STL, OFF, PLY with textures) as points on their surface, parsed by trimesh.

trimesh's own colours are not used: they are wrong for 16-bit vertex colours and for OBJ with 0 to 255, and its sampling
fails for materials without a texture.
"""

import contextlib
import io
import json
import warnings
from urllib.parse import unquote

import numpy as np

from ... import SpaceformerError
from ..colors import read_colors
from ..surface import MAX_POINTS, MAX_SPACING, between, points_on, surface_spacing
from .declared import check_gltf, glb_chunks
from .libraries import first_line, import_library
from .npz import stack_columns
from .pictures import MAX_PIXELS, TEXTURES

MAX_MESH_BYTES = 1 << 30
MAX_TEXTURE_BYTES = 1 << 28  # of an image, a material or a buffer beside a mesh
TEXTURE_SIDE, STRIP = 4096, 512  # pixels that JPEG textures are reduced to, at least; rows that are copied at once
MIN_MESH_POINTS = 1000  # of one part
TINY = 1e-12  # square metres, for parts without any surface


class FilesBeside:
    """The files in the folder of a mesh: what trimesh calls a resolver. missing: names of those that are not there."""

    def __init__(self, folder):
        self.folder, self.missing = folder.resolve(), []

    def get(self, name):
        """Content of a regular file below the folder; absolute names are searched by their last part."""
        name = name.strip().replace("\\", "/")
        for candidate in (name, unquote(name), name.rsplit("/", 1)[-1]):  # names in glTF are URIs
            path = (self.folder / candidate).resolve()
            if path.is_relative_to(self.folder) and path.is_file():  # no pipe, no device
                if (size := path.stat().st_size) > MAX_TEXTURE_BYTES:
                    raise SpaceformerError(
                        f"names {name[:80]!r}, which has {size} bytes; at most {MAX_TEXTURE_BYTES} are read"
                    )
                return path.read_bytes()
        self.missing.append(name)
        raise FileNotFoundError(name)

    __getitem__ = get


def read_mesh(path):
    """Points on the surface of a mesh (`surface.py`), with its colours; meshes without faces give their vertices.

    The colour is that of the texture, of the vertices or of the material, in this order. Colours are given only if all
    parts have them. Raises SpaceformerError.
    """
    trimesh = import_library("trimesh", path.suffix[1:].upper(), "export it as PLY with coloured vertices")
    if (size := path.stat().st_size) > MAX_MESH_BYTES:  # what follows reads it as a whole
        raise SpaceformerError(f"has {size} bytes; meshes are read up to {MAX_MESH_BYTES}")
    files = FilesBeside(path.parent)
    try:
        with warnings.catch_warnings(), _silent(trimesh.util.log):
            warnings.simplefilter("ignore")  # numpy's, about damaged values
            parts = _read_parts(trimesh, path, files)
    except SpaceformerError:
        raise
    except Exception as error:  # the library raises many types of exceptions
        raise SpaceformerError(f"cannot be read as a mesh ({first_line(error)})") from error
    if not parts:
        raise SpaceformerError("the file has neither faces nor points")
    names = set.intersection(*map(set, parts))
    if "rgb" not in names and files.missing:
        raise SpaceformerError(f"has no colour without the file {files.missing[0][:80]!r}: copy it beside the mesh")
    return stack_columns({name: np.concatenate([part[name] for part in parts]) for name in sorted(names)})


@contextlib.contextmanager
def _silent(log):
    """A context in which a logger says nothing: trimesh logs tracebacks about files that are not there."""
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _read_parts(trimesh, path, files):
    """List of dicts of columns, one for each part of the mesh that has points."""
    parts = list(_placed_parts(trimesh, _parse(trimesh, path, files)))
    spacing = _spacing(sum(mesh.area for mesh, _ in parts))
    colors = _vertex_colors([part for _, part in parts])
    columns = [_columns(mesh, part, rgb, spacing, bool(files.missing)) for (mesh, part), rgb in zip(parts, colors)]
    return [part for part in columns if part]


def _parse(trimesh, path, files):
    """Dict of arrays, or of the parts of a scene, as trimesh's loaders give them."""
    suffix, content = path.suffix.lower()[1:], path.read_bytes()
    if suffix == "glb":
        content, document = glb_chunks(content)
        check_gltf(json.loads(document))
    elif suffix == "gltf":
        check_gltf(json.loads(content))
    load = trimesh.exchange.load.mesh_loaders[suffix]
    return load(file_obj=io.BytesIO(content), file_type=suffix, resolver=files)


def _placed_parts(trimesh, parsed):
    """Pairs of a Trimesh in the frame of the file and the arrays that it was made from."""
    placed = [(np.eye(4), parsed)]
    if "geometry" in parsed:
        graph = trimesh.load_scene(parsed).graph
        placed = [(matrix, parsed["geometry"][name]) for matrix, name in map(graph.get, graph.nodes_geometry)]
    for matrix, part in placed:
        if part.get("vertices") is not None and len(part["vertices"]):
            xyz = trimesh.transform_points(np.asarray(part["vertices"], dtype=np.float64), matrix)
            yield trimesh.Trimesh(xyz, part.get("faces"), process=False), part


def _spacing(area):
    """As `surface_spacing`. Raises SpaceformerError for meshes that are too large."""
    spacing = surface_spacing(area)
    if not spacing <= MAX_SPACING:
        limit = MAX_POINTS * MAX_SPACING**2
        raise SpaceformerError(
            f"its surface has {area:.4g} square metres, at most {limit:g} are read: scale it to metres, or crop it"
        )
    return spacing


def _vertex_colors(parts):
    """Colours [V, 3] uint8 of the vertices of each part, or None; their range is that of all parts together."""
    raw = []
    for part in parts:
        attributes = getattr(part.get("visual"), "vertex_attributes", {})
        colors = next((c for c in (part.get("vertex_colors"), attributes.get("color")) if c is not None), None)
        is_usable = colors is not None and np.ndim(colors) == 2 and len(colors) == len(part["vertices"])
        raw.append(np.asarray(colors)[:, :3] if is_usable else None)
    present = [colors for colors in raw if colors is not None]
    if not present:
        return raw
    rgb, _ = read_colors(stack_columns({"colors": np.concatenate(present)}))
    pieces = iter(np.split(rgb, np.cumsum([len(colors) for colors in present])[:-1]))
    return [None if colors is None else next(pieces) for colors in raw]


def _columns(mesh, part, vertex_rgb, spacing, lacks_files):
    """Dict of columns of a placed part."""
    if not len(mesh.faces):
        columns = dict(zip("xyz", mesh.vertices.T))
        return columns if vertex_rgb is None else {**columns, "rgb": vertex_rgb}
    spacing = min(spacing, (max(mesh.area, TINY) / MIN_MESH_POINTS) ** 0.5)
    xyz, corners, weights = points_on(mesh.vertices, mesh.faces, spacing)
    columns = dict(zip("xyz", xyz.T))
    rgb = _surface_colors(part, vertex_rgb, corners, weights, lacks_files)
    return columns if rgb is None else {**columns, "rgb": np.rint(rgb).clip(0, 255).astype(np.uint8)}


def _surface_colors(part, vertex_rgb, corners, weights, lacks_files):
    """[P, 3] colours in 0..255 of points on a part, None if it has none.

    corners: [P, 3] the vertices of their triangles; weights: [P, 3] barycentric coordinates
    """
    visual = part.get("visual")
    material, uv = getattr(visual, "material", None), getattr(visual, "uv", None)
    factor = getattr(material, "baseColorFactor", None)  # of glTF: multiplies colours of vertices
    factor = None if factor is None else np.asarray(factor)[:3] / 255
    texture = getattr(material, "baseColorTexture", None)
    if texture is None and getattr(getattr(material, "image", None), "format", None):
        texture = material.image  # without a format of a file it is trimesh's grey, for materials that are not there
    if texture is not None and uv is not None and len(uv) == len(part["vertices"]):
        return _texture_colors(texture, between(uv, corners, weights))  # trimesh writes factors of 0.4
    if vertex_rgb is not None:
        colors = between(vertex_rgb, corners, weights)
    elif lacks_files:  # the material of one that lacks its texture is often white
        return None
    elif factor is not None:
        colors = np.full((len(corners), 3), 255)
    elif "kd" in getattr(material, "kwargs", ()):  # diffuse colour of MTL
        return np.tile(np.asarray(material.diffuse)[:3], (len(corners), 1))
    else:
        return None
    return colors if factor is None else colors * factor


def _texture_colors(image, uv):
    """[P, 3] uint8 of the pixels of an image at uv [P, 2], which repeats outside 0..1; v = 0 is its lowest row."""
    if image.format not in (None, *TEXTURES):  # None: made by trimesh
        raise SpaceformerError(f"a texture is {image.format}, expected {', '.join(TEXTURES)}: convert it")
    if image.width * image.height > MAX_PIXELS:  # only now decoded
        raise SpaceformerError(
            f"a texture has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are read: resize it"
        )
    image.draft("RGB", (TEXTURE_SIDE, TEXTURE_SIDE))  # JPEG is decoded smaller
    width, height = image.size
    column = (np.nan_to_num(uv[:, 0]) % 1 * width).astype(np.int64).clip(max=width - 1)
    row = ((1 - np.nan_to_num(uv[:, 1])) % 1 * height).astype(np.int64).clip(max=height - 1)
    colors = np.empty((len(uv), 3), dtype=np.uint8)
    for top in range(0, height, STRIP):  # a copy of the whole image could take 200 MB more
        here = (row >= top) & (row < top + STRIP)
        pixels = np.asarray(image.crop((0, top, width, min(top + STRIP, height))).convert("RGB"))
        colors[here] = pixels[row[here] - top, column[here]]
    return colors
