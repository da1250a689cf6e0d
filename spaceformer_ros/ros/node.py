# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: declares parameters and services, and opens a Session between configure and cleanup.

Threads: the executor runs callbacks and never blocks; the device thread runs the network; a small thread pool answers
requests that may wait for the text model, a transform or the disk.
"""

import contextlib
import gc
import os
import signal
import sys
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from .. import SpaceformerError
from ..config import Settings, all_settings
from ..heap import trim_heap
from . import parameters
from .actions import Actions
from .bond import ManagerBond
from .compat import answer_invalid_parameters, answer_invalid_transitions
from .logs import forward_logging, log_failure
from .parameter_files import answer_help, refusal, unused, unused_overrides
from .services import Services
from .session import Session
from .signals import end_on_hangup, leave_interrupts_to_ros
from .text import describe_error

SWITCH_INTERVAL = 0.0005  # seconds, of sys.setswitchinterval; short, because a reply changes threads twice
PAUSE_AFTER_ERROR = 0.05  # seconds; a repeated error must not use a whole core


class SpaceformerNode(LifecycleNode):
    """Subscribes to clouds and publishes instances. Topics, services and parameters are listed in the README."""

    def __init__(self, **arguments):
        super().__init__("spaceformer", **arguments)
        refused = parameters.declare(self)
        self.settings = Settings()
        self.session = None
        self._live_parameters = parameters.LiveParameters(self, self.settings, refused)
        self.actions = Actions(self, Services(self))
        self._bond = ManagerBond(self)
        answer_invalid_transitions(self)
        answer_invalid_parameters(self)
        forward_logging(self)

    @property
    def pipeline(self):
        """The Pipeline; None while it is not loaded."""
        return self.session and self.session.perception.pipeline

    @log_failure
    def on_configure(self, _state):
        """Create the publishers and load the model on the device thread."""
        try:
            self.settings.config = self._live_parameters.read_all()
        except SpaceformerError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self.session = Session(self, self.settings, self._live_parameters)
        self.session.start()
        for text in unused_overrides(self):
            self.get_logger().warning(text)
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_activate(self, _state):
        """Subscribe and process."""
        self.session.activate()
        self._bond.form()
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_deactivate(self, _state):
        """Stop processing clouds; the scene is kept."""
        self._bond.end()
        self.session.deactivate()
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_cleanup(self, _state):
        """Release the model, the scene and the topics."""
        self.close()
        gc.collect()  # the network is part of a reference cycle; this frees its memory, also on the device, immediately
        trim_heap()
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_shutdown(self, _state):
        """Clean up from any state."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, _state):
        """After a failed transition: back to unconfigured, ready to be configured again."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self):
        """Undo configure and activate. Returns whether all threads ended or are idle."""
        self._bond.end()
        session, self.session = self.session, None
        return session is None or session.close()


def main(arguments=None):
    """Run the node until SIGINT, SIGTERM or SIGHUP; exit code 0, or 1 if the command line cannot be used.

    Before ROS takes over SIGINT and SIGTERM, they end the process by themselves.
    """
    given = sys.argv[1:] if arguments is None else arguments
    rows = [(info.name, info.default, info.metadata["text"]) for _, info in all_settings()]
    answer_help("spaceformer_node", rows, given)
    sys.setswitchinterval(SWITCH_INTERVAL)
    leave_interrupts_to_ros()
    end_on_hangup()
    node, executor, ended = None, None, True
    try:
        rclpy.init(args=arguments)
    except Exception as error:  # arguments or a parameter file that ROS refuses
        sys.exit(f"spaceformer_node: {refusal(error)}")
    try:
        node, executor = SpaceformerNode(), SingleThreadedExecutor()
        executor.add_node(node)
        for text in unused(given, node.get_fully_qualified_name()):
            node.get_logger().warning(text)
        starts = node.get_parameter("autostart").value is not False  # what is no bool is refused by configure
        if starts and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()
        spin(executor, node.get_logger())
    except ExternalShutdownException:
        pass
    except Exception as error:
        if node is None and rclpy.ok():  # a parameter of ROS itself, such as use_sim_time
            sys.exit(f"spaceformer_node: {describe_error(error)}")
        if rclpy.ok():  # otherwise a signal has shut ROS down during a call
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not interrupt the shutdown
            signal.signal(number, signal.SIG_IGN)
        ended = node is None or _close(node, executor)
        rclpy.try_shutdown()
    if not ended:  # a thread is in a long native call, which Python would wait for; everything is saved
        os._exit(0)


def spin(executor, logger):
    """Run callbacks until ROS is shut down. Exceptions of callbacks are logged and do not end the node."""
    while rclpy.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            return
        except Exception as error:
            if rclpy.ok():  # otherwise a signal has shut ROS down during a call
                logger.error(f"a callback failed: {describe_error(error)}", throttle_duration_sec=1.0)
                time.sleep(PAUSE_AFTER_ERROR)


def _close(node, executor):
    """Close the node and its executor. Returns whether all threads ended or are idle."""
    ended = node.close()
    with contextlib.suppress(Exception):  # the context may be gone already
        if executor is not None:
            executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
    return ended


if __name__ == "__main__":
    main()
