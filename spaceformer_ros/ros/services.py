# SPDX-License-Identifier: Apache-2.0
"""The services of the node. They exist in all lifecycle states; requests that a state does not allow are refused."""

import functools
import time

from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import SetBool, Trigger

from .. import CodedError, SpaceformerError
from . import commands, graph_queries, interfaces, qos, queries, view_queries
from .limits import MAX_MESSAGE_LENGTH
from .rate_limit import RateLimit
from .refusal import Refusal
from .text import describe_error, printable
from .transforms import TransformError

ResultCode = interfaces.ResultCode
# Service name -> (type, handler). A handler is `async handler(session, request, response)` and fills the response.
WITH_CODE = {
    "find_objects": (interfaces.FindObjects, queries.find_objects),
    "show_relevancy": (interfaces.ShowRelevancy, queries.show_relevancy),
    "get_instances": (interfaces.GetInstances, queries.get_instances),
    "get_instance_cloud": (interfaces.GetInstanceCloud, queries.get_instance_cloud),
    "get_scene_graph": (interfaces.GetSceneGraph, graph_queries.get_scene_graph),
    "locate": (interfaces.Locate, graph_queries.locate),
    "edit_object": (interfaces.EditObject, graph_queries.edit_object),
    "render_view": (interfaces.RenderView, view_queries.render_view),
    "embed_text": (interfaces.EmbedText, queries.embed_text),
    "segment_now": (interfaces.SegmentNow, commands.segment_now),
    "save": (interfaces.SaveScene, commands.save),
    "load": (interfaces.LoadScene, commands.load),
    "set_vocabulary": (interfaces.SetVocabulary, commands.set_vocabulary),
}
# The same for the types of std_srvs, which have `success` instead of a code.
WITHOUT_CODE = {
    "clear": (Trigger, commands.clear),
    "set_enabled": (SetBool, commands.set_enabled),
}


class Services:
    """Hands requests to the handlers and turns refusals and errors into replies."""

    def __init__(self, node):
        """node: has `session`, the current Session or None, and `settings`."""
        self._node = node
        self._limit = RateLimit()
        group = ReentrantCallbackGroup()
        for table, reply in ((WITH_CODE, self._reply_with_code), (WITHOUT_CODE, self._reply_with_success)):
            for name, (kind, handler) in table.items():
                callback = functools.partial(reply, handler)
                node.create_service(kind, f"~/{name}", callback, qos_profile=qos.SERVICE, callback_group=group)

    async def _reply_with_code(self, handler, request, response):
        response.code, text = await self._handle(handler, request, response)
        response.message = printable(text or response.message, MAX_MESSAGE_LENGTH)
        return response

    async def _reply_with_success(self, handler, request, response):
        code, text = await self._handle(handler, request, response)
        response.success = code == ResultCode.OK
        response.message = printable(text or response.message, MAX_MESSAGE_LENGTH)
        return response

    async def _handle(self, handler, request, response):
        """Run a handler. Returns a constant of ResultCode and the error message, or ""."""
        try:
            await handler(self.require_session(), request, response)
        except Exception as error:  # every request gets a reply
            return self.code_of(error)
        return ResultCode.OK, ""

    def code_of(self, error):
        """A constant of ResultCode and a message for the exception that ended a request."""
        if isinstance(error, Refusal):
            return getattr(ResultCode, error.code), str(error)
        if isinstance(error, TransformError):
            self._count_transform_error()
            return ResultCode.TF_FAILED, str(error)
        if isinstance(error, CodedError):
            return getattr(ResultCode, error.code), str(error)
        if isinstance(error, SpaceformerError):
            return ResultCode.INVALID_REQUEST, str(error)
        text = describe_error(error)
        self._node.get_logger().error(f"a request failed: {text}")
        return ResultCode.INTERNAL_ERROR, f"internal error, see the node's log: {text}"

    def require_session(self):
        """The current Session. Raises Refusal without one, or above the rate limit."""
        rate = self._node.settings.config.node.max_queries_per_second
        if not self._limit.admits(rate, time.monotonic()):
            text = f"more than {rate:g} requests per second: send fewer, or raise max_queries_per_second"
            raise Refusal("RATE_LIMITED", text)
        if self._node.session is None:
            raise Refusal("NOT_ACTIVE", "the node is not configured: `ros2 lifecycle set <node> configure`")
        return self._node.session

    def _count_transform_error(self):
        if self._node.session is not None:
            self._node.session.counters.tf_errors += 1
