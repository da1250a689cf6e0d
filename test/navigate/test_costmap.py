# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np

from spaceformer_ros.geometry.footprint import Footprint, footprint_of
from spaceformer_ros.geometry.transform import IDENTITY, RigidTransform
from spaceformer_ros.navigate.costmap import Costmap

ROBOT = Footprint(0.2)


def grid(**cells):
    costs = np.zeros((40, 60), dtype=np.int8)  # 3 x 2 m
    for row, column, cost in cells.values():
        costs[row, column] = cost
    return Costmap(costs, 0.05, IDENTITY, "map")


def free(costmap, *places, yaw=0.0, footprint=ROBOT, to_frame=IDENTITY):
    yaws = np.full(len(places), yaw)
    return costmap.is_free(np.array([(*place, 0.0) for place in places]), yaws, footprint, to_frame).tolist()


def test_obstacles_keep_the_robot_away_by_its_radius():
    costmap = grid(obstacle=(20, 30, 100))  # at x 1.5, y 1.0
    assert free(costmap, (1.5, 1.0), (1.65, 1.0), (1.8, 1.0), (1.5, 1.3)) == [False, False, True, True]


def test_inscribed_and_unknown_costs_forbid_the_centre_only():
    costmap = grid(inscribed=(20, 30, 99), unknown=(5, 5, -1))
    assert free(costmap, (1.525, 1.025), (1.45, 1.025), (0.275, 0.275), (0.4, 0.275)) == [False, True, False, True]


def test_outside_the_grid_nothing_is_free():
    assert free(grid(), (-0.1, 1.0), (3.1, 1.0), (1.0, 2.1), (1.0, 1.0)) == [False, False, False, True]


def test_places_are_moved_to_the_frame_and_the_origin_of_the_grid():
    placed = Costmap(
        grid(obstacle=(20, 30, 100)).costs, 0.05, RigidTransform.about_z(math.pi / 2, (5.0, 5.0, 0.0)), "map"
    )
    obstacle = placed.placement.apply((1.525, 1.025, 0.0))
    assert free(placed, obstacle[:2], (obstacle[0] - 0.4, obstacle[1])) == [False, True]
    shift = RigidTransform.about_z(0.0, (10.0, 0.0, 0.0))
    assert free(placed, obstacle[:2] - (10.0, 0.0), to_frame=shift) == [False]


def test_a_long_robot_is_checked_with_its_heading():
    """The obstacle is 0.4 m ahead of (1.1, 1.0): inside the front of the robot, and outside where it stands across."""
    costmap, long = (
        grid(obstacle=(20, 30, 100)),
        footprint_of("[[0.5, 0.1], [0.5, -0.1], [-0.2, -0.1], [-0.2, 0.1]]", 0.2),
    )
    for yaw, expected in ((0.0, False), (math.pi / 2, True), (math.pi, True)):
        assert free(costmap, (1.1, 1.0), yaw=yaw, footprint=long) == [expected]
    turned = RigidTransform.about_z(math.pi / 2, (1.1, 1.0, 0.0))  # the frame of the poses turns with the robot
    for yaw, expected in ((-math.pi / 2, False), (0.0, True)):
        assert free(costmap, (0.0, 0.0), yaw=yaw, footprint=long, to_frame=turned) == [expected]
    placed = Costmap(costmap.costs, 0.05, turned, "map")
    obstacle = turned.apply((1.525, 1.025, 0.0))
    for yaw, expected in ((math.pi / 2, False), (0.0, True)):
        assert free(placed, obstacle[:2] - (0.0, 0.4), yaw=yaw, footprint=long) == [expected]
    thin = footprint_of("[[0.5, 0.001], [0.5, -0.001], [-0.2, -0.001], [-0.2, 0.001]]", 0.2)
    row = Costmap(np.where(np.arange(60) % 20 == 10, 100, 0)[None].repeat(40, axis=0), 0.05, IDENTITY, "map")
    assert free(row, (0.2, 1.0), footprint=thin) == [False]  # no cell is skipped, however thin the robot
