# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import multiprocessing

import numpy as np
import pytest
import torch
from helpers.fakes import DIM, FakeEmbedder
from helpers.local_sgd import KilledElsewhere, fail_in_the_second, train_small
from helpers.networks import tiny_config
from helpers.paths import CONFIG
from helpers.rooms import SMALL, scanned

from spaceformer_ros import SpaceformerError
from spaceformer_ros.geometry.heading import manhattan_yaw
from spaceformer_ros.network.model import SpaCeFormerConfig
from spaceformer_ros.network.point_head import PointHead
from spaceformer_ros.synthetic import KIND_NAMES, RoomConfig, make_room
from spaceformer_ros.training import data, points, processes
from spaceformer_ros.training.data import MAX_POINTS, Augmentation, RoomStream, augment
from spaceformer_ros.training.points import PointHeadConfig
from spaceformer_ros.training.processes import run_in_processes
from spaceformer_ros.training.train import TrainConfig, read_config, room_configs, train
from spaceformer_ros.training.trainer import KindBalance, Trainer, voxelise
from spaceformer_ros.weights.checkpoint import load_file

CPU = torch.device("cpu")
MODEL = tiny_config(text_channels=DIM, voxel_size=0.1, num_queries=30, position_octaves=3, seeded_queries=True)
OFFSETS = dataclasses.replace(MODEL, voxel_offsets=True)
QUICK = TrainConfig(
    steps=28,
    scenes_per_step=1,
    learning_rate=3e-3,
    precision="float32",
    workers=0,
    save_every=2,
    validate_every=0,
)


@pytest.fixture(autouse=True)
def small_rooms(monkeypatch):
    """Training on small rooms, which are quick to make, once for each seed."""
    monkeypatch.setattr(data, "RoomConfig", lambda: SMALL)
    monkeypatch.setattr(data, "make_room", lambda seed, _: scanned(seed))


