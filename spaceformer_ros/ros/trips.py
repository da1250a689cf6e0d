# SPDX-License-Identifier: Apache-2.0
"""`~/go_to`: from a text or an id to a robot that stands in front of the object."""

import math
import threading

from .. import SpaceformerError
from ..navigate.trip import ARRIVED, BLOCKED, CANCELLED, GONE, LATE, Target, Trip, worth_driving
from ..scene.approach import NoApproach, find_approaches
from ..scene.find import ObjectQuery, summary
from . import interfaces
from .costmaps import CostmapInput
from .nav2 import ACTION, TF_SECONDS, Nav2Driver, navigate_to_pose
from .refusal import Refusal
from .spinning import on_executor

CODES = {
    ARRIVED: "OK",
    BLOCKED: "NOT_REACHED",
    LATE: "TIMEOUT",
    GONE: "NAVIGATION_UNAVAILABLE",
    CANCELLED: "CANCELLED",
}
DEFAULT_SECONDS = 300.0
MAX_SECONDS = 86400.0
DEFAULT_ATTEMPTS = 4
MAX_ATTEMPTS = 100
MAX_STANDOFF = 10.0  # metres, as of approach_standoff
CLOSE_SECONDS = 3.0  # that a trip may take to stop Nav2


class Trips:
    """The drives of one configured node, one at a time."""

    def __init__(self, node, settings, transforms):
        """node: for actions and topics; transforms: Transforms."""
        topic = settings.config.navigation.costmap_topic
        self._node, self._settings, self._transforms = node, settings, transforms
        self._costmap = CostmapInput(node, topic) if topic else None
        self._client = None
        self._running = threading.Lock()
        self._stopped = threading.Event()

    def client(self):
        """The ActionClient of Nav2, made when it is first needed. Raises Refusal without nav2_msgs."""
        from rclpy.action import ActionClient

        if self._client is None:
            self._client = ActionClient(self._node, navigate_to_pose(), ACTION)
        return self._client

    def drive(self, session, goal, is_cancelled, on_feedback):
        """Drive as a GoTo.Goal asks. Returns a GoTo.Result; on_feedback gets GoTo.Feedback. Runs on a pool thread.

        Raises Refusal, TransformError or SpaceformerError where there is nothing to drive to.
        """
        if not self._running.acquire(blocking=False):
            raise Refusal("INVALID_REQUEST", "the robot is driving for another goal: cancel that one first")
        try:
            scene, robot = session.perception.require_scene(), self._settings.config.navigation.robot_frame
            frame = scene.frame_id

            def stops():
                return self._stopped.is_set() or is_cancelled()

            driver = Nav2Driver(self._node, self.client(), self._transforms, frame, robot, stops)
            position = self._transforms.latest(frame, robot, TF_SECONDS).translation
            targets = self._targets(session, scene, goal, scene.cloud.placement.inverse.apply(position))
            trip = Trip(
                targets,
                driver,
                goal.timeout or DEFAULT_SECONDS,
                goal.max_attempts or DEFAULT_ATTEMPTS,
                lambda *attempt: on_feedback(to_feedback(driver, *attempt)),
            ).run()
            if trip.outcome == GONE:
                self._replace_client()
            return self._to_result(trip, driver)
        finally:
            self._running.release()

    def _replace_client(self):
        """Let the next goal make a client: now and then DDS never tells a client of its server. One that knows its
        server is kept, because a goal that is accepted late must still be cancelled."""
        if not self._client.server_is_ready():
            on_executor(self._node, self._client.destroy)
            self._client = None

    def _targets(self, session, scene, goal, robot):
        """Targets with poses in the scene's frame, best first. robot: [3] metres, in the cloud's local coordinates."""
        config, placement = self._settings.config.scene, scene.cloud.placement
        footprint = config.robot_footprint
        standoff, is_free = goal.standoff or config.approach_standoff, self._free_places(scene, footprint)
        targets, reasons = [], []
        for item in candidates(session, scene, goal):
            try:
                poses = find_approaches(
                    scene.cloud.xyz, item.box, standoff, footprint, robot, DEFAULT_ATTEMPTS, is_free
                )
            except NoApproach as error:
                reasons.append(f"{item.label} {item.id}: {error}")
                continue
            poses = tuple(pose.moved(placement) for pose in poses)
            targets.append(Target(item.id, item.label, scene.box_in_frame(item), poses))
        if not targets:
            raise Refusal("NOT_REACHED", f"there is no place to stand in front of it: {'; '.join(reasons)}")
        return tuple(targets)

    def _free_places(self, scene, footprint):
        """A test of places and headings in the scene's local coordinates with the costmap; None without one."""
        if self._costmap is None:
            return None
        costmap = self._costmap.latest()
        timeout = self._settings.config.output.tf_timeout
        to_costmap = self._transforms.latest(costmap.frame_id, scene.frame_id, timeout).after(scene.cloud.placement)
        return lambda places, yaws: costmap.is_free(places, yaws, footprint, to_costmap)

    def _to_result(self, trip, driver):
        target, where = trip.target, driver.where()
        result = interfaces.GoTo.Result(
            code=getattr(interfaces.ResultCode, CODES[trip.outcome]),
            message=trip.message,
            distance=trip.distance,
            facing_error=trip.facing_error,
            checked_with="map" if self._costmap is None else "costmap",
            attempts=trip.attempts,
        )
        if target is not None:
            result.object_id, result.label, result.pose = target.id, target.label, driver.goal_pose(trip.pose)
        if where is not None:
            result.pose = driver.stamped(*where)
        return result

    def close(self):
        """Stop a running trip, and Nav2 with it. Returns whether it has stopped."""
        self._stopped.set()
        ended = self._running.acquire(timeout=CLOSE_SECONDS)
        if ended:
            self._running.release()
        if self._costmap is not None:
            self._costmap.destroy()
        if self._client is not None and ended:
            self._client.destroy()
        return ended


def candidates(session, scene, goal):
    """The SceneObjects that a GoTo.Goal means, best first. Raises Refusal if there is none."""
    if goal.object_id:
        item = scene.find_id(goal.object_id)
        if item is None:
            text = f"no object with id {goal.object_id} in map revision {scene.map_revision}"
            raise Refusal("NOT_FOUND", text)
        return [item]
    config = session.settings.config.scene
    query = ObjectQuery(
        goal.text,
        max_results=config.max_results,
        min_score=config.min_match_score,
        min_confidence=config.min_match_confidence,
    )
    answer = session.perception.require_pipeline().find(query, scene)
    if not answer.matches:
        raise Refusal("NOT_FOUND", summary([answer]))
    return [match.object for match in worth_driving(answer.matches)]


def check_goal(goal):
    """Raise SpaceformerError for a GoTo.Goal with values out of range."""
    limits = {"standoff": MAX_STANDOFF, "timeout": MAX_SECONDS, "max_attempts": MAX_ATTEMPTS}
    for name, high in limits.items():
        value = getattr(goal, name)
        if not (math.isfinite(value) and 0 <= value <= high):
            raise SpaceformerError(f"{name} is {value}, expected 0 to {high:g}")
    if not goal.text and not goal.object_id:
        raise SpaceformerError("the goal has neither text nor object_id")


def to_feedback(driver, target, pose, number, remaining):
    """GoTo.Feedback about an attempt."""
    left = "" if math.isnan(remaining) else f", {remaining:.1f} m left"
    return interfaces.GoTo.Feedback(
        text=f"attempt {number}: driving to {target.label} {target.id}{left}",
        object_id=target.id,
        attempt=number,
        goal=driver.goal_pose(pose),
        distance_remaining=remaining,
    )
