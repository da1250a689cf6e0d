# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.geometry.footprint import EXAMPLE, footprint_of, placed


def test_a_polygon_is_read_as_nav2_writes_it():
    robot = footprint_of(EXAMPLE, 1.0)
    assert (robot.front, robot.inner_radius, str(robot)) == (0.3, pytest.approx(0.2), "a robot of 0.60 x 0.40 m")
    assert robot.radius == pytest.approx(np.hypot(0.3, 0.2))
    assert robot.covers(np.array([[0.0, 0.0], [0.29, 0.19], [0.3, 0.2], [0.31, 0.0]])).tolist() == [True] * 3 + [False]
    circle = footprint_of(" ", 0.4)
    assert (circle.front, circle.inner_radius, str(circle)) == (0.4, 0.4, "a robot of radius 0.40 m")


@pytest.mark.parametrize("text", [EXAMPLE, "[[1, 0], [-.5, .8], [-.5, -.8]]", ""])
def test_offsets_cover_the_footprint_without_gaps(text, rng):
    robot, step = footprint_of(text, 0.35), 0.05
    offsets = robot.offsets(step)
    inside = rng.uniform(-1, 1, (2000, 2))
    inside = inside[robot.covers(inside)]
    assert np.linalg.norm(offsets[:, None] - inside, axis=2).min(axis=0).max() <= step
    assert np.linalg.norm(offsets, axis=1).max() <= robot.radius + 1e-9


def test_places_turn_and_move_with_the_robot():
    assert np.allclose(placed(np.array([[0.5, 0.1]]), np.array([2.0, 3.0, np.pi / 2])), [[1.9, 3.5]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.3, 0.2", "is not a list of three or more points"),
        ("[[0.3, 0.2], [0.3], [1, 1]]", "is not a list of three or more points"),
        ("[" * 5000, "is not a list of three or more points"),
        ("__import__('os')", "is not a list of three or more points"),
        ("[[1e999, 0], [-1, 1], [-1, -1]]", "a point that is not within 5 m"),
        ("[[300, 0], [-300, 300], [-300, -300]]", "a point that is not within 5 m"),
        ("[[1, 1], [-1, -1], [1, -1], [-1, 1]]", "crosses itself, or has no area"),
        ("[[1, 0], [0, 0], [-1, 0]]", "crosses itself, or has no area"),
        ("[[0.1, 0.2], [0.1, -0.2], [0.5, 0]]", r"centre, \[0, 0\], is not inside"),
    ],
)
def test_what_is_no_outline_is_refused_with_the_reason(text, words):
    with pytest.raises(SpaceformerError, match=f"footprint: .*{words}"):
        footprint_of(text, 0.2)
