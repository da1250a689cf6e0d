# SPDX-License-Identifier: Apache-2.0
"""A camera of the robot whose images are used with the map: names of its topics, its CameraInfo, its pose by TF."""

from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from .. import SpaceformerError
from . import qos
from .frames import model_of

PROFILE = qos.profile(qos.BEST_EFFORT, qos.VOLATILE, depth=4)  # receives from every publisher


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

    def topic(self, name):
        """The name of a topic of this camera, such as "~/front/input/image"."""
        return f"~/{self.name}/{name}" if self.name else f"~/{name}"

    def resolved(self, name):
        """The full name of a topic of this camera, after remapping."""
        return self._node.resolve_topic_name(self.topic(name))

    def open(self, on_info=None):
        """Subscribe to the CameraInfo. on_info: function of each."""

        def receive(info):
            self.info = info
            if on_info is not None:
                on_info(info)

        self._subscription = self._node.create_subscription(
            CameraInfo, self.topic("input/camera_info"), receive, PROFILE
        )

    def close(self):
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def model(self):
        """The CameraModel. Raises SpaceformerError while there is none."""
        if self.info is None:
            topic = self.resolved("input/camera_info")
            raise SpaceformerError(f"no camera_info on {topic}: remap it to that of the images")
        return model_of(self.info)

    def pose(self, header, scene):
        """RigidTransform of a scene's local coordinates into the optical frame of an image. Raises TransformError."""
        frame_id = header.frame_id or self.info.header.frame_id
        timeout = self._settings.config.output.tf_timeout
        found = self._transforms.lookup(frame_id, scene.frame_id, Time.from_msg(header.stamp), timeout)
        return found.after(scene.cloud.placement)
