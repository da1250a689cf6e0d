# SPDX-License-Identifier: Apache-2.0
"""Runs callbacks on a thread that can be ended without errors."""

import contextlib
import threading

from rclpy.executors import ExternalShutdownException


class SpinThread:
    """Spins an executor on a thread of its own until `end`, or until ROS is shut down."""

    def __init__(self, executor):
        """executor: rclpy SingleThreadedExecutor."""
        self._executor, self._ended = executor, threading.Event()
        self._thread = threading.Thread(target=self._spin, name="spaceformer_spin", daemon=True)
        self._thread.start()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            while self._executor.context.ok() and not self._ended.is_set():
                self._executor.spin_once()

    def end(self, seconds):
        """Stop spinning, then shut the executor down. Returns whether the thread has ended within some seconds.

        In this order: rclpy's `shutdown` destroys the executor's guard conditions without waiting for a thread that
        spins, which then fails with InvalidHandle or AttributeError.
        """
        self._ended.set()
        self._executor.create_task(_nothing)  # only work, not `wake`, ends spin_once
        self._thread.join(seconds)
        self._executor.shutdown(timeout_sec=0.0)
        return not self._thread.is_alive()


def _nothing():
    pass


def on_executor(node, function):
    """Call a function without arguments between two waits of the executor that spins a node, soon.

    Entities of a node that is being spun must be destroyed this way: rclpy adds waitables to the set that it waits for
    even if they were destroyed a moment before, and the thread that spins fails with InvalidHandle or RCLError.
    """
    executor = node.executor
    if executor is None:
        function()
    else:
        executor.create_task(function)
