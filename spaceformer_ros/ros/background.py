# SPDX-License-Identifier: Apache-2.0
"""Slow work beside the executor: service callbacks await it, so the executor is never blocked."""

import threading
from concurrent.futures import ThreadPoolExecutor

from rclpy.task import Future


class Background:
    """A small thread pool whose results can be awaited in rclpy coroutines.

    Callbacks that await must live in a ReentrantCallbackGroup: a waiting coroutine keeps its group busy.
    """

    def __init__(self, node, threads=4):
        self._node = node
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="spaceformer_request")

    def run(self, function, *arguments):
        """Awaitable result of function(*arguments) on a pool thread; exceptions come out of the await."""
        return self.wrap(self._pool.submit(function, *arguments))

    def submit(self, function, *arguments):
        """Run a function on a pool thread; its exceptions are logged."""
        self._pool.submit(function, *arguments).add_done_callback(self._log_failure)

    def wrap(self, work, timeout=None):
        """Awaitable result of a concurrent.futures.Future; TimeoutError after `timeout` seconds (None: no limit)."""
        awaited = Future(executor=self._node.executor)

        def settle(_=None):
            if awaited.done():
                return
            if not work.done():
                awaited.set_exception(TimeoutError())
            elif work.cancelled():
                awaited.set_exception(RuntimeError("the node is shutting down"))
            elif work.exception() is not None:
                awaited.set_exception(work.exception())
            else:
                awaited.set_result(work.result())
            if self._node.executor is not None:
                self._node.executor.wake()  # rclpy polls waiting coroutines only when something wakes it

        work.add_done_callback(settle)
        if timeout is not None and not work.done():
            timer = threading.Timer(timeout, settle)
            timer.daemon = True
            timer.start()
            work.add_done_callback(lambda _: timer.cancel())
        return awaited

    def _log_failure(self, work):
        if not work.cancelled() and work.exception() is not None:
            self._node.get_logger().error(f"{type(work.exception()).__name__}: {work.exception()}")

    def close(self):
        """Take no more work and drop what has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)
