# SPDX-License-Identifier: Apache-2.0
"""Train a point head for a checkpoint: `spaceformer train-points FOLDER --config config/train_points.yaml`.

The head sees single objects, so that no network runs: the points of the objects in generated rooms are collected, one
file per room; then the head is fitted to their names. Both can be stopped and continued.
"""

import logging
import pathlib
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .. import SpaceformerError
from ..network.point_head import PointHead
from ..synthetic import KIND_NAMES, STRUCTURE, RoomConfig, make_room
from ..synthetic.assets import only_models_config
from ..weights.checkpoint import load_checkpoint
from .heads import draw_names, export_head, rooms_of, seen_config, texts_of_kinds
from .point_augment import draw, vary
from .precision import products_in
from .processes import run_in_processes
from .schedule import one_cycle
from .settings import asset_folder, read_settings
from .state import FitState
from .tables import read_tables, write_tables
from .views import Views, views_of_room

logger = logging.getLogger(__name__)

MIN_COUNT = 20  # views of a kind, for its frequency
AVERAGE_DECAY = 0.995  # of the exponential moving average of the weights
GRADIENT_NORM = 5.0  # clipped above
LOG_EVERY = 400  # steps


@dataclass(frozen=True)
class PointHeadConfig:
    """Settings of a run; written into the checkpoint."""

    checkpoint: str = "demo"  # that gets the head
    rooms: int = 1064
    models: bool = True  # three of four rooms have furniture models, see `spaceformer assets`
    model_kinds_share: float = 0.15  # of the things in these rooms that are of a kind that only models have
    few_frames_share: float = 0.0  # of the rooms that are seen in a few frames, see `RoomConfig.in_few_frames`
    asset_folder: str = ""  # cache of `spaceformer assets`, "" for its default folder
    first_seed: int = 9_100_000  # of the rooms
    continued: bool = False  # whether the fit starts with the head of the checkpoint
    channels: int = 64  # of the head's first level
    steps: int = 5000
    processes: int = 2
    batch_size: int = 128  # of each process
    learning_rate: float = 2e-3  # peak of the one-cycle schedule
    warm_up_share: float = 0.05  # of the steps
    weight_decay: float = 0.05
    dropout: float = 0.4
    precision: str = "auto"  # of matrix products; auto: bfloat16 where the CPU has it in hardware, else float32
    scale: float = 32.0  # of the cosines in the loss
    label_smoothing: float = 0.1
    kind_balance: float = 0.5  # views of a kind are drawn by its frequency to the power 1 - kind_balance
    structure_weight: float = 0.6  # of walls, floors and ceilings among the views that are drawn
    weight: float = 0.5  # of the head's features relative to those of the network
    seed: int = 0


def collect(config, folder, progress=iter):
    """Write the Views of each room to FOLDER/SEED.safetensors, where the file does not exist yet, and read all.

    config: PointHeadConfig; progress: function that wraps the seeds for iteration (such as tqdm). Raises
    SpaceformerError if rooms in the folder are of another configuration.
    """
    configs = _room_configs(config)

    def views_of(seed):
        room_config = seen_config(configs[seed // 2 % len(configs)], seed, config.few_frames_share)
        return views_of_room(make_room(seed, room_config), np.random.default_rng(seed))

    seeds, made_with = rooms_of(config)
    write_tables(folder, progress(seeds), views_of, made_with)
    return read_tables(folder, seeds, Views)


def _room_configs(config):
    if not config.models:
        return [RoomConfig()]
    folder = asset_folder(config)
    models = only_models_config(folder, "train", config.model_kinds_share)
    share = config.model_kinds_share * 2 / 3
    return [models, RoomConfig(asset_folder=folder, asset_share=0.7, model_kinds_share=share), models, RoomConfig()]


def fit(processes, views, texts, config, start=None, path=None):
    """A PointHead fitted to Views: cross entropy of the names of all kinds, one of its names per kind and step.

    processes: Processes of the run; texts: for each of KIND_NAMES the embeddings of its names, [n, C_text];
    config: PointHeadConfig; start: state dict of the PointHead that is continued, None to begin anew;
    path: of the state file, from which a fit that was stopped continues.
    """
    torch.manual_seed(config.seed)
    head = PointHead(texts[0].shape[1], config.channels, config.dropout)
    if start:
        head.load_state_dict(start)
    average = torch.optim.swa_utils.AveragedModel(
        head, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_DECAY), use_buffers=True
    )
    chance, offsets = _chances(views.kind, config), [n.cumsum(0) - n for n in (views.count, views.around)]
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, one_cycle(config.steps, config.warm_up_share))
    parts = {"head": head, "average": average, "optimizer": optimizer, "schedule": schedule}
    state = FitState(path, config)
    done = state.load(parts)
    torch.manual_seed(config.seed + 1 + processes.rank + config.processes * done)
    for step in range(done + 1, config.steps + 1):
        rows = torch.multinomial(chance, config.batch_size, replacement=True)
        loss = _loss(head, vary(*draw(views, rows, offsets)), views.kind[rows], texts, config)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        if processes.meet_after(step):
            processes.average(head)
        average.update_parameters(head)
        if processes.rank == 0:
            state.save(parts, step, config.steps)
            if step % LOG_EVERY == 0:
                logger.info("step %d/%d loss %.3f", step, config.steps, float(loss.detach()))
    processes.average(average.module)
    average.module.weight.fill_(config.weight)
    return average.module.eval()


def head_of(checkpoint, config):
    """State dict of the PointHead of a Checkpoint. Raises SpaceformerError without one, or with other channels."""
    model = checkpoint.model
    if model.point_head is None or model.config.point_head != config.channels:
        raise SpaceformerError(
            f"{checkpoint.name} has no point head of {config.channels} channels to continue: set continued to false"
        )
    return {key: value.float() for key, value in model.point_head.state_dict().items()}


def _chances(kind, config):
    """[K] float32, proportional to the probability that a view is drawn."""
    count = torch.bincount(kind, minlength=len(KIND_NAMES)).float().clamp(min=MIN_COUNT)
    structure = torch.tensor([name in STRUCTURE for name in KIND_NAMES])
    return (count**-config.kind_balance * torch.where(structure, config.structure_weight, 1.0))[kind]


def _loss(head, points, kind, texts, config):
    """Cross entropy of a batch. points: of `vary`; kind: [B] int64."""
    with products_in(config.precision, torch.device("cpu")):
        features = head.train().of_turned(*points)
    logits = config.scale * features @ draw_names(texts).t()
    return F.cross_entropy(logits, kind, label_smoothing=config.label_smoothing)


def export(path, checkpoint, head, config):
    """Write a Checkpoint with another PointHead; returns its SHA-256. config: PointHeadConfig."""
    return export_head(path, checkpoint, "point_head", head, config.channels, {"points": asdict(config)})


def run(folder, config_path="", progress=iter):
    """Run `spaceformer train-points`; returns the path of the new checkpoint and its SHA-256."""
    config, folder = read_settings(PointHeadConfig, config_path), pathlib.Path(folder)
    checkpoint = load_checkpoint(config.checkpoint)
    views = collect(config, folder / "views", progress)
    texts = texts_of_kinds(checkpoint, folder)
    path = folder / "checkpoint.safetensors"
    state = folder / "state.pt"
    start = head_of(checkpoint, config) if config.continued else None
    head = run_in_processes(config.processes, folder / "meeting", fit, views, texts, config, start, state)
    digest = export(path, checkpoint, head, config)
    FitState(state, config).end()
    return path, digest
