# SPDX-License-Identifier: Apache-2.0
"""Paths of scene files in requests, confined to one folder."""

from .. import SpaceformerError, StorageError
from ..disk.paths import data_folder, display_path, expand_user

SUFFIX = ".safetensors"
MAX_PATH = 4096  # characters, as in Linux


def scene_path(text, config):
    """The absolute path of a scene file, free of symbolic links. Raises StorageError PATH_REFUSED.

    text: as given in a request; empty: the setting scene_file. Relative paths start in data_dir. Links and ".." are
    resolved first; the result must be inside data_dir unless allow_any_path is set. `write_scene` and `read_scene`
    refuse links, so that a folder replaced by a link after this check cannot redirect them.

    config: StorageConfig
    """
    text = text or config.scene_file
    name = f"path {display_path(text)}"
    if len(text) > MAX_PATH:
        raise StorageError("PATH_REFUSED", f"{name} has {len(text)} characters, the limit is {MAX_PATH}")
    try:
        root = data_folder(config)
        path = (root / expand_user(text)).resolve()
    except (OSError, RuntimeError, ValueError, SpaceformerError) as error:  # a loop of links, a null character
        raise StorageError("PATH_REFUSED", f"{name} cannot be resolved ({error})") from error
    if root.exists() and not root.is_dir():
        raise StorageError("PATH_REFUSED", f"data_dir {display_path(root)} is a file, not a folder")
    if not str(path).isprintable():
        raise StorageError(
            "PATH_REFUSED",
            f"{name} leads to {display_path(path)}: control characters and invalid UTF-8 are not allowed",
        )
    if path.suffix != SUFFIX:
        raise StorageError("PATH_REFUSED", f"{name} does not end with {SUFFIX}, as scene files do")
    if not config.allow_any_path and not path.is_relative_to(root):
        raise StorageError(
            "PATH_REFUSED",
            f"{name} leads to {display_path(path)}, outside data_dir {display_path(root)}: use a path below it, or set "
            "allow_any_path",
        )
    return path
