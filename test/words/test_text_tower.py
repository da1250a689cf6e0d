# SPDX-License-Identifier: Apache-2.0
"""What is kept of a text model, and `spaceformer prepare` as a whole, with a stand-in for the hub."""

import hashlib
import os
import shutil

import numpy as np
import pytest
import torch
from helpers.servers import SnapshotHub, allow_downloads, serving
from helpers.text_models import save_siglip
from safetensors import safe_open

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli import main
from spaceformer_ros.config import Config
from spaceformer_ros.pipeline import build_embedder, texts_at_start
from spaceformer_ros.weights import download
from spaceformer_ros.weights.checkpoint import RELEASED_TEXT_MODEL
from spaceformer_ros.words import text_tower
from spaceformer_ros.words.text_encoder import TextEncoder
from spaceformer_ros.words.text_model import TextModelId, load_text_encoder
from spaceformer_ros.words.text_tower import keep_text_tower, prepare_text_model, tower_folder

WEIGHTS = b"these bytes stand for the released weights"


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory):
    return save_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.fixture
def hub(monkeypatch, siglip_folder):
    """Address of a hub that has the small SigLIP under the name of the released text model."""
    files = {path.name: path.read_bytes() for path in siglip_folder.iterdir()}
    handler = SnapshotHub.of(RELEASED_TEXT_MODEL.name, RELEASED_TEXT_MODEL.revision, files)
    with serving(handler) as address:
        allow_downloads(monkeypatch, address)
        yield handler


@pytest.mark.slow
def test_the_text_tower_is_kept_in_half_precision_and_gives_the_same_vectors(siglip_folder, tmp_path):
    keep_text_tower(siglip_folder, tmp_path / "tower")
    with safe_open(tmp_path / "tower" / "model.safetensors", framework="pt") as file:
        assert {key.split(".")[0] for key in file.keys()} == {"text_model"}  # noqa: SIM118 - not a dict
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118
    whole, tower = (TextEncoder(folder, TextModelId("x")) for folder in (siglip_folder, tmp_path / "tower"))
    texts = ["chair", "red sofa"]
    assert (whole.encode(texts) * tower.encode(texts)).sum(axis=1).min() > 0.999999


def test_a_changed_file_of_a_kept_text_model_is_refused(siglip_folder, tmp_path):
    model = TextModelId("someone/words")
    keep_text_tower(siglip_folder, tower_folder(model, tmp_path))
    assert len(load_text_encoder("", model, tmp_path).encode(["chair"])) == 1
    with open(tower_folder(model, tmp_path) / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(SpaceformerError, match=r"model.safetensors has SHA-256 .*, expected .* prepare it again"):
        load_text_encoder("", model, tmp_path).encode(["chair"])
    with pytest.raises(SpaceformerError, match="prepare it again"):
        prepare_text_model(model, tmp_path)


def test_a_file_of_a_text_model_is_hashed_again_only_after_a_change(monkeypatch, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
    text_tower.write_hashes(tmp_path)
    hashed, sha256 = [], text_tower.file_sha256
    monkeypatch.setattr(text_tower, "file_sha256", lambda path: hashed.append(path.name) or sha256(path))
    text_tower.check_files(tmp_path)
    text_tower.check_files(tmp_path)
    assert hashed == ["config.json", "model.safetensors"]
    os.utime(tmp_path / "config.json", ns=(0, 0))
    text_tower.check_files(tmp_path)
    assert hashed[2:] == ["config.json"]
    (tmp_path / "config.json").unlink()
    with pytest.raises(SpaceformerError, match=r"config\.json cannot be read .* prepare it again"):
        text_tower.check_files(tmp_path)


@pytest.fixture
def released(monkeypatch, tmp_path):
    """A cache folder in which the released weights were put by hand."""
    monkeypatch.setattr(download, "MD5", hashlib.md5(WEIGHTS).hexdigest())
    monkeypatch.setattr(download, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    path = download.released_file(tmp_path)
    path.parent.mkdir()
    path.write_bytes(WEIGHTS)
    return tmp_path


def test_after_prepare_the_vocabulary_needs_neither_network_nor_text_model(hub, released, capsys):
    main(["prepare", "--cache-dir", str(released)])
    shown = capsys.readouterr().out
    assert shown.index("to download into") < shown.index("text model: ")
    assert not list((released / "hub").glob("models--*"))  # the download was removed
    asked = len(hub.asked)
    config = Config().with_values({"cache_dir": str(released), "offline": True})
    embedder = build_embedder(config, RELEASED_TEXT_MODEL)
    assert np.isfinite(embedder.embed(texts_at_start(config))).all()
    assert not embedder.encoder.is_loaded
    main(["prepare", "--cache-dir", str(released)])  # checks what is there
    assert len(hub.asked) == asked


def test_prepare_starts_no_download_on_a_full_disk(hub, released, monkeypatch, capsys):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(SystemExit):
        main(["prepare", "--cache-dir", str(released)])
    assert "the download needs 0.0 GB" in capsys.readouterr().err
    assert hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "vocabulary_file=/nowhere.yaml"], "there is no file /nowhere.yaml"),
        (["--set", "offline=true"], "offline is set, and not everything is in"),
        (["--cache-dir", "/dev/null/cache"], "nothing can be written into /dev/null/cache"),
        (["--text-model", "a b"], "check its name and the network"),
    ],
)
def test_what_cannot_be_prepared_is_refused_before_downloads(hub, released, capsys, arguments, message):
    with pytest.raises(SystemExit):
        main(["prepare", "--accept-licence", "--cache-dir", str(released), *arguments])
    assert message in capsys.readouterr().err
    assert hub.asked == []


def test_damaged_weights_that_were_put_there_by_hand_are_refused(released, hub, capsys):
    download.released_file(released).write_bytes(WEIGHTS + b"!")
    with pytest.raises(SystemExit):
        main(["prepare", "--cache-dir", str(released)])
    assert "has MD5" in capsys.readouterr().err


def test_a_missing_package_is_named_in_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(SystemExit) as stopped:
        main(["prepare", "--accept-licence", "--cache-dir", str(tmp_path)])
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the package huggingface_hub cannot be imported by" in line
    assert "-m spaceformer_ros.cli" in line
