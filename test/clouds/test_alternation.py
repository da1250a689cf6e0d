# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros.clouds.alternation import CALM, Alternation
from spaceformer_ros.clouds.cloud import Cloud


def area(first, last, frame_id="map", origin=(0.0, 0.0, 0.0)):
    """A Cloud that covers a strip of floor from x = first to x = last, in metres."""
    x, y = np.meshgrid(np.arange(first, last, 0.2), np.arange(0, 4, 0.2))
    xyz = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3).astype(np.float32)
    return Cloud(xyz, np.zeros(xyz.shape, dtype=np.uint8), frame_id, origin=origin)


A, B = area(0, 8), area(20, 26)


@pytest.mark.parametrize(
    "maps",
    [
        [A, B] * 3,
        [A, A, A, B] * 3,  # at different rates
        [A, area(0, 8, "odom")] * 3,
        [A, area(0, 16)] * 3,  # one has seen half of the other
        [area(0, 8, origin=(5e6, 4e5, 0.0)), area(20, 26, origin=(5e6, 4e5, 0.0))] * 3,
    ],
)
def test_two_maps_in_turn_are_noticed(maps):
    alternation = Alternation()
    assert [alternation.add(one) for one in maps][-1]


@pytest.mark.parametrize(
    "maps",
    [
        [A] * 8,
        [area(0, end) for end in range(2, 40, 2)],  # a map that grows
        [area(start, start + 8) for start in (0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1)],  # a window that follows
        [A, A, B, B],  # another session
        [A, B, A, A, A],  # and back: the first source was started again
    ],
)
def test_one_source_is_not_reported(maps):
    alternation = Alternation()
    assert not any(alternation.add(one) for one in maps)


@pytest.mark.filterwarnings("error")
def test_astronomic_coordinates_are_no_warning():
    far = Cloud(np.full((3, 3), np.finfo(np.float32).max), np.zeros((3, 3), dtype=np.uint8))
    assert not Alternation().add(far)


def test_the_report_ends_when_one_source_is_left():
    alternation = Alternation()
    for one in [A, B] * 3:
        alternation.add(one)
    assert [alternation.add(B) for _ in range(CALM)][-1] is False
    assert not alternation.add(A)
