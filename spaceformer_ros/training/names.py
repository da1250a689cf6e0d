# SPDX-License-Identifier: Apache-2.0
"""Train the name head of a checkpoint: `spaceformer train-names FOLDER --config config/train_names.yaml`.

The network stays as it is. First its masks of generated rooms are collected, one file per room; then the head is fitted
to the names of what the masks contain. Both can be stopped and continued.
"""

import copy
import logging
import pathlib
from collections import namedtuple
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix

from .. import SpaceformerError
from ..clouds.cloud import Cloud
from ..config import Config
from ..grids.groups import incidence
from ..network.name_head import MaskViews, NameHead
from ..network.transfer import to_host
from ..segment.naming import views_of
from ..segment.postprocess import find_masks
from ..segment.segmenter import Segmenter
from ..synthetic import KIND_NAMES, STRUCTURE, RoomConfig, make_room
from ..synthetic.assets import only_models_config
from ..weights.checkpoint import load_checkpoint
from .data import augment
from .heads import draw_names, export_head, hash_network, rooms_of, seen_config, texts_of_kinds
from .settings import asset_folder, read_settings
from .state import FitState
from .tables import read_tables, write_tables

logger = logging.getLogger(__name__)

RIGHT_IOU = 0.25  # with an object: the mask shows it
STRUCTURE_SHARE = 0.5  # of the mask's points: it shows a wall, a floor or a ceiling
FRAGMENT_WEIGHT = 0.3  # of masks that show part of something, relative to the others
MIN_COUNT = 5  # masks of a kind, for its weight
LOG_EVERY = 500  # steps

LabelledMasks = namedtuple("LabelledMasks", "features pooled geometry kind weight")
LabelledMasks.__doc__ = """Columns of MaskViews, index into KIND_NAMES [K] int64 and weight [K] float32, as tensors."""


@dataclass(frozen=True)
class NameHeadConfig:
    """Settings of a run; written into the checkpoint."""

    checkpoint: str = "demo"  # whose head is trained
    rooms: int = 1700
    models: bool = True  # every second room has only furniture models, see `spaceformer assets`
    model_kinds_share: float = 0.0  # of the things in these rooms that are of a kind that only models have
    few_frames_share: float = 0.0  # of the rooms that are seen in a few frames, see `RoomConfig.in_few_frames`
    asset_folder: str = ""  # cache of `spaceformer assets`, "" for its default folder
    first_seed: int = 7_000_000  # of the rooms
    continued: bool = False  # whether the fit starts with the head of the checkpoint
    fitted_share: float = 1.0  # of the fitted weights in a continued head, the rest are those of before
    hidden: int = 384  # channels of the head
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3  # peak of the one-cycle schedule
    weight_decay: float = 0.05
    dropout: float = 0.4
    strength: float = 0.375  # of the fitted correction that is kept: the whole one trusts known shapes too much
    feature_noise: float = 0.03  # standard deviation on the unit features
    geometry_noise: float = 0.05  # on the standardised geometry
    label_smoothing: float = 0.05
    kind_balance: float = 0.5  # the weight of a kind is its frequency to the power -kind_balance
    seed: int = 0


def collect(segmenter, config, folder, progress=iter, network=""):
    """Write the LabelledMasks of each room to FOLDER/SEED.safetensors, where the file does not exist yet, and read all.

    Each room is seen as scanned and, once, as in training (`data.augment`).

    config: NameHeadConfig; progress: function that wraps the seeds for iteration (such as tqdm);
    network: of `hash_network`. Raises SpaceformerError if rooms in the folder are of another configuration or network.
    """
    configs = _room_configs(config)

    def masks_of(seed):
        room = make_room(seed, seen_config(configs[seed % len(configs)], seed, config.few_frames_share))
        found = [label_masks(segmenter, *look) for look in _looks(room, seed)]
        return LabelledMasks(*map(torch.cat, zip(*found, strict=True)))

    seeds, made_with = rooms_of(config)
    write_tables(folder, progress(seeds), masks_of, {"network": network[:12], **made_with})
    return read_tables(folder, seeds, LabelledMasks)


