# SPDX-License-Identifier: Apache-2.0
import json
import math
import os
from types import SimpleNamespace

import pytest
import torch
from helpers.networks import tiny_config
from helpers.paths import rewrite
from helpers.reference import golden_value
from safetensors import safe_open
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig
from spaceformer_ros.weights.checkpoint import (
    Checkpoint,
    add_calibration,
    build_model,
    hash_checkpoint,
    load_checkpoint,
    load_file,
    load_released,
    save_checkpoint,
)
from spaceformer_ros.words.calibration import Calibration, Curve
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.text_model import TextModelId

TEXT_MODEL, SIMILARITY = TextModelId("a text model", "7"), Similarity(True, 12.5)


@pytest.fixture
def saved(tmp_path, tiny_model):
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, tiny_model(), TEXT_MODEL, SIMILARITY, {"steps": 3}, dtype=torch.float32)
    return path


def test_a_checkpoint_survives_a_round_trip(saved, tiny_model):
    checkpoint = load_checkpoint(str(saved))
    assert checkpoint.model.config == tiny_config()
    assert (checkpoint.text_model, checkpoint.similarity, checkpoint.notes) == (TEXT_MODEL, SIMILARITY, {"steps": 3})
    assert checkpoint.name == "tiny.safetensors"
    expected = tiny_model().state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in checkpoint.model.state_dict().items())
    assert not checkpoint.model.training


def test_a_calibration_is_added_to_a_file_and_holds_for_its_own_similarity(saved):
    before, curve = load_file(saved), Curve((0.1, 0.8), (0.05, 0.9))
    calibration = Calibration(curve, curve, curve, curve, "two rooms")
    for _ in range(2):  # the second replaces the first
        digest = add_calibration(saved, calibration)
    after = load_file(saved)
    assert (before.calibration, after.calibration, after.sha256) == (None, calibration, digest)
    assert digest != before.sha256
    assert after.calibration_for(SIMILARITY) == calibration
    assert after.calibration_for(Similarity(True, 3.0)) is None
    assert all(torch.equal(a, b) for a, b in zip(before.model.parameters(), after.model.parameters(), strict=True))


def test_a_calibration_that_is_no_curve_is_refused(saved):
    curve = Curve((0.1, 0.8), (0.05, 0.9))
    falling = {"scores": [0.1, 0.8], "shares": [0.9, 0.1]}
    bad = SimpleNamespace(to_dict=lambda: {**Calibration(curve, curve, curve, curve, "").to_dict(), "labels": falling})
    add_calibration(saved, bad)
    with pytest.raises(SpaceformerError, match=r"wrong contents .*not ascending"):
        load_file(saved)


def test_half_precision_files_load_as_float32(tmp_path, tiny_model):
    path = tmp_path / "half.safetensors"
    digest = save_checkpoint(path, tiny_model(), TEXT_MODEL, SIMILARITY)
    assert {t.dtype for t in load_tensors(path).values() if t.is_floating_point()} == {torch.float16}
    checkpoint = load_file(path)
    assert checkpoint.sha256 == digest
    assert checkpoint.model.learned_content.weight.dtype == torch.float32


@pytest.mark.parametrize("value", [float("nan"), 1e5])  # float16 ends at 65504
def test_weights_that_could_not_be_loaded_are_not_written(tmp_path, tiny_model, value):
    model = tiny_model()
    model.learned_content.weight.data[0, 0] = value
    with pytest.raises(SpaceformerError, match=r"1 tensors are not finite \(learned_content.weight\)"):
        save_checkpoint(tmp_path / "a.safetensors", model, TEXT_MODEL, SIMILARITY)
    assert not list(tmp_path.iterdir())


