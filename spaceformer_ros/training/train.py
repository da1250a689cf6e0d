# SPDX-License-Identifier: Apache-2.0
"""Train a checkpoint on generated rooms: `spaceformer train FOLDER --config config/train_demo_1.yaml`.

In reading order: configuration, the loop, validation. After a kill, training resumes from the last state file. The room
seeds of training, validation and evaluation are disjoint.
"""

import itertools
import logging
import pathlib
import time
from dataclasses import asdict, dataclass

import torch

from .. import SpaceformerError
from ..config import Config
from ..disk.paths import cache_folder
from ..disk.text_files import read_yaml
from ..network.model import SpaCeFormerConfig
from ..segment.backends import choose_device
from ..segment.segmenter import Segmenter
from ..synthetic import RoomConfig, make_room
from ..synthetic.assets import only_models_config
from ..weights.checkpoint import DEMO_TEXT_MODEL, load_file
from ..words.text_model import PromptEmbedder, load_text_encoder
from .data import Augmentation, RoomStream, collate
from .log import TrainingLog
from .processes import Processes, run_in_processes
from .settings import asset_folder, settings_of
from .trainer import Trainer
from .validate import pipeline_of, validate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run; written into the checkpoint."""

    steps: int = 20_000
    scenes_per_step: int = 2
    start_from: str = ""  # path of a checkpoint: initial weights of a new run
    keep_name_head: bool = False  # of this checkpoint, which is not trained; else the exported one starts anew
    trained_share: float = 1.0  # of the trained weights in the exported ones, the rest are those of this checkpoint
    learning_rate: float = 7e-4  # peak of the one-cycle schedule
    weight_decay: float = 0.05
    warm_up_share: float = 0.05  # of the steps
    gradient_norm: float = 5.0  # clipped above
    average_decay: float = 0.998  # of the exponential moving average of the weights; this average is saved
    precision: str = "auto"  # of matrix products; auto: bfloat16 where the device has it in hardware, else float32
    caption_weight: float = 1.0  # of the caption loss, relative to the losses of masks and objectness
    kind_balance: float = 0.0  # the weight of a kind is its frequency to the power -kind_balance
    semantic_weight: float = 1.0  # auxiliary loss: text class of every voxel
    label_smoothing: float = 0.0  # of this class
    offset_weight: float = 1.0  # auxiliary loss: offset to the object's centre at every voxel, metres
    first_seed: int = 1_000_000  # of the training rooms
    reuse: int = 8  # mean number of samples of a room, each with another augmentation
    any_heading_share: float = 1.0  # share of samples with any heading, the others are aligned with the walls
    max_tilt: float = 0.0  # degrees, see `data.Augmentation`
    max_rise: float = 0.0  # metres, see `data.Augmentation`
    model_share: float = 0.0  # of the things that get a real shape, see `spaceformer assets`
    only_models_share: float = 0.0  # of the rooms that have no other things
    model_kinds_share: float = 0.0  # of the real shapes that are of a kind that only models have
    few_frames_share: float = 0.0  # of the rooms that are seen in a few frames, see `RoomConfig.in_few_frames`
    asset_folder: str = ""  # cache of `spaceformer assets`, "" for its default folder
    workers: int = 1  # processes that generate rooms
    processes: int = 1  # that train, on a CPU, with one thread and `workers` each; see `processes.py`
    head_steps: int = 0  # steps before a new run that train only the heads of the auxiliary losses
    min_voxels: int = 6  # smaller objects are left out
    seed: int = 0  # of weights and block orders
    save_every: int = 200  # steps between state files, with several processes a multiple of AVERAGE_EVERY
    validate_every: int = 1000  # steps between validations, 0 for none
    validation_rooms: int = 10
    validation_seed: int = 400_000  # of the first validation room
    captions_per_object: int = 3  # captions drawn per object and step, in addition to the names of all kinds


def train(config, model_config, folder, device, embedder, max_seconds=float("inf"), processes=None):
    """Start or resume a training in `folder`. Writes state.pt, log.jsonl and checkpoint.safetensors.

    config: TrainConfig
    model_config: SpaCeFormerConfig
    embedder: PromptEmbedder of the text model of the features
    max_seconds: time limit of this call
    processes: Processes of the run, of which the first one writes; None for one only

    Returns the Trainer.
    """
    processes, folder = processes or Processes(), pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, model_config, embedder, device)
    if (folder / "state.pt").is_file():
        trainer.load_state(folder / "state.pt")
        logger.info("resuming at step %d", trainer.step)
    batches = _batches(config, trainer.step, processes.rank)
    if trainer.step == 0:
        for samples in itertools.islice(batches, config.head_steps):
            trainer.train_heads(samples)
    start = time.monotonic()
    log = TrainingLog(folder) if processes.rank == 0 else None
    for samples in itertools.islice(batches, max(config.steps - trainer.step, 0)):
        figures = _timed_step(trainer, samples)
        if log:
            _log_step(log, trainer, figures)
        done = trainer.step == config.steps
        if not done and not processes.meet_after(trainer.step):
            continue
        trainer.average_with(processes)
        last = processes.any(done or time.monotonic() - start > max_seconds)
        if log:
            _write(trainer, folder, log, last)
        if last:
            break
    if log:
        log.close()
    return trainer


def _timed_step(trainer, samples):
    """One training step; dict of its loss parts, seconds and speed."""
    wall, cpu = time.monotonic(), time.process_time()
    parts = trainer.train_step(samples)
    seconds, cpu_seconds = time.monotonic() - wall, time.process_time() - cpu
    speed = {"seconds": seconds, "processor_seconds": cpu_seconds, "rooms_per_second": len(samples) / seconds}
    return {**speed, **parts}


def _log_step(log, trainer, figures):
    log.add_step(trainer.step, figures)
    if trainer.step % 20 == 0:
        log.flush()
        text = "step %d/%d loss %.3f, %.2f s"
        logger.info(text, trainer.step, trainer.config.steps, figures["loss"], figures["seconds"])


def _write(trainer, folder, log, last):
    """Write state, checkpoint and figures where they are due."""
    config, step = trainer.config, trainer.step
    if step % config.save_every == 0 or last:
        trainer.save_state(folder / "state.pt")
        trainer.export(folder / "checkpoint.safetensors", {"training": asdict(config), "step": step})
    if config.validate_every and (step % config.validate_every == 0 or last):
        log.add_validation(step, _validate(trainer, folder / "checkpoint.safetensors"))


def _validate(trainer, path):
    """Figures of the exported checkpoint on validation rooms: dict of name and value."""
    checkpoint, config = load_file(path), trainer.config
    model_config = Config().with_values({"device": str(trainer.device)}).model
    pipeline = pipeline_of(Segmenter(checkpoint, model_config), trainer.embedder, checkpoint.similarity)
    seeds = range(config.validation_seed, config.validation_seed + config.validation_rooms)
    figures = dict(validate(pipeline, map(make_room, seeds)))
    shown = ("class-agnostic AP50", "class-agnostic AP25", "AP50", "mIoU", "first answer right, by name")
    logger.info("validation: %s", ", ".join(f"{name} {figures[name]:.3f}" for name in shown if name in figures))
    return figures


def _batches(config, step, rank=0):
    """Lists of Samples, others for each process. A resumed run continues with new rooms."""
    augmentation = Augmentation(
        any_heading_share=config.any_heading_share, max_tilt=config.max_tilt, max_rise=config.max_rise
    )
    first_seed = config.first_seed + 100_000 * (step > 0) + 200_000 * rank + step
    stream = RoomStream(first_seed, config.reuse, augmentation, configs=room_configs(config))
    loader = torch.utils.data.DataLoader(
        stream,
        batch_size=config.scenes_per_step,
        num_workers=config.workers,
        collate_fn=collate,
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=_use_one_thread,
    )
    return iter(loader)


def room_configs(config):
    """Pairs of a share and the RoomConfig of this share of the training rooms. config: TrainConfig.

    Raises SpaceformerError without the asset cache that it needs.
    """
    few = config.few_frames_share
    return [
        pair
        for share, rooms in _furnished_configs(config)
        for pair in ((share * (1 - few), rooms), (share * few, rooms.in_few_frames()))
    ]


def _furnished_configs(config):
    """Pairs of a share and the RoomConfig of the rooms with this furniture. config: TrainConfig."""
    if not config.model_share and not config.only_models_share:
        return [(1.0, RoomConfig())]
    folder = asset_folder(config)
    new = config.model_kinds_share
    mixed = RoomConfig(asset_folder=folder, asset_share=config.model_share, model_kinds_share=new)
    only = only_models_config(folder, "train", new)
    return [(1 - config.only_models_share, mixed), (config.only_models_share, only)]


def _use_one_thread(_):
    """Initialiser of workers; at module level, as spawned workers import it by name."""
    torch.set_num_threads(1)


def read_config(path):
    """TrainConfig and SpaCeFormerConfig of a yaml file, "" for the defaults. Raises SpaceformerError.

    The file has values of TrainConfig and, under `model`, of SpaCeFormerConfig where they differ from the demo network.
    """
    try:
        values = read_yaml(path) or {} if path else {}
        model_values = values.pop("model", {})
        model_config = SpaCeFormerConfig.from_dict({**SpaCeFormerConfig.demo().to_dict(), **model_values})
        return settings_of(TrainConfig, values, "model"), model_config
    except (SpaceformerError, TypeError, AttributeError, ValueError, KeyError) as error:
        raise SpaceformerError(f"training configuration {path}: {error}") from error


def run(folder, config_path="", device="auto", max_hours=float("inf"), threads=0):
    """Run `spaceformer train`. threads: CPU threads, 0 for all; max_hours: time limit of this run, which can resume."""
    config, model_config = read_config(config_path)
    if threads or config.processes > 1:
        torch.set_num_threads(threads or 1)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = (config, model_config, folder, choose_device(device), max_hours * 3600)
    return run_in_processes(config.processes, folder / "processes", _run, *arguments)


def _run(processes, config, model_config, folder, device, max_seconds):
    encoder = load_text_encoder("", DEMO_TEXT_MODEL, cache_folder(Config().model))
    embedder = PromptEmbedder(encoder, ("{}",), folder / "texts.sqlite")
    return train(config, model_config, folder, device, embedder, max_seconds, processes)
