# SPDX-License-Identifier: Apache-2.0
"""Atomic replacement: after a crash or a full disk, the path contains the complete old or the complete new file.

A new file is written under a temporary name, `.<name>.<random>.part`, and renamed once it is complete and synchronised
to the disk. Its writer holds a lock on it, so the next writer can recognise and remove the files of killed writers.
"""

import contextlib
import errno
import fcntl
import io
import os
import pathlib
import secrets
import sys

import numpy as np

from .folders import open_folder
from .reading import open_regular_file

CHUNK = 1 << 20  # bytes that are copied at a time


@contextlib.contextmanager
def replacing(path):
    """Context manager: a temporary path to write to; it replaces `path` at the end, or is removed after an error.

    For libraries that open the file themselves. Raises OSError.
    """
    path = pathlib.Path(path)
    with open_folder(path.parent) as folder, _partial_file(folder, path.name) as (partial, _):
        yield path.parent / partial
        with open(path.parent / partial, "rb") as file:  # the library may have replaced the file
            os.fsync(file.fileno())
        _rename(folder, partial, path.name)


class ReplacedMeanwhileError(OSError):
    """A file was replaced by another writer while its new content was written."""


def replace_file(path, buffers, follow_links=True, keep_newer=False):
    """Replace the content of the file `path` by buffers of bytes. Raises OSError and leaves the old file unchanged.

    The folder is created if it is missing. follow_links: whether the path of the folder may contain symbolic links.
    keep_newer: raise ReplacedMeanwhileError if another writer replaces the file before this one is done, which a disk
    may delay by minutes.
    """
    path = pathlib.Path(path)
    with (
        open_folder(path.parent, follow_links, create=True) as folder,
        _partial_file(folder, path.name) as (partial, descriptor),
    ):
        before = _identity(folder, path.name)
        for buffer in buffers:
            _write_all(descriptor, memoryview(buffer))
        os.fsync(descriptor)
        if keep_newer and _identity(folder, path.name) != before:
            raise ReplacedMeanwhileError(errno.EEXIST, "another writer replaced it meanwhile")
        _rename(folder, partial, path.name)


def keep_file(path, kept):
    """Let the content of the file `path` also be at `kept`, in the same folder: a hard link, or a copy where there are
    none. Raises OSError and StorageError; symbolic links are not followed."""
    with open_folder(path.parent, follow_links=False) as folder, contextlib.suppress(OSError):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(kept.name, dir_fd=folder)
        os.link(path.name, kept.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        return
    with open_regular_file(path, sys.maxsize, follow_links=False) as (file, _):
        replace_file(kept, iter(lambda: file.read(CHUNK), b""), follow_links=False)


def replace_array(path, array):
    """Replace the content of the file `path` by an array in NumPy's format NPY, as `replace_file`. Raises OSError."""
    content = io.BytesIO()  # np.save to a file that is full raises an OSError without its reason
    np.save(content, array)
    replace_file(path, [content.getbuffer()])


def move_file(source, target):
    """Synchronise a finished file to the disk and rename it to `target` on the same file system. Raises OSError."""
    with open(source, "rb") as file:
        os.fsync(file.fileno())
    os.replace(source, target)
    with open_folder(pathlib.Path(target).parent) as folder:
        _sync(folder)


def _rename(folder, partial, name):
    os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    _sync(folder)


@contextlib.contextmanager
def _partial_file(folder, name):
    """Context manager: (name, descriptor) of a new, empty, locked file beside `name`; removed unless it was renamed."""
    _remove_abandoned(folder, name)
    partial, descriptor = _create(folder, name)
    try:
        yield partial, descriptor
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        os.close(descriptor)


def _create(folder, name):
    while True:
        partial = f".{name}.{secrets.token_hex(4)}.part"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(partial, flags, 0o644, dir_fd=folder)
        except FileExistsError:
            continue
        if _lock(descriptor) and _is_file(folder, partial, descriptor):
            return partial, descriptor
        os.close(descriptor)  # another writer removed it as abandoned before it was locked


def _lock(descriptor):
    """Try to lock a file. Returns False if another process holds the lock; True if the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
    return True


def _is_file(folder, name, descriptor):
    """Whether `name` still is the file of an open descriptor."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _identity(folder, name):
    """What changes when a file is replaced; None without it."""
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def _remove_abandoned(folder, name):
    """Remove partial files of `name` that no running writer has locked."""
    for entry in os.listdir(folder):
        if entry.startswith(f".{name}.") and entry.endswith(".part"):
            with contextlib.suppress(OSError):  # links and files of other users stay: the new name differs
                descriptor = os.open(entry, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry, dir_fd=folder)
                finally:
                    os.close(descriptor)


def _write_all(descriptor, view):
    while len(view):
        view = view[os.write(descriptor, view) :]


def _sync(folder):
    """Synchronise a folder, so that renames in it survive a power failure. Raises OSError if the disk fails."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not supported by some (network) file systems
            raise
