# SPDX-License-Identifier: Apache-2.0
import pathlib

import pytest
from helpers.servers import SnapshotHub, allow_downloads, serving

from spaceformer_ros import SpaceformerError
from spaceformer_ros.words.hub import download_bytes, hub_folder
from spaceformer_ros.words.text_model import TextModelId

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = TextModelId("someone/words", COMMIT)
FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": bytes(range(256)) * 64, "code.py": b"evil()"}


@pytest.fixture
def hub(monkeypatch):
    """A stand-in hub that has MODEL; `address` is its address."""
    allow_downloads(monkeypatch)
    handler = SnapshotHub.of(MODEL.name, COMMIT, FILES)
    with serving(handler) as handler.address:
        yield handler


def test_a_model_is_downloaded_once_and_used_offline_afterwards(tmp_path, hub):
    for options in ({"endpoint": hub.address}, {"endpoint": hub.address}, {"offline": True}):
        folder = hub_folder(MODEL, tmp_path, **options)
        found = {path.name: path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())}
        assert found == {name: FILES[name] for name in ("config.json", "model.safetensors")}  # no code
    assert sorted(hub.asked) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_files_with_wrong_hashes_are_never_used(tmp_path, hub, name):
    hub.sent[name] = bytes(len(FILES[name]))
    with pytest.raises(SpaceformerError, match=f"{name} of text model .* has hash .*, expected .* run it again"):
        hub_folder(MODEL, tmp_path, endpoint=hub.address)
    with pytest.raises(SpaceformerError, match="offline is set"):
        hub_folder(MODEL, tmp_path, offline=True)
    hub.sent = {}
    assert (pathlib.Path(hub_folder(MODEL, tmp_path, endpoint=hub.address)) / name).read_bytes() == FILES[name]


def test_an_unchecked_snapshot_is_not_used(tmp_path, hub):
    hub_folder(MODEL, tmp_path, endpoint=hub.address)
    (marker,) = (tmp_path / "hub").glob("*.checked")
    marker.unlink()
    with pytest.raises(SpaceformerError, match="offline is set"):
        hub_folder(MODEL, tmp_path, offline=True)
    weights = pathlib.Path(hub_folder(MODEL, tmp_path, endpoint=hub.address)) / "model.safetensors"
    assert marker.read_text() == COMMIT
    weights.resolve().unlink()
    (weights.parent / "config.json").unlink()
    weights.unlink()
    weights.parent.rmdir()
    assert (
        pathlib.Path(hub_folder(MODEL, tmp_path, endpoint=hub.address)) / "model.safetensors"
    ).is_file()  # fetched again


def test_the_size_of_a_download_is_known_before_it_starts(hub):
    assert download_bytes(MODEL, hub.address) == len(FILES["config.json"]) + len(FILES["model.safetensors"])
    assert hub.asked == []


def test_an_unreachable_hub_is_reported_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(SpaceformerError, match=r"words@\w+ could not be downloaded .*set text_model to a folder"):
        hub_folder(MODEL, tmp_path)
    with pytest.raises(SpaceformerError, match="the hub does not answer about text model someone/words"):
        download_bytes(MODEL)
