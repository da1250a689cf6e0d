# SPDX-License-Identifier: Apache-2.0
"""Publish the health of the node on /diagnostics once per second.

Without diagnostic_updater: it is not among the ROS wheels, and only one message has to be filled here.
"""

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from . import qos
from .clocks import STEADY

PERIOD = 1.0  # seconds


class Diagnostics:
    """Publisher and timer of one configured node."""

    def __init__(self, node, read_status):
        """read_status(now): the level, the sentence and the rows (key, value) at `now` monotonic seconds."""
        self._node = node
        self._read_status = read_status
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.EVENTS)
        self._timer = node.create_timer(PERIOD, self._publish, clock=STEADY)

    def destroy(self):
        """Remove publisher and timer from the node."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _publish(self):
        level, text, rows = self._read_status(time.monotonic())
        values = [KeyValue(key=key, value=value) for key, value in rows]
        name = self._node.get_fully_qualified_name()
        status = DiagnosticStatus(level=bytes([level]), name=name, message=text, values=values)
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publisher.publish(DiagnosticArray(header=header, status=[status]))
