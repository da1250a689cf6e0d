"""Where saved scenes may lie: paths of requests, confined to one folder."""

import pathlib

from .. import StorageError
from ..disk.paths import data_folder

SUFFIX = ".safetensors"


def scene_path(text, config):
    """The resolved path of a scene file. text: as a request gives it; empty: the setting scene_file.

    config: StorageConfig. Relative paths begin in its data_dir, and all must end there unless allow_any_path is set;
    symbolic links and ".." are followed before that is judged. Raises StorageError PATH_REFUSED.
    """
    text = text or config.scene_file
    try:
        root = data_folder(config)
        path = (root / pathlib.Path(text).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, an unknown user, a zero byte
        raise StorageError("PATH_REFUSED", f"path {text!r} cannot be followed ({error})") from error
    if path.suffix != SUFFIX:
        raise StorageError("PATH_REFUSED", f"path {text!r} does not end with {SUFFIX}, as scene files do")
    if not config.allow_any_path and not path.is_relative_to(root):
        raise StorageError(
            "PATH_REFUSED",
            f"path {text!r} leads to {path}, outside data_dir {root}: use a path below it, or set allow_any_path",
        )
    return path
