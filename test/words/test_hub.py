# SPDX-License-Identifier: Apache-2.0
import hashlib
import http.server
import json
import pathlib
import re

import pytest
from helpers.servers import allow_downloads, serving

from spaceformer_ros import SpaceformerError
from spaceformer_ros.words.hub import hub_folder
from spaceformer_ros.words.text_model import TextModelId

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = TextModelId("someone/words", COMMIT)
FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": bytes(range(256)) * 64, "code.py": b"evil()"}


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    """A minimal model hub for snapshots: the list of files, their hashes, and the files."""

    protocol_version = "HTTP/1.1"
    sent = None  # what is sent for a file where that is not its content
    asked = None  # files that were fetched

    def do_GET(self):
        name = re.sub(r"\?.*", "", self.path).rsplit("/", 1)[-1]
        if self.path.startswith(f"/api/models/{MODEL.name}/revision/"):
            self._send(json.dumps({"id": MODEL.name, "sha": COMMIT, "siblings": [{"rfilename": f} for f in FILES]}))
        elif self.path.startswith(f"/api/models/{MODEL.name}/tree/"):
            self._send(json.dumps([self._entry(file) for file in FILES]))
        else:
            Hub.asked.append(name)
            self._send(Hub.sent.get(name, FILES[name]), name)

    def do_HEAD(self):
        name = self.path.rsplit("/", 1)[-1]
        self._send(Hub.sent.get(name, FILES[name]), name)

    @staticmethod
    def _entry(name):
        content = FILES[name]
        entry = {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return entry

    def _send(self, content, name=None):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        if name:
            self.send_header("ETag", f'"{self._entry(name).get("lfs", self._entry(name))["oid"]}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    """Address of the stand-in hub."""
    allow_downloads(monkeypatch)
    Hub.sent, Hub.asked = {}, []
    with serving(Hub) as address:
        yield address


def test_a_model_is_downloaded_once_and_used_offline_afterwards(tmp_path, hub):
    for options in ({"endpoint": hub}, {"endpoint": hub}, {"offline": True}):
        folder = hub_folder(MODEL, tmp_path, **options)
        found = {path.name: path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())}
        assert found == {name: FILES[name] for name in ("config.json", "model.safetensors")}  # no code
    assert sorted(Hub.asked) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_files_with_wrong_hashes_are_never_used(tmp_path, hub, name):
    Hub.sent[name] = bytes(len(FILES[name]))
    with pytest.raises(SpaceformerError, match=f"{name} of text model .* has hash .*, expected .* run it again"):
        hub_folder(MODEL, tmp_path, endpoint=hub)
    with pytest.raises(SpaceformerError, match="offline is set"):
        hub_folder(MODEL, tmp_path, offline=True)
    Hub.sent = {}
    assert (pathlib.Path(hub_folder(MODEL, tmp_path, endpoint=hub)) / name).read_bytes() == FILES[name]


def test_an_unchecked_snapshot_is_not_used(tmp_path, hub):
    hub_folder(MODEL, tmp_path, endpoint=hub)
    (marker,) = (tmp_path / "hub").glob("*.checked")
    marker.unlink()
    with pytest.raises(SpaceformerError, match="offline is set"):
        hub_folder(MODEL, tmp_path, offline=True)
    weights = pathlib.Path(hub_folder(MODEL, tmp_path, endpoint=hub)) / "model.safetensors"
    assert marker.read_text() == COMMIT
    weights.resolve().unlink()
    (weights.parent / "config.json").unlink()
    weights.unlink()
    weights.parent.rmdir()
    assert (pathlib.Path(hub_folder(MODEL, tmp_path, endpoint=hub)) / "model.safetensors").is_file()  # fetched again
