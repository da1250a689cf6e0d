# SPDX-License-Identifier: Apache-2.0
"""Open folders by descriptor, so that a path that was checked cannot be redirected by later renames or links."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def open_folder(path, follow_links=True, create=False):
    """Context manager: descriptor of a folder, for the `dir_fd` arguments of functions in `os`. Raises OSError.

    follow_links: False: every component must be a real folder
    create: create missing folders
    """
    path = pathlib.Path(path).absolute()
    if follow_links:
        if create:
            path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    else:
        descriptor = _open_without_links(path, create)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_without_links(path, create):
    descriptor = os.open(path.anchor, os.O_RDONLY | os.O_DIRECTORY)
    for position, name in enumerate(path.parts[1:], start=2):
        access = os.O_RDONLY if position == len(path.parts) else os.O_PATH  # folders above need not be readable
        flags = access | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            below = _open_or_create(name, flags, descriptor, create)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _open_or_create(name, flags, folder, create):
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    with contextlib.suppress(FileExistsError):  # another process created it first
        os.mkdir(name, dir_fd=folder)
    return os.open(name, flags, dir_fd=folder)
