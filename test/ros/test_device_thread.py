# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import resource
import sys
import threading
import time

import numpy as np
import pytest
from helpers.ros import wait_until

from spaceformer_ros.ros.device_thread import NICENESS, DeviceThread

PATIENCE = 30.0  # seconds


class Bench:
    """A device thread whose handler waits for permission, and everything it did."""

    def __init__(self, interval=0.0, load=lambda: None):
        self.handled, self.urgent, self.errors = [], [], []
        self.interval, self.decisions = interval, 0
        self.gate, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = DeviceThread(load, self.handle, self.errors.append, self.min_interval)
        self.thread.start()
        self.thread.resume()

    def min_interval(self):
        self.decisions += 1  # the thread asks whenever it decides whether to handle an item
        return self.interval

    def submit_and_let_it_decide(self, item):
        """Submit an item and wait until the thread has decided whether to handle it."""
        before, end = self.decisions, time.monotonic() + PATIENCE
        future = self.thread.submit(item)
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
        assert made.thread.stop(PATIENCE)


def test_the_newest_item_wins_and_shares_its_result(bench):
    made = bench()
    first = made.thread.submit(1)
    assert made.entered.acquire(timeout=PATIENCE)
    futures = [made.thread.submit(item) for item in (2, 3, 4)]
    made.gate.release(2)
    assert first.result(PATIENCE) == "done 1"
    assert [future.result(PATIENCE) for future in futures] == ["done 4"] * 3
    assert made.handled == [1, 4]
    assert made.thread.dropped == 2


def test_an_error_is_reported_and_the_next_item_is_handled(bench):
    made = bench()
    made.gate.release(2)
    failed = made.thread.submit(ValueError("bad cloud"))
    with pytest.raises(ValueError, match="bad cloud"):
        failed.result(PATIENCE)
    assert made.thread.submit(5).result(PATIENCE) == "done 5"
    assert [str(error) for error in made.errors] == ["bad cloud"]


def test_a_failed_load_is_reported_and_nothing_is_handled(bench):
    def load():
        raise OSError("no weights")

    made = bench(load=load)
    future = made.thread.submit(1)
    wait_until(lambda: made.errors, "the error")  # a thread that is being stopped reports nothing
    assert made.thread.stop(PATIENCE)
    assert [str(error) for error in made.errors] == ["no weights"]
    assert future.cancelled()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness belongs to the whole process")
def test_its_priority_is_below_that_of_other_threads():
    own, found = os.nice(0), []
    thread = DeviceThread(lambda: found.append(os.nice(0)), print, print)
    thread.start()
    assert thread.stop(PATIENCE)
    assert found == [min(own + NICENESS, 19)]
    assert os.nice(0) == own


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked for it")
def test_memory_is_returned_to_the_system_after_every_item():
    pins, resident = [], lambda: int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def handle(*_):
        pieces = [np.ones(100_000, dtype=np.uint8) for _ in range(2000)]  # 200 MB, too small for pages of their own
        pins.append(pieces[-1])  # what is last holds all below it
        return resident()

    thread = DeviceThread(lambda: None, handle, print)
    thread.start()
    thread.resume()
    before = resident()
    assert thread.submit("item").result(PATIENCE) - before > 150e6
    assert thread.stop(PATIENCE)
    assert resident() - before < 50e6


def test_a_paused_thread_keeps_the_newest_item(bench):
    made = bench()
    made.thread.pause(RuntimeError("paused"))
    future = made.submit_and_let_it_decide(1)
    newer = made.submit_and_let_it_decide(2)
    assert made.thread.dropped == 1  # the first item was still waiting
    made.thread.resume()
    made.gate.release()
    assert future.result(PATIENCE) == newer.result(PATIENCE) == "done 2"
    assert made.handled == [2]


def test_a_pause_keeps_the_waiting_item_but_fails_its_future(bench):
    made = bench()
    first = made.thread.submit(1)
    assert made.entered.acquire(timeout=PATIENCE)
    waiting = made.thread.submit(2)
    made.thread.pause(RuntimeError("paused for today"))
    with pytest.raises(RuntimeError, match="paused for today"):
        waiting.result(PATIENCE)
    made.gate.release(2)
    assert first.result(PATIENCE) == "done 1"
    made.thread.resume()
    assert made.entered.acquire(timeout=PATIENCE)
    assert made.thread.stop(PATIENCE)
    assert made.handled == [1, 2]


def test_the_interval_holds_between_starts_but_not_for_urgent_items(bench):
    made = bench(interval=3600.0)
    made.gate.release(10)
    made.thread.submit(1).result(PATIENCE)
    waiting = made.submit_and_let_it_decide(2)
    assert made.thread.submit(3, urgent=True).result(PATIENCE) == waiting.result(PATIENCE) == "done 3"
    assert made.thread.dropped == 1  # item 2 was still waiting
    assert made.handled == [1, 3]


def test_an_item_is_handled_when_the_interval_is_over(bench):
    made = bench(interval=0.05)
    made.gate.release(10)
    made.thread.submit(1).result(PATIENCE)
    assert made.thread.submit(2).result(PATIENCE) == "done 2"


def test_an_item_that_replaces_an_urgent_one_is_urgent(bench):
    made = bench(interval=60.0)
    made.gate.release(3)
    made.thread.submit(1).result(PATIENCE)
    made.thread.pause(RuntimeError("paused"))
    asked = made.thread.submit(2, urgent=True)
    made.thread.submit(3)
    made.thread.resume()
    assert asked.result(PATIENCE) == "done 3"
    made.thread.submit(4, urgent=True).result(PATIENCE)
    assert made.urgent == [False, True, True]


def test_stopping_while_busy_waits_and_drops_the_rest(bench):
    made = bench()
    made.thread.submit(1)
    assert made.entered.acquire(timeout=PATIENCE)
    waiting = made.thread.submit(2)
    assert not made.thread.stop(0.05)
    assert waiting.cancelled()
    made.gate.release()
    assert made.thread.stop(PATIENCE)
    assert made.handled == [1]
