# SPDX-License-Identifier: Apache-2.0
"""The asset cache: surface points of all usable models in one folder, so that training needs no other package.

index.json lists the models; <library>/<name>.npz has the points: xyz uint16 relative to the size, normal int8, rgb
uint8, material uint8. Models are split into training and held out, so that validation has shapes never trained on.
"""

import dataclasses
import functools
import json
import logging
import pathlib
import zipfile
import zlib
from collections import namedtuple
from dataclasses import dataclass
from functools import partial

import numpy as np

from ... import SpaceformerError
from ...clouds.formats.npz import read_arrays
from ...disk.atomic import replacing
from ...disk.text_files import read_json
from ...geometry.vectors import unit_vectors
from . import infinigen
from .catalogue import find_libraries, read_catalogue
from .mesh import TRANSPARENT, read_mesh
from .surface import SurfacePoints, sample_surface
from .table import PATH, read_table

logger = logging.getLogger(__name__)

VERSION = 3
INDEX = "index.json"
MAX_INDEX = 1 << 26  # bytes
HELD_OUT_LIBRARY = "BlendSwap-CC-BY"  # entirely held out
HELD_OUT_EVERY = 5  # of the models of the other libraries, and of the seeds of generated ones
SPLITS = ("train", "held out", "held out seeds")  # the last of generated models
HALVES = ("calibration", "test")  # of the held-out models: scores are calibrated on one, and judged on the other

Job = namedtuple("Job", "read kind split")
Job.__doc__ = """read: function() that returns a model's Model and Mesh; kind: canonical name; split: one of SPLITS."""


@dataclass(frozen=True)
class Asset:
    """One cached model.

    key: "library/name"
    kind: canonical name
    title: title in the catalogue
    size: (width, depth, height) metres
    spacing: metres between its points
    colors: mean (r, g, b) of each material
    gloss: 0..1 of each material
    split: one of SPLITS
    creator, license: for the attribution
    """

    key: str
    kind: str
    title: str
    size: tuple
    spacing: float
    colors: tuple
    gloss: tuple
    split: str
    creator: str
    license: str


@dataclass(frozen=True)
class AssetLibrary:
    """The assets of a cache folder."""

    folder: pathlib.Path
    assets: tuple

    def of_split(self, split):
        """Dict kind -> list of Assets of a split, or of one of the HALVES of the held-out models."""
        half = split in HALVES
        assets = [asset for asset in self.assets if asset.split == (SPLITS[1] if half else split)]
        kinds = {}
        for asset in assets[HALVES.index(split) :: len(HALVES)] if half else assets:
            kinds.setdefault(asset.kind, []).append(asset)
        return kinds

    def points(self, asset):
        """The SurfacePoints of an Asset. Raises SpaceformerError that names the file."""
        return _read_points(self.folder / f"{asset.key}.npz", asset.size, asset.spacing)


def default_folder(cache):
    """The assets folder in the cache folder of the user."""
    return pathlib.Path(cache) / "assets"


def has_cache(folder):
    """Whether a folder has an asset cache."""
    return (pathlib.Path(folder) / INDEX).is_file()


