# SPDX-License-Identifier: Apache-2.0
"""Untrusted text, JSON and yaml files are read, or refused quickly with one sentence."""

import os
import time

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.disk.text_files import MAX_BYTES, MAX_DEPTH, read_json, read_text, read_yaml

ALIASES = "a: &a [x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(9 * ['*' + a])}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)
BAD_YAML = {
    "month": "labels: [2024-13-45]",
    "int": "labels: [!!int x]",
    "nested": "labels: " + 5000 * "[" + 5000 * "]",
    "alias": ALIASES,
    "python": "labels: !!python/object/apply:os.system ['true']",
}


def test_good_files_are_read(tmp_path):
    path = tmp_path / "file"
    path.write_text("\ufefflabels: [grün, 'a|b']\n")
    assert read_yaml(path) == {"labels": ["grün", "a|b"]}
    path.write_text('{"a": [1, 2]}')
    assert read_json(path) == {"a": [1, 2]}
    path.write_text("x: " + (MAX_DEPTH - 1) * "[" + (MAX_DEPTH - 1) * "]")
    assert "x" in read_yaml(path)


@pytest.mark.parametrize("kind", sorted(BAD_YAML))
def test_bad_yaml_is_refused_quickly_with_a_short_message(tmp_path, kind):
    path = tmp_path / "file.yaml"
    path.write_text(BAD_YAML[kind])
    start = time.perf_counter()
    with pytest.raises(SpaceformerError, match=r"file.yaml is not valid yaml: ") as error:
        read_yaml(path)
    assert kind in str(error.value)
    assert len(str(error.value)) < 400
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("read", [read_text, read_json, read_yaml])
def test_pipes_devices_folders_large_and_foreign_files_are_refused(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    (tmp_path / "latin").write_bytes("grün".encode("latin-1"))
    for name, reason in (
        ("pipe", "regular"),
        ("zero", "regular"),
        (".", "directory"),
        ("large", "limit"),
        ("latin", "UTF-8"),
        ("missing", "no file"),
    ):
        with pytest.raises(SpaceformerError, match=reason):
            read(tmp_path / name)


def test_deep_json_is_refused(tmp_path):
    path = tmp_path / "file.json"
    path.write_text(100_000 * "[")
    with pytest.raises(SpaceformerError, match="too deeply nested"):
        read_json(path)
