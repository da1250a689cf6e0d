# SPDX-License-Identifier: Apache-2.0
"""A drive to an object: candidates and poses are tried in turn until the robot stands in front of one of them."""

import math
import time
from dataclasses import dataclass, field

import numpy as np

from ..geometry.boxes import OrientedBox

# Outcomes of one attempt.
ARRIVED, BLOCKED, LATE, GONE, CANCELLED = "arrived", "blocked", "late", "gone", "cancelled"
MIN_SHARE = 0.5  # of the best score: worse candidates are not driven to
MAX_MISS = 0.5  # metres that the robot may be further from the object than planned
MAX_FACING_ERROR = math.radians(45.0)


@dataclass(frozen=True)
class Target:
    """An object to drive to. box: OrientedBox; poses: Approaches, the best first, in the frame of the box."""

    id: int
    label: str
    box: OrientedBox
    poses: tuple


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended: one of the outcomes, and why."""

    outcome: str
    reason: str = ""


class Driver:
    """What drives the robot. Methods block."""

    def drive(self, pose, seconds, on_remaining):
        """Drive to an Approach. Returns an Attempt.

        seconds: after which the attempt is LATE; on_remaining: called with the metres that remain
        """
        raise NotImplementedError

    def where(self):
        """(position [3], yaw) of the robot in the frame of the poses, None where it is not known."""
        raise NotImplementedError


@dataclass
class Trip:
    """A drive to the first of some targets that can be reached.

    seconds: for all attempts together
    max_attempts: poses that are tried
    on_attempt: called with (Target, Approach, number of the attempt, metres that remain or NaN)

    After `run`: `outcome`, `message`, and of the last attempt `target`, `pose`, `distance` in metres from the robot to
    the side of the box and `facing_error` in radians, NaN where the robot's pose is not known.
    """

    targets: tuple
    driver: Driver
    seconds: float
    max_attempts: int
    on_attempt: object
    outcome: str = BLOCKED
    message: str = ""
    target: Target | None = None
    pose: object = None
    distance: float = math.nan
    facing_error: float = math.nan
    attempts: int = 0
    reasons: list = field(default_factory=list)

    def run(self):
        """Drive. Returns itself."""
        end = time.monotonic() + self.seconds
        for target in self.targets:
            for pose in target.poses:
                if self.attempts == self.max_attempts:
                    return self._give_up(BLOCKED, f"after {self.attempts} attempts")
                attempt = self._try(target, pose, end - time.monotonic())
                if attempt.outcome == ARRIVED:
                    self.outcome = ARRIVED
                    self.message = f"in front of {target.label} {target.id}, {self.distance:.2f} m from it"
                    return self
                self.reasons.append(f"{target.label} {target.id}: {attempt.reason}")
                if attempt.outcome in (LATE, GONE, CANCELLED):
                    return self._give_up(attempt.outcome, attempt.reason)
        return self._give_up(BLOCKED, "all poses were tried" if self.attempts else "no pose could be tried")

    def _give_up(self, outcome, reason):
        self.outcome = outcome
        seen = "; ".join(dict.fromkeys(self.reasons)) if outcome == BLOCKED else ""
        self.message = f"{reason}: {seen}" if seen else reason
        return self

    def _try(self, target, pose, seconds):
        """The Attempt to reach one pose; arrival is checked with the robot's own pose."""
        if seconds <= 0:
            return Attempt(LATE, f"not reached within {self.seconds:g} s")
        self.attempts += 1
        self.target, self.pose = target, pose
        self.on_attempt(target, pose, self.attempts, math.nan)

        def on_remaining(metres):
            self.on_attempt(target, pose, self.attempts, metres)

        attempt = self.driver.drive(pose, seconds, on_remaining)
        if attempt.outcome != ARRIVED:
            return attempt
        return self._check_arrival(target, pose)

    def _check_arrival(self, target, pose):
        """ARRIVED if the robot stands about where it should and faces the object, otherwise BLOCKED."""
        if (where := self.driver.where()) is None:
            return Attempt(BLOCKED, "the arrival cannot be checked: the robot's pose is not known")
        position, yaw = where
        self.distance = side_distance(target.box, position)
        self.facing_error = facing_error(target.box, position, yaw)
        if self.distance > side_distance(target.box, pose.position) + MAX_MISS:
            return Attempt(BLOCKED, f"the robot stopped {self.distance:.2f} m from it")
        if self.facing_error > MAX_FACING_ERROR:
            return Attempt(
                BLOCKED, f"the robot is turned away from it by {math.degrees(self.facing_error):.0f} degrees"
            )
        return Attempt(ARRIVED)


def side_distance(box, position):
    """Metres in the ground plane from a place [3] to the side of an OrientedBox; 0 inside."""
    local = box.axes @ (np.asarray(position)[:2] - box.center[:2])
    return float(np.linalg.norm(np.maximum(np.abs(local) - np.asarray(box.size)[:2] / 2, 0.0)))


def facing_error(box, position, yaw):
    """Radians, 0 to pi, between a heading and the direction from a place [3] to the centre of an OrientedBox."""
    x, y = box.center[:2] - np.asarray(position)[:2]
    return abs(math.remainder(math.atan2(y, x) - yaw, 2 * math.pi))


def worth_driving(matches):
    """The matches of an Answer, best first, whose score is at least MIN_SHARE of the best."""
    return [match for match in matches if match.score >= MIN_SHARE * matches[0].score]
