# SPDX-License-Identifier: Apache-2.0
"""Calls of the services and actions of another node, which wait for the answer."""

import threading
import time

from rclpy.action import ActionClient

from .. import CodedError
from . import qos
from .interfaces import ResultCode

SERVER_SECONDS = 5.0  # that a server may take to appear
SETTLE_SECONDS = 0.5  # for a server to discover a new client: Fast DDS drops responses to clients that it does not know
ANSWER_SECONDS = 40.0  # that an answer may take: embedding new labels takes up to 30 s
CODES = {value: name for name, value in vars(ResultCode).items() if isinstance(value, int)}


class Calls:
    """The clients of one server node. Methods block: another thread must spin the own node. All raise CodedError."""

    def __init__(self, node, server):
        """node: rclpy Node that calls; server: full name of the node that answers."""
        self._node, self._server = node, server
        self._connecting = threading.Lock()
        self._clients = {}  # name of a service or action -> its client

    def call(self, kind, name, **fields):
        """The reply of a service, whatever its code."""
        client = self.client(kind, name)
        future = client.call_async(kind.Request(**fields))
        try:
            return self.result(future, name)
        finally:
            client.remove_pending_request(future)

    def client(self, kind, name):
        """The client of a service or an action, made when it is first needed. Its server is there."""
        is_action = hasattr(kind, "Goal")
        with self._connecting:
            is_new = name not in self._clients
            if is_new:
                self._clients[name] = self._make(kind, f"{self._server}/{name}", is_action)
            client = self._clients[name]
        if not (client.wait_for_server if is_action else client.wait_for_service)(SERVER_SECONDS):
            what = "action" if is_action else "service"
            raise CodedError("NOT_ACTIVE", f"there is no {what} {self._server}/{name}: is the node running?")
        if is_new:
            time.sleep(SETTLE_SECONDS)
        return client

    def _make(self, kind, topic, is_action):
        if is_action:
            return ActionClient(self._node, kind, topic)
        return self._node.create_client(kind, topic, qos_profile=qos.SERVICE)

    def result(self, future, name):
        """The result of a Future of the service or action `name`."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(ANSWER_SECONDS):
            raise CodedError("TIMEOUT", f"{self._server}/{name} did not answer within {ANSWER_SECONDS:g} s")
        return future.result()


def checked(reply):
    """The reply of a service, or the result of an action. Raises CodedError with its message unless its code is OK."""
    if reply.code != ResultCode.OK:
        raise CodedError(CODES[reply.code], reply.message)
    return reply
