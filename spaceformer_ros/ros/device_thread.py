"""One thread that owns the device: it loads once, then handles the newest item. Older ones are dropped."""

import contextlib
import ctypes
import logging
import os
import sys
import threading
import time
from concurrent.futures import Future

logger = logging.getLogger(__name__)

NICENESS = 10  # of the thread above the process's own


class Worker:
    """Runs `load()` and then `handle(item, urgent)` for the newest submitted item, all on its own thread.

    on_error(error): called on the thread for any exception of `load` or `handle`; after a failed `load` nothing is
    handled. min_interval(): least seconds between the starts of two items; while it lasts, a newer item may still
    take the place of the waiting one.
    """

    def __init__(self, load, handle, on_error, min_interval=lambda: 0.0):
        self._load, self._handle, self._on_error, self._min_interval = load, handle, on_error, min_interval
        self._condition = threading.Condition()
        self._item, self._future, self._urgent = None, Future(), False  # the future: of what is handled next
        self._paused, self.stopping = True, False
        self._last_start = -float("inf")
        self.dropped = 0  # items that a newer one replaced
        self.busy_since = None  # time.monotonic() of the start of the item in hand, None while idle
        self._thread = threading.Thread(target=self._run, name="spaceformer_worker", daemon=True)

    def start(self):
        """Begin with `load`; items wait until `resume`."""
        self._thread.start()

    def submit(self, item, urgent=False):
        """Make `item` the next to be handled. urgent: do not wait for the interval. Returns a Future of the result;
        an item that a newer one replaces shares the newer one's Future and makes it urgent if it was."""
        with self._condition:
            if self._item is not None:
                self.dropped += 1
            self._item, self._urgent = item, self._urgent or urgent
            self._condition.notify_all()
            return self._future

    def resume(self):
        """Handle items from now on."""
        with self._condition:
            self._paused = False
            self._condition.notify_all()

    def pause(self, reason):
        """Finish the item in hand and take no other. A waiting item stays, but its Future ends with the exception
        `reason`: nobody knows how long it would take."""
        with self._condition:
            self._paused = True
            refused, self._future = self._future, Future()
        _settle(refused, error=reason)

    def stop(self, timeout):
        """Ask the thread to end and wait for it. Returns whether it ended within `timeout` seconds."""
        with self._condition:
            self.stopping = True
            self._future.cancel()
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self):
        give_way()
        try:
            self._load()
        except Exception as error:  # whatever went wrong, the node must hear of it and live
            self._report(error)
            return
        while (work := self._next()) is not None:
            item, urgent, future = work
            try:
                result = self._handle(item, urgent)
            except Exception as error:  # as above: reported, and the next item is handled
                self._report(error)
                _settle(future, error=error)
            else:
                _settle(future, result=result)
            del item, future, work
            trim_heap()
            self.busy_since = None

    def _report(self, error):
        if not self.stopping:  # what breaks because its owner is gone is no news
            self._on_error(error)

    def _next(self):
        """Wait for an item that may be handled; None when the thread is to end."""
        with self._condition:
            while not self.stopping:
                wait = self._last_start + self._min_interval() - time.monotonic()
                if self._item is not None and not self._paused and (self._urgent or wait <= 0):
                    work = self._item, self._urgent, self._future
                    self._item, self._future, self._urgent = None, Future(), False
                    self._last_start = self.busy_since = time.monotonic()
                    return work
                waiting = self._item is not None and not self._paused
                self._condition.wait(wait if waiting else None)
            return None


def give_way():
    """Let the threads that answer others come first: on Linux niceness belongs to the calling thread, and to the
    threads that it starts, such as torch's."""
    if sys.platform == "linux":
        os.nice(NICENESS)


def trim_heap():
    """Give back to the system what malloc keeps for later (glibc): else days of large and small tensors in turn leave
    it in pieces, and resident memory grows far beyond what is in use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _settle(future, result=None, error=None):
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
