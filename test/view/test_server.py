# SPDX-License-Identifier: Apache-2.0
"""Addresses of the page: which are refused, and who is told that others are admitted."""

import argparse
import contextlib
from types import SimpleNamespace

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli import view
from spaceformer_ros.view.same_origin import admits, is_local
from spaceformer_ros.view.server import WARNING, Viewer, make_server


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


@pytest.mark.parametrize(
    ("origin", "host", "only_local", "expected"),
    [
        (None, "localhost:8080", True, True),  # a program
        ("http://localhost:8080", "localhost:8080", True, True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True, True),
        ("http://[::1]:8080", "[::1]:8080", True, True),
        ("https://evil.example", "localhost:8080", True, False),
        ("http://localhost:3000", "localhost:8080", True, False),  # another program's page
        ("null", "localhost:8080", True, False),
        ("http://evil.example:8080", "evil.example:8080", True, False),  # a name that leads here
        ("http://robot.local:8080", "robot.local:8080", False, True),
        ("https://evil.example", "robot.local:8080", False, False),
        ("http://localhost:8080", None, True, False),
    ],
)
def test_other_web_sites_do_not_get_the_map(origin, host, only_local, expected):
    assert admits(origin, host, only_local) is expected


def test_the_server_refuses_pages_of_other_web_sites(caplog):
    client = pytest.importorskip("websockets.sync.client")
    viser = pytest.importorskip("viser")
    from websockets.exceptions import InvalidStatus

    server = make_server("127.0.0.1", 0)
    try:
        address, protocol = f"127.0.0.1:{server.get_port()}", f"viser-v{viser.__version__}"
        with client.connect(f"ws://{address}", origin=f"http://{address}", subprotocols=[protocol]) as page:
            assert page.recv(timeout=5)
        with pytest.raises(InvalidStatus, match="403"):
            client.connect(f"ws://{address}", origin="https://evil.example", subprotocols=[protocol])
        assert "refused a page of 'https://evil.example'" in caplog.text
    finally:
        server.stop()


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
