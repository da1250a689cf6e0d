import os
import pathlib
import resource
import sys
import threading
import time

import numpy as np
import pytest

from spaceformer_ros.ros.device_thread import NICENESS, Worker

PATIENCE = 5.0


class Bench:
    """A worker whose handler waits for permission, and everything it did."""

    def __init__(self, interval=0.0, load=lambda: None):
        self.handled, self.urgent, self.errors = [], [], []
        self.interval, self.decisions = interval, 0
        self.gate, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.worker = Worker(load, self.handle, self.errors.append, self.min_interval)
        self.worker.start()
        self.worker.resume()

    def min_interval(self):
        self.decisions += 1  # the worker asks whenever it decides whether to handle an item
        return self.interval

    def submit_and_let_it_decide(self, item):
        """Submit an item and wait until the worker has decided whether to handle it."""
        before, end = self.decisions, time.monotonic() + PATIENCE
        future = self.worker.submit(item)
        while self.decisions == before:
            assert time.monotonic() < end
            time.sleep(0.001)
        return future

    def handle(self, item, urgent):
        self.entered.release()
        assert self.gate.acquire(timeout=PATIENCE)
        if isinstance(item, Exception):
            raise item
        self.handled.append(item)
        self.urgent.append(urgent)
        return f"done {item}"


@pytest.fixture
def bench():
    benches = []

    def make(**arguments):
        benches.append(Bench(**arguments))
        return benches[-1]

    yield make
    for made in benches:
        made.gate.release(100)
        assert made.worker.stop(PATIENCE)


def test_the_newest_item_wins_and_shares_its_result(bench):
    made = bench()
    first = made.worker.submit(1)
    assert made.entered.acquire(timeout=PATIENCE)
    futures = [made.worker.submit(item) for item in (2, 3, 4)]
    made.gate.release(2)
    assert first.result(PATIENCE) == "done 1"
    assert [future.result(PATIENCE) for future in futures] == ["done 4"] * 3
    assert made.handled == [1, 4]
    assert made.worker.dropped == 2


def test_an_error_is_reported_and_the_next_item_is_handled(bench):
    made = bench()
    made.gate.release(2)
    failed = made.worker.submit(ValueError("bad cloud"))
    with pytest.raises(ValueError, match="bad cloud"):
        failed.result(PATIENCE)
    assert made.worker.submit(5).result(PATIENCE) == "done 5"
    assert [str(error) for error in made.errors] == ["bad cloud"]


def test_a_failed_load_is_reported_and_nothing_is_handled(bench):
    def load():
        raise OSError("no weights")

    made = bench(load=load)
    future = made.worker.submit(1)
    assert made.worker.stop(PATIENCE)
    assert [str(error) for error in made.errors] == ["no weights"]
    assert future.cancelled()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness belongs to the whole process")
def test_the_worker_lets_the_threads_that_answer_come_first():
    own, found = os.nice(0), []
    worker = Worker(lambda: found.append(os.nice(0)), print, print)
    worker.start()
    assert worker.stop(PATIENCE)
    assert found == [min(own + NICENESS, 19)]
    assert os.nice(0) == own


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked for it")
def test_memory_goes_back_to_the_system_after_every_item():
    pins, resident = [], lambda: int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def handle(*_):
        pieces = [np.ones(100_000, dtype=np.uint8) for _ in range(2000)]  # 200 MB, too small for pages of their own
        pins.append(pieces[-1])  # what is last holds all below it
        return resident()

    worker = Worker(lambda: None, handle, print)
    worker.start()
    worker.resume()
    before = resident()
    assert worker.submit("item").result(PATIENCE) - before > 150e6
    assert worker.stop(PATIENCE)
    assert resident() - before < 50e6


def test_a_paused_worker_keeps_the_newest_item(bench):
    made = bench()
    made.worker.pause(RuntimeError("paused"))
    future = made.submit_and_let_it_decide(1)
    newer = made.submit_and_let_it_decide(2)
    assert made.worker.dropped == 1  # the first item was still waiting
    made.worker.resume()
    made.gate.release()
    assert future.result(PATIENCE) == newer.result(PATIENCE) == "done 2"
    assert made.handled == [2]


def test_a_pause_keeps_the_waiting_item_but_lets_nobody_wait_for_it(bench):
    made = bench()
    first = made.worker.submit(1)
    assert made.entered.acquire(timeout=PATIENCE)
    waiting = made.worker.submit(2)
    made.worker.pause(RuntimeError("paused for today"))
    with pytest.raises(RuntimeError, match="paused for today"):
        waiting.result(PATIENCE)
    made.gate.release(2)
    assert first.result(PATIENCE) == "done 1"
    made.worker.resume()
    assert made.entered.acquire(timeout=PATIENCE)
    assert made.worker.stop(PATIENCE)
    assert made.handled == [1, 2]


def test_the_interval_holds_between_starts_but_not_for_urgent_items(bench):
    made = bench(interval=3600.0)
    made.gate.release(10)
    made.worker.submit(1).result(PATIENCE)
    waiting = made.submit_and_let_it_decide(2)
    assert made.worker.submit(3, urgent=True).result(PATIENCE) == waiting.result(PATIENCE) == "done 3"
    assert made.worker.dropped == 1  # item 2 was still waiting
    assert made.handled == [1, 3]


def test_an_item_is_handled_when_the_interval_is_over(bench):
    made = bench(interval=0.05)
    made.gate.release(10)
    made.worker.submit(1).result(PATIENCE)
    assert made.worker.submit(2).result(PATIENCE) == "done 2"


def test_an_item_that_replaces_an_urgent_one_is_urgent(bench):
    made = bench(interval=60.0)
    made.gate.release(3)
    made.worker.submit(1).result(PATIENCE)
    made.worker.pause(RuntimeError("paused"))
    asked = made.worker.submit(2, urgent=True)
    made.worker.submit(3)
    made.worker.resume()
    assert asked.result(PATIENCE) == "done 3"
    made.worker.submit(4, urgent=True).result(PATIENCE)
    assert made.urgent == [False, True, True]


def test_stopping_while_busy_waits_and_drops_the_rest(bench):
    made = bench()
    made.worker.submit(1)
    assert made.entered.acquire(timeout=PATIENCE)
    waiting = made.worker.submit(2)
    assert not made.worker.stop(0.05)
    assert waiting.cancelled()
    made.gate.release()
    assert made.worker.stop(PATIENCE)
    assert made.handled == [1]
