"""The geometry of every kind: importing a module registers its builders; `build` makes a Shape of a kind."""

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
