# SPDX-License-Identifier: Apache-2.0
"""All that is made of the images of the robot's cameras, besides the map: names, pictures, what is missing."""

from .camera_views import CameraViews
from .detection_messages import DETECTIONS
from .detections import DetectionInput, Voters
from .live_camera import IMAGE, INFO, LiveCamera
from .presence import PresenceInput
from .thumbnails import ThumbnailInput


class ImageCameras:
    """The cameras of the setting image_cameras and what uses them, while the node is configured."""

    def __init__(self, node, settings, transforms, background, counters, perception, views):
        """views: MapViews; the others: parts of Session. Raises SpaceformerError if messages are not installed."""
        self._node = node
        config = settings.config
        voters = Voters(views)
        parts = background, counters, perception
        self.detections, self.views, self.thumbnails = [], [], []
        self._cameras = [
            LiveCamera(node, settings, transforms, name) for name in dict.fromkeys(config.views.image_cameras)
        ]
        for camera in self._cameras:
            if config.names.detections:
                self.detections.append(DetectionInput(node, settings, camera, *parts, voters))
            if config.views.image_views:
                self.views.append(CameraViews(node, settings, camera, *parts, views))
            if config.views.thumbnails:
                self.thumbnails.append(ThumbnailInput(node, settings, camera, *parts, voters))
        is_watching = config.camera.watch_objects or config.input.input_mode == "rgbd"
        self.presence = PresenceInput(node, settings, transforms, *parts) if is_watching else None
        used = bool(self.detections or self.views or self.thumbnails)
        self._parts = [*(self._cameras if used else ()), *self.detections, *self.views, *self.thumbnails]
        self._parts += [self.presence] if self.presence else []

    def open(self):
        """Subscribe."""
        for part in self._parts:
            part.open()

    def close(self):
        """Unsubscribe."""
        for part in self._parts:
            part.close()

    def destroy(self):
        """Unsubscribe, and remove publishers from the node."""
        self.close()
        for part in self.views:
            part.destroy()

    def remarks(self):
        """Sentences about topics that nobody publishes, and about detections that nobody reads."""
        return [*self._not_published(), *self._not_read()]

    def _not_published(self):
        for camera in self._cameras:
            wanted = [DETECTIONS] if self.detections else []
            wanted += [[IMAGE]] if self.thumbnails else []
            wanted += [[INFO]] if self.detections or self.views or self.thumbnails else []
            for names in wanted:
                topics = [camera.resolved(name) for name in names]
                if not any(map(self._node.count_publishers, topics)):
                    yield f"nobody publishes {' or '.join(topics)}: remap it to the topic of the camera or detector"

    def _not_read(self):
        read = {camera.resolved(name) for camera in self._cameras for name in DETECTIONS} if self.detections else ()
        for name in DETECTIONS:
            topic = self._node.resolve_topic_name(f"~/{name}")
            if topic not in read and self._node.count_publishers(topic):
                cure = "set detections to true"
                if self.detections:
                    first = self._cameras[0].topic(name)
                    cure = f"the cameras of image_cameras have topics such as {first}"
                yield f"{topic} is published, but not used: {cure}"
