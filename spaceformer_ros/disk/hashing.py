# SPDX-License-Identifier: Apache-2.0
"""Whether files have the same content: hashes, which are read in blocks, and what changes with the content."""

import hashlib

from .. import SpaceformerError

BLOCK = 1 << 22  # bytes


def file_sha256(path):
    """SHA-256 of a file as hexadecimal digits. Raises SpaceformerError."""
    digest = hashlib.sha256()
    try:
        update_hashes(path, digest)
    except OSError as error:
        raise SpaceformerError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def file_identity(path):
    """What changes with the content of a file: its size, the time of its last change and its inode. Raises OSError."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


def update_hashes(path, *digests):
    """Add the content of a file to hashlib digests. Raises OSError."""
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for digest in digests:
                digest.update(block)
