# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of depth cameras: pairs of colour and depth images at about the same time."""

import functools
import time
from collections import deque

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from . import qos
from .frames import ImagePair

MAX_GAP_NS = 20_000_000  # between the stamps of colour and depth
WAITING = 8  # images that wait for their partner
PROFILE = qos.profile(qos.BEST_EFFORT, qos.VOLATILE, depth=4)  # receives from every publisher
COMPRESSED = ("/compressed", "/compressedDepth")


class ImageInput:
    """The subscriptions of one configured node, from activate to deactivate. All methods belong to the executor."""

    def __init__(self, node, settings, counters, on_pair):
        """on_pair(ImagePair): called with every pair, at most `camera_rate` per second and camera."""
        self._node = node
        self._settings = settings
        self._counters = counters
        self._on_pair = on_pair
        self._cameras = []

    def open(self):
        """Subscribe."""
        config = self._settings.config.camera
        self._cameras = [Camera(self._node, name, config, self._receive) for name in dict.fromkeys(config.cameras)]

    def close(self):
        """Unsubscribe."""
        for camera in self._cameras:
            camera.close()
        self._cameras = []

    destroy = close

    def publishers(self):
        """List of health.Publisher of all images; empty while not subscribed."""
        return [
            publisher
            for camera in self._cameras
            for topic, kind in camera.topics.items()
            for publisher in qos.compare_publishers(self._node.get_publishers_info_by_topic(topic), PROFILE, kind)
        ]

    def _receive(self, camera, pair):
        now = time.monotonic()
        self._counters.last_cloud_time = now
        self._counters.clouds_received += 1
        if camera.is_due(self._settings.config.camera.camera_rate):
            self._on_pair(pair)
        else:
            self._counters.images_skipped += 1


class Camera:
    """The subscriptions of one camera."""

    def __init__(self, node, name, config, on_pair):
        """name: namespace; config: CameraConfig; on_pair: function of this Camera and an ImagePair."""
        self.name = name
        self._node = node
        self._on_pair = on_pair
        self._waiting = {"color": deque(maxlen=WAITING), "depth": deque(maxlen=WAITING)}
        self._info = {"color": None, "depth": None}
        self._newest_ns = self._last_ns = None  # stamps of the last pair, and of the last that was used
        self._subscriptions, self._info_topics = [], {}
        self.topics = {}  # of images: name -> type
        for kind, topic in (("color", config.color_topic), ("depth", config.depth_topic)):
            self._subscribe(kind, f"{name.rstrip('/')}/{topic}")

    def _subscribe(self, kind, topic):
        message = CompressedImage if topic.endswith(COMPRESSED) else Image
        plain = topic.rsplit("/", 1)[0] if message is CompressedImage else topic
        info = f"{plain.rsplit('/', 1)[0]}/camera_info"
        create = self._node.create_subscription
        self._subscriptions += [
            create(message, topic, functools.partial(self._on_image, kind), PROFILE),
            create(CameraInfo, info, functools.partial(self._info.__setitem__, kind), PROFILE),
        ]
        self.topics[self._subscriptions[-2].topic_name] = f"sensor_msgs/msg/{message.__name__}"
        self._info_topics[kind] = self._subscriptions[-1].topic_name

    def close(self):
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def is_due(self, rate):
        """Whether the pair that was just made is used, at `rate` pairs per second by their stamps."""
        if self._last_ns is not None and 0 <= self._newest_ns - self._last_ns < 1e9 / rate - MAX_GAP_NS / 10:
            return False
        self._last_ns = self._newest_ns
        return True

    def _on_image(self, kind, image):
        self._waiting[kind].append(image)
        self._match()

    def _match(self):
        """Report the newest colour and depth images if they belong together, and forget older ones."""
        best = min(
            ((abs(stamp_ns(c) - stamp_ns(d)), c, d) for c in self._waiting["color"] for d in self._waiting["depth"]),
            key=lambda found: found[0],
            default=None,
        )
        if best is None or best[0] > MAX_GAP_NS:
            return
        _, color, depth = best
        for kind, used in (("color", color), ("depth", depth)):
            newer = [image for image in self._waiting[kind] if stamp_ns(image) > stamp_ns(used)]
            self._waiting[kind].clear()
            self._waiting[kind].extend(newer)
        self._newest_ns = stamp_ns(depth)
        topics = self._info_topics["depth"], self._info_topics["color"]
        self._on_pair(self, ImagePair(self.name, color, depth, self._info["color"], self._info["depth"], topics))


def stamp_ns(message):
    """Nanoseconds of a message's header."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
