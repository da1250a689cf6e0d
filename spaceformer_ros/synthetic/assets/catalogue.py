# SPDX-License-Identifier: Apache-2.0
"""Catalogues of Sweet Home 3D's furniture libraries: .sh3f files, which are ZIP archives of OBJ models."""

import pathlib
import re
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from ... import SpaceformerError
from ...disk.reading import open_regular_file

MAX_LIBRARY = 1 << 32  # bytes
MAX_OVERHEAD = 1 << 16  # bytes by which packing may enlarge a file
MAX_MEMBER = 1 << 26  # bytes of a file in an archive
# What reading a damaged archive raises; RuntimeError for encryption and, as NotImplementedError, unknown compression.
BAD_ARCHIVE = (OSError, KeyError, ValueError, IndexError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)
CATALOGUE = "PluginFurnitureCatalog.properties"
INSTALL = (
    "install Debian's package with `apt install sweethome3d-furniture`, or without root: `apt-get download "
    "sweethome3d-furniture && dpkg -x sweethome3d-furniture_*.deb DIR`, then give DIR"
)


@dataclass(frozen=True)
class Model:
    """One model of a catalogue.

    library: stem of the .sh3f file, such as "Scopia"
    name: last part of its id
    title: readable name
    size: (width, depth, height) metres
    rotation: [3, 3], applied to the OBJ first
    path: path in the archive
    """

    library: str
    name: str
    title: str
    size: tuple
    rotation: np.ndarray
    path: str
    creator: str
    license: str

    @property
    def key(self):
        """Unique name, such as "Scopia/chair3"."""
        return f"{self.library}/{self.name}"


def find_libraries(folder):
    """Paths of all .sh3f files below a folder, sorted. Raises SpaceformerError if there are none."""
    paths = sorted(path for path in pathlib.Path(folder).rglob("*.sh3f") if path.is_file())
    if not paths:
        raise SpaceformerError(f"{folder}: no furniture libraries (*.sh3f) below this folder: {INSTALL}")
    return paths


def read_catalogue(path):
    """List of Models of a .sh3f file, in its order. Raises SpaceformerError that names the file."""
    try:
        with open_regular_file(path, MAX_LIBRARY) as (file, _), zipfile.ZipFile(file) as archive:
            text = read_member(archive, CATALOGUE).decode("latin-1")
        common, models = parse_properties(text)
        licence = common.get("license", "")
        return [_model(pathlib.Path(path).stem, row, licence) for _, row in sorted(models.items())]
    except BAD_ARCHIVE as error:
        raise SpaceformerError(f"{path}: not a furniture library ({type(error).__name__}: {error})") from error


def read_member(archive, name):
    """The bytes of a file in an open ZipFile. Raises ValueError above MAX_MEMBER, and others of BAD_ARCHIVE."""
    info = archive.getinfo(name)
    if info.file_size > MAX_MEMBER:
        raise ValueError(f"{name} unpacks to {info.file_size} bytes, at most {MAX_MEMBER} are read")
    if info.compress_size > info.file_size + MAX_OVERHEAD:  # it is read into memory first
        raise ValueError(f"{name} has {info.compress_size} bytes and unpacks to {info.file_size}: damaged")
    return archive.read(info)


def parse_properties(text):
    """Dict of common entries, and dict number -> dict of the entries `name#number` of a Java properties file."""
    common, models = {}, {}
    for line in re.sub(r"\\\r?\n\s*", "", text).splitlines():
        match = re.match(r"\s*(\w+)(?:#(\d+))?\s*[=:]\s*(.*)", line)
        if match and not line.lstrip().startswith(("#", "!")):
            row = models.setdefault(int(match[2]), {}) if match[2] else common
            row[match[1]] = match[3].strip().encode("latin-1").decode("unicode_escape")
    return common, models


def _model(library, row, licence):
    rotation = np.array(row.get("modelRotation", "1 0 0 0 1 0 0 0 1").split(), dtype=np.float64).reshape(3, 3)
    return Model(
        library=library,
        name=row["id"].rsplit("#", 1)[-1],
        title=row["name"],
        size=tuple(float(row[side]) / 100 for side in ("width", "depth", "height")),
        rotation=rotation,
        path=row["model"].lstrip("/"),
        creator=row.get("creator", "unknown"),
        license=licence,
    )
