# SPDX-License-Identifier: Apache-2.0
import contextlib
import hashlib
import http.server
import socket

import pytest
from helpers.servers import allow_downloads, serving

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli import main
from spaceformer_ros.weights import download as prepare

CONTENT = bytes(range(256)) * 98304  # 24 MiB that stand for the weights; the client writes blocks of 10 MB


class Hub(http.server.BaseHTTPRequestHandler):
    """A minimal model hub for one download: HEAD with etag and commit, GET with ranges."""

    protocol_version = "HTTP/1.1"
    break_after = None  # bytes after which the connection is cut once
    ranges = None  # list that collects the Range headers

    def do_HEAD(self):
        self._head(200, len(CONTENT))

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        Hub.ranges.append(start)
        self._head(206 if start else 200, len(CONTENT) - start, start)
        if Hub.break_after is not None:
            self.wfile.write(CONTENT[start : start + Hub.break_after])
            Hub.break_after = None
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(CONTENT[start:])

    def _head(self, code, length, start=0):
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if code == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("X-Repo-Commit", prepare.REVISION)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    """Address of the stand-in hub; the recorded hashes are those of its content."""
    allow_downloads(monkeypatch)
    monkeypatch.setattr(prepare, "MD5", hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setattr(prepare, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    Hub.break_after, Hub.ranges = None, []
    with serving(Hub) as address:
        yield address


def test_nothing_is_downloaded_without_consent(tmp_path, hub):
    with pytest.raises(SpaceformerError, match="only after you accept their licence"):
        prepare.download_released(tmp_path, agreed=False, endpoint=hub)
    assert Hub.ranges == []


def test_a_checked_file_is_put_in_place_and_works_offline_afterwards(tmp_path, hub):
    path = prepare.download_released(tmp_path, agreed=True, endpoint=hub)
    assert path == prepare.released_file(tmp_path)
    assert path.read_bytes() == CONTENT
    assert prepare.download_released(tmp_path, agreed=False, endpoint="http://127.0.0.1:1") == path


@pytest.mark.slow
def test_an_interrupted_download_is_resumed(tmp_path, hub):
    Hub.break_after = 15_000_000
    with contextlib.suppress(SpaceformerError):  # versions of the client below 1 resume with the next call
        prepare.download_released(tmp_path, agreed=True, endpoint=hub)
    prepare.download_released(tmp_path, agreed=True, endpoint=hub)
    assert prepare.released_file(tmp_path).read_bytes() == CONTENT
    assert Hub.ranges[0] == 0
    assert Hub.ranges[-1] > 0


def test_a_wrong_file_is_never_installed(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(prepare, "MD5", "0" * 32)
    with pytest.raises(SpaceformerError, match=r"has MD5 [0-9a-f]{32}, expected 0{32}"):
        prepare.download_released(tmp_path, agreed=True, endpoint=hub)
    assert not prepare.released_file(tmp_path).exists()


def test_a_file_that_was_put_there_by_hand_is_checked(tmp_path, hub):
    target = prepare.released_file(tmp_path)
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(SpaceformerError, match=r"has MD5 [0-9a-f]{32}, expected"):
        prepare.download_released(tmp_path, agreed=True, endpoint=hub)
    target.write_bytes(CONTENT)
    assert prepare.download_released(tmp_path, agreed=True, endpoint=hub) == target


def test_a_lone_sha256_mismatch_names_both_and_can_be_accepted(tmp_path, hub, monkeypatch):
    actual = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(prepare, "SHA256", "1" * 64)
    with pytest.raises(SpaceformerError, match=rf"SHA-256 {actual} where 1{{64}} .* --accept-sha256 {actual}"):
        prepare.download_released(tmp_path, agreed=True, endpoint=hub)
    assert prepare.download_released(tmp_path, True, accepted_sha256=actual, endpoint=hub).is_file()


def test_a_missing_network_is_reported_in_one_sentence(tmp_path, hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its five attempts
    with pytest.raises(SpaceformerError, match=r"could not be downloaded .* check the network"):
        prepare.download_released(tmp_path, agreed=True, endpoint="http://127.0.0.1:1")


def test_the_command_shows_the_licence_first(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115 - not a terminal: no consent is possible
    with pytest.raises(SystemExit) as stopped:
        main(["prepare", "--cache-dir", str(tmp_path)])
    captured = capsys.readouterr()
    assert stopped.value.code == 1
    assert "CC-BY-NC-4.0" in captured.out
    assert "--accept-licence" in captured.err
