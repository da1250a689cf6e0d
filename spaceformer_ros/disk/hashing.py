# SPDX-License-Identifier: Apache-2.0
"""Hashes of files, which are read in blocks."""

import hashlib

from .. import SpaceformerError

BLOCK = 1 << 22  # bytes


def file_sha256(path):
    """SHA-256 of a file as hexadecimal digits. Raises SpaceformerError."""
    digest = hashlib.sha256()
    try:
        update_hashes(path, digest)
    except OSError as error:
        raise SpaceformerError(f"{path}: cannot be read: {error}") from error
    return digest.hexdigest()


def update_hashes(path, *digests):
    """Add the content of a file to hashlib digests. Raises OSError."""
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for digest in digests:
                digest.update(block)
