# SPDX-License-Identifier: Apache-2.0
"""The map drawn into the live images of a camera: ~/overlay and ~/view/..., each only while it has a subscriber."""

import time

from sensor_msgs.msg import Image

from .. import SpaceformerError
from ..cameras.layers import draw_layers
from ..cameras.model import check_size
from . import qos
from .clocks import STEADY
from .images import color_of, to_image
from .label_info import MAX_CLASS, label_info_type, to_label_info
from .live_camera import IMAGE, PROFILE
from .newest import NewestOnly
from .rate_limit import MinInterval
from .text import printable

TOPICS = {"overlay": "overlay", **{layer: f"view/{layer}" for layer in ("ids", "depth", "marks", "relevancy")}}
ON_IMAGE = {"overlay", "marks", "relevancy"}  # drawn over the image; the others need only the camera_info
PERIOD = 0.5  # seconds between looks at the number of subscribers
PICTURES = qos.profile(qos.RELIABLE, qos.VOLATILE)  # reaches every subscriber


class CameraViews:
    """The pictures of one camera. Publishers exist while the node is configured, subscriptions while it is active."""

    def __init__(self, node, settings, camera, background, counters, perception, views):
        """camera: LiveCamera; views: MapViews; the others: parts of Session."""
        self._node = node
        self._settings = settings
        self._camera = camera
        self._counters = counters
        self._perception = perception
        self._views = views
        create = node.create_publisher
        self._publishers = {layer: create(Image, camera.topic(topic), PICTURES) for layer, topic in TOPICS.items()}
        kind, name = label_info_type(), camera.topic("view/label_info").removeprefix("~/")
        self._label_info = None if kind is None else qos.latched_publisher(node, kind, name)
        self._labels = None  # dict id -> label that was published last
        self._newest = NewestOnly(background, "views", self._draw, self._drop)
        camera.listeners.append(self._on_info)
        self._timer = self._images = None
        self._wanted = set()
        self._interval = MinInterval()

    def open(self):
        """Subscribe, to images as soon as a picture has a subscriber."""
        self._timer = self._node.create_timer(PERIOD, self._follow_subscribers, clock=STEADY)

    def close(self):
        """Unsubscribe."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        self._timer, self._wanted = None, set()
        self._set_subscribed(False)

    def destroy(self):
        """Unsubscribe, and remove the publishers from the node."""
        self.close()
        for publisher in (*self._publishers.values(), *([self._label_info] if self._label_info else [])):
            self._node.destroy_publisher(publisher)

    def _follow_subscribers(self):
        """Find out which layers are wanted, and subscribe to images while one of them needs them."""
        self._wanted = {layer for layer, one in self._publishers.items() if one.get_subscription_count()}
        self._set_subscribed(bool(self._wanted & ON_IMAGE))

    def _set_subscribed(self, wanted):
        if wanted and self._images is None:
            self._images = self._node.create_subscription(Image, self._camera.topic(IMAGE), self._on_image, PROFILE)
        elif not wanted and self._images is not None:
            self._node.destroy_subscription(self._images)
            self._images = None

    def _on_info(self, info):
        if self._wanted and not self._wanted & ON_IMAGE:
            self._submit(info.header, None)

    def _on_image(self, image):
        self._submit(image.header, image)

    def _submit(self, header, image):
        period = 1 / self._settings.config.views.image_view_rate
        if self._interval.admits(period, time.monotonic()):
            self._newest.submit((set(self._wanted), header, image))

    def _drop(self, reason):
        self._counters.views_dropped += 1
        self._counters.views_reason = printable(reason)
        self._node.get_logger().warning(f"images were not drawn: {printable(reason)}", throttle_duration_sec=5.0)

    def _draw(self, item):
        """Publish the wanted layers of one image. Raises SpaceformerError.

        item: (wanted layers, header of the image, Image or None if no layer needs it)
        """
        wanted, header, image = item
        pipeline = self._perception.pipeline
        scene = pipeline and pipeline.scene
        if scene is None:
            raise SpaceformerError("there is no map yet")
        camera = self._camera.model()
        pixels = None if image is None else color_of(image)
        if pixels is not None:
            check_size(camera, pixels, "the image")
        relevancy = self._views.relevancy(pipeline, scene) if "relevancy" in wanted else None
        if relevancy is None:
            wanted -= {"relevancy"}
        view = self._views.draw(scene, camera, self._camera.pose(header, scene))
        layers = draw_layers(view, scene.cloud, self._views.ids(scene), wanted, relevancy, pixels)
        if "ids" in layers:
            self._publish_labels(scene, header)
        for layer, picture in layers.items():
            self._publishers[layer].publish(to_image(picture, header))
        self._counters.views_drawn += 1

    def _publish_labels(self, scene, header):
        """Publish the labels of the ids, if they have changed."""
        labels = {item.id: item.label for item in scene.objects if item.id <= MAX_CLASS}
        if self._label_info is None or labels == self._labels:
            return
        self._labels = labels
        self._label_info.publish(to_label_info(header, labels))
