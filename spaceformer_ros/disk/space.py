# SPDX-License-Identifier: Apache-2.0
"""Free space on a disk."""

import pathlib
import shutil

from .. import SpaceformerError


def check_free_space(folder, needed, purpose):
    """Raise SpaceformerError unless the disk of a folder, which need not exist yet, has that many bytes free."""
    folder = pathlib.Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise SpaceformerError(
            f"{purpose} needs {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free: free some space, or set "
            "another cache_dir"
        )
