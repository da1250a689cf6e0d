# SPDX-License-Identifier: Apache-2.0
"""What the programs share that show or ask a running node: a node of their own on a thread, and its parameters."""

import contextlib
import sys

import rclpy
from rclpy.executors import SingleThreadedExecutor

from .. import SpaceformerError
from .live_source import LiveSource
from .parameter_files import answer_help, refusal, unknown_parameters, unused
from .spinning import SpinThread

# Name -> default and meaning of the parameters of every such program.
PARAMETERS = {
    "server": ("/spaceformer", "full name of the perception node"),
    "robot_frame": ("", "TF frame of the robot, such as base_link: distances are measured from it; empty: none"),
}


@contextlib.contextmanager
def one_sentence(name):
    """A context for the start of the program `name`: what ROS refuses ends the process with one sentence."""
    try:
        yield
    except Exception as error:  # arguments, names and types of parameters, in exceptions of many types
        rclpy.try_shutdown()
        sys.exit(f"{name}: {refusal(error)}")


@contextlib.contextmanager
def live_source(name, **parameters):
    """A context with (rclpy Node, LiveSource). Ends the process with one sentence after a SpaceformerError.

    name: of the node; parameters: name -> (default, meaning) of further ones.
    """
    declared = {**PARAMETERS, **parameters}
    answer_help(name, [(key, *value) for key, value in declared.items()], sys.argv[1:])
    with one_sentence(name):
        rclpy.init()
        node, executor = rclpy.create_node(name), SingleThreadedExecutor()
        for key, (default, _meaning) in declared.items():
            node.declare_parameter(key, default)
        for text in [*unused(sys.argv[1:], node.get_fully_qualified_name()), *unknown_parameters(node, declared)]:
            node.get_logger().warning(text)
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
