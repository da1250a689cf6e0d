# SPDX-License-Identifier: Apache-2.0
"""Rooms of real shapes only, for training and, with models that training never has, for validation."""

from ..config import RoomConfig
from .cache import SPLITS, read_library


def only_models_config(folder, split, model_kinds_share=0.0):
    """RoomConfig of rooms with models of a split only. folder: asset cache. Raises SpaceformerError without one."""
    read_library(str(folder))
    return RoomConfig(
        asset_folder=str(folder),
        asset_share=1.0,
        asset_split=split,
        assets_only=True,
        model_kinds_share=model_kinds_share,
        density=1.6,
    )


def unseen_shapes_config(folder, model_kinds_share=0.0):
    """RoomConfig of rooms with held-out models only. folder: asset cache. Raises SpaceformerError without one."""
    return only_models_config(folder, SPLITS[1], model_kinds_share)
