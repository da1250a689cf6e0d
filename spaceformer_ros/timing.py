# SPDX-License-Identifier: Apache-2.0
"""Measure the duration of named stages."""

import time
from contextlib import contextmanager


class Stopwatch:
    """Seconds per stage, in the order in which stages ended."""

    def __init__(self, clock=time.perf_counter):
        """clock: function that returns seconds, such as time.process_time for CPU time."""
        self.seconds, self._clock = {}, clock

    @contextmanager
    def stage(self, name, wait=lambda: None):
        """Time a block. wait: called before the clock stops, such as a synchronisation with the GPU."""
        start = self._clock()
        try:
            yield
            wait()
        finally:
            self.add(name, self._clock() - start)

    def add(self, name, seconds):
        """Add `seconds` to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
