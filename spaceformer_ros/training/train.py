# SPDX-License-Identifier: Apache-2.0
"""Train a checkpoint on generated rooms: `spaceformer train FOLDER --config config/train_demo_1.yaml`.

In reading order: configuration, training step, validation, the loop. After a kill, training resumes from the last state
file. The room seeds of training, validation and evaluation are disjoint.
"""

import itertools
import logging
import math
import pathlib
import random
import time
from dataclasses import asdict, dataclass, fields

import torch
import torch.nn.functional as F
from torch import nn

from .. import SpaceformerError
from ..config import Config
from ..disk.atomic import replacing
from ..disk.paths import cache_folder
from ..disk.text_files import read_yaml
from ..network.model import SpaCeFormer, SpaCeFormerConfig, drawn_orders
from ..network.name_head import split_head
from ..network.voxels import VoxelGrid
from ..segment.backends import choose_device
from ..segment.segmenter import Segmenter
from ..synthetic import KIND_NAMES, STRUCTURE, RoomConfig, make_room
from ..synthetic.assets import default_folder, only_models_config
from ..weights.checkpoint import DEMO_TEXT_MODEL, load_checkpoint, load_file, save_checkpoint
from ..words.similarity import Similarity
from ..words.text_model import PromptEmbedder, load_text_encoder
from .data import Augmentation, RoomStream, collate
from .log import TrainingLog
from .losses import SetCriterion, Target
from .validate import pipeline_of, validate

logger = logging.getLogger(__name__)

STEM_WEIGHT = "backbone.inner_module.conv.0.weight"  # [K, C_in, C_out]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run; written into the checkpoint."""

    steps: int = 20_000
    scenes_per_step: int = 2
    start_from: str = ""  # path of a checkpoint: initial weights of a new run
    learning_rate: float = 7e-4  # peak of the one-cycle schedule
    weight_decay: float = 0.05
    warm_up_share: float = 0.05  # of the steps
    gradient_norm: float = 5.0  # clipped above
    average_decay: float = 0.998  # of the exponential moving average of the weights; this average is saved
    precision: str = "bfloat16"  # of matrix products on the device
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
    asset_folder: str = ""  # cache of `spaceformer assets`, "" for its default folder
    workers: int = 1  # processes that generate rooms
    min_voxels: int = 6  # smaller objects are left out
    seed: int = 0  # of weights and block orders
    save_every: int = 200  # steps between state files
    validate_every: int = 1000  # steps between validations, 0 for none
    validation_rooms: int = 10
    validation_seed: int = 400_000  # of the first validation room
    captions_per_object: int = 3  # captions drawn per object and step, in addition to the names of all kinds


class AuxiliaryHeads(nn.Module):
    """Heads of the auxiliary losses, not part of the checkpoint (seeded networks have two of them themselves)."""

    def __init__(self, channels, text_channels):
        super().__init__()
        self.semantic = nn.Linear(channels, text_channels)
        self.offset = nn.Linear(channels, 3)
        self.foreground = nn.Linear(channels, 1)


class KindBalance(nn.Module):
    """Weights of kinds by their frequency so far, so that rare kinds are not neglected."""

    def __init__(self, power):
        super().__init__()
        self.power = power
        self.register_buffer("seen", torch.ones(len(KIND_NAMES)))
        self.register_buffer("structure", torch.tensor([name in STRUCTURE for name in KIND_NAMES]), persistent=False)

    def count(self, kinds):
        """Count objects. kinds: [G] int64 index into KIND_NAMES."""
        self.seen += torch.bincount(kinds, minlength=len(self.seen))

    def weights(self):
        """[K] float32 weights, at most 5: mean 1 over the objects so far; 1 for walls, floors and ceilings."""
        share = self.seen.masked_fill(self.structure, 0) / self.seen[~self.structure].sum()
        weights = (share + self.structure.float()) ** -self.power
        return (weights / (share * weights).sum()).masked_fill(self.structure, 1.0).clamp(max=5.0)