def _room_configs(config):
    if not config.models:
        return [RoomConfig()]
    return [RoomConfig(), only_models_config(asset_folder(config), "train", config.model_kinds_share)]


def _looks(room, seed):
    """Tuples of a Cloud, the object [N] and kind [N] of its points, and the kind of each object."""
    yield room.cloud, room.instance, room.kind, [KIND_NAMES.index(item.kind) for item in room.objects]
    sample = augment(room, np.random.default_rng(seed))
    if sample is not None:
        rgb = ((sample.colors.numpy() + 1) * 127.5).round().astype(np.uint8)
        yield Cloud(sample.xyz.numpy(), rgb), *(v.numpy() for v in (sample.instance, sample.kind, sample.object_kinds))


@torch.inference_mode()
def label_masks(segmenter, cloud, instance, kind, object_kinds):
    """LabelledMasks that a Segmenter finds in a Cloud.

    instance: [N] int object of each point, -1 for none; kind: [N] int index into KIND_NAMES
    object_kinds: kind of each of G objects
    """
    network, config = segmenter.network, Config().postprocess
    grid, *_ = segmenter.new_map_grid().update(cloud, max_voxels=len(cloud), level=True)
    prediction = segmenter.backend.predict(grid, segmenter.orders)
    positions, voxel = to_host(grid.positions, grid.point_to_voxel)
    masks = find_masks(prediction, positions, grid.counts, config, network.nms_iou, network.fuse_iou)
    views = views_of(masks, prediction, grid)
    inside = incidence(masks.rows, len(grid))
    by_object = inside @ _counts(voxel, instance + 1, len(grid), len(object_kinds) + 1)  # column 0: no object
    by_kind = inside @ _counts(voxel, kind, len(grid), len(KIND_NAMES))
    sizes = np.bincount(instance + 1, minlength=len(object_kinds) + 1)
    label = label_of(by_object.toarray()[:, 1:], by_kind.toarray(), sizes[1:], np.asarray(object_kinds))
    columns = (views.features, views.pooled, views.geometry)
    return LabelledMasks(*(column.cpu().contiguous() for column in columns), *map(torch.from_numpy, label))


def _counts(voxel, group, num_voxels, num_groups):
    """[num_voxels, num_groups] sparse float32 number of points. voxel, group: [N] int."""
    return csr_matrix((np.ones(len(voxel), dtype=np.float32), (voxel, group)), shape=(num_voxels, num_groups))


def label_of(by_object, by_kind, sizes, object_kinds):
    """What each of K masks shows: kind [K] int64 and weight [K] float32.

    by_object: [K, G] points of each object inside; by_kind: [K, C] of each kind; sizes: [G] points of each object;
    object_kinds: [G] int kind of each object.
    """
    points = by_kind.sum(axis=1)
    kind, weight = by_kind.argmax(axis=1), np.full(len(by_kind), FRAGMENT_WEIGHT, dtype=np.float32)
    share = by_kind.max(axis=1) / points.clip(min=1)
    structure = np.isin(kind, [KIND_NAMES.index(name) for name in STRUCTURE])
    weight[structure & (share > STRUCTURE_SHARE)] = 1
    if len(sizes):
        iou = by_object / (points[:, None] + sizes - by_object).clip(min=1)
        right = iou.max(axis=1) > RIGHT_IOU
        kind[right], weight[right] = object_kinds[iou.argmax(axis=1)[right]], 1
    return kind.astype(np.int64), weight


