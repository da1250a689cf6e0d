# SPDX-License-Identifier: Apache-2.0
"""Depth images of the robot's cameras against the objects of the map: what they see through is missing."""

import time
from collections import defaultdict

from .. import SpaceformerError
from ..cameras.carving import is_new_view
from ..cameras.model import check_size
from ..cameras.presence import judge
from .frames import model_of
from .health import Counters
from .image_input import ImageInput
from .images import depth_of
from .newest import NewestOnly
from .rate_limit import MinInterval
from .text import printable
from .transforms import time_of

PERIOD = 0.5  # seconds between images of a camera that are used


class PresenceInput:
    """Uses the depth images of `cameras`, from activate to deactivate."""

    def __init__(self, node, settings, transforms, background, counters, perception):
        """Parts of Session."""
        self._node = node
        self._settings = settings
        self._transforms = transforms
        self._counters = counters
        self._perception = perception
        self._newest = NewestOnly(background, "presence", self._use, self._drop)
        self._input = None
        self._intervals = defaultdict(MinInterval)  # by camera
        self._last = {}  # camera -> (pose, stamp) of the last image that was used

    def open(self):
        """Subscribe, unless the images already come in as the map."""
        if self._settings.config.input.input_mode != "rgbd":
            self._input = ImageInput(self._node, self._settings, Counters(), self.submit)  # they are not clouds
            self._input.open()

    def close(self):
        """Unsubscribe."""
        if self._input is not None:
            self._input.close()
        self._input = None

    destroy = close

    def submit(self, pair):
        """Use an ImagePair, at most one per PERIOD of each camera."""
        if self._intervals[pair.camera].admits(PERIOD, time.monotonic()):
            self._newest.submit(pair)

    def _drop(self, reason):
        self._counters.presence_reason = printable(reason)
        self._node.get_logger().warning(f"a depth image was not used: {printable(reason)}", throttle_duration_sec=5.0)

    def _use(self, pair):
        """Count what a depth image says of the objects, and publish changed states. Raises SpaceformerError."""
        pipeline, config = self._perception.pipeline, self._settings.config
        scene = pipeline and pipeline.scene
        if scene is None or scene.partial:
            return
        if pair.depth_info is None:
            raise SpaceformerError(f"camera {pair.camera}: no camera_info on {pair.info_topics[0]}: is it published?")
        stamp, frame_id = time_of(pair.depth.header.stamp), pair.depth.header.frame_id.lstrip("/")
        found = self._transforms.lookup(scene.frame_id, frame_id, stamp, config.output.tf_timeout)
        pose, seconds = scene.cloud.placement.inverse.after(found), stamp.nanoseconds * 1e-9
        last = self._last.get(pair.camera)
        if last is not None and not is_new_view(pose, seconds, *last):
            return
        self._last[pair.camera] = pose, seconds
        camera, depth = model_of(pair.depth_info), depth_of(pair.depth)
        check_size(camera, depth, f"camera {pair.camera}: the depth image")
        objects = [(item.id, item.occupancy.own) for item in scene.objects if not item.background]
        seen = judge(objects, depth, camera, pose, config.camera, scene.instances.voxels.voxel_size)
        self._counters.objects_seen_through = len(seen.through)
        self._counters.presence_images += 1
        changed = pipeline.add_presence(seen)
        if changed is not None:
            self._perception.publish_scene(changed)