class Trainer:
    """Model, losses and optimiser of one run."""

    def __init__(self, config, model_config, embedder, device):
        torch.manual_seed(config.seed)
        self.config, self.device, self.embedder = config, device, embedder
        self.model = SpaCeFormer(model_config).to(device)
        self.criterion = SetCriterion(config.caption_weight).to(device)
        if config.start_from:
            self._start_from(load_checkpoint(config.start_from))
        self.balance = KindBalance(config.kind_balance).to(device)
        channels = model_config.decoder[-1].channels
        self.heads = AuxiliaryHeads(channels, model_config.text_channels).to(device)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), lr=config.learning_rate, betas=(0.9, 0.98))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.kind_texts = torch.from_numpy(embedder.embed(KIND_NAMES)).to(device)
        self.random = random.Random(config.seed)
        self.step = 0

    def _start_from(self, checkpoint):
        """Initial weights from a Checkpoint of the same network; the voxel size may differ, new inputs get weight 0.

        The NameHead starts anew: it belongs to the features that training changes.
        """
        (new_head, _), (_, weights) = (split_head(model.state_dict()) for model in (self.model, checkpoint.model))
        weights |= new_head
        added = self.model.config.in_channels - checkpoint.model.config.in_channels
        weights[STEM_WEIGHT] = F.pad(weights[STEM_WEIGHT], (0, 0, 0, added))
        self.model.load_state_dict(weights)
        with torch.no_grad():
            self.criterion.log_scale.fill_(math.log(checkpoint.similarity.scale))

    def _modules(self):
        return nn.ModuleList([self.model, self.criterion, self.heads, self.balance])

    def _parameter_groups(self):
        """Weight decay on matrices only."""
        parameters = list(self._modules().parameters())
        decayed = [p for p in parameters if p.ndim > 1]
        plain = [p for p in parameters if p.ndim <= 1]
        return [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]

    def _rate(self, step):
        """Linear warm-up, then half a cosine to zero."""
        warm = self.config.warm_up_share * self.config.steps
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, self.config.steps - warm))))

    def train_step(self, samples):
        """One update on a list of Samples. Returns the loss parts as floats."""
        self.model.train()
        grid, instance, kind = voxelise(samples, self.model.config.voxel_size, self.device)
        orders = drawn_orders(self.model.config, self.config.seed + self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            features = self.model.backbone_features(grid, orders, permutation_seed=self.step)
            scenes = self.model.predictions_per_cloud(features, grid, chunk_size=1 << 20)
            loss, parts = self.dense_loss(features, grid, instance, kind)
            for sample, predictions, rows in zip(samples, scenes, instance.split(grid.level.cloud_sizes)):
                target = self.target(sample, rows)
                if target is not None:
                    scene_loss, scene_parts = self.criterion(predictions, target)
                    loss = loss + scene_loss / len(samples)
                    parts.update(scene_parts)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._modules().parameters(), self.config.gradient_norm)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.average.update_parameters(self.model)
        self.schedule.step()
        self.step += 1
        return {"loss": float(loss.detach()), **parts}

    def target(self, sample, rows):
        """Target of one Sample. rows: [M] object of each voxel, -1 for none. None if no object is large enough."""
        counts = torch.bincount(rows[rows >= 0], minlength=len(sample.captions))
        self.balance.count(sample.object_kinds.to(self.device))
        kept = torch.nonzero(counts >= self.config.min_voxels)[:, 0].tolist()
        if not kept:
            return None
        masks = torch.stack([rows == g for g in kept]).float()
        texts = sorted({*KIND_NAMES, *(caption for g in kept for caption in self._draw(sample.captions[g]))})
        true = [set(sample.captions[g]) for g in kept]
        describes = torch.tensor([[text in captions for text in texts] for captions in true], device=self.device)
        weights = self.balance.weights()[sample.object_kinds[kept].to(self.device)]
        return Target(masks, torch.from_numpy(self.embedder.embed(texts)).to(self.device), describes, weights)

    def _draw(self, captions):
        """A few of an object's captions: each new one costs a run of the text model."""
        return self.random.sample(captions, min(self.config.captions_per_object, len(captions)))

    def dense_loss(self, features, grid, instance, kind):
        """Auxiliary losses on all voxels: text class, foreground, and offset to the object's centre."""
        features = features.float()
        # logits <semantic(f), text> as one product: features of [M, 384] would take more time than the network
        texts = self.kind_texts @ self.heads.semantic.weight
        logits = F.linear(features, texts, self.kind_texts @ self.heads.semantic.bias).float()
        heads = self.heads if self.model.seeds is None else self.model.seeds
        is_object = (instance >= 0).float()
        losses = {
            "semantic": self.config.semantic_weight
            * F.cross_entropy(logits, kind, self.balance.weights(), label_smoothing=self.config.label_smoothing),
            "foreground": F.binary_cross_entropy_with_logits(heads.foreground(features)[:, 0].float(), is_object),
            "offset": self.config.offset_weight * self._offset_loss(heads.offset, features, grid, instance),
        }
        return sum(losses.values()), {name: float(loss.detach()) for name, loss in losses.items()}

    def _offset_loss(self, offset, features, grid, instance):
        inside = instance >= 0
        if not inside.any():
            return features.sum() * 0
        owner = instance[inside] + 100_000 * grid.level.cloud_index[inside]
        _, group, counts = torch.unique(owner, return_inverse=True, return_counts=True)
        positions = grid.positions[inside]
        centres = torch.zeros(len(counts), 3, device=positions.device).index_add_(0, group, positions) / counts[:, None]
        return (offset(features[inside]).float() - (centres[group] - positions)).abs().sum(dim=1).mean()

    def save_state(self, path):
        """Write everything that is needed to resume, atomically."""
        state = {
            "modules": self._modules().state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
        }
        with replacing(path) as partial:
            torch.save(state, partial)

    def load_state(self, path):
        """Resume from a state file."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self._modules().load_state_dict(state["modules"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]

    def export(self, path, notes):
        """Write the averaged weights as a checkpoint. Returns its SHA-256."""
        scale = self.criterion.log_scale.detach().exp().clamp(max=100).item()
        return save_checkpoint(path, self.average.module, DEMO_TEXT_MODEL, Similarity(True, scale), notes)


def voxelise(samples, voxel_size, device):
    """VoxelGrid of all samples, and the object row [M] and kind [M] of each voxel (those of one of its points)."""

    def join(name):
        return torch.cat([getattr(sample, name) for sample in samples]).to(device)

    sizes = torch.tensor([len(sample.xyz) for sample in samples])
    cloud_index = torch.repeat_interleave(torch.arange(len(samples)), sizes).to(device)
    grid = VoxelGrid.from_points(join("xyz"), join("colors"), voxel_size, cloud_index)
    labels = []
    for name in ("instance", "kind"):
        label = torch.empty(len(grid), dtype=torch.int64, device=device)
        labels.append(label.scatter_(0, grid.point_to_voxel.long(), join(name)))
    return grid, *labels


def train(config, model_config, folder, device, embedder, max_seconds=float("inf")):
    """Start or resume a training in `folder`. Writes state.pt, log.jsonl and checkpoint.safetensors.

    config: TrainConfig
    model_config: SpaCeFormerConfig
    embedder: PromptEmbedder of the text model of the features
    max_seconds: time limit of this call

    Returns the Trainer.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, model_config, embedder, device)
    if (folder / "state.pt").is_file():
        trainer.load_state(folder / "state.pt")
        logger.info("resuming at step %d", trainer.step)
    start = time.monotonic()
    log = TrainingLog(folder)
    for samples in itertools.islice(_batches(config, trainer.step), config.steps - trainer.step):
        wall, cpu = time.monotonic(), time.process_time()
        parts = trainer.train_step(samples)
        seconds, cpu_seconds = time.monotonic() - wall, time.process_time() - cpu
        speed = {"seconds": seconds, "processor_seconds": cpu_seconds, "rooms_per_second": len(samples) / seconds}
        log.add_step(trainer.step, {**speed, **parts})
        if trainer.step % 20 == 0:
            log.flush()
            logger.info("step %d/%d loss %.3f, %.2f s", trainer.step, config.steps, parts["loss"], seconds)
        last = trainer.step == config.steps or time.monotonic() - start > max_seconds
        if trainer.step % config.save_every == 0 or last:
            trainer.save_state(folder / "state.pt")
            trainer.export(folder / "checkpoint.safetensors", {"training": asdict(config), "step": trainer.step})
        if config.validate_every and (trainer.step % config.validate_every == 0 or last):
            log.add_validation(trainer.step, _validate(trainer, folder / "checkpoint.safetensors"))
        if last:
            break
    log.close()
    return trainer


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


