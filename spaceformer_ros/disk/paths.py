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


def expand_user(text):
    """Path of a text that may begin with "~" or "~user". Raises SpaceformerError where that folder is not known."""
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError as error:  # an unknown user, or a container whose user has no home
        raise SpaceformerError(
            f"{display_path(text)}: the home folder is not known ({error}): write the path without '~', or set HOME"
        ) from error


def cache_folder(config):
    """Folder of weights and embeddings for a ModelConfig."""
    if config.cache_dir:
        return expand_user(config.cache_dir)
    return expand_user(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "spaceformer_ros"


def data_folder(config):
    """The folder of saved scenes for a StorageConfig, absolute, links followed."""
    folder = expand_user(config.data_dir) if config.data_dir else default_data_folder()
    return folder.resolve()


def default_data_folder():
    """The folder of saved scenes if the setting data_dir is empty."""
    return expand_user(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "spaceformer_ros"


def display_path(path, limit=300):
    """A path as text for messages and logs: on one line, encodable, at most about `limit` characters."""
    text = os.fspath(path)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]}"


def prepare_command():
    """The shell command that runs `spaceformer prepare` with the Python of this process, which has torch."""
    return f"{shlex.quote(sys.executable)} -m spaceformer_ros.cli prepare"