@pytest.fixture(scope="module")
def room():
    return make_room(3, SMALL)


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory):
    """A Trainer after two steps, and the folder of its run."""
    folder = tmp_path_factory.mktemp("two_steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "RoomConfig", lambda: SMALL)
        patch.setattr(data, "make_room", lambda seed, _: scanned(seed))
        return train(dataclasses.replace(QUICK, steps=2), MODEL, folder, CPU, FakeEmbedder()), folder


def test_augmented_masks_stay_on_their_objects(room, rng):
    for _ in range(5):
        sample = augment(room, rng)
        assert len(sample.xyz) == len(sample.colors) == len(sample.instance) == len(sample.kind) <= MAX_POINTS
        assert sample.instance.max() == len(sample.captions) - 1
        for row, captions in enumerate(sample.captions):
            kinds = {KIND_NAMES[k] for k in sample.kind[sample.instance == row].tolist()}
            assert kinds == {KIND_NAMES[sample.object_kinds[row]]}
            assert len(kinds) == 1
            assert kinds <= set(captions)
        low, high = sample.xyz.amin(dim=0), sample.xyz.amax(dim=0)
        assert torch.allclose((low + high)[:2], torch.zeros(2), atol=1e-3)
        assert abs(float(low[2])) < 1e-5


def test_augmentation_keeps_distances_up_to_its_scale(room, rng):
    sample = augment(room, rng)
    spread = float(torch.pdist(sample.xyz[:: max(1, len(sample.xyz) // 200)]).max())
    full = np.linalg.norm(np.subtract(*room.cloud.bounds))
    assert spread < 1.15 * full


@pytest.mark.slow
def test_every_worker_draws_other_rooms_and_a_seed_fixes_them():
    first = next(iter(RoomStream(first_seed=10, reuse=2, configs=[(1.0, SMALL)])))
    again = next(iter(RoomStream(first_seed=10, reuse=2, configs=[(1.0, SMALL)])))
    other = next(iter(RoomStream(first_seed=11, reuse=2, configs=[(1.0, SMALL)])))
    assert torch.equal(first.xyz, again.xyz)
    assert len(first.xyz) != len(other.xyz) or not torch.equal(first.xyz, other.xyz)


def test_voxels_take_the_labels_of_their_points(room, rng):
    samples = [augment(room, rng), augment(room, rng)]
    grid, instance, kind = voxelise(samples, 0.1, CPU)
    rows = torch.cat([sample.instance for sample in samples])
    agreement = (instance[grid.point_to_voxel] == rows).float().mean()
    assert agreement > 0.9
    assert grid.level.cloud_sizes[0] + grid.level.cloud_sizes[1] == len(instance) == len(kind)


@pytest.mark.slow
def test_a_few_steps_on_one_room_show_learning(room, rng):
    trainer, sample = Trainer(QUICK, MODEL, FakeEmbedder(), CPU), augment(room, rng)
    losses = [trainer.train_step([sample]) for _ in range(QUICK.steps)]
    first, last = (np.mean([row["loss"] for row in rows]) for rows in (losses[:5], losses[-5:]))
    assert last < 0.7 * first
    assert set(losses[0]) == {"loss", "semantic", "foreground", "offset", "objectness", "bce", "dice", "caption"}


@pytest.mark.slow
def test_a_stopped_run_resumes_and_leaves_a_usable_checkpoint(tmp_path):
    config = dataclasses.replace(QUICK, steps=4)
    stopped = train(config, MODEL, tmp_path, CPU, FakeEmbedder(), max_seconds=0.0)
    assert stopped.step == 1
    weights = {key: value.clone() for key, value in stopped.model.state_dict().items()}
    resumed = Trainer(config, MODEL, FakeEmbedder(), CPU)
    resumed.load_state(tmp_path / "state.pt")
    assert resumed.step == 1
    assert torch.equal(resumed.balance.seen, stopped.balance.seen)
    assert resumed.balance.seen.sum() > len(KIND_NAMES)
    assert all(torch.equal(value, weights[key]) for key, value in resumed.model.state_dict().items())
    finished = train(config, MODEL, tmp_path, CPU, FakeEmbedder())
    assert finished.step == 4
    assert train(dataclasses.replace(config, steps=2), MODEL, tmp_path, CPU, FakeEmbedder()).step == 4  # it is done
    assert [json.loads(row)["step"] for row in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    checkpoint = load_file(tmp_path / "checkpoint.safetensors")
    assert checkpoint.model.config == MODEL
    assert checkpoint.notes["step"] == 4
    assert checkpoint.similarity.normalize


def test_a_state_that_is_damaged_or_of_another_network_is_named(tmp_path):
    path = tmp_path / "state.pt"
    Trainer(QUICK, MODEL, FakeEmbedder(), CPU).save_state(path)
    other = Trainer(QUICK, dataclasses.replace(MODEL, decoder_hidden=2 * MODEL.decoder_hidden), FakeEmbedder(), CPU)
    with pytest.raises(SpaceformerError, match=r"state.pt cannot be continued.*another `model`.*delete it to begin"):
        other.load_state(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SpaceformerError, match=r"state.pt cannot be continued: it is damaged"):
        Trainer(QUICK, MODEL, FakeEmbedder(), CPU).load_state(path)


@pytest.mark.slow
def test_validation_reports_the_figures_of_the_exported_checkpoint(tmp_path):
    config = dataclasses.replace(QUICK, steps=2, validate_every=2, validation_rooms=1)
    train(config, MODEL, tmp_path, CPU, FakeEmbedder())
    (row,) = map(json.loads, (tmp_path / "validation.jsonl").read_text().splitlines())
    assert row["step"] == 2
    assert row["questions, by name"] > 3
    assert 0 <= row["class-agnostic AP25"] <= 1
    assert 0 <= row["mIoU"] <= 1


@pytest.mark.slow
def test_tensorboard_reads_the_run(two_steps):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    _, folder = two_steps
    events = reader.EventAccumulator(str(folder)).Reload()
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]
    assert events.Scalars("train/loss")[1].value == pytest.approx(rows[1]["loss"], rel=1e-4)


def test_training_configuration_is_read_and_checked(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("steps: 7\nmodel: {num_queries: 50}\n")
    config, model_config = read_config(path)
    assert config == TrainConfig(steps=7)
    assert model_config == dataclasses.replace(SpaCeFormerConfig.demo(), num_queries=50)
    path.write_text("stepps: 7\n")
    with pytest.raises(SpaceformerError, match=r"train.yaml: .*stepps.*known names: model, steps, "):
        read_config(path)


@pytest.mark.parametrize("name", [f"train_demo_{phase}.yaml" for phase in (1, 2, 3, 4)])
def test_the_shipped_training_configurations_can_be_read(name):
    config, model_config = read_config(CONFIG / name)
    assert config.first_seed > 500_000 + 1000  # beyond the rooms of the evaluation
    assert config.validation_seed + config.validation_rooms <= 500_000
    other = {"train_demo_1.yaml": {"voxel_size": 0.06, "along_walls": False}, "train_demo_2.yaml": {}}  # they saw less
    other = {"voxel_offsets": False, **other[name]} if name in other else {}
    assert model_config == dataclasses.replace(SpaCeFormerConfig.demo(), **other)


def test_a_share_of_the_rooms_is_seen_in_a_few_frames():
    few, default = RoomConfig().in_few_frames(), RoomConfig()
    assert room_configs(TrainConfig(few_frames_share=0.25)) == [(0.75, default), (0.25, few)]


@pytest.mark.slow
def test_a_run_can_start_from_a_checkpoint(two_steps, tmp_path):
    first, folder = two_steps
    config = dataclasses.replace(QUICK, steps=1, learning_rate=0.0, start_from=str(folder / "checkpoint.safetensors"))
    second = train(config, dataclasses.replace(MODEL, voxel_size=0.15), tmp_path, CPU, FakeEmbedder())
    weight = [trainer.average.module.clip_head.weight for trainer in (first, second)]
    assert torch.allclose(*weight, atol=1e-3)  # half precision in the file
    assert not torch.equal(weight[1], Trainer(QUICK, MODEL, FakeEmbedder(), CPU).model.clip_head.weight)


@pytest.mark.slow
def test_a_part_of_the_trained_weights_and_the_old_name_head_are_exported(two_steps, tmp_path):
    _, folder = two_steps
    start = load_file(folder / "checkpoint.safetensors").model.state_dict()
    config = dataclasses.replace(QUICK, steps=1, start_from=str(folder / "checkpoint.safetensors"))
    weights = {}
    for share in (0.0, 0.5, 1.0):
        config = dataclasses.replace(config, trained_share=share)
        train(config, MODEL, tmp_path / str(share), CPU, FakeEmbedder())
        weights[share] = load_file(tmp_path / str(share) / "checkpoint.safetensors").model.clip_head.weight
    assert torch.equal(weights[0.0], start["clip_head.weight"])
    assert not torch.equal(weights[1.0], weights[0.0])
    torch.testing.assert_close(weights[0.5], (weights[0.0] + weights[1.0]) / 2, atol=1e-3, rtol=1e-2)


@pytest.mark.slow
def test_the_name_head_of_the_first_checkpoint_can_be_kept_and_a_point_head_is_left_out(two_steps, tmp_path):
    with_head = dataclasses.replace(MODEL, name_head=16)
    first = train(dataclasses.replace(QUICK, steps=1), with_head, tmp_path / "first", CPU, FakeEmbedder())
    with torch.no_grad():
        first.average.module.name_head.layers[-1].bias.fill_(0.25)
    path = tmp_path / "head.safetensors"
    first.export(path, {"names": {"strength": 0.5}})
    points.export(path, load_file(path), PointHead(DIM, 4), PointHeadConfig(channels=4))
    for keep, expected in ((True, 0.25), (False, 0.0)):
        config = dataclasses.replace(QUICK, steps=1, start_from=str(path), keep_name_head=keep)
        trained = train(config, with_head, tmp_path / str(keep), CPU, FakeEmbedder())
        assert (trained.average.module.name_head.layers[-1].bias == expected).all()
        exported = load_file(tmp_path / str(keep) / "checkpoint.safetensors")
        assert exported.model.point_head is None
        notes = exported.notes
        assert "points" not in notes
        assert notes.get("names") == ({"strength": 0.5} if keep else None)


@pytest.mark.slow
def test_two_processes_see_other_rooms_and_end_with_the_same_weights(tmp_path):
    trainer = run_in_processes(2, tmp_path / "processes", train_small, QUICK, MODEL, tmp_path)
    assert trainer.step == 2
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert not set(first["seeds"]) & set(second["seeds"])
    assert all(torch.equal(value, second["weights"][key]) for key, value in first["weights"].items())
    alone = train_alone(tmp_path / "alone")
    assert not torch.equal(alone.model.clip_head.weight, trainer.model.clip_head.weight)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2  # only the first one writes


def train_alone(folder):
    return train(dataclasses.replace(QUICK, steps=2), MODEL, folder, CPU, FakeEmbedder())


def test_a_failure_of_one_process_ends_the_others(tmp_path):
    with pytest.raises(SpaceformerError, match="a process of the run failed: its error is above"):
        run_in_processes(2, tmp_path / "processes", fail_in_the_second)


@pytest.mark.slow
def test_a_process_that_ends_before_they_meet_is_not_waited_for(tmp_path):
    with pytest.raises(SpaceformerError, match=r"a process of the run was killed \(signal 9\).*processes: 1"):
        run_in_processes(2, tmp_path / "processes", fail_in_the_second, KilledElsewhere())


def test_a_process_that_ends_while_they_meet_is_named_as_the_cause(tmp_path, monkeypatch):
    def connect(*_):
        for other in multiprocessing.active_children():
            other.kill()
        raise RuntimeError("Gloo connectFullMesh failed: connection closed by peer")

    monkeypatch.setattr(processes, "Processes", connect)
    with pytest.raises(SpaceformerError, match=r"a process of the run was killed \(signal 9\).*processes: 1"):
        run_in_processes(2, tmp_path / "processes", fail_in_the_second)


@pytest.mark.slow
def test_head_steps_change_only_the_auxiliary_heads(room, rng):
    trainer, sample = Trainer(QUICK, OFFSETS, FakeEmbedder(), CPU), augment(room, rng)
    before = {key: value.clone() for key, value in trainer._modules().state_dict().items()}
    trainer.train_heads([sample])
    changed = {key for key, value in trainer._modules().state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert {key.split(".")[0] for key in changed} == {"2"}  # of model, criterion, heads, balance
    assert trainer.step == 0


@pytest.mark.slow
def test_new_inputs_have_zero_weight_initially(two_steps, room, rng):
    _, folder = two_steps
    checkpoint = load_file(folder / "checkpoint.safetensors")
    config = dataclasses.replace(QUICK, start_from=str(folder / "checkpoint.safetensors"))
    model = Trainer(config, OFFSETS, FakeEmbedder(), CPU).model.eval()
    grid, *_ = voxelise([augment(room, rng)], MODEL.voxel_size, CPU)
    with torch.inference_mode():
        expected = checkpoint.model.backbone_features(grid)  # sums of other lengths
        torch.testing.assert_close(model.backbone_features(grid), expected, atol=1e-5, rtol=1e-5)


def test_rare_kinds_count_more():
    balance, plain = KindBalance(0.5), KindBalance(0.0)
    chair, clock, wall = (KIND_NAMES.index(name) for name in ("chair", "clock", "wall"))
    kinds = torch.tensor([chair, clock]).repeat_interleave(torch.tensor([900_000, 100_000]))
    for module in (balance, plain):
        module.count(kinds)
    weights = balance.weights()
    assert float(weights[clock] / weights[chair]) == pytest.approx(3, rel=0.01)  # the root of 9
    assert float(weights[kinds].mean()) == pytest.approx(1, abs=0.15)  # kinds count as seen once from the beginning
    assert weights[wall] == 1
    assert float(weights.max()) == 5  # never seen
    torch.testing.assert_close(plain.weights(), torch.ones(len(KIND_NAMES)))


@pytest.mark.slow
def test_rooms_are_aligned_with_their_walls(room, rng):
    samples = [augment(room, rng, Augmentation(any_heading_share=0.0)) for _ in range(9)]
    degrees = np.degrees([manhattan_yaw(sample.xyz.numpy()) for sample in samples])
    assert np.median(np.abs((degrees + 45) % 90 - 45)) < 4
