# SPDX-License-Identifier: Apache-2.0
"""Drives the robot with Nav2's action NavigateToPose; nav2_msgs is optional."""

import time

from action_msgs.msg import GoalStatus
from geometry_msgs.msg import PoseStamped

from ..geometry.transform import IDENTITY
from ..navigate.trip import ARRIVED, BLOCKED, CANCELLED, GONE, LATE, Attempt, Driver
from .messages import to_pose
from .refusal import Refusal
from .text import printable
from .transforms import TransformError

ACTION = "navigate_to_pose"  # as Nav2 names it; remap it where a namespace is in front
SERVER_SECONDS = 3.0  # that Nav2 may take to answer or, having gone, to come back
ACCEPT_SECONDS = 10.0  # that Nav2 may take to accept or refuse a goal
POLL = 0.05  # seconds
CANCEL_SECONDS = 2.0  # that Nav2 may take to stop
TF_SECONDS = 1.0


def navigate_to_pose():
    """The type of Nav2's action. Raises Refusal if nav2_msgs is not installed."""
    try:
        from nav2_msgs.action import NavigateToPose
    except ImportError as error:
        text = f"nav2_msgs is not installed ({error}): sudo apt install ros-$ROS_DISTRO-nav2-msgs, and start Nav2"
        raise Refusal("NAVIGATION_UNAVAILABLE", text) from error
    return NavigateToPose


class Nav2Driver(Driver):
    """Drives with Nav2 in the frame of one scene. For a pool thread: the executor must go on meanwhile."""

    def __init__(self, node, client, transforms, frame_id, robot_frame, is_cancelled):
        """client: ActionClient of NavigateToPose; frame_id: of the poses; is_cancelled: function without arguments."""
        self._node = node
        self._client = client
        self._transforms = transforms
        self._frame_id = frame_id
        self._robot_frame = robot_frame
        self._is_cancelled = is_cancelled

    def goal_pose(self, pose):
        """An Approach as PoseStamped, with the time of the node's clock."""
        return self.stamped(pose.position, pose.yaw)

    def stamped(self, position, yaw):
        """A place [3] with a heading as PoseStamped, with the time of the node's clock."""
        message = PoseStamped(pose=to_pose(position, yaw, IDENTITY))
        message.header.frame_id, message.header.stamp = self._frame_id, self._node.get_clock().now().to_msg()
        return message

    def where(self):
        """The robot's pose from TF."""
        try:
            found = self._transforms.latest(self._frame_id, self._robot_frame, TF_SECONDS)
        except TransformError:
            return None
        return found.translation, found.yaw

    def drive(self, pose, seconds, on_remaining):
        """Send one goal and follow it; the goal is cancelled where it is not followed to its end."""
        end = time.monotonic() + seconds
        if not self._client.wait_for_server(min(SERVER_SECONDS, seconds)):
            return self._no_answer()

        def on_feedback(message):
            on_remaining(float(message.feedback.distance_remaining))

        goal = navigate_to_pose().Goal(pose=self.goal_pose(pose))
        sent = self._client.send_goal_async(goal, feedback_callback=on_feedback)
        if failed := self._wait(sent, min(end, time.monotonic() + ACCEPT_SECONDS)):
            sent.add_done_callback(_cancel_late)
            return self._no_answer() if failed.outcome == LATE else failed
        handle = sent.result()
        if not handle.accepted:
            return Attempt(BLOCKED, "Nav2 refused the goal")
        result = handle.get_result_async()
        if failed := self._wait(result, end):
            self._stop(handle, result)
            return failed
        return _attempt_of(result.result())

    def _no_answer(self):
        return Attempt(GONE, f"no Nav2 answers on {self._node.resolve_topic_name(ACTION)}: is it running?")

    def _wait(self, future, end):
        """None when a Future is done; an Attempt if the trip is cancelled, Nav2 is gone, or it is late."""
        last_seen = time.monotonic()
        while not future.done():
            now = time.monotonic()
            if self._client.server_is_ready():
                last_seen = now
            if self._is_cancelled():
                return Attempt(CANCELLED, "cancelled")
            if now > end:
                return Attempt(LATE, "the time for the trip is over")
            if now > last_seen + SERVER_SECONDS:
                return Attempt(GONE, "Nav2 has ended")
            time.sleep(POLL)
        return None

    def _stop(self, handle, result):
        """Cancel a goal and give Nav2 some time to stop."""
        handle.cancel_goal_async()
        end = time.monotonic() + CANCEL_SECONDS
        while not result.done() and time.monotonic() < end and self._client.server_is_ready():
            time.sleep(POLL)


def _cancel_late(sent):
    """Cancel a goal that is accepted after nobody waits for it any more."""
    if sent.result() is not None and sent.result().accepted:
        sent.result().cancel_goal_async()


def _attempt_of(reply):
    """The Attempt of Nav2's result."""
    if reply.status == GoalStatus.STATUS_SUCCEEDED:
        return Attempt(ARRIVED)
    if reply.status == GoalStatus.STATUS_CANCELED:
        return Attempt(BLOCKED, "another client cancelled Nav2's goal")
    text, code = getattr(reply.result, "error_msg", ""), getattr(reply.result, "error_code", 0)  # not on Humble
    return Attempt(BLOCKED, printable(f"Nav2 gave up ({text or f'error code {code}'})"))
