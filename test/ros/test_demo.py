# SPDX-License-Identifier: Apache-2.0
"""examples/demo.py, without its processes."""

import functools
import importlib.util
import signal
import sys
from types import SimpleNamespace

import pytest
from helpers.paths import ROOT

from spaceformer_ros.ros import interfaces


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module  # for its dataclasses
    spec.loader.exec_module(module)
    yield module
    del sys.modules["demo"]


def relabelled(demo, *labels, must_change=False):
    """What the demo prints about a new vocabulary, after which the node publishes objects with these labels."""
    before = SimpleNamespace(instances=[SimpleNamespace(id=n, label="chair") for n in range(3)], map_revision=1)
    after = SimpleNamespace(
        instances=[SimpleNamespace(id=n, label=label) for n, label in enumerate(labels)], map_revision=1
    )
    count = SimpleNamespace(status=[SimpleNamespace(values=[SimpleNamespace(key="inferences", value="1")])])
    robot = SimpleNamespace(
        latest={},
        call=lambda *_, labels: SimpleNamespace(code=interfaces.ResultCode.OK, revision=2),
        wait=lambda name, *_: after if name == "instances" else count,
    )
    demo.relabel(robot, before, must_change)


@pytest.mark.parametrize(("labels", "said"), [(["furniture"], "chair -> furniture"), ([], "nothing is furniture")])
def test_a_map_without_what_the_new_labels_name_is_no_failure(demo, capsys, labels, said):
    relabelled(demo, *labels)
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("labels", "must_change"), [(["chair"], False), ([], True)])
def test_labels_that_do_not_follow_are_a_failure(demo, labels, must_change):
    with pytest.raises(demo.Failure, match="did not follow"):
        relabelled(demo, *labels, must_change=must_change)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_one_word_and_ends_what_was_started(demo, monkeypatch, capsys, request, number):
    started = []
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        request.addfinalizer(functools.partial(signal.signal, other, signal.getsignal(other)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell lets its background jobs ignore

    def interrupted(options, stack):
        started.append(demo.start(stack, "a process", [sys.executable, "-c", "import time; time.sleep(60)"]))
        signal.raise_signal(number)

    monkeypatch.setattr(demo, "run", interrupted)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--out", "unused"])
    monkeypatch.setattr(demo, "results_folder", lambda path: path)
    with pytest.raises(SystemExit) as end:
        demo.main()
    assert (end.value.code, capsys.readouterr().err) == (130, "demo: interrupted\n")
    assert started[0].poll() is not None
