# SPDX-License-Identifier: Apache-2.0
"""Models that `tools/infinigen_models.py` has generated: shapes of Infinigen's factories, one for each seed.

Their colours are those of our own finishes: Infinigen's materials are programs that only Blender can run.
"""

import pathlib
import zlib

import numpy as np

from ... import SpaceformerError
from ...clouds.formats.npz import read_arrays
from ..colors import FINISHES
from ..kinds import KINDS
from .catalogue import Model
from .mesh import Material, Mesh

LIBRARY = "Infinigen"
CREATOR = "Infinigen 1.15 (Princeton University)"
LICENSE = "BSD-3-Clause"
INSTALL = "write them with `uv run tools/infinigen_models.py FOLDER`"
MAX_SIDE = 6.0  # metres: larger models come from a factory's mistake
WORDS = ("wood", "metal", "fabric", "leather", "glass", "plastic", "ceramic", "velvet")  # in names of materials
FINISH_OF = {"wood": "wooden", "velvet": "fabric"}  # others are called like the word


def find_models(folder, factories):
    """Paths of the models below a folder whose factory is in the dict `factories`, sorted by factory and seed.

    Raises SpaceformerError if there are none.
    """
    paths = [path for path in pathlib.Path(folder).glob("*/*.npz") if path.parent.name in factories]
    paths = [path for path in paths if path.stem.isdigit()]
    if not paths:
        raise SpaceformerError(f"{folder}: no models FACTORY/SEED.npz in this folder: {INSTALL}")
    return sorted(paths, key=lambda path: (path.parent.name, int(path.stem)))


def read_generated(path, kind):
    """The Model and the Mesh of a file, in the frame of `shapes` (x right, y back, z up, centred, on z = 0), metres.

    Raises SpaceformerError that names the file.
    """
    try:
        arrays = read_arrays(path)
        vertices, triangles = arrays["vertices"].astype(np.float64), arrays["triangles"]
        corners = vertices[triangles][..., [1, 0, 2]] * [1.0, -1.0, 1.0]  # the front from +x to -y
        low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        materials = tuple(_material(name, kind, path) for name in arrays["names"].tolist())
        mesh = Mesh(
            corners - [*(low + high)[:2] / 2, low[2]], np.zeros((len(corners), 3, 2)), arrays["material"], materials
        )
    except (SpaceformerError, KeyError, ValueError, IndexError) as error:
        raise SpaceformerError(f"{path}: not a generated model ({type(error).__name__}: {error})") from error
    if not 0 < (high - low).max() < MAX_SIDE:
        raise SpaceformerError(f"{path}: {(high - low).max():.3g} m large, expected at most {MAX_SIDE:g} m")
    factory, size = path.parent.name, tuple(np.round(high - low, 4).tolist())
    model = Model(LIBRARY, f"{factory}-{path.stem}", factory, size, np.eye(3), str(path), CREATOR, LICENSE)
    return model, mesh


def _material(name, kind, path):
    """A Material with a colour of the finish that its name says, or of one that the kind has; the same every time."""
    rng = np.random.default_rng(zlib.crc32(f"{path.parent.name}/{path.stem}/{name}".encode()))
    word = next((word for word in WORDS if word in name), "")
    own = KINDS[kind].materials
    finish = FINISH_OF.get(word, word) or own[int(rng.integers(len(own)))]
    color = FINISHES[finish](rng, KINDS[kind].palette).color
    return Material(name, color, None, 0.3 if word == "glass" else 1.0)
