# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.disk import hashing
from spaceformer_ros.disk.hashing import file_sha256, update_hashes


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_the_hash_is_that_of_the_whole_content(tmp_path, monkeypatch, size):
    monkeypatch.setattr(hashing, "BLOCK", 64)
    content = bytes(k % 251 for k in range(size))
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_several_digests_see_the_same_content_after_what_they_had(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    digests = hashlib.sha256(b"before "), hashlib.md5()
    update_hashes(tmp_path / "file", *digests)
    assert digests[0].digest() == hashlib.sha256(b"before content").digest()
    assert digests[1].digest() == hashlib.md5(b"content").digest()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SpaceformerError, match=r"missing: cannot be read: .*No such file"):
        file_sha256(tmp_path / "missing")
    with pytest.raises(SpaceformerError, match=r"cannot be read: .*directory"):
        file_sha256(tmp_path)
