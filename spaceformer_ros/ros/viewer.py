# SPDX-License-Identifier: Apache-2.0
"""The page of a running node: `ros2 run spaceformer_ros viewer`. Parameters are in docs/view.md."""

from ..view.server import Viewer
from .companion import live_source

PARAMETERS = {
    "host": (
        "127.0.0.1",
        "address to listen on; with 0.0.0.0 everybody in the network can connect, without a password",
    ),
    "port": (8080, "of the page; the next free one if it is used"),
}


def main():
    """Serve the page until SIGINT or SIGTERM."""
    with live_source("spaceformer_viewer", **PARAMETERS) as (node, source):
        viewer = Viewer(source, *(node.get_parameter(key).value for key in PARAMETERS))
        node.get_logger().info(f"the page is at {viewer.address}")
        if viewer.warning:
            node.get_logger().warning(viewer.warning)
        try:
            viewer.wait(node.context.ok)
        finally:
            viewer.close()


if __name__ == "__main__":
    main()
