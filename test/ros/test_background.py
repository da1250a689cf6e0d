# SPDX-License-Identifier: Apache-2.0
import gc
import threading
import weakref
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from helpers.ros import wait_until

from spaceformer_ros.ros.background import Background


class Picture:
    """What a weak reference can refer to."""


@pytest.mark.parametrize("timeout", [None, 600.0])
def test_a_result_that_was_taken_is_freed_at_once(timeout):
    background, gate = Background(SimpleNamespace(executor=None)), threading.Event()
    gc.disable()
    try:
        awaited = background.run(lambda: gate.wait(20) and Picture(), lane="drawing", timeout=timeout)
        gate.set()
        wait_until(awaited.done, "the result")
        alive = weakref.ref(awaited.result())
        del awaited
        wait_until(lambda: alive() is None, "its memory")
    finally:
        gc.enable()
        background.close()


def test_what_cannot_be_published_after_a_signal_is_no_error(caplog):
    for running in (False, True):
        context = SimpleNamespace(ok=lambda running=running: running)
        background = Background(SimpleNamespace(executor=None, context=context))
        background.submit(Mock(side_effect=RuntimeError("publisher's context is invalid")), lane="graph")
        background._pools["graph"].shutdown(wait=True)  # its callbacks, too
        assert ("context is invalid" in caplog.text) == running
