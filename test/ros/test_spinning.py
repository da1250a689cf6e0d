# SPDX-License-Identifier: Apache-2.0
"""Ending a thread that spins, and destroying what it waits for, at the moment when rclpy prepares to wait."""

import threading
from types import SimpleNamespace

import pytest
import rclpy
from helpers.ros import PATIENCE, wait_until
from rclpy.executors import SingleThreadedExecutor

from spaceformer_ros.config import Config
from spaceformer_ros.ros.spinning import SpinThread
from spaceformer_ros.ros.trips import Trips

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture
def spun(spinner):
    """(node, executor) of a spinner."""
    own = spinner()
    return own.add(rclpy.create_node("spun", context=own.context)), own


class Hold:
    """Stops the thread that spins while it collects what to wait for, at one entity or at the first, until `going`."""

    def __init__(self, executor, entity=None):
        self.inside, self.going, self._can_execute = threading.Event(), threading.Event(), executor.can_execute
        self._entity = entity
        executor.can_execute = self._wait
        executor.wake()
        assert self.inside.wait(PATIENCE)

    def _wait(self, entity):
        if self._entity in (None, entity):
            self.inside.set()
            assert self.going.wait(PATIENCE)
        return self._can_execute(entity)


def test_a_thread_that_prepares_to_wait_ends_without_an_error(spun):
    node, own = spun
    executor = SingleThreadedExecutor(context=own.context)
    own.executor.remove_node(node)
    executor.add_node(node)
    thread = SpinThread(executor)
    hold, ended = Hold(executor), []
    closing = threading.Thread(target=lambda: ended.append(thread.end(PATIENCE)))
    closing.start()
    closing.join(0.1)
    assert not ended
    hold.going.set()
    closing.join(PATIENCE)
    assert ended == [True]


def test_the_client_of_a_nav2_that_has_gone_is_destroyed_between_two_waits(spun):
    pytest.importorskip("nav2_msgs", reason="nav2_msgs is built by `make test`, or comes with Nav2")
    node, own = spun
    trips = Trips(node, SimpleNamespace(config=Config()), None)
    client = trips.client()
    wait_until(lambda: client in list(node.waitables))
    hold = Hold(own.executor, client)
    trips._replace_client()
    hold.going.set()
    wait_until(lambda: client not in list(node.waitables), "the client to be destroyed")
    done = threading.Event()
    own.executor.create_task(done.set)
    assert done.wait(PATIENCE)  # the thread still spins
    assert trips.client() is not client
