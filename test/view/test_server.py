# SPDX-License-Identifier: Apache-2.0
"""Addresses of the page: which are refused, and who is told that others are admitted."""

import argparse
import contextlib
from types import SimpleNamespace

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli import view
from spaceformer_ros.view.server import WARNING, Viewer, is_local


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("robot.local", False),
    ],
)
def test_an_address_that_others_reach_is_known(host, expected):
    assert is_local(host) is expected


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("127.0.0.1", 99999, "port is 99999, expected 0 to 65535"),
        ("192.0.2.1", 0, "host '192.0.2.1' is not an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_served_is_refused(host, port, words):
    with pytest.raises(SpaceformerError, match=words):
        Viewer(None, host, port)


class Served:
    """Stands for a Viewer: nothing is opened to the network in a test."""

    def __init__(self, source, host, port):
        self.address, self.warning = f"http://{host}:{port}", "" if is_local(host) else WARNING.format(host)

    def wait(self, goes_on=None):
        pass

    close = wait


@pytest.mark.parametrize(("given", "said"), [([], ""), (["--host", "0.0.0.0"], WARNING.format("0.0.0.0"))])
def test_the_command_opens_the_page_to_others_only_by_a_flag_and_says_so(monkeypatch, capsys, given, said):
    monkeypatch.setattr("spaceformer_ros.view.server.Viewer", Served)
    monkeypatch.setattr("spaceformer_ros.cli.source_of_file.source_of_files", lambda *_: SimpleNamespace(chosen="map"))
    parser = argparse.ArgumentParser()
    view.add_arguments(parser)
    view.run(parser.parse_args(["map.ply", *given]))
    printed = capsys.readouterr()
    assert "shows map; end with Ctrl-C" in printed.out
    assert printed.err.removeprefix("spaceformer: ").strip() == said


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", []), ("0.0.0.0", [WARNING.format("0.0.0.0")])])
def test_the_page_of_a_node_opens_to_others_only_by_a_parameter_and_says_so(monkeypatch, host, said):
    pytest.importorskip("rclpy", reason="rclpy is not importable")
    from spaceformer_ros.ros import viewer

    warned, values = [], {key: default for key, (default, _) in viewer.PARAMETERS.items()}
    assert is_local(values["host"])
    values["host"] = host
    node = SimpleNamespace(
        get_parameter=lambda key: SimpleNamespace(value=values[key]),
        get_logger=lambda: SimpleNamespace(info=lambda _: None, warning=warned.append),
        context=SimpleNamespace(ok=lambda: False),
    )
    monkeypatch.setattr(viewer, "live_source", lambda *_, **__: contextlib.nullcontext((node, None)))
    monkeypatch.setattr(viewer, "Viewer", Served)
    viewer.main()
    assert warned == said
