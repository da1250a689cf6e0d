# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from helpers.fakes import DIM, FakeEmbedder
from helpers.networks import segmenter, tiny_config
from helpers.paths import CONFIG
from helpers.rooms import SMALL, scanned

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.name_head import GEOMETRY, MaskViews
from spaceformer_ros.synthetic import KIND_NAMES, STRUCTURE
from spaceformer_ros.training import names, state
from spaceformer_ros.training.names import LabelledMasks, NameHeadConfig, collect, export, fit, label_of
from spaceformer_ros.training.settings import read_settings
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, Checkpoint, load_file
from spaceformer_ros.words.similarity import Similarity

MODEL = tiny_config(text_channels=DIM, voxel_size=0.1, num_queries=30, seeded_queries=True, name_head=32)
QUICK = NameHeadConfig(
    rooms=1, models=False, first_seed=0, hidden=32, epochs=1, batch_size=64, learning_rate=1e-2, strength=1.0
)
CHAIR, TABLE = (KIND_NAMES.index(name) for name in ("chair", "table"))
WALL = KIND_NAMES.index(STRUCTURE[0])


def texts():
    return [torch.from_numpy(FakeEmbedder().embed([name])).float() for name in KIND_NAMES]


def test_a_mask_shows_the_object_it_overlaps_or_else_what_most_of_it_is():
    by_object = np.array([[60, 5], [0, 20], [0, 0], [10, 0]])
    by_kind = np.zeros((4, len(KIND_NAMES)))
    by_kind[0, [CHAIR, TABLE, WALL]] = 60, 5, 90
    by_kind[1, [TABLE, WALL]] = 20, 10
    by_kind[2, [WALL, CHAIR]] = 60, 40
    by_kind[3, [CHAIR, WALL]] = 30, 29
    kind, weight = label_of(by_object, by_kind, np.array([70, 500]), np.array([CHAIR, TABLE]))
    assert kind.tolist() == [CHAIR, TABLE, WALL, CHAIR]
    assert weight.tolist() == pytest.approx([1, 0.3, 1, 0.3])


def test_masks_without_objects_have_a_kind():
    by_kind = np.zeros((1, len(KIND_NAMES)))
    by_kind[0, WALL] = 9
    kind, weight = label_of(np.zeros((1, 0)), by_kind, np.zeros(0), np.zeros(0, dtype=int))
    assert kind.tolist() == [WALL]
    assert weight.tolist() == [1]


@pytest.mark.slow
def test_collected_masks_are_kept_when_a_run_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "RoomConfig", lambda: SMALL)
    source = segmenter(text_channels=DIM, voxel_size=0.1, num_queries=30, name_head=32)
    masks = collect(source, QUICK, tmp_path)
    count = len(masks.kind)
    assert count > 5
    assert masks.geometry.shape == (count, GEOMETRY)
    assert set(masks.kind.tolist()) <= {*scanned(0).kind.tolist()}
    (written,) = tmp_path.glob("*.safetensors")
    before = written.stat().st_mtime_ns
    monkeypatch.setattr(names, "make_room", None)  # would fail if the room were made again
    collect(source, QUICK, tmp_path)
    assert written.stat().st_mtime_ns == before
    with pytest.raises(SpaceformerError, match="collected with network '', now it is 'abc': give another folder"):
        collect(source, QUICK, tmp_path, network="abc")


