# SPDX-License-Identifier: Apache-2.0
"""Markers on one latched topic: by difference, and the complete set for new subscribers."""

import contextlib
import threading
import time

from visualization_msgs.msg import MarkerArray

from ..show.markers import MarkerTracker
from . import messages, qos
from .clocks import STEADY

# Messages kept for late subscribers; the oldest of them is a complete set or older than one.
DEPTH = 10
WATCH_PERIOD = 0.5  # seconds between checks for new subscribers
CATCH_UP = 2.0  # seconds in which sets are complete after a subscriber joined: its discovery may still be under way


class MarkerOutput:
    """Publishes sets of markers on ~/name. May be called from any thread.

    What changed is sent, and the complete set in every tenth message and to new subscribers: one that asks for fewer
    messages than are kept, or for none, would otherwise see the last difference only. Others receive that set too,
    and see no change.
    """

    def __init__(self, node, name, namespaces):
        """namespaces: of the markers. Those of an earlier process are deleted now."""
        self._node = node
        self._namespaces = namespaces
        self._publisher = qos.latched_publisher(node, MarkerArray, name, DEPTH)
        self._lock = threading.Lock()
        self._tracker = MarkerTracker()
        self._place = None  # (Header, RigidTransform) of the last set
        self._differences = 0  # since the last complete set
        self._complete_until = -float("inf")  # monotonic seconds
        self._subscribers = set()  # their endpoint identifiers
        self._timer = node.create_timer(WATCH_PERIOD, self._watch, clock=STEADY)
        self._publisher.publish(messages.delete_all_markers(namespaces))

    def publish(self, records, header, transform):
        """Publish what changed in a set of MarkerRecords. transform: into the frame of the header."""
        with self._lock:
            self._place = header, transform
            complete = time.monotonic() < self._complete_until or self._differences >= DEPTH - 1
            drawn_in = header.frame_id, transform.rotation.tobytes(), transform.translation.tobytes()
            change = self._tracker.update(records, drawn_in, complete)
            if change is not None and self._timer is not None:
                self._differences = 0 if complete else self._differences + 1
                self._publisher.publish(messages.to_marker_array(*change, header, transform))

    def destroy(self):
        """Delete the markers, which displays would keep, and remove timer and publisher from the node."""
        with self._lock, contextlib.suppress(Exception):  # a signal may have shut ROS down
            self._publisher.publish(messages.delete_all_markers(self._namespaces))
        with self._lock:
            timer, self._timer = self._timer, None
            self._node.destroy_timer(timer)
            self._node.destroy_publisher(self._publisher)

    def _watch(self):
        """Publish the complete set if there is a new subscriber."""
        with self._lock:
            if self._timer is None:
                return
            infos = self._node.get_subscriptions_info_by_topic(self._publisher.topic_name)
            before, self._subscribers = self._subscribers, {bytes(info.endpoint_gid) for info in infos}
            if not self._subscribers <= before:
                self._complete_until = time.monotonic() + CATCH_UP
                if self._place is not None:
                    self._differences = 0
                    self._publisher.publish(messages.to_marker_array(*self._tracker.sent(), *self._place))
