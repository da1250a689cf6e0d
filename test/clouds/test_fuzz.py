# SPDX-License-Identifier: Apache-2.0
"""Damaged clouds, cloud files and checkpoints: a valid result or a SpaceformerError, in bounded time and memory.

More of the same: `tools/env.sh python benchmarks/fuzz.py -n 20000`.
"""

import collections
import tracemalloc
import types

import numpy as np
import pytest
import torch
from helpers.paths import rewrite
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.cloud_messages import message
from benchmarks.mutations import (
    FILE_MUTATIONS,
    MUTATIONS,
    fuzz_file,
    fuzz_message,
    mutated_file,
    mutated_message,
    valid_files,
)
from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.coordinates import MIN_EMPTY
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.clouds.pointcloud2 import decode, encode, structured_view
from spaceformer_ros.weights.checkpoint import load_file, load_released, save_checkpoint
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.text_model import TextModelId

NUM_MESSAGES, NUM_FILES, NUM_POSITIONS = 2000, 100, 80


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_mutated_messages_are_decoded_or_refused():
    outcomes = collections.Counter(fuzz_message(seed).text == "cloud" for seed in range(NUM_MESSAGES))
    assert min(outcomes[True], outcomes[False]) > NUM_MESSAGES / 5  # else the mutations are too tame or too wild


def test_every_mutation_is_drawn_and_a_seed_repeats_its_message():
    names = {name for seed in range(300) for name in mutated_message(seed)[1]}
    assert names == {mutation.__name__ for mutation in MUTATIONS}
    assert repr(mutated_message(7)) == repr(mutated_message(7))
    names = {name for seed in range(100) for name in mutated_file(b"POINTS 10\n" * 50, seed)[1]}
    assert names == {mutation.__name__ for mutation in FILE_MUTATIONS}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    "name", ["binary.pcd", "binary.ply", "compressed.npz", "compressed.pcd", "stored.npz", "text.pcd", "text.ply"]
)
def test_mutated_files_are_read_or_refused(tmp_path, name):
    content = valid_files(tmp_path)[name]
    (tmp_path / name).write_bytes(content)
    assert len(read_cloud(tmp_path / name).cloud) == 60
    for seed in range(NUM_FILES):
        fuzz_file(tmp_path, name, content, seed)


# --- the codec --------------------------------------------------------------------------------------------------------

