# SPDX-License-Identifier: Apache-2.0
"""Start the MCP server, or say what is missing."""

from .. import SpaceformerError

HOST = "127.0.0.1"


def serve(source, port=None, changes=False, motion=False):
    """Serve a Source until the client ends the connection, or, over HTTP, until the process is interrupted.

    port: of streamable HTTP on this machine; None: standard input and output
    changes, motion: see `make_server`

    Raises SpaceformerError without the package mcp.
    """
    try:
        from .server import make_server
    except ImportError as error:
        raise SpaceformerError(f"agents need the package mcp ({error}): pip install 'mcp>=2' pillow") from error
    server = make_server(source, changes, motion)
    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", host=HOST, port=port, stateless_http=True, json_response=True)
