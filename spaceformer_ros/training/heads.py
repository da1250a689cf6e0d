# SPDX-License-Identifier: Apache-2.0
"""What the training of the heads that name masks shares: texts of the kinds, and checkpoints with another head."""

import hashlib
from dataclasses import replace

import numpy as np
import torch

from ..config import Config
from ..disk.paths import cache_folder
from ..network.model import SpaCeFormer
from ..synthetic import KIND_NAMES, KINDS
from ..weights.checkpoint import hash_checkpoint, save_checkpoint
from ..words.text_model import PromptEmbedder, load_text_encoder

FEW_FRAMES_STREAM = 1  # of random numbers, other than that of the room's content


def texts_of_kinds(checkpoint, folder):
    """Embeddings of the names of each of KIND_NAMES in a Checkpoint's text space, list of [n, C_text]; cached in
    FOLDER."""
    encoder = load_text_encoder("", checkpoint.text_model, cache_folder(Config().model))
    embedder = PromptEmbedder(encoder, ("{}",), folder / "texts.sqlite")
    return [torch.from_numpy(embedder.embed(KINDS[name].names)) for name in KIND_NAMES]


def draw_names(texts):
    """One drawn name of each kind, [KIND_NAMES, C_text]. texts: of `texts_of_kinds`."""
    return torch.stack([names[torch.randint(len(names), ())] for names in texts])


def rooms_of(config):
    """The seeds of the rooms of a training configuration, and the values that determine their content."""
    names = "models", "model_kinds_share", "few_frames_share", "asset_folder"
    kinds = hashlib.sha256(" ".join(KIND_NAMES).encode()).hexdigest()[:12]  # tables have their numbers
    seeds = range(config.first_seed, config.first_seed + config.rooms)
    return seeds, {**{name: getattr(config, name) for name in names}, "hash of kinds": kinds}


def seen_config(room_config, seed, few_frames_share):
    """The RoomConfig of the room of a seed: a share of the rooms is seen in a few frames."""
    few = np.random.default_rng([seed, FEW_FRAMES_STREAM]).random() < few_frames_share
    return room_config.in_few_frames() if few else room_config


def hash_network(checkpoint):
    """SHA-256 of the network of a Checkpoint without its heads, which it does not depend on."""
    state = checkpoint.model.state_dict()
    for name in ("name_head", "point_head"):
        _, state = split_head(state, name)
    return hash_checkpoint({}, state)


def split_head(state, name):
    """The entries of a network's state dict that belong to a head, and the others. name: "name_head", "point_head"."""
    head = {key: value for key, value in state.items() if key.startswith(f"{name}.")}
    return head, {key: value for key, value in state.items() if key not in head}


def export_head(path, checkpoint, name, head, channels, notes):
    """Write a Checkpoint with another head; returns its SHA-256.

    name: of the head and of its setting in SpaCeFormerConfig; channels: this setting; notes: added to the checkpoint's
    """
    model = SpaCeFormer(replace(checkpoint.model.config, **{name: channels}))
    new_head = {f"{name}.{key}": value for key, value in head.state_dict().items()}
    _, others = split_head(checkpoint.model.state_dict(), name)
    model.load_state_dict(others | new_head)
    return save_checkpoint(path, model, checkpoint.text_model, checkpoint.similarity, {**checkpoint.notes, **notes})
