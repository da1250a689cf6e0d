# SPDX-License-Identifier: Apache-2.0
"""The geometry of each kind. The modules register their builders on import; `build` makes a Shape of a kind."""

from . import bath, beds, climate, clutter, decor, devices, kitchen, openings, seats, storage, tables, workshop
from .registry import BUILDERS, build

__all__ = [
    "BUILDERS",
    "bath",
    "beds",
    "build",
    "climate",
    "clutter",
    "decor",
    "devices",
    "kitchen",
    "openings",
    "seats",
    "storage",
    "tables",
    "workshop",
]
