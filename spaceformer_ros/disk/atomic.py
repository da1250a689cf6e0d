"""Atomic replacement: after a crash or a full disk a path holds the complete old or the complete new file."""

import contextlib
import errno
import fcntl
import os
import pathlib


@contextlib.contextmanager
def replacing(path):
    """Context manager: a path to write to, which takes the place of `path` at the end and is removed on an error.

    For writers that want a path of their own; what they wrote is synchronised first. Raises OSError.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        move_file(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move_file(source, target):
    """Rename a finished file to `target`, on the same file system, once its content is on the disk. Raises OSError."""
    with open(source, "rb") as file:
        os.fsync(file.fileno())
    os.replace(source, target)
    sync_folder(pathlib.Path(target).parent)


def replace_file(path, buffers):
    """Put a file of these bytes in the place of `path` in one step. Raises OSError; then the old file stays."""
    partial = path.with_name(f".{path.name}.part")
    descriptor = _open_alone(partial)
    try:
        os.ftruncate(descriptor, 0)  # left over from a writer that was killed
        for buffer in buffers:
            _write_all(descriptor, memoryview(buffer))
        os.fsync(descriptor)  # before the rename, or a power cut could leave a new name with old or no content
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    finally:
        os.close(descriptor)


def _open_alone(partial):
    """Descriptor of the partial file, locked against every other writer. Raises OSError."""
    while True:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.lstat(partial)):
                    return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise OSError(errno.EBUSY, "somebody else is writing it at this moment") from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another writer renamed it before we had the lock: it is the finished file now


def _write_all(descriptor, view):
    while len(view):
        view = view[os.write(descriptor, view) :]


def sync_folder(folder):
    """Make renames in a folder last through a power cut. Raises OSError where the disk fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot, such as some network ones
            raise
    finally:
        os.close(descriptor)