def test_damage_at_any_byte_is_detected(saved):
    content = saved.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for position in torch.randint(0, len(content), (60,), generator=generator).tolist():
        rewrite(saved, content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        with pytest.raises(SpaceformerError):
            load_file(saved)
    saved.write_bytes(content[: len(content) // 2])
    with pytest.raises(SpaceformerError, match="is damaged"):
        load_file(saved)


@pytest.mark.parametrize(("key", "value"), [("weight", -0.1), ("weight", 1e4), ("last.1.running_var", -1.0)])
def test_a_point_head_with_values_out_of_range_is_refused(key, value):
    config = tiny_config(point_head=4)
    state = SpaCeFormer(config).state_dict()
    state[f"point_head.{key}"].fill_(value)
    with pytest.raises(SpaceformerError, match=rf"\(1 keys\): out of range: point_head.{key}"):
        build_model(config, state, "a.safetensors")


def forge(path, change):
    """Change the header of a checkpoint and give the file the hash that fits."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["spaceformer"])
    state = load_tensors(path)
    del header["sha256"]
    change(header)
    header["sha256"] = hash_checkpoint(header, state)
    save_file(state, path, metadata={"spaceformer": json.dumps(header)})


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("model", None),
        ("model", ["encoder"]),
        ("model", {"num_queries": "many"}),
        ("model", {"num_queries": 10**9}),
        ("model", {"iterations": 10**9}),
        ("model", {"voxel_size": float("nan")}),
        ("model", {"decoder_channels": 60_000, "decoder_hidden": 200_000}),  # 100 GB if it were built
        ("model", {"decoder_heads": 7}),
        ("model", {"encoder": [{"channels": 8, "heads": 1, "kind": "space", "size": 8, "depth": 10**9}]}),
        ("model", {"encoder": [{"channels": 8, "heads": 1, "kind": "cube", "size": 8, "depth": 1}]}),
        ("model", {"encoder": 3}),
        ("model", {"surprise": 1}),
        ("text_model", {"name": 5}),
        ("text_model", {"name": "a\nb"}),
        ("similarity", {"scale": float("inf")}),
        ("similarity", {"scale": "1"}),
        ("similarity", {"normalize": "yes"}),
        ("similarity", None),
        ("notes", None),
    ],
)
def test_a_header_with_the_right_hash_and_wrong_contents_is_refused(saved, part, values):
    def change(header):
        header[part] = {**header[part], **values} if isinstance(values, dict) else values

    forge(saved, change)
    with pytest.raises(SpaceformerError, match=r"tiny\.safetensors"):
        load_file(saved)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(SpaceformerError, match="not a regular file"):
        load_file(tmp_path / "pipe.safetensors")


def test_missing_unexpected_and_misshapen_keys_are_listed_together(tiny_model):
    model = tiny_model()
    state = model.state_dict()
    state["surprise"] = state.pop("class_head.bias")
    state["clip_head.bias"] = torch.zeros(5)
    with pytest.raises(SpaceformerError) as caught:
        build_model(tiny_config(), state, "net.ckpt")
    for words in ("missing: class_head.bias", "unexpected: surprise", r"clip_head.bias is [5], expected [6]"):
        assert words in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tiny_model, value):
    state = dict(tiny_model().state_dict())
    name = next(key for key in state if key.endswith("weight"))
    state[name] = torch.full_like(state[name], value)
    with pytest.raises(SpaceformerError, match=rf"1 keys.*not finite: {name}"):
        build_model(tiny_config(), state, "x.safetensors")


def test_a_network_is_checked_without_drawing_weights(monkeypatch):
    monkeypatch.setattr(torch.nn.init, "normal_", lambda *_: pytest.fail("PyTorch's compiler would be imported"))
    with torch.device("meta"):
        SpaCeFormer(SpaCeFormerConfig.released())


@pytest.fixture(scope="module")
def released_like(tmp_path_factory):
    """A Lightning file with the released network's 486 keys and one that is not its own, golden weights."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in SpaCeFormer(SpaCeFormerConfig.released()).state_dict().items()}
    state = {f"net.{key}": golden_value(key, shape) for key, shape in shapes.items()}
    path = tmp_path_factory.mktemp("released") / "released.ckpt"
    torch.save({"state_dict": {**state, "caption_loss.logit_scale": torch.tensor(1.0)}, "epoch": 3}, path)
    return path


@pytest.mark.slow
def test_the_released_format_loads_strictly(released_like):
    checkpoint = load_released(released_like)
    assert checkpoint.model.config == SpaCeFormerConfig.released()
    assert checkpoint.text_model.name == "google/siglip2-so400m-patch14-224"
    assert checkpoint.similarity == Similarity(normalize=False, scale=1.0)
    assert checkpoint.similarity_for("cosine") == Similarity(normalize=True, scale=pytest.approx(math.e))
    assert sum(p.numel() for p in checkpoint.model.parameters()) == 85_801_090


@pytest.mark.parametrize(("notes", "words"), [({}, "has None"), ({"logit_scale": 100.0}, "has 100.0")])
def test_cosine_needs_the_scale_of_the_training(notes, words):
    checkpoint = Checkpoint(None, TEXT_MODEL, Similarity(), "", "released", notes)
    assert checkpoint.similarity_for("checkpoint") == Similarity()
    with pytest.raises(SpaceformerError, match=words):
        checkpoint.similarity_for("cosine")
    trained = Similarity(normalize=True, scale=20.0)
    assert Checkpoint(None, TEXT_MODEL, trained, "", "demo", notes).similarity_for("cosine") == trained


class Explosive:
    def __reduce__(self):
        return print, ("code ran",)


def test_code_in_a_checkpoint_never_runs(tmp_path, capsys):
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {"net.x": Explosive()}}, path)
    with pytest.raises(SpaceformerError, match="cannot be loaded weights-only"):
        load_checkpoint(str(path))
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.safetensors", "no such file"), ("released", "run `.*-m spaceformer_ros.cli prepare` once")],
)
def test_errors_of_missing_files_name_a_solution(tmp_path, name, words):
    with pytest.raises(SpaceformerError, match=words):
        load_checkpoint(name, tmp_path / "released.ckpt")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("spaceformer_ros scene", "it is no checkpoint"),
        ("spaceformer_ros checkpoint 2", "update the package"),
    ],
)
def test_other_formats_of_the_package_are_named(saved, form, words):
    forge(saved, lambda header: header.update(format=form))
    with pytest.raises(
        SpaceformerError, match=f"has format '{form}', expected 'spaceformer_ros checkpoint 1': {words}"
    ):
        load_file(saved)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(SpaceformerError, match="not a checkpoint of this package"):
        load_file(path)
    save_file({"a": torch.zeros(2)}, path, metadata={"spaceformer": json.dumps({"format": "other 9"})})
    with pytest.raises(SpaceformerError, match="format 'other 9'"):
        load_file(path)
    torch.save({"state_dict": {"model.a": torch.zeros(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(SpaceformerError, match=r"no entries under 'net.'"):
        load_released(tmp_path / "other.ckpt")
