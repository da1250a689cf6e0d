# SPDX-License-Identifier: Apache-2.0
"""Start the MCP server, or say what is missing."""

import socket

from .. import SpaceformerError

HOST = "127.0.0.1"


def serve(source, port=None, changes=False, motion=False):
    """Serve a Source until the client ends the connection, or, over HTTP, until the process is interrupted.

    port: of streamable HTTP on this machine; None: standard input and output
    changes, motion: see `make_server`

    Raises SpaceformerError without the package mcp, and for a port that cannot be used.
    """
    try:
        from .server import make_server
    except ImportError as error:
        raise SpaceformerError(f"agents need the package mcp ({error}): pip install 'mcp>=2' pillow") from error
    if port is not None:
        check_port(port)
    server = make_server(source, changes, motion)
    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", host=HOST, port=port, stateless_http=True, json_response=True)


def check_port(port):
    """Raise SpaceformerError for a port of this machine that cannot be served."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise SpaceformerError(f"port {port} cannot be used ({error}): choose another one") from error
