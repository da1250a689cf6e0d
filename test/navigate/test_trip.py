# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.navigate.trip import (
    ARRIVED,
    BLOCKED,
    CANCELLED,
    GONE,
    LATE,
    Attempt,
    Driver,
    Target,
    Trip,
    facing_error,
    side_distance,
)
from spaceformer_ros.scene.approach import Approach

BOX = OrientedBox(np.array([3.0, 0.0, 0.5]), np.array([2.0, 1.0, 1.0]), 0.0)
FRONT, BACK = Approach(np.array([1.4, 0.0, 0.0]), 0.0), Approach(np.array([4.6, 0.0, 0.0]), math.pi)

SOFA = Target(7, "sofa", BOX, (FRONT, BACK))


class Scripted(Driver):
    """Ends the attempts as told; a robot that arrives is where it was sent, unless `place` says otherwise."""

    def __init__(self, *outcomes, place=None):
        self.outcomes, self.place, self.sent = list(outcomes), place, []

    def drive(self, pose, seconds, on_remaining):
        self.sent.append(pose)
        on_remaining(2.5)
        return Attempt(self.outcomes.pop(0), "a chair is in the way")

    def where(self):
        return self.place or (self.sent[-1].position, self.sent[-1].yaw)


def drive(driver, targets=(SOFA,), seconds=60.0, max_attempts=4):
    seen = []
    trip = Trip(targets, driver, seconds, max_attempts, lambda *attempt: seen.append(attempt)).run()
    return trip, seen


def test_the_robot_arrives_in_front_of_the_object():
    trip, seen = drive(Scripted(ARRIVED))
    assert (trip.outcome, trip.target.id, trip.attempts) == (ARRIVED, 7, 1)
    assert (trip.distance, trip.facing_error) == (pytest.approx(0.6), 0.0)
    assert trip.message == "in front of sofa 7, 0.60 m from it"
    assert [row[2] for row in seen] == [1, 1]
    assert math.isnan(seen[0][3])
    assert seen[1][3] == 2.5


def test_a_blocked_pose_is_followed_by_the_next_and_by_the_next_object():
    targets = (SOFA, Target(9, "bench", BOX, (BACK,)))
    driver = Scripted(BLOCKED, BLOCKED, ARRIVED)
    trip, _ = drive(driver, targets)
    assert (trip.outcome, trip.target.label, driver.sent) == (ARRIVED, "bench", [FRONT, BACK, BACK])
    trip, _ = drive(Scripted(BLOCKED, BLOCKED, BLOCKED), targets)
    assert (trip.outcome, trip.attempts) == (BLOCKED, 3)
    assert trip.message == ("all poses were tried: sofa 7: a chair is in the way; bench 9: a chair is in the way")
    trip, _ = drive(Scripted(BLOCKED, BLOCKED), targets, max_attempts=2)
    assert trip.message.startswith("after 2 attempts: sofa 7")


@pytest.mark.parametrize("outcome", [LATE, GONE, CANCELLED])
def test_nothing_more_is_tried_when_time_or_nav2_or_the_goal_has_ended(outcome):
    driver = Scripted(outcome)
    trip, _ = drive(driver)
    assert (trip.outcome, trip.message, len(driver.sent)) == (outcome, "a chair is in the way", 1)


def test_the_time_is_for_all_attempts_together():
    trip, _ = drive(Scripted(), seconds=0.0)
    assert (trip.outcome, trip.attempts) == (LATE, 0)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ((np.array([0.5, 0.0, 0.0]), 0.0), "stopped 1.50 m from it"),
        ((np.array([1.4, 0.0, 0.0]), math.pi / 2), "turned away from it by 90 degrees"),
    ],
)
def test_an_arrival_elsewhere_is_not_believed(place, reason):
    trip, _ = drive(Scripted(ARRIVED, ARRIVED, place=place))
    assert (trip.outcome, trip.attempts) == (BLOCKED, 2)
    assert reason in trip.message


def test_an_unknown_pose_is_no_arrival():
    driver = Scripted(ARRIVED, ARRIVED)
    driver.where = lambda: None
    assert "cannot be checked" in drive(driver)[0].message


def test_distance_and_direction_are_measured_to_the_turned_box():
    turned = OrientedBox(np.array([0.0, 0.0, 0.5]), np.array([2.0, 1.0, 1.0]), math.pi / 2)
    assert side_distance(turned, (0.0, 2.0, 0.0)) == pytest.approx(1.0)
    assert side_distance(turned, (0.2, 0.3, 0.0)) == 0.0
    assert facing_error(turned, (0.0, 2.0, 0.0), -math.pi / 2) == pytest.approx(0.0)
    assert facing_error(turned, (-1.0, 0.0, 0.0), math.pi) == pytest.approx(math.pi)
