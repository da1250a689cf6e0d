# SPDX-License-Identifier: Apache-2.0
"""A stand-in of Nav2: its action server, which moves a robot at once or fails as told, and the tf2 buffer for it."""

import math
import threading
import time

from nav2_msgs.action import NavigateToPose
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup

from helpers.tf import stamped

MOVES, BLOCKS, WAITS, TURNS_AWAY, LATE = "moves", "blocks", "waits", "turns away", "accepts late"
LATE_SECONDS = 1.0


class StandIn:
    """Follows `plan`, one entry per goal, the last one for all further goals. `goals`: the poses that were asked for;
    `cancelled`: number of goals that were cancelled."""

    def __init__(self, node):
        self.plan, self.goals, self.cancelled = [MOVES], [], 0
        self._node = node
        self.place = 0.0, 0.0, 0.0  # x, y, yaw in the frame map
        self._server = ActionServer(
            node,
            NavigateToPose,
            "/navigate_to_pose",
            goal_callback=self._accept,
            execute_callback=self._execute,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def lookup_transform(self, target, source, _stamp, _timeout):
        """As a tf2 buffer that knows the robot."""
        if (target, source) != ("map", "base_link"):
            raise LookupError(f"{source} does not exist")
        x, y, yaw = self.place
        return stamped((0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)), (x, y, 0.0))

    async def _accept(self, _goal):
        if self.plan[0] == LATE:
            end = time.monotonic() + LATE_SECONDS
            while time.monotonic() < end:
                await self._pause()
        return GoalResponse.ACCEPT

    def die(self):
        """End, as a process that is killed: no further message. Destroying the node would leave the server."""
        if self._server is not None:
            self._server.destroy()
            self._server = None

    async def _execute(self, handle):
        pose = handle.request.pose.pose
        self.goals.append(handle.request.pose)
        step = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        handle.publish_feedback(NavigateToPose.Feedback(distance_remaining=1.5))
        if step in (WAITS, LATE):
            while not handle.is_cancel_requested:
                await self._pause()
            self.cancelled += 1
            handle.canceled()
            return NavigateToPose.Result()
        if step == BLOCKS:
            handle.abort()
            return NavigateToPose.Result(error_code=104, error_msg="no valid path")
        yaw = 2 * math.atan2(pose.orientation.z, pose.orientation.w)
        self.place = pose.position.x, pose.position.y, yaw + (math.pi if step == TURNS_AWAY else 0.0)
        handle.succeed()
        return NavigateToPose.Result()

    def _pause(self):
        from rclpy.task import Future

        future = Future(executor=self._node.executor)
        threading.Timer(0.02, self._wake, (future,)).start()
        return future

    def _wake(self, future):
        future.set_result(None)
        if self._node.executor is not None:
            self._node.executor.wake()
