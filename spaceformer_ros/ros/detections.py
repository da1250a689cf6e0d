# SPDX-License-Identifier: Apache-2.0
"""Names for the objects of the map from 2D detections and label images of the robot's cameras.

The map is the depth buffer, so that no depth image is needed. Detections wait on a pool thread for TF at their stamp;
of those that arrive meanwhile the newest waits, and older ones are dropped and counted.
"""

import functools
import threading

from sensor_msgs.msg import Image

from .. import SpaceformerError
from ..cameras.model import check_size
from ..cameras.proposals import Proposer
from ..cameras.voting import LabelImage, Voter
from . import qos
from .detection_messages import DETECTIONS, detection_topics, label_image_of
from .label_info import label_info_type
from .live_camera import INFO, PROFILE, TurnLimit
from .newest import NewestOnly
from .text import printable

SLACK = 0.05  # share of the sides of the image by which the box of a detection may reach out of it


class Voters:
    """The Voter of the newest map, for all cameras.

    proposer: Proposer of the detections that show no object; belongs to the lane of the detections
    """

    def __init__(self, views):
        """views: MapViews, whose points are drawn."""
        self.proposer = Proposer()
        self._views = views
        self._lock = threading.Lock()
        self._newest = None, None  # Instances of a scene, and their Voter

    def of(self, scene):
        """The Voter of a scene, which is kept while its instances are the same."""
        with self._lock:
            instances, voter = self._newest
            if instances is not scene.instances:
                voter = Voter(self._views.points(scene.cloud), scene.instances, scene.objects)
                self._newest = scene.instances, voter
            return voter


class DetectionInput:
    """The subscriptions to the detections of one camera, from activate to deactivate."""

    def __init__(self, node, settings, camera, background, counters, perception, voters):
        """camera: LiveCamera; voters: Voters; the others: parts of Session. Raises SpaceformerError if no message type
        of detections is installed."""
        self._node = node
        self._settings = settings
        self.camera = camera
        self._counters = counters
        self._perception = perception
        self._voters = voters
        self._topics = detection_topics()
        self._newest = NewestOnly(background, "detections", self._use, self._drop)
        self._subscriptions = []
        self._label_info = None
        self._turns = TurnLimit(settings)

    def open(self):
        """Subscribe."""
        for kind, topic, read in self._topics:
            self._subscribe(kind, topic, functools.partial(self._receive, read))
        if (label_info := label_info_type()) is not None:
            self._subscribe(Image, DETECTIONS[2], functools.partial(self._receive, self._read_labels))
            self._subscribe(label_info, "input/label_info", self._receive_labels, qos.LATCHED)

    def _subscribe(self, kind, topic, callback, profile=PROFILE):
        create = self._node.create_subscription
        self._subscriptions.append(create(kind, self.camera.topic(topic), callback, profile))

    def close(self):
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _receive(self, read, message):
        self._newest.submit((read, message))

    def _receive_labels(self, info):
        self._label_info = info

    def _read_labels(self, image):
        return label_image_of(image, self._label_info, self.camera.resolved("input/label_info"))

    def _drop(self, reason):
        self._counters.detections_dropped += 1
        self._counters.detections_reason = printable(reason)
        self._node.get_logger().warning(f"detections were dropped: {printable(reason)}", throttle_duration_sec=5.0)

    def _use(self, item):
        """Count the detections of one image, and publish the scene if labels change. Raises SpaceformerError.

        item: (function that reads a message, the message)
        """
        read, message = item
        pipeline = self._perception.pipeline
        scene = pipeline and pipeline.scene
        if scene is None or scene.partial:
            raise SpaceformerError("there is no complete map yet")
        camera, found = self.camera.model(), read(message)
        self._check_size(camera, found)
        into = self.camera.pose(message.header, scene)
        self._turns.check(into.rotation, message.header.stamp)
        look = self._voters.of(scene).look(camera, into)
        sightings = look.sightings(found)
        changed = [pipeline.add_sightings(sightings)]
        self._counters.detections_used += 1
        self._counters.detections_assigned += len(sightings)
        if self._settings.config.names.propose_objects and not isinstance(found, LabelImage):
            proposals = self._voters.proposer.add(look, camera, into, found, scene.cloud, self.camera.name)
            changed += [pipeline.propose(one) for one in proposals]
        scenes = [scene for scene in changed if scene is not None]
        if scenes:
            self._perception.publish_scene(scenes[-1])

    def _check_size(self, camera, found):
        """Raise SpaceformerError if detections or labels are of images of another size than the camera's."""
        if isinstance(found, LabelImage):
            check_size(camera, found.pixels, "the label image")
            return
        for one in found:
            if one.mask is not None:
                check_size(camera, one.mask, "a mask")
        right, bottom = (max((one.box[side] for one in found), default=0.0) for side in (2, 3))
        if right > (1 + SLACK) * camera.width or bottom > (1 + SLACK) * camera.height:
            topic = self.camera.resolved(INFO)
            raise SpaceformerError(
                f"detections reach to pixel {right:.0f}, {bottom:.0f}, but the camera_info is that of {camera.width} x "
                f"{camera.height} pixels: remap {topic} to that of the detector's images"
            )
