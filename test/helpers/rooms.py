# SPDX-License-Identifier: Apache-2.0
"""Generated rooms that several tests share, made once per test session."""

from functools import cache

import numpy as np

from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.synthetic.room import build

SMALL = RoomConfig(width=(3.0, 4.0), depth=(3.0, 4.0))
SEEDS = (0, 1, 2, 3, 4)


@cache
def scanned(seed):
    """A small room as a camera measured it."""
    return make_room(seed, SMALL)


@cache
def clean(seed):
    """The same room with its complete surfaces, without noise."""
    return make_room(seed, RoomConfig(scan=False, width=(3.0, 4.0), depth=(3.0, 4.0), fusion_size=(0.025, 0.025)))


@cache
def building(seed, theme=None, rooms=1):
    """A building of `synthetic.room.build`, before it is scanned."""
    return build(np.random.default_rng(seed), RoomConfig(theme=theme, rooms=rooms))
