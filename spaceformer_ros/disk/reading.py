# SPDX-License-Identifier: Apache-2.0
"""Read untrusted files: only regular files of bounded size, without blocking on pipes or devices."""

import contextlib
import errno
import os
import pathlib
import stat

from .. import StorageError
from .folders import open_folder
from .paths import display_path


@contextlib.contextmanager
def open_regular_file(path, max_bytes, follow_links=True):
    """Context manager: (unbuffered binary file, size in bytes) of a regular file of at most max_bytes.

    Never waits for a named pipe and never reads a device. follow_links: whether `path` may contain symbolic links.
    Raises StorageError NOT_FOUND or READ_FAILED, also for errors while the file is read.
    """
    path, name = pathlib.Path(path), display_path(path)
    try:
        with open(_open(path, follow_links), "rb", buffering=0) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise StorageError("READ_FAILED", f"{name} is not a regular file")
            if info.st_size > max_bytes:
                raise StorageError("READ_FAILED", f"{name} has {info.st_size} bytes, the limit is {max_bytes}")
            yield file, info.st_size
    except FileNotFoundError as error:
        raise StorageError("NOT_FOUND", f"there is no file {name}") from error
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise StorageError("READ_FAILED", f"{name} cannot be read ({reason})") from error


def _open(path, follow_links):
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a null character in the path")
    if follow_links:
        return os.open(path, flags)
    with open_folder(path.parent, follow_links) as folder:
        return os.open(path.name, flags | os.O_NOFOLLOW, dir_fd=folder)


def read_regular_file(path, max_bytes, follow_links=True):
    """The bytes (bytearray) of a regular file of at most max_bytes. Errors: see `open_regular_file`."""
    with open_regular_file(path, max_bytes, follow_links) as (file, size):
        return read_exactly(file, size)


def read_exactly(file, size):
    """The next `size` bytes of a file (bytearray), fewer at its end."""
    content = bytearray(size)
    view, position = memoryview(content), 0
    while position < size and (count := file.readinto(view[position:])):
        position += count
    view.release()
    del content[position:]
    return content
