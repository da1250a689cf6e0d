# SPDX-License-Identifier: Apache-2.0
"""Thread pools for slow work: service callbacks await its results, so the executor is never blocked."""

import functools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor, wait

from rclpy.task import Future

from .refusal import Refusal
from .text import describe_error

logger = logging.getLogger(__name__)

CLEANED_UP = "the node was cleaned up before the request was done"

# Threads per lane. Lanes keep cheap requests from waiting behind expensive ones.
LANES = {
    "queries": 4,  # short answers from the scene
    "long_queries": 2,  # answers to many or long texts, and with approach poses
    "drawing": 1,  # views of the map and its relevancy
    "transforms": 4,  # waiting for TF
    "texts": 1,  # embedding many texts, in batches
    "settings": 3,  # changes of vocabulary and parameters; two may wait for the text model or a file
    "graph": 1,  # the scene graph that is published
    "files": 2,  # saving and loading
    "detections": 1,  # names from images
    "views": 1,  # pictures on live images, and of objects
    "presence": 1,  # objects that depth images see through
    "trips": 2,  # driving to an object; the second one tells further goals that the robot is driving
}


class Background:
    """Small thread pools whose results can be awaited in rclpy coroutines.

    Callbacks that await must be in a ReentrantCallbackGroup, because a waiting coroutine keeps its group busy.
    """

    def __init__(self, node):
        self._node = node
        self._pools = {lane: ThreadPoolExecutor(count, f"spaceformer_{lane}") for lane, count in LANES.items()}
        self._lock = threading.Lock()
        self._awaited = set()  # rclpy Futures whose coroutines wait
        self._works = set()  # concurrent Futures, queued or running
        self._closed = False

    def run(self, function, *arguments, lane="queries", timeout=None):
        """Awaitable result of function(*arguments) on a pool thread; exceptions are raised by the await. timeout: see
        `wrap`."""
        return self.wrap(self._submit(lane, function, *arguments), timeout)

    def submit(self, function, *arguments, lane):
        """Run a function on a pool thread; its exceptions are logged."""
        self._submit(lane, function, *arguments).add_done_callback(self._log_failure)

    def wrap(self, work, timeout=None):
        """Awaitable result of a concurrent.futures.Future; TimeoutError after `timeout` seconds (None: no limit)."""
        awaited = Future(executor=self._node.executor)
        with self._lock:
            self._awaited.add(awaited)
        # No callback refers to its own work: a cycle would keep a large result until the next garbage collection.
        work.add_done_callback(functools.partial(self._settle, awaited))
        if timeout is not None and not work.done():
            timer = threading.Timer(timeout, self._finish, (awaited,), {"error": TimeoutError()})
            timer.daemon = True
            timer.start()
            work.add_done_callback(lambda _: timer.cancel())
        if self._closed and not work.done():
            self._finish(awaited, error=Refusal("NOT_ACTIVE", CLEANED_UP))
        return awaited

    def close(self):
        """Cancel queued work, and let all waiting coroutines refuse their requests; see also `join`."""
        self._closed = True
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            waiting = list(self._awaited)
        for awaited in waiting:
            self._finish(awaited, error=Refusal("NOT_ACTIVE", CLEANED_UP))

    def join(self, timeout):
        """Whether all work that was submitted has ended within `timeout` seconds."""
        return not wait(list(self._works), timeout).not_done

    def _submit(self, lane, function, *arguments):
        if self._closed:
            raise Refusal("NOT_ACTIVE", CLEANED_UP)
        work = self._pools[lane].submit(function, *arguments)
        self._works.add(work)
        work.add_done_callback(self._works.discard)
        return work

    def _settle(self, awaited, work):
        """Pass the result or exception of `work`, which is done, to the coroutine that awaits it."""
        if work.cancelled():
            self._finish(awaited, error=Refusal("NOT_ACTIVE", CLEANED_UP))
        elif work.exception() is not None:
            self._finish(awaited, error=work.exception())
        else:
            self._finish(awaited, result=work.result())

    def _finish(self, awaited, result=None, error=None):
        with self._lock:
            if awaited not in self._awaited:
                return
            self._awaited.remove(awaited)
        if error is None:
            awaited.set_result(result)
        else:
            awaited.set_exception(error)
        if self._node.executor is not None:
            self._node.executor.wake()  # rclpy polls waiting coroutines only when something wakes it

    def _log_failure(self, work):
        error = None if work.cancelled() else work.exception()
        if error is not None and self._node.context.ok():  # otherwise a signal has shut ROS down
            logger.error("%s", describe_error(error))
