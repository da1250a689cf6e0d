# SPDX-License-Identifier: Apache-2.0
"""Limit how often something happens: a token bucket, and a minimum interval."""

import math
import threading


class RateLimit:
    """A token bucket that holds one second's worth of tokens, at least one. Thread-safe."""

    def __init__(self):
        self._tokens = None  # None: full
        self._time = 0.0
        self._lock = threading.Lock()

    def admits(self, rate, now):
        """Take a token if there is one. rate: tokens per second, 0: no limit; now: seconds of a monotonic clock."""
        if rate <= 0:
            return True
        capacity = max(rate, 1.0)
        with self._lock:
            tokens = capacity if self._tokens is None else self._tokens + rate * (now - self._time)
            self._tokens = min(tokens, capacity)
            self._time = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class MinInterval:
    """Admits an event if the last admitted one is long enough ago. For one thread."""

    def __init__(self):
        self._last = -math.inf  # monotonic seconds

    def admits(self, seconds, now):
        """Whether `seconds` have passed since this was last true. now: seconds of a monotonic clock."""
        if now - self._last < seconds:
            return False
        self._last = now
        return True
