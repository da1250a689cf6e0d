"""Seconds per named stage."""

import time
from contextlib import contextmanager


class Stopwatch:
    """Seconds per stage, in the order in which stages ended."""

    def __init__(self):
        self.seconds = {}

    @contextmanager
    def stage(self, name, wait=lambda: None):
        """Time a block. wait: called before the clock stops, for work that runs beside the CPU."""
        start = time.perf_counter()
        try:
            yield
            wait()
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name, seconds):
        """Count `seconds` for a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
