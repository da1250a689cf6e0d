# SPDX-License-Identifier: Apache-2.0
"""Standard paths: configuration files of the package, cache and data folders of the user."""

import os
import pathlib
import shlex
import sys

from .. import SpaceformerError


def find_config(name):
    """Path of a file of this package's config folder: beside the sources, in a wheel, or in a ROS install space."""
    here = pathlib.Path(__file__).resolve().parents[1]
    candidates = [here.parent / "config" / name, here / "files" / name]
    candidates += [parent / "share" / "spaceformer_ros" / "config" / name for parent in pathlib.Path(__file__).parents]
    for path in candidates:
        if path.is_file():
            return path
    raise SpaceformerError(f"{name} of this package is missing (searched from {here}): install the package again")


def cache_folder(config):
    """Folder of weights and embeddings for a ModelConfig."""
    if config.cache_dir:
        return pathlib.Path(config.cache_dir).expanduser()
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "spaceformer_ros"


def data_folder(config):
    """The folder of saved scenes for a StorageConfig, absolute, links followed."""
    folder = pathlib.Path(config.data_dir).expanduser() if config.data_dir else default_data_folder()
    return folder.resolve()


def default_data_folder():
    """The folder of saved scenes if the setting data_dir is empty."""
    return pathlib.Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "spaceformer_ros"


def display_path(path, limit=300):
    """A path as text for messages and logs: on one line, encodable, at most about `limit` characters."""
    text = os.fspath(path)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]}"


def prepare_command():
    """The shell command that runs `spaceformer prepare` with the Python of this process, which has torch."""
    return f"{shlex.quote(sys.executable)} -m spaceformer_ros.cli prepare"