def fit(masks, model_config, texts, scale, config, start=None, path=None):
    """A NameHead fitted to LabelledMasks: cross entropy of the names of all kinds, one of its names per kind and step.

    texts: for each of KIND_NAMES the embeddings of its names, [n, C_text]
    scale: of the cosines; config: NameHeadConfig
    start: state dict of the NameHead that is continued, with its whole correction; None to begin anew
    path: of the state file, from which a fit that was stopped continues
    """
    torch.manual_seed(config.seed)
    head = NameHead.of(model_config, config.dropout).train()
    views = MaskViews(F.normalize(masks.features, dim=1), masks.pooled, masks.geometry)
    if start:
        head.load_state_dict(start)
    else:
        head.standardise(views)
    weight = masks.weight * _kind_weights(masks, config.kind_balance)
    steps = max(config.epochs * len(weight) // config.batch_size, 2)
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, pct_start=0.1)
    parts, state = {"head": head, "optimizer": optimizer, "schedule": schedule}, FitState(path, config)
    done = state.load(parts)
    torch.manual_seed(config.seed + 1 + done)
    for step in range(done + 1, steps + 1):
        rows = torch.randint(len(weight), (config.batch_size,))
        logits = scale * head(_noisy(views, rows, head, config)) @ draw_names(texts).t()
        loss = F.cross_entropy(logits, masks.kind[rows], reduction="none", label_smoothing=config.label_smoothing)
        loss = (loss * weight[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        state.save(parts, step, steps)
        if step % LOG_EVERY == 0:
            logger.info("step %d/%d loss %.3f", step, steps, float(loss.detach()))
    with torch.no_grad():
        for key, value in head.state_dict().items() if start else ():
            value.lerp_(start[key], 1 - config.fitted_share)
        scale_correction(head, config.strength)
    return head.eval()


@torch.no_grad()
def scale_correction(head, factor):
    """Multiply what a NameHead adds to features."""
    for parameter in head.layers[-1].parameters():
        parameter *= factor


def whole_head(checkpoint):
    """State dict of the NameHead of a Checkpoint, with the whole fitted correction. Raises SpaceformerError."""
    head, strength = checkpoint.model.name_head, checkpoint.notes.get("names", {}).get("strength")
    if head is None or not strength:
        raise SpaceformerError(f"{checkpoint.name} has no name head to continue: set continued to false")
    head = copy.deepcopy(head).float()
    scale_correction(head, 1 / strength)
    return head.state_dict()


def _kind_weights(masks, power):
    """[K] float32 weight of each mask by the frequency of its kind."""
    count = torch.bincount(masks.kind, weights=masks.weight, minlength=len(KIND_NAMES))
    return ((count.clamp(min=MIN_COUNT) / count.sum() * len(KIND_NAMES)) ** -power)[masks.kind].float()


def _noisy(views, rows, head, config):
    """Some rows of MaskViews with noise, as no two scans of an object are equal."""
    features, pooled, geometry = views.features[rows], views.pooled[rows], views.geometry[rows]
    noise = config.geometry_noise * head.scale[: geometry.shape[1]] * torch.randn_like(geometry)
    return MaskViews(features + config.feature_noise * torch.randn_like(features), pooled, geometry + noise)


def export(path, checkpoint, head, config):
    """Write a Checkpoint with another NameHead; returns its SHA-256. config: NameHeadConfig."""
    return export_head(path, checkpoint, "name_head", head, config.hidden, {"names": asdict(config)})


def run(folder, config_path="", device="auto", progress=iter):
    """Run `spaceformer train-names`; returns the path of the new checkpoint and its SHA-256."""
    config, folder = read_settings(NameHeadConfig, config_path), pathlib.Path(folder)
    checkpoint = load_checkpoint(config.checkpoint)
    settings = Config().with_values({"device": device}).model
    network = hash_network(checkpoint)
    masks = collect(Segmenter(checkpoint, settings), config, folder / "masks", progress, network)
    model_config = replace(checkpoint.model.config, name_head=config.hidden)
    start = whole_head(checkpoint) if config.continued else None
    texts, path, state = texts_of_kinds(checkpoint, folder), folder / "checkpoint.safetensors", folder / "state.pt"
    head = fit(masks, model_config, texts, checkpoint.similarity.scale, config, start, state)
    digest = export(path, checkpoint, head, config)
    FitState(state, config).end()
    return path, digest
