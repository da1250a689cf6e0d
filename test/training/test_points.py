# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from helpers.fakes import DIM, FakeEmbedder
from helpers.networks import tiny_config
from helpers.paths import CONFIG
from helpers.rooms import SMALL, scanned

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.point_head import SAMPLES, PointHead
from spaceformer_ros.synthetic import KIND_NAMES, STRUCTURE
from spaceformer_ros.training import points, state
from spaceformer_ros.training.point_augment import cut, draw, vary, vary_colors, warp
from spaceformer_ros.training.points import PointHeadConfig, collect, export, fit, head_of
from spaceformer_ros.training.processes import Processes
from spaceformer_ros.training.settings import read_settings
from spaceformer_ros.training.views import AROUND, MILLIMETRES, Views, views_of_room
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, Checkpoint, load_file
from spaceformer_ros.words.similarity import Similarity

QUICK = PointHeadConfig(
    rooms=1,
    models=False,
    first_seed=0,
    channels=8,
    steps=60,
    processes=1,
    batch_size=32,
    learning_rate=1e-2,
    precision="float32",
    dropout=0.0,
    label_smoothing=0.0,
    weight=0.25,
)
CHAIR, TABLE = (KIND_NAMES.index(name) for name in ("chair", "table"))


def test_views_are_the_points_of_things_and_of_pieces_of_the_structure():
    room = scanned(0)
    views = views_of_room(room, np.random.default_rng(0))
    things = [KIND_NAMES.index(item.kind) for item in room.objects]
    assert views.kind[: len(things)].tolist() == things
    assert {KIND_NAMES[k] for k in views.kind[len(things) :].tolist()} <= set(STRUCTURE)
    assert len(views.kind) > len(things)
    assert len(views.points) == len(views.colors) == views.count.sum()
    assert len(views.points_around) == len(views.colors_around) == views.around.sum() > 0
    start = 0
    for number, count in enumerate(views.count[: len(things)].tolist()):
        own = room.cloud.xyz[room.instance == number]
        sides = np.ptp(views.points[start : start + count].numpy() / MILLIMETRES, axis=0)
        assert (sides <= np.ptp(own, axis=0) + 1e-3).all()
        start += count


def test_points_around_an_object_are_near_and_not_its_own():
    room = scanned(0)
    views = views_of_room(room, np.random.default_rng(0))
    starts = [n.cumsum(0) - n for n in (views.count, views.around)]
    for k in range(len(room.objects)):
        own = views.points[starts[0][k] :][: views.count[k]].double() / MILLIMETRES
        around = views.points_around[starts[1][k] :][: views.around[k]].double() / MILLIMETRES
        if len(around):
            distance = torch.cdist(around, own).amin(dim=1)
            assert 0 < distance.min() <= distance.max() < AROUND + 0.002


