# SPDX-License-Identifier: Apache-2.0
"""A camera of the robot whose images are used with the map: names of its topics, its CameraInfo, its pose by TF."""

import numpy as np
from sensor_msgs.msg import CameraInfo

from .. import SpaceformerError
from . import qos
from .frames import model_of
from .transforms import time_of

PROFILE = qos.profile(qos.BEST_EFFORT, qos.VOLATILE, depth=4)  # receives from every publisher
INFO, IMAGE = "input/camera_info", "input/image"


class LiveCamera:
    """One of the setting image_cameras. Subscriptions belong to the executor; `model` and `pose` are for any thread."""

    def __init__(self, node, settings, transforms, name):
        """name: of the camera, part of the names of its topics; empty: they have no such part."""
        self.name = name
        self._node = node
        self._settings = settings
        self._transforms = transforms
        self._subscription = None
        self.info = None  # the newest CameraInfo
        self.listeners = []  # functions of each CameraInfo

    def topic(self, name):
        """The name of a topic of this camera, such as "~/front/input/image"."""
        return f"~/{self.name}/{name}" if self.name else f"~/{name}"

    def resolved(self, name):
        """The full name of a topic of this camera, after remapping."""
        return self._node.resolve_topic_name(self.topic(name))

    def open(self):
        """Subscribe to the CameraInfo."""
        self._subscription = self._node.create_subscription(CameraInfo, self.topic(INFO), self._receive, PROFILE)

    def close(self):
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def _receive(self, info):
        self.info = info
        for listener in self.listeners:
            listener(info)

    def model(self):
        """The CameraModel. Raises SpaceformerError while there is none."""
        if self.info is None:
            raise SpaceformerError(f"no camera_info on {self.resolved(INFO)}: remap it to that of the images")
        return model_of(self.info)

    def pose(self, header, scene):
        """RigidTransform of a scene's local coordinates into the optical frame of an image. Raises TransformError."""
        frame_id = header.frame_id or self.info.header.frame_id
        timeout = self._settings.config.output.tf_timeout
        found = self._transforms.lookup(frame_id, scene.frame_id, time_of(header.stamp), timeout)
        return found.after(scene.cloud.placement)


class TurnLimit:
    """Refuses images of a camera that turns fast: they are blurred, and their stamps and poses fit less well."""

    def __init__(self, settings):
        """settings: Settings, for max_turn_rate."""
        self._settings = settings
        self._last = None  # (rotation, seconds) of the last image

    def check(self, rotation, stamp):
        """Raise SpaceformerError if the camera has turned too fast since the last image. rotation: [3, 3] of the pose;
        stamp: of the image's header."""
        seconds = stamp.sec + 1e-9 * stamp.nanosec
        last, self._last = self._last, (rotation, seconds)
        if last is None or not 0 < seconds - last[1] < 1.0:
            return
        cosine = (np.trace(rotation.T @ last[0]) - 1) / 2
        rate = float(np.arccos(np.clip(cosine, -1.0, 1.0))) / (seconds - last[1])
        limit = self._settings.config.names.max_turn_rate
        if rate > limit:
            raise SpaceformerError(f"the camera turned by {rate:.2f} rad/s, more than max_turn_rate {limit:g}")
