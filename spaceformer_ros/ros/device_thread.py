# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the device: it loads the model, then processes the newest item; older items are dropped."""

import collections
import functools
import logging
import os
import sys
import threading
import time
from concurrent.futures import Future

from ..heap import trim_heap

logger = logging.getLogger(__name__)

NICENESS = 10  # added to the nice value of the process


def no_interval():
    """Minimum interval of 0 s between items."""
    return 0.0


class DeviceThread:
    """Runs `load()` and then `handle(item, urgent)` for the newest submitted item, all on one thread."""

    def __init__(self, load, handle, on_error, min_interval=no_interval):
        """Set up the thread without starting it.

        load: called once; if it raises, nothing is handled.
        handle: called with the newest item; its result becomes that of the item's Future.
        on_error: called on the thread with any exception of `load` or `handle`.
        min_interval: function that gives the minimum seconds between the starts of two items. While they last, a newer
            item may still replace the waiting one.
        """
        self._load = load
        self._handle = handle
        self._on_error = on_error
        self._min_interval = min_interval
        self._condition = threading.Condition()
        self._calls = collections.deque()  # (function, Future) that run between items
        self._item = None
        self._future = Future()  # of the item that is handled next
        self._urgent = False
        self._paused = True
        self._last_start = -float("inf")
        self.stopping = False
        self.dropped = 0  # items that a newer one replaced
        self.busy_since = None  # time.monotonic() of the start of the current item, None while idle
        self._thread = threading.Thread(target=self._run, name="spaceformer_device", daemon=True)

    def start(self):
        """Begin with `load`; items wait until `resume`."""
        self._thread.start()

    def submit(self, item, urgent=False):
        """Replace the waiting item by `item`. urgent: do not wait for the interval. Returns a Future of the result.

        An item that a newer one replaces shares the newer one's Future and, if it was urgent, makes it urgent.
        """
        with self._condition:
            if self._item is not None:
                self.dropped += 1
            self._item, self._urgent = item, self._urgent or urgent
            self._condition.notify_all()
            return self._future

    def call(self, function):
        """Run a function on the thread before the next item. Returns a Future of its result."""
        future = Future()
        with self._condition:
            self._calls.append((function, future))
            self._condition.notify_all()
        return future

    def resume(self):
        """Handle items from now on."""
        with self._condition:
            self._paused = False
            self._condition.notify_all()

    def pause(self, reason):
        """Finish the current item and start no other.

        A waiting item is kept, but its Future ends with the exception `reason`: a paused thread has no deadline.
        """
        with self._condition:
            self._paused = True
            refused = [self._future, *(future for _, future in self._calls)]
            self._future = Future()
            self._calls.clear()
        for future in refused:
            _settle(future, error=reason)

    def stop(self, timeout):
        """Ask the thread to end and wait for it. Returns whether it ended within `timeout` seconds."""
        with self._condition:
            self.stopping = True
            self._future.cancel()
            for _, future in self._calls:
                future.cancel()
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self):
        lower_priority()
        try:
            self._load()
        except Exception as error:  # report any failure; it must not take the process down
            self._report(error)
            return
        while (work := self._next()) is not None:
            run, future, on_error = work
            try:
                result = run()
            except Exception as error:  # report any failure; it must not end the thread
                on_error(error)
                _settle(future, error=error)
            else:
                _settle(future, result=result)
            del run, future, work
            trim_heap()
            self.busy_since = None

    def _report(self, error):
        if not self.stopping:  # errors during shutdown are expected
            self._on_error(error)

    def _next(self):
        """Wait for a call, or an item that may be handled: (function, Future, function for its error).

        None when the thread is to end.
        """
        with self._condition:
            while not self.stopping:
                if self._calls and not self._paused:
                    self.busy_since = time.monotonic()
                    return (*self._calls.popleft(), _ignore)
                wait = self._last_start + self._min_interval() - time.monotonic()
                if self._item is not None and not self._paused and (self._urgent or wait <= 0):
                    work = functools.partial(self._handle, self._item, self._urgent), self._future, self._report
                    self._item, self._future, self._urgent = None, Future(), False
                    self._last_start = self.busy_since = time.monotonic()
                    return work
                waiting = self._item is not None and not self._paused
                self._condition.wait(wait if waiting else None)
            return None


def _ignore(_error):
    """The caller gets the error of a call by its Future."""


def lower_priority():
    """Lower the priority below that of the threads that answer requests. On Linux the nice value applies to the
    calling thread and to the threads that it starts, such as torch's."""
    if sys.platform == "linux":
        os.nice(NICENESS)


def _settle(future, result=None, error=None):
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
