# SPDX-License-Identifier: Apache-2.0
"""Validation rooms whose shapes are in no training room."""

from ..config import RoomConfig
from .cache import SPLITS, read_library


def unseen_shapes_config(folder):
    """RoomConfig of rooms with held-out models only. folder: asset cache. Raises SpaceformerError without one."""
    read_library(folder)
    return RoomConfig(asset_folder=str(folder), asset_share=1.0, asset_split=SPLITS[1], assets_only=True, density=1.6)
