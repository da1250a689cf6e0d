# SPDX-License-Identifier: Apache-2.0
"""Names for the objects of the map from 2D detections in images: ~/input/detections and ~/input/camera_info.

The map is the depth buffer, so that no depth image is needed. Detections wait on a pool thread for TF at their stamp;
of those that arrive meanwhile the newest waits, and older ones are dropped and counted.
"""

import threading

import numpy as np
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from .. import SpaceformerError
from ..cameras.voting import Detection, Voter
from . import qos
from .frames import model_of
from .text import printable

TOPIC, INFO_TOPIC = "~/input/detections", "~/input/camera_info"
MAX_DETECTIONS = 1000  # of one image
MAX_WORD = 100  # characters
SLACK = 8.0  # pixels by which the box of a detection may reach out of the image
PROFILE = qos.profile(qos.BEST_EFFORT, qos.VOLATILE, depth=4)  # receives from every publisher


def detection_type():
    """vision_msgs/Detection2DArray. Raises SpaceformerError if vision_msgs is not installed."""
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError as error:
        raise SpaceformerError(
            f"detections: vision_msgs is not installed ({error}): sudo apt install ros-$ROS_DISTRO-vision-msgs"
        ) from error
    return Detection2DArray


class DetectionInput:
    """The subscriptions of one configured node, from activate to deactivate."""

    def __init__(self, node, settings, transforms, background, counters, perception):
        """As the parts of Session of the same names. Raises SpaceformerError if vision_msgs is not installed."""
        self._node = node
        self._settings = settings
        self._transforms = transforms
        self._background = background
        self._counters = counters
        self._perception = perception
        self._type = detection_type()
        self._subscriptions = []
        self._lock = threading.Lock()
        self._waiting = None  # the newest Detection2DArray that no thread has taken
        self._running = False
        self._info = None
        self._voter = None, None  # instances of a scene, and their Voter
        self._last = None  # (rotation, seconds) of the last image

    def open(self):
        """Subscribe."""
        create = self._node.create_subscription
        self._subscriptions = [
            create(self._type, TOPIC, self._receive, PROFILE),
            create(CameraInfo, INFO_TOPIC, self._receive_info, PROFILE),
        ]

    def close(self):
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    @property
    def has_camera(self):
        """Whether a CameraInfo has arrived."""
        return self._info is not None

    def _receive_info(self, info):
        self._info = info

    def _receive(self, message):
        """Keep the newest detections, and start a pool thread unless one runs."""
        with self._lock:
            if self._waiting is not None:
                self._drop("they arrive faster than they are used")
            self._waiting = message
            if self._running:
                return
            self._running = True
        self._background.submit(self._run, lane="detections")

    def _run(self):
        while True:
            with self._lock:
                message, self._waiting = self._waiting, None
                if message is None:
                    self._running = False
                    return
            try:
                self._use(message)
            except SpaceformerError as error:
                self._drop(str(error))

    def _drop(self, reason):
        self._counters.detections_dropped += 1
        self._counters.detections_reason = printable(reason)
        self._node.get_logger().warning(f"detections were dropped: {printable(reason)}", throttle_duration_sec=5.0)

    def _use(self, message):
        """Count the detections of one image, and publish the scene if labels change. Raises SpaceformerError."""
        pipeline = self._perception.pipeline
        scene = pipeline and pipeline.scene
        if scene is None or scene.partial:
            raise SpaceformerError("there is no complete map yet")
        if self._info is None:
            topic = self._node.resolve_topic_name(INFO_TOPIC)
            raise SpaceformerError(f"no camera_info on {topic}: remap it to that of the detector's images")
        camera, detections = model_of(self._info), detections_of(message)
        self._check_size(camera, detections)
        stamp = Time.from_msg(message.header.stamp)
        timeout = self._settings.config.output.tf_timeout
        frame_id = message.header.frame_id or self._info.header.frame_id
        into = self._transforms.lookup(frame_id, scene.frame_id, stamp, timeout).after(scene.cloud.placement)
        self._check_turn(into.rotation, stamp.nanoseconds * 1e-9)
        sightings = self._voter_of(scene).sightings(camera, into, detections)
        changed = pipeline.add_sightings(sightings)
        self._counters.detections_used += 1
        self._counters.detections_assigned += len(sightings)
        if changed is not None:
            self._perception.publish_scene(changed)

    def _check_size(self, camera, detections):
        """Raise SpaceformerError if boxes reach beyond the image of the camera_info."""
        right, bottom = (max((one.box[side] for one in detections), default=0.0) for side in (2, 3))
        if right > camera.width + SLACK or bottom > camera.height + SLACK:
            topic = self._node.resolve_topic_name(INFO_TOPIC)
            raise SpaceformerError(
                f"detections reach to pixel {right:.0f}, {bottom:.0f}, but the camera_info is that of {camera.width} x "
                f"{camera.height} pixels: remap {topic} to that of the detector's images"
            )

    def _check_turn(self, rotation, seconds):
        """Raise SpaceformerError if the camera has turned too fast since the last image."""
        last, self._last = self._last, (rotation, seconds)
        if last is None or not 0 < seconds - last[1] < 1.0:
            return
        cosine = (np.trace(rotation.T @ last[0]) - 1) / 2
        rate = float(np.arccos(np.clip(cosine, -1.0, 1.0))) / (seconds - last[1])
        limit = self._settings.config.names.max_turn_rate
        if rate > limit:
            raise SpaceformerError(f"the camera turned by {rate:.2f} rad/s, more than max_turn_rate {limit:g}")

    def _voter_of(self, scene):
        """The Voter of a scene, which is kept while its objects are the same."""
        instances, voter = self._voter
        if instances is not scene.instances:
            voter = Voter(scene.cloud, scene.instances, scene.objects)
            self._voter = scene.instances, voter
        return voter


def detections_of(message):
    """List of Detection of a Detection2DArray, the best hypothesis of each. Raises SpaceformerError."""
    if len(message.detections) > MAX_DETECTIONS:
        raise SpaceformerError(f"{len(message.detections)} detections in one image, at most {MAX_DETECTIONS} are read")
    found = []
    for one in message.detections:
        if not one.results:
            continue
        best = max((result.hypothesis for result in one.results), key=score_of)
        word, score, box = best.class_id.strip(), score_of(best), one.bbox
        if not word or len(word) > MAX_WORD or word.isdigit():
            raise SpaceformerError(
                f"the class {word[:MAX_WORD]!r} of a detection is no name: let the detector publish names as class_id"
            )
        x, y = box.center.position.x, box.center.position.y
        edges = x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2
        if not (np.isfinite(edges).all() and 0 < score <= 1):
            raise SpaceformerError(f"a detection of {word!r} has the score {score} and the box {edges}")
        found.append(Detection(word, float(score), edges))
    return found


def score_of(hypothesis):
    """The score of a hypothesis, 0 for one that is not a number."""
    return hypothesis.score if np.isfinite(hypothesis.score) else 0.0
