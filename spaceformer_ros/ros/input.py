# SPDX-License-Identifier: Apache-2.0
"""The cloud subscription: its QoS follows the publishers, and it is renewed if a latched cloud does not arrive."""

import time

from sensor_msgs.msg import PointCloud2

from . import qos
from .clocks import STEADY
from .compat import SubscriptionEventCallbacks

TOPIC = "~/input/points"
WATCH_PERIOD = 0.2  # seconds between checks of the publishers' QoS
LATCHED_TIMEOUT = 2.0  # seconds to wait for a latched cloud before subscribing again; doubled each time
MAX_LATCHED_TIMEOUT = 60.0
MAP_DEPTH = 1  # maps: only the newest matters
SCAN_DEPTH = 10  # scans that may wait for the executor: one second at 10 Hz


class CloudInput:
    """The subscription of one configured node, from activate to deactivate. All methods belong to the executor."""

    def __init__(self, node, settings, counters, on_cloud, streaming):
        """on_cloud(raw): called with the bytes of every PointCloud2; streaming: clouds are scans, not whole maps."""
        self._node = node
        self._settings = settings
        self._counters = counters
        self._on_cloud = on_cloud
        self._depth = SCAN_DEPTH if streaming else MAP_DEPTH
        self._subscription = None
        self._profile = None
        self._waiting_since = None  # monotonic seconds; None once a cloud has arrived
        self._latched_timeout = LATCHED_TIMEOUT
        self._last = None  # bytes of the newest cloud
        self._resubscribed = False  # since the newest cloud, to the same publishers
        self._timer = node.create_timer(WATCH_PERIOD, self._watch, clock=STEADY)

    def open(self):
        """Subscribe."""
        self._latched_timeout = LATCHED_TIMEOUT
        self._last = None
        self._resubscribed = False
        self._subscribe()

    def close(self):
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def destroy(self):
        """Remove subscription and timer from the node."""
        self.close()
        self._node.destroy_timer(self._timer)

    def publishers(self):
        """List of health.Publisher of the topic; empty while not subscribed."""
        return [] if self._subscription is None else qos.compare_publishers(self._endpoints(), self._profile)

    def _subscribe(self):
        self._profile = self._wanted_profile(self._endpoints())
        self._subscription = self._node.create_subscription(
            PointCloud2,
            TOPIC,
            self._receive,
            self._profile,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
            raw=True,
        )
        self._waiting_since = time.monotonic()

    def _subscribe_again(self):
        self.close()
        self._subscribe()
        self._resubscribed = True

    def _endpoints(self):
        return self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(TOPIC))

    def _wanted_profile(self, publishers):
        return qos.input_profile(self._settings.config.input.input_qos, publishers, self._depth)

    def _receive(self, raw):
        now = time.monotonic()
        self._waiting_since = None
        self._counters.last_cloud_time = now
        if not self._is_sent_again(raw):
            self._counters.clouds_received += 1
            self._on_cloud(raw)

    def _is_sent_again(self, raw):
        """Whether a latched cloud is the one that arrived before the node subscribed again: it is segmented once."""
        sent_again = self._resubscribed and raw == self._last
        self._resubscribed = False
        self._last = raw
        return sent_again

    def _on_incompatible_qos(self, event):
        if self._settings.config.input.input_qos == "auto":
            return  # `_follow_publishers` adapts the subscription
        unheard = [f"{one.name}: {one.refusal}" for one in self.publishers() if one.refusal]
        self._node.get_logger().warning(
            f"{self._subscription.topic_name}: nothing arrives from {'; '.join(unheard) or 'a publisher'} "
            f"({event.last_policy_kind.name.lower()}); set input_qos to auto"
        )

    def _watch(self):
        if self._subscription is None:
            return
        publishers = self._endpoints()
        self._follow_publishers(publishers)
        self._request_latched_cloud(publishers)

    def _follow_publishers(self, publishers):
        """With input_qos auto, subscribe again when the publishers' QoS has changed."""
        if self._settings.config.input.input_qos != "auto" or not publishers:
            return
        wanted = self._wanted_profile(publishers)
        if qos.describe(wanted) != qos.describe(self._profile):
            self._node.get_logger().info(f"input_qos auto: subscribing as {qos.describe(wanted)}, like the publishers")
            self._subscribe_again()

    def _request_latched_cloud(self, publishers):
        """Subscribe again if a latched cloud is overdue: Fast DDS occasionally misses a new reader."""
        if self._waiting_since is None or not publishers or self._profile.durability != qos.TRANSIENT_LOCAL:
            return
        if time.monotonic() - self._waiting_since > self._latched_timeout:
            self._latched_timeout = min(2 * self._latched_timeout, MAX_LATCHED_TIMEOUT)  # it may not exist yet
            self._subscribe_again()