def _batches(config, step):
    """Lists of Samples. A resumed run continues with new rooms."""
    augmentation = Augmentation(
        any_heading_share=config.any_heading_share, max_tilt=config.max_tilt, max_rise=config.max_rise
    )
    first_seed = config.first_seed + 100_000 * (step > 0) + step
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
    if not config.model_share and not config.only_models_share:
        return [(1.0, RoomConfig())]
    folder = config.asset_folder or default_folder(cache_folder(Config().model))
    mixed = RoomConfig(asset_folder=str(folder), asset_share=config.model_share)
    return [(1 - config.only_models_share, mixed), (config.only_models_share, only_models_config(folder, "train"))]


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
        return TrainConfig(**values), SpaCeFormerConfig.from_dict(
            {**SpaCeFormerConfig.demo().to_dict(), **model_values}
        )
    except (SpaceformerError, TypeError, AttributeError, ValueError, KeyError) as error:
        known = ", ".join(field.name for field in fields(TrainConfig))
        raise SpaceformerError(f"training configuration {path}: {error}; known names: model, {known}") from error


def run(folder, config_path="", device="auto", max_hours=float("inf"), threads=0):
    """Run `spaceformer train`. threads: CPU threads, 0 for all; max_hours: time limit of this run, which can resume."""
    if threads:
        torch.set_num_threads(threads)
    config, model_config = read_config(config_path)
    folder = pathlib.Path(folder)
    encoder = load_text_encoder("", DEMO_TEXT_MODEL, cache_folder(Config().model))
    folder.mkdir(parents=True, exist_ok=True)
    embedder = PromptEmbedder(encoder, ("{}",), folder / "texts.sqlite")
    return train(config, model_config, folder, choose_device(device), embedder, max_hours * 3600)