@functools.cache
def read_library(folder):
    """The AssetLibrary of a folder that `build_cache` has written. Raises SpaceformerError."""
    path = pathlib.Path(folder) / INDEX
    try:
        content = read_json(path, MAX_INDEX)
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, expected {VERSION}")
        assets = tuple(Asset(**{**row, "size": tuple(row["size"])}) for row in content["assets"])
    except (SpaceformerError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpaceformerError(f"{path}: no asset cache ({error}): run `spaceformer assets --from DIR`") from error
    return AssetLibrary(pathlib.Path(folder), assets)


def build_cache(source, folder, progress=iter, generated=None):
    """Read all usable models of the libraries below `source` into `folder`. Returns the AssetLibrary.

    progress: function that wraps the list of models for iteration (such as tqdm); generated: folder with the models of
    `tools/infinigen_models.py`, or None. Models that cannot be read are left out with a warning. Raises
    SpaceformerError without libraries or without a usable model.
    """
    folder, jobs = pathlib.Path(folder), _furniture(source)
    if generated:
        jobs += _generated(generated)
    assets = []
    for job in progress(jobs):
        try:
            assets.append(_add(folder, *job.read(), job.kind, job.split))
        except SpaceformerError as error:
            logger.warning("left out: %s", error)
    if not assets:
        raise SpaceformerError(f"{source}: its libraries have no model of {PATH.name}")
    rows = [dataclasses.asdict(asset) for asset in assets]
    with replacing(folder / INDEX) as unfinished:
        unfinished.write_text(json.dumps({"version": VERSION, "assets": rows}, indent=1))
    read_library.cache_clear()
    return AssetLibrary(folder, tuple(assets))


def _furniture(source):
    """Jobs of the usable models of the libraries below a folder."""
    kinds, jobs = read_table().kinds, []
    for path in find_libraries(source):
        usable = [model for model in read_catalogue(path) if model.key in kinds]
        jobs += [Job(partial(_read, path, m), kinds[m.key], split_of(m, i)) for i, m in enumerate(usable)]
    return jobs


def _read(path, model):
    with zipfile.ZipFile(path) as archive:
        return model, read_mesh(archive, model)


def _generated(folder):
    """Jobs of the models that `tools/infinigen_models.py` has written to a folder."""
    factories, jobs = read_table().factories, []
    for path in infinigen.find_models(folder, factories):
        kind, split = factories[path.parent.name], SPLITS[2 if _is_held_out(int(path.stem)) else 0]
        jobs.append(Job(partial(infinigen.read_generated, path, kind), kind, split))
    return jobs


def split_of(model, position):
    """The split of a catalogue Model; position: its index among the usable models of its library."""
    return SPLITS[model.library == HELD_OUT_LIBRARY or _is_held_out(position)]


def _is_held_out(number):
    return number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def _add(folder, model, mesh, kind, split):
    """Write the points of a model; returns its Asset."""
    points = sample_surface(mesh, np.random.default_rng(zlib.crc32(model.key.encode())))
    target = folder / f"{model.key}.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    relative = (points.xyz + [model.size[0] / 2, model.size[1] / 2, 0]) / np.maximum(model.size, 1e-6)
    with replacing(target) as unfinished, open(unfinished, "wb") as file:
        np.savez_compressed(
            file,
            xyz=np.rint(np.clip(relative, 0, 1) * 65535).astype(np.uint16),
            normal=np.rint(points.normal * 127).astype(np.int8),
            rgb=points.rgb,
            material=points.material,
        )
    count = int(points.material.max()) + 1
    return Asset(
        key=model.key,
        kind=kind,
        title=model.title,
        size=model.size,
        spacing=round(points.spacing, 5),
        colors=tuple(_mean_color(points, number) for number in range(count)),
        gloss=tuple(0.5 if m.opacity < TRANSPARENT else 0.03 for m in mesh.materials[:count]),
        split=split,
        creator=model.creator,
        license=model.license,
    )


def _mean_color(points, number):
    rows = points.material == number
    return tuple(points.rgb[rows].mean(axis=0).round(1).tolist()) if rows.any() else (128.0, 128.0, 128.0)


@functools.lru_cache(maxsize=512)
def _read_points(path, size, spacing):
    try:
        arrays = read_arrays(path)
        xyz, normal, rgb, material = (arrays[name] for name in ("xyz", "normal", "rgb", "material"))
    except (SpaceformerError, KeyError) as error:
        raise SpaceformerError(f"{path}: cannot be read ({error}): run `spaceformer assets` again") from error
    xyz = (xyz / np.float32(65535) - np.array([0.5, 0.5, 0.0], np.float32)) * np.array(size, np.float32)
    normal = unit_vectors(normal)
    return SurfacePoints(xyz.astype(np.float32), normal.astype(np.float32), rgb, material, spacing)
