# SPDX-License-Identifier: Apache-2.0
"""The actions of the node. Like the services they exist in all lifecycle states and refuse what is not allowed."""

import functools
import math

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup

from .. import Cancelled, SpaceformerError
from . import interfaces
from .commands import MAX_TIMEOUT
from .limits import MAX_MESSAGE_LENGTH
from .refusal import Refusal
from .text import printable
from .trips import check_goal

ResultCode = interfaces.ResultCode


class Actions:
    """The servers of `~/go_to` and `~/segment`."""

    def __init__(self, node, services):
        """node: LifecycleNode; services: Services, which know the session and the codes of errors."""
        self._services = services
        table = {"go_to": (interfaces.GoTo, self._go_to), "segment": (interfaces.Segment, self._segment)}
        group = ReentrantCallbackGroup()
        self.servers = [
            ActionServer(
                node,
                kind,
                f"~/{name}",
                execute_callback=functools.partial(self._execute, kind, handler),
                cancel_callback=lambda _: CancelResponse.ACCEPT,
                callback_group=group,
            )
            for name, (kind, handler) in table.items()
        ]

    async def _execute(self, kind, handler, handle):
        """Run a handler and end the goal: succeeded with code OK, cancelled, or aborted with the reason."""
        try:
            result = await handler(self._services.require_session(), handle)
        except Exception as error:  # every goal gets a result
            code, text = self._services.code_of(error)
            result = kind.Result(code=code, message=text)
        result.message = printable(result.message, MAX_MESSAGE_LENGTH)
        if result.code == ResultCode.OK:
            handle.succeed()
        elif handle.is_cancel_requested:
            result.code = ResultCode.CANCELLED
            handle.canceled()
        else:
            handle.abort()
        return result

    async def _go_to(self, session, handle):
        """Drive to an object."""
        session.require_active()
        goal = handle.request
        check_goal(goal)

        def is_cancelled():
            return handle.is_cancel_requested or not session.state.active

        arguments = session, goal, is_cancelled, handle.publish_feedback
        return await session.background.run(session.trips.drive, *arguments, lane="trips")

    async def _segment(self, session, handle):
        """Run the network on the newest cloud, with progress."""
        session.require_active()
        pipeline, timeout = session.perception.require_pipeline(), handle.request.timeout
        if not (math.isfinite(timeout) and 0 <= timeout <= MAX_TIMEOUT):
            raise SpaceformerError(f"timeout is {timeout}, expected 0 to {MAX_TIMEOUT:g} s")

        def watch(text, tile, tiles):
            if handle.is_cancel_requested:
                raise Cancelled("the goal was cancelled")
            handle.publish_feedback(interfaces.Segment.Feedback(text=text, tile=tile, tiles=tiles))

        session.perception.watchers.add(watch)
        try:
            work = session.perception.segment_latest()
            scene = await session.background.wrap(work, timeout or None)
        except TimeoutError:
            raise Refusal("TIMEOUT", f"still running after {timeout:g} s; the result will be published") from None
        except SpaceformerError as error:
            raise Refusal("INTERNAL_ERROR", str(error)) from error
        finally:
            session.perception.watchers.discard(watch)
        shown = len(scene.published(session.settings.config.postprocess))
        message = f"{shown} instances, map revision {pipeline.scene.map_revision}"
        return interfaces.Segment.Result(message=message, map_revision=scene.map_revision, num_instances=shown)
