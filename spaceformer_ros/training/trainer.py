# SPDX-License-Identifier: Apache-2.0
"""The training step: model, auxiliary heads, weights of kinds, losses and optimiser of one run."""

import copy
import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from ..network.model import SpaCeFormer, drawn_orders
from ..network.voxels import VoxelGrid
from ..synthetic import KIND_NAMES, STRUCTURE
from ..weights.checkpoint import DEMO_TEXT_MODEL, load_checkpoint, save_checkpoint
from ..words.similarity import Similarity
from .heads import split_head
from .losses import SetCriterion, Target
from .precision import products_in
from .schedule import one_cycle
from .state import load_state, save_state

HEAD_RATE = 2e-3  # learning rate of `head_steps`
STEM_WEIGHT = "backbone.inner_module.conv.0.weight"  # [K, C_in, C_out]


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
        self.start, self.head_notes = None, {}  # state dict of the initial weights; notes on a name head that is kept
        if config.start_from:
            self._start_from(load_checkpoint(config.start_from))
        self.balance = KindBalance(config.kind_balance).to(device)
        channels = model_config.decoder[-1].channels
        self.heads = AuxiliaryHeads(channels, model_config.text_channels).to(device)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), lr=config.learning_rate, betas=(0.9, 0.98))
        self.head_optimizer = torch.optim.AdamW(self.heads.parameters(), lr=HEAD_RATE)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, one_cycle(config.steps, config.warm_up_share))
        self.kind_texts = torch.from_numpy(embedder.embed(KIND_NAMES)).to(device)
        self.random = random.Random(config.seed)
        self.step = 0

    def _start_from(self, checkpoint):
        """Initial weights from a Checkpoint of the same network; the voxel size may differ, new inputs get weight 0.

        The NameHead starts anew unless it is kept: it belongs to the features that training changes. A PointHead does
        not depend on the network and is left out: `spaceformer train-points` adds it again.
        """
        head, weights = split_head(checkpoint.model.state_dict(), "name_head")
        _, weights = split_head(weights, "point_head")
        weights |= head if self.config.keep_name_head else split_head(self.model.state_dict(), "name_head")[0]
        if self.config.keep_name_head:
            self.head_notes = {key: value for key, value in checkpoint.notes.items() if key == "names"}
        added = self.model.config.in_channels - checkpoint.model.config.in_channels
        weights[STEM_WEIGHT] = F.pad(weights[STEM_WEIGHT], (0, 0, 0, added))
        self.model.load_state_dict(weights)
        self.start = {key: value.clone() for key, value in self.model.state_dict().items()}
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

    def train_step(self, samples):
        """One update on a list of Samples. Returns the loss parts as floats."""
        self.model.train()
        grid, instance, kind = voxelise(samples, self.model.config.voxel_size, self.device)
        orders = drawn_orders(self.model.config, self.config.seed + self.step)
        with self._autocast():
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

    def _autocast(self):
        return products_in(self.config.precision, self.device)

    def train_heads(self, samples):
        """One update of the auxiliary heads alone, so that random ones do not disturb a trained network."""
        grid, instance, kind = voxelise(samples, self.model.config.voxel_size, self.device)
        with self._autocast():
            with torch.no_grad():
                features = self.model.eval().backbone_features(grid, drawn_orders(self.model.config, 0))
            loss, _ = self.dense_loss(features, grid, instance, kind)
        self.head_optimizer.zero_grad()
        loss.backward()
        self.head_optimizer.step()

    def average_with(self, processes):
        """Exchange weights with the other Processes of a run."""
        for module in (self._modules(), self.average.module):
            processes.average(module)

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
        save_state(path, self._parts(), self.step)

    def load_state(self, path):
        """Resume from a state file. Raises SpaceformerError for damaged ones and those of another network."""
        self.step = load_state(path, self._parts(), self.device)

    def _parts(self):
        parts = self._modules(), self.average, self.optimizer, self.schedule
        return dict(zip(("modules", "average", "optimizer", "schedule"), parts, strict=True))

    def export(self, path, notes):
        """Write the averaged weights as a checkpoint. Returns its SHA-256."""
        scale = self.criterion.log_scale.detach().exp().clamp(max=100).item()
        return save_checkpoint(
            path, self._exported(), DEMO_TEXT_MODEL, Similarity(True, scale), self.head_notes | notes
        )

    def _exported(self):
        """The averaged model, moved back towards the initial weights by 1 - `trained_share`.

        Between the two a network keeps more of what it knew (Wortsman et al., Robust fine-tuning of zero-shot models,
        CVPR 2022).
        """
        model = self.average.module
        if self.start is None or self.config.trained_share == 1:
            return model
        model = copy.deepcopy(model)
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                value.lerp_(self.start[key], 1 - self.config.trained_share)
        return model


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
