# SPDX-License-Identifier: Apache-2.0
"""Work through a stream of messages on a pool thread: the newest waits, older ones are dropped."""

import contextlib
import threading

from .. import SpaceformerError
from .refusal import Refusal
from .text import describe_error


class NewestOnly:
    """Hands items to a function, one at a time. Of those that arrive meanwhile the newest waits."""

    def __init__(self, background, lane, use, on_drop):
        """background: Background; lane: of LANES; use: function of an item, called on a thread of the lane; on_drop:
        function of the reason why an item was not used."""
        self._background = background
        self._lane = lane
        self._use = use
        self._on_drop = on_drop
        self._lock = threading.Lock()
        self._waiting = None
        self._running = False

    def submit(self, item):
        """Use an item soon, in place of one that still waits."""
        with self._lock:
            dropped, self._waiting = self._waiting is not None, item
            start, self._running = not self._running, True
        if dropped:
            self._on_drop("they arrive faster than they are used")
        if start:
            with contextlib.suppress(Refusal):  # the node is being cleaned up
                self._background.submit(self._run, lane=self._lane)

    def _run(self):
        while (item := self._next()) is not None:
            try:
                self._use(item)
            except SpaceformerError as error:
                self._on_drop(str(error))
            except Exception as error:  # one bad message must not end the stream
                self._on_drop(f"unexpected {describe_error(error)}")

    def _next(self):
        """The waiting item; None if there is none, and then the next item starts a thread again."""
        with self._lock:
            item, self._waiting = self._waiting, None
            self._running = item is not None
        return item
