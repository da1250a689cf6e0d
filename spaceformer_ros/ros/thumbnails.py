# SPDX-License-Identifier: Apache-2.0
"""Pictures of the objects, cut out of the images of a camera."""

import time

from sensor_msgs.msg import Image

from .. import SpaceformerError
from ..cameras.model import check_size
from ..cameras.thumbnails import cut_out
from ..clouds.pointcloud2 import nanoseconds_of
from .images import color_of
from .live_camera import IMAGE, PROFILE, TurnLimit
from .newest import NewestOnly
from .rate_limit import MinInterval
from .text import printable

PERIOD = 1.0  # seconds between images that are used


class ThumbnailInput:
    """The subscription to the images of one camera, from activate to deactivate."""

    def __init__(self, node, settings, camera, background, counters, perception, voters):
        """camera: LiveCamera; voters: Voters; the others: parts of Session."""
        self._node = node
        self._camera = camera
        self._counters = counters
        self._perception = perception
        self._voters = voters
        self._turns = TurnLimit(settings)
        self._newest = NewestOnly(background, "views", self._use, self._drop)
        self._subscription = None
        self._interval = MinInterval()

    def open(self):
        """Subscribe."""
        self._subscription = self._node.create_subscription(Image, self._camera.topic(IMAGE), self._receive, PROFILE)

    def close(self):
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    destroy = close

    def _receive(self, image):
        if self._interval.admits(PERIOD, time.monotonic()):
            self._newest.submit(image)

    def _drop(self, reason):
        self._counters.thumbnails_reason = printable(reason)
        self._node.get_logger().warning(f"no thumbnails of an image: {printable(reason)}", throttle_duration_sec=5.0)

    def _use(self, image):
        """Keep the pictures that are better than those before. Raises SpaceformerError."""
        pipeline = self._perception.pipeline
        scene = pipeline and pipeline.scene
        if scene is None or scene.partial:
            raise SpaceformerError("there is no complete map yet")
        camera, pixels = self._camera.model(), color_of(image)
        check_size(camera, pixels, "the image")
        into = self._camera.pose(image.header, scene)
        self._turns.check(into.rotation, image.header.stamp)
        known = {item.id: item.thumbnail.quality for item in scene.objects if item.thumbnail}
        look = self._voters.of(scene).look(camera, into)
        stamp = nanoseconds_of(image.header.stamp)
        found = cut_out(look, pixels, known, stamp, image.header.frame_id)
        if found:
            pipeline.add_thumbnails(found)
            self._counters.thumbnails_taken += len(found)
