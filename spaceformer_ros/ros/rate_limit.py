# SPDX-License-Identifier: Apache-2.0
"""Token-bucket rate limiter."""

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
