# SPDX-License-Identifier: Apache-2.0
"""Height of the floor below a set of points."""

import numpy as np
import pytest

from spaceformer_ros.geometry.floor import base_height


@pytest.fixture
def room(rng):
    """[N] float32 heights of a room's points: a floor at 0.2 m with noise of a centimetre, walls and furniture."""
    floor = 0.2 + rng.normal(0, 0.01, 20_000)
    return np.concatenate([floor, rng.uniform(0.2, 2.7, 40_000)]).astype(np.float32)


def test_of_a_clean_room_it_is_the_lowest_point(room):
    assert base_height(room) == room.min()


@pytest.mark.parametrize(
    ("depth", "share"),
    [
        *((0.15, 0.0001), (0.3, 0.0001), (5.0, 0.0001), (0.3, 0.004), (5.0, 0.004), (0.15, 0.02), (0.3, 0.02)),
        *((2.5, 0.01), (2.5, 0.02)),  # deep reflections
    ],
)
def test_points_below_the_floor_do_not_change_it(room, rng, depth, share):
    below = room.min() - depth - rng.uniform(0, 0.05, int(share * len(room)))
    assert base_height(np.append(room, below.astype(np.float32))) == pytest.approx(room.min(), abs=0.1)


def test_a_second_storey_below_is_no_stray(room):
    assert base_height(np.concatenate([room, room - 3.0])) == (room - 3.0).min()


def test_without_a_floor_it_is_above_strays_only(rng):
    shelf = rng.uniform(1.0, 2.0, 10_000)
    assert base_height(shelf) == pytest.approx(1.0, abs=0.15)
    assert base_height(np.append(shelf, [-4.0, -4.1])) == pytest.approx(1.0, abs=0.15)


def test_of_few_points_it_is_one_of_them():
    assert base_height(np.float32([0.7])) == np.float32(0.7)
    assert base_height(np.float32([0.5, 0.7])) == 0.5