@pytest.mark.slow
def test_a_head_learns_names_from_the_geometry(tmp_path):
    """Two kinds with the same feature and different heights: only the head can tell them apart."""
    rng = torch.Generator().manual_seed(0)
    kind = torch.tensor([CHAIR, TABLE]).repeat(200)
    geometry = torch.randn(len(kind), GEOMETRY, generator=rng)
    geometry[:, 4] = torch.where(kind == CHAIR, 1.0, 0.4) + 0.05 * geometry[:, 4]
    feature = texts()[CHAIR] + texts()[TABLE]
    pooled = torch.randn(len(kind), 2 * MODEL.decoder[-1].channels, generator=rng)
    masks = LabelledMasks(feature.repeat(len(kind), 1), pooled, geometry, kind, torch.ones(len(kind)))
    head = fit(masks, MODEL, texts(), 20.0, dataclasses.replace(QUICK, epochs=20))
    torch.manual_seed(0)
    checkpoint = Checkpoint(SpaCeFormer(MODEL).eval(), DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny", {"step": 4})
    export(tmp_path / "named.safetensors", checkpoint, head, QUICK)
    loaded = load_file(tmp_path / "named.safetensors")
    with torch.no_grad():
        named = loaded.model.name_head(MaskViews(masks.features, pooled, geometry)) @ torch.cat(texts()).t()
    assert (named.argmax(dim=1) == kind).float().mean() > 0.95
    assert loaded.notes["step"] == 4
    assert loaded.notes["names"]["first_seed"] == QUICK.first_seed
    weight = checkpoint.model.clip_head.weight
    assert torch.allclose(loaded.model.clip_head.weight, weight, atol=1e-3)


def random_chairs(count=70):
    """LabelledMasks of chairs whose features and geometry are noise."""
    rng = torch.Generator().manual_seed(0)
    shapes = (DIM, 2 * MODEL.decoder[-1].channels, GEOMETRY)
    columns = (torch.randn(count, n, generator=rng) for n in shapes)
    return LabelledMasks(*columns, torch.full((count,), CHAIR), torch.ones(count))


@pytest.mark.slow
def test_strength_scales_the_correction():
    masks = random_chairs()
    whole, half = (fit(masks, MODEL, texts(), 20.0, dataclasses.replace(QUICK, strength=s)) for s in (1.0, 0.5))
    assert torch.allclose(half.layers[-1].weight, 0.5 * whole.layers[-1].weight)
    assert torch.allclose(half.layers[-1].bias, 0.5 * whole.layers[-1].bias)
    assert torch.equal(half.layers[0].weight, whole.layers[0].weight)


def test_a_fit_that_was_stopped_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "SAVE_EVERY", 1)
    drawn, draw = [], names.draw_names

    def interrupted(*arguments):
        drawn.append(len(drawn) + 1)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return draw(*arguments)

    monkeypatch.setattr(names, "draw_names", interrupted)
    arguments = random_chairs(), MODEL, texts(), 20.0, dataclasses.replace(QUICK, epochs=4), None, tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(*arguments)
    fit(*arguments)
    assert len(drawn) == 2 + 3  # 4 steps


@pytest.mark.slow
def test_a_continued_head_keeps_a_share_of_its_whole_correction():
    masks = random_chairs()
    first = SpaCeFormer(MODEL)
    with torch.no_grad():
        first.name_head.layers[-1].weight.fill_(0.5)  # half of the fitted correction is in the file
    notes = {"names": {"strength": 0.5}}
    start = names.whole_head(Checkpoint(first, DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny", notes))
    assert (start["layers.6.weight"] == 1).all()
    quick = dataclasses.replace(QUICK, learning_rate=1e-3)
    kept, mixed, fitted = (
        fit(masks, MODEL, texts(), 20.0, dataclasses.replace(quick, fitted_share=share), start).state_dict()
        for share in (0.0, 0.5, 1.0)
    )
    for key, value in start.items():
        torch.testing.assert_close(kept[key], value)
        torch.testing.assert_close(mixed[key], (kept[key] + fitted[key]) / 2)
    assert not torch.equal(fitted["layers.0.weight"], start["layers.0.weight"])
    without = Checkpoint(first, DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny", {})
    with pytest.raises(SpaceformerError, match="tiny has no name head to continue"):
        names.whole_head(without)


def test_a_checkpoint_without_a_head_or_with_another_one_gets_the_new_one(tmp_path):
    for hidden in (0, 8):
        old = SpaCeFormer(dataclasses.replace(MODEL, name_head=hidden))
        head = SpaCeFormer(MODEL).name_head
        export(tmp_path / "a", Checkpoint(old, DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny"), head, QUICK)
        assert load_file(tmp_path / "a").model.config == MODEL


@pytest.mark.parametrize("path", sorted(CONFIG.glob("train_names*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_configurations_have_other_rooms_than_the_evaluation(path):
    assert read_settings(NameHeadConfig, path).first_seed > 500_000 + 1000
