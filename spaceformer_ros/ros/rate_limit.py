"""How often something may happen: at most so many times per second, after a rest that many at once."""

import threading


class RateLimit:
    """A token bucket. Any thread may ask."""

    def __init__(self):
        self._credit, self._time, self._lock = None, 0.0, threading.Lock()

    def admits(self, rate, now):
        """Whether one more may happen. rate: per second, 0: always; now: seconds of a clock that never goes back."""
        if rate <= 0:
            return True
        most = max(rate, 1.0)
        with self._lock:
            credit = most if self._credit is None else self._credit + rate * (now - self._time)
            self._credit, self._time = min(credit, most), now
            if self._credit < 1:
                return False
            self._credit -= 1
            return True
