# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from spaceformer_ros import StorageError
from spaceformer_ros.disk.paths import display_path
from spaceformer_ros.disk.reading import read_regular_file

LIMIT = 1000


def refused(path, code, words, **options):
    with pytest.raises(StorageError, match=words) as caught:
        read_regular_file(path, LIMIT, **options)
    assert caught.value.code == code
    str(caught.value).encode()  # can be published


def test_regular_files_are_read_whole(tmp_path):
    for content in (b"", b"x" * LIMIT):
        (tmp_path / "file").write_bytes(content)
        assert read_regular_file(tmp_path / "file", LIMIT) == content


def test_what_is_not_a_bounded_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(3 << 30)
    refused(tmp_path / "pipe", "READ_FAILED", "is not a regular file")
    refused(tmp_path / "zero", "READ_FAILED", "is not a regular file")
    refused(tmp_path / "sparse", "READ_FAILED", "has 3221225472 bytes, the limit is 1000")
    refused(tmp_path, "READ_FAILED", "cannot be read")
    refused(tmp_path / "nowhere", "NOT_FOUND", "there is no file")
    refused(tmp_path / "null\0", "READ_FAILED", "null character")


def test_links_are_followed_unless_they_are_forbidden(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "folder" / "other").symlink_to("file")
    for path in (tmp_path / "link" / "file", tmp_path / "folder" / "other"):
        assert read_regular_file(path, LIMIT) == b"1"
        refused(path, "READ_FAILED", "cannot be read", follow_links=False)
    assert read_regular_file(tmp_path / "folder" / "file", LIMIT, follow_links=False) == b"1"


def test_paths_in_messages_are_one_encodable_line():
    assert display_path("/a/b c") == "/a/b c"
    assert display_path("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    display_path(os.fsdecode(b"caf\xe9")).encode()
    assert len(display_path("x" * 10_000)) < 400