def cube(count, low, high, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy((rng.uniform(low, high, (count, 3)) * MILLIMETRES).astype(np.int16))


def two_kinds(views=60):
    """Views of high and of low boxes in the same colours."""
    kind = torch.tensor([CHAIR, TABLE]).repeat(views // 2)
    tops = torch.where(kind == CHAIR, 1.8, 0.4).tolist()
    places = torch.cat([cube(100, (-0.5, -0.5, 0), (0.5, 0.5, top), k) for k, top in enumerate(tops)])
    counts = torch.full((views,), 100)
    colors = torch.full((len(places), 3), 128, dtype=torch.uint8)
    none = torch.zeros(0, 3)
    return Views(kind, counts, torch.zeros_like(counts), places, colors, none.to(torch.int16), none.to(torch.uint8))


def offsets(views):
    return [n.cumsum(0) - n for n in (views.count, views.around)]


def test_drawn_points_are_those_of_the_view_with_some_around_it():
    torch.manual_seed(0)
    views = two_kinds(2)._replace(
        around=torch.tensor([5, 0]),
        points_around=cube(5, (3, 3, 0), (3.1, 3.1, 0.1)),
        colors_around=torch.zeros(5, 3, dtype=torch.uint8),
    )
    xyz, colors = draw(views, torch.tensor([0, 1] * 40), offsets(views))
    stray = xyz[..., 0] > 2
    assert not stray[1::2].any()
    assert 0 < stray[::2].float().mean() < 0.1
    assert (colors[stray] == 0).all()
    assert colors[~stray].allclose(torch.tensor(128 / 255))


def test_a_warped_object_keeps_its_bounds_and_the_order_of_its_parts():
    torch.manual_seed(0)
    xyz = torch.rand(30, 200, 3) * torch.tensor([2.0, 1.0, 0.5]) + 3
    new = warp(xyz)
    assert torch.allclose(new.amin(dim=1), xyz.amin(dim=1), atol=1e-5)
    assert torch.allclose(new.amax(dim=1), xyz.amax(dim=1), atol=1e-5)
    assert (new - xyz).abs().max() > 0.05
    for axis in range(3):
        rows = xyz[..., axis].argsort(dim=1)
        assert (new[..., axis].gather(1, rows).diff(dim=1) >= -1e-5).all()


def test_cut_objects_lack_one_side_and_keep_their_colours():
    torch.manual_seed(0)
    xyz = torch.rand(40, SAMPLES, 3)
    left, colors = cut(xyz, xyz.clone())
    assert torch.equal(left, colors)
    kept = torch.tensor([len(part.unique(dim=0)) / SAMPLES for part in left])
    assert 0.3 < (kept == 1).float().mean() < 0.7
    assert kept.min() > 0.5


def test_varied_colours_stay_colours_and_points_stay_finite():
    torch.manual_seed(0)
    colors = vary_colors(torch.rand(50, 20, 3))
    assert colors.min() >= 0
    assert colors.max() <= 1
    xyz, colors = vary(torch.zeros(2, SAMPLES, 3), torch.zeros(2, SAMPLES, 3))
    assert xyz.isfinite().all()
    assert colors.min() >= -1


def texts():
    return [torch.from_numpy(FakeEmbedder().embed([name])).float() for name in KIND_NAMES]


@pytest.mark.slow
def test_a_head_learns_names_from_points_and_is_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(points, "AVERAGE_DECAY", 0.9)  # so that 60 steps outweigh the initial weights
    views = two_kinds()
    head = fit(Processes(), views, texts(), QUICK)
    rows = torch.arange(len(views.kind))
    torch.manual_seed(1)
    xyz, colors = draw(views, rows, offsets(views))
    config = tiny_config(text_channels=DIM)
    checkpoint = Checkpoint(
        SpaCeFormer(config).eval(), DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny", {"step": 4}
    )
    export(tmp_path / "named.safetensors", checkpoint, head, QUICK)
    loaded = load_file(tmp_path / "named.safetensors")
    with torch.no_grad():
        named = loaded.model.point_head(xyz, 2 * colors - 1) @ torch.cat(texts()).t()
    assert (named.argmax(dim=1) == views.kind).float().mean() > 0.95
    assert loaded.model.point_head.weight == QUICK.weight
    assert loaded.notes["step"] == 4
    assert loaded.notes["points"]["steps"] == QUICK.steps
    assert torch.allclose(loaded.model.clip_head.weight, checkpoint.model.clip_head.weight, atol=1e-3)


@pytest.mark.slow
def test_a_fit_that_was_stopped_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "SAVE_EVERY", 2)
    path, views, quick = tmp_path / "state.pt", two_kinds(), dataclasses.replace(QUICK, steps=6, batch_size=2)
    drawn, weights = [], []

    def interrupted(*arguments):
        drawn.append(len(drawn) + 1)
        if drawn == [1, 2, 3]:
            raise KeyboardInterrupt
        return vary(*arguments)

    def watched(head, *arguments):
        weights.append(head.state_dict()["stem.0.weight"].clone())
        return loss(head, *arguments)

    loss = points._loss
    monkeypatch.setattr(points, "vary", interrupted)
    monkeypatch.setattr(points, "_loss", watched)
    with pytest.raises(KeyboardInterrupt):
        fit(Processes(), views, texts(), quick, path=path)
    saved = torch.load(path, weights_only=True)
    assert saved["step"] == 2
    with pytest.raises(SpaceformerError, match=r"state\.pt was begun with another dropout: change it back, or delete"):
        fit(Processes(), views, texts(), dataclasses.replace(quick, dropout=0.5), path=path)
    weights.clear()
    fit(Processes(), views, texts(), quick, path=path)
    assert len(drawn) == 3 + 4
    assert torch.equal(weights[0], saved["head"]["stem.0.weight"])
    assert torch.load(path, weights_only=True)["step"] == 6


def test_a_continued_head_starts_with_the_weights_of_the_checkpoint():
    torch.manual_seed(3)
    model = SpaCeFormer(tiny_config(text_channels=DIM, point_head=QUICK.channels))
    with torch.no_grad():
        for parameter in model.point_head.parameters():
            parameter.uniform_(0.1, 1)
    checkpoint = Checkpoint(model, DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny")
    start = head_of(checkpoint, QUICK)
    quick = dataclasses.replace(QUICK, steps=1, batch_size=2, learning_rate=1e-9, weight_decay=0.0)
    head = fit(Processes(), two_kinds(4), texts(), quick, start)
    torch.testing.assert_close(dict(head.named_parameters()), dict(model.point_head.named_parameters()))


@pytest.mark.parametrize("channels", [0, 4])
def test_a_checkpoint_without_a_head_or_with_another_one_is_not_continued(channels):
    checkpoint = Checkpoint(
        SpaCeFormer(tiny_config(text_channels=DIM, point_head=channels)), "", Similarity(True, 20.0), "", "tiny"
    )
    with pytest.raises(SpaceformerError, match="tiny has no point head of 8 channels to continue: set continued to"):
        head_of(checkpoint, QUICK)


def test_another_head_replaces_the_one_of_a_checkpoint(tmp_path):
    old = SpaCeFormer(tiny_config(text_channels=DIM, point_head=4))
    head = PointHead(DIM, QUICK.channels)
    export(tmp_path / "a", Checkpoint(old, DEMO_TEXT_MODEL, Similarity(True, 20.0), "", "tiny"), head, QUICK)
    assert load_file(tmp_path / "a").model.config == dataclasses.replace(old.config, point_head=QUICK.channels)


@pytest.mark.slow
def test_collected_views_are_kept_when_a_run_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(points, "RoomConfig", lambda: SMALL)
    assert len(collect(QUICK, tmp_path).kind) > 5
    (written,) = tmp_path.glob("*.safetensors")
    before = written.stat().st_mtime_ns
    monkeypatch.setattr(points, "make_room", None)  # would fail if the room were made again
    collect(QUICK, tmp_path)
    assert written.stat().st_mtime_ns == before
    other = dataclasses.replace(QUICK, model_kinds_share=0.5)
    with pytest.raises(SpaceformerError, match=r"collected with model_kinds_share 0.15, now it is 0.5: give another"):
        collect(other, tmp_path)


@pytest.mark.parametrize("path", sorted(CONFIG.glob("train_points*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_configurations_have_other_rooms_than_the_evaluation(path):
    assert read_settings(PointHeadConfig, path).first_seed > 500_000 + 1000