KINDS = ("f4", "u4", "i4")
# Far outliers would be left out, so coordinates are near, or not finite.
COORDINATES = st.floats(-400, 400, width=32) | st.sampled_from((float("nan"), float("inf"), -float("inf")))
COLUMNS = st.dictionaries(st.text(min_size=1, max_size=8), st.sampled_from(KINDS), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(columns=COLUMNS, count=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_any_columns_survive_encoding_bit_by_bit(columns, count, seed):
    rng = np.random.default_rng(seed)
    columns = {name: np.frombuffer(rng.bytes(4 * count), dtype=kind) for name, kind in columns.items()}
    encoded = encode(columns)
    fields = [types.SimpleNamespace(name=n, offset=o, datatype=d, count=1) for n, o, d in encoded.fields]
    layout = {"fields": fields, "point_step": encoded.point_step, "width": count, "data": encoded.data}
    points = structured_view(message({"x": ("f4", np.zeros(1))}, **layout))
    assert points.dtype.names == tuple(columns)
    for name, column in columns.items():
        assert points[name].dtype == column.dtype
        assert points[name].tobytes() == column.tobytes()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_layout_gives_the_same_points(data):
    height, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 8))
    xyz = data.draw(st.lists(COORDINATES, min_size=3 * height * width, max_size=3 * height * width))
    xyz = np.array(xyz, dtype=np.float32).reshape(-1, 3)
    assume(np.count_nonzero((xyz == 0).all(axis=1)) <= MIN_EMPTY)  # more are missing measurements
    order = data.draw(st.permutations([("x", 0), ("y", 1), ("z", 2), ("rgb", None), ("more", None)]))
    values = {name: ("u4", np.arange(len(xyz))) if axis is None else ("f4", xyz[:, axis]) for name, axis in order}
    gaps = data.draw(st.lists(st.integers(0, 9), min_size=5, max_size=5))
    offsets = [int(sum(gaps[: i + 1])) + 4 * i for i in range(5)]
    padding = {name: data.draw(st.integers(0, 9)) for name in ("point_padding", "row_padding")}
    cloud = message(values, height=height, big=data.draw(st.booleans()), offsets=offsets, **padding)
    finite = np.isfinite(xyz).all(axis=1)
    if not finite.any():
        with pytest.raises(SpaceformerError, match="non-finite"):
            decode(cloud)
        return
    decoded = decode(cloud)
    assert decoded.cloud.xyz.tobytes() == xyz[finite].tobytes()
    assert np.array_equal(decoded.kept, finite)
    assert np.array_equal(decoded.cloud.rgb[:, 2], np.arange(len(xyz))[finite])


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_checkpoint_is_refused_whatever_byte_is_changed(tmp_path, tiny_model):
    path = tmp_path / "tiny.safetensors"
    for note in ("x", "xx"):  # at most one of the two needs no padding
        notes = {"loss": 1.0, "note": note}
        save_checkpoint(path, tiny_model(), TextModelId("text"), Similarity(True, 2.0), notes, dtype=torch.float32)
        content = path.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        if content[end - 1 : end] == b" ":
            break
    rng = np.random.default_rng(0)
    drawn = [*rng.integers(8, end, NUM_POSITIONS), *rng.integers(end, len(content), NUM_POSITIONS)]
    for position in [*range(9), *range(end - 40, end + 1), *map(int, drawn)]:
        choices = {content[position] ^ 1, content[position] ^ 128, int(rng.integers(256)), *b" \t\n"}
        for value in choices - {content[position]} if position < end else [content[position] ^ 1]:
            rewrite(path, content[:position] + bytes([value]) + content[position + 1 :])
            with pytest.raises(SpaceformerError, match=r"damaged|format"):
                load_file(path)
    one = content.index(b"1.0")
    path.write_bytes(content[:one] + b"1e0" + content[one + 3 :])  # the same number, written otherwise
    with pytest.raises(SpaceformerError, match="its header was changed"):
        load_file(path)
    for length in rng.integers(0, len(content), 20).tolist():
        rewrite(path, content[:length])
        with pytest.raises(SpaceformerError, match="damaged"):
            load_file(path)


class Explosive:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_damaged_lightning_checkpoint_is_refused_and_runs_no_code(tmp_path, capsys):
    path, rng = tmp_path / "net.ckpt", np.random.default_rng(0)
    weights = torch.from_numpy(rng.normal(size=4096).astype(np.float32))
    torch.save({"state_dict": {"net.weights": weights}, "callback": Explosive()}, path)
    evil = path.read_bytes()
    torch.save({"state_dict": {"net.weights": weights}}, path)
    good, start = path.read_bytes(), path.read_bytes().index(weights.numpy().tobytes())
    for position in rng.integers(start, start + 4 * len(weights), 30).tolist():
        rewrite(path, good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(SpaceformerError, match=r"the checksum of .* is wrong"):
            load_released(path)
    for content in (good, evil):
        for position in rng.integers(0, len(content), 100).tolist():
            rewrite(path, content[:position] + bytes([content[position] ^ 64]) + content[position + 1 :])
            with pytest.raises(SpaceformerError):  # undamaged, these weights would not fit the network either
                load_released(path)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": [1]}, {"state_dict": {1: 2}}, {"state_dict": {"net.a": 3}}])
def test_foreign_contents_of_a_lightning_file_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.ckpt")
    with pytest.raises(SpaceformerError, match="not the released checkpoint"):
        load_released(tmp_path / "net.ckpt")
