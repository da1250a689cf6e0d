# SPDX-License-Identifier: Apache-2.0
"""Tools for language models on a running node: `ros2 run spaceformer_ros mcp_server`. Parameters: docs/agents.md."""

from ..agents.run import serve
from .companion import live_source

PARAMETERS = {
    "http_port": (0, "serve http://127.0.0.1:PORT/mcp; 0: standard input and output"),
    "allow_changes": (False, "offer set_vocabulary and edit_object too"),
    "allow_motion": (False, "offer go_to and cancel too, which move the robot"),
}


def main():
    """Serve until the client ends the connection, or until SIGINT or SIGTERM."""
    with live_source("spaceformer_mcp", **PARAMETERS) as (node, source):
        port, changes, motion = (node.get_parameter(key).value for key in PARAMETERS)
        serve(source, port or None, changes, motion)


if __name__ == "__main__":
    main()
