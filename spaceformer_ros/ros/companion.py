# SPDX-License-Identifier: Apache-2.0
"""What the programs share that show or ask a running node: a node of their own on a thread, and its parameters."""

import contextlib
import sys

import rclpy
from rclpy.executors import SingleThreadedExecutor

from .. import SpaceformerError
from .live_source import LiveSource
from .spinning import SpinThread

# Name -> default and meaning of the parameters of every such program.
PARAMETERS = {
    "server": ("/spaceformer", "full name of the perception node"),
    "robot_frame": ("", "TF frame of the robot, such as base_link: distances are measured from it; empty: none"),
}


@contextlib.contextmanager
def live_source(name, **parameters):
    """A context with (rclpy Node, LiveSource). Ends the process with one sentence after a SpaceformerError.

    name: of the node; parameters: name -> (default, meaning) of further ones.
    """
    rclpy.init()
    node, executor = rclpy.create_node(name), SingleThreadedExecutor()
    for key, (default, _meaning) in {**PARAMETERS, **parameters}.items():
        node.declare_parameter(key, default)
    source = LiveSource(node, *(node.get_parameter(key).value for key in PARAMETERS))
    executor.add_node(node)
    thread = SpinThread(executor)
    try:
        yield node, source
    except SpaceformerError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        pass
    finally:
        thread.end(2.0)
        source.close()
        node.destroy_node()
        rclpy.try_shutdown()
