# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.geometry.boxes import OrientedBox


@pytest.mark.parametrize("yaw", [-1.5, -0.4, 0.0, 0.3, 1.2])
def test_a_box_is_recovered_from_its_points(rng, yaw):
    truth = OrientedBox(np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.7, 1.0]), yaw)
    unit = rng.random((400, 3)) - 0.5
    local = unit * truth.size
    points = np.concatenate([np.column_stack([local[:, :2] @ truth.axes, local[:, 2]]) + truth.center, truth.corners])
    found = OrientedBox.fit(points)
    assert np.allclose(found.center, truth.center)
    assert np.allclose(found.size, truth.size)
    assert np.isclose(found.yaw, yaw)
    assert found.contains(points, margin=1e-9).all()
    assert not found.contains(points * 3).all()


def test_the_longer_side_is_x_and_yaw_is_in_range(rng):
    for _ in range(50):
        box = OrientedBox.fit(rng.normal(size=(20, 3)) * rng.uniform(0.1, 3, 3))
        assert box.size[0] >= box.size[1]
        assert -np.pi / 2 <= box.yaw < np.pi / 2


@pytest.mark.parametrize(
    ("points", "size"),
    [
        ([[1, 2, 3]], [0, 0, 0]),
        ([[0, 0, 0], [3, 4, 1]], [5, 0, 1]),
        ([[0, 0, 0], [1, 1, 0], [2, 2, 2]], [8**0.5, 0, 2]),
    ],
)
def test_points_without_area_have_boxes_too(points, size):
    assert np.allclose(OrientedBox.fit(np.array(points, dtype=float)).size, size)


def test_a_box_needs_points():
    with pytest.raises(SpaceformerError, match="N >= 1"):
        OrientedBox.fit(np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (OrientedBox(np.zeros(3), np.array([2.0, 1.0, 1.0]), 0.0), 1.0),
        (OrientedBox(np.array([1.0, 0.0, 0.0]), np.array([2.0, 1.0, 1.0]), 0.0), 1 / 3),
        (OrientedBox(np.array([0.0, 0.0, 0.5]), np.array([2.0, 1.0, 1.0]), 0.0), 1 / 3),
        (OrientedBox(np.zeros(3), np.array([2.0, 1.0, 1.0]), np.pi / 2), 1 / 3),  # they share 1 x 1 of 3
        (OrientedBox(np.zeros(3), np.array([2.0, 1.0, 1.0]), -np.pi), 1.0),
        (OrientedBox(np.array([5.0, 0.0, 0.0]), np.array([2.0, 1.0, 1.0]), 0.3), 0.0),
        (OrientedBox(np.zeros(3), np.array([1.0, 0.0, 0.0]), 0.0), 0.0),
    ],
)
def test_overlap_of_boxes(other, expected):
    box = OrientedBox(np.zeros(3), np.array([2.0, 1.0, 1.0]), 0.0)
    assert box.iou(other) == pytest.approx(expected)
    assert other.iou(box) == pytest.approx(expected)
