# SPDX-License-Identifier: Apache-2.0
"""All publishers of the node. Latched topics are always published; debug topics only if they have a subscriber."""

import itertools
import threading
from dataclasses import dataclass

from rclpy.time import Time
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64, Header

from .. import SpaceformerError
from ..clouds.cloud import Cloud
from ..config import OutputConfig
from ..geometry.transform import IDENTITY, RigidTransform
from ..scene.objects import Scene
from ..show.markers import NAMESPACES, query_markers, scene_markers
from . import interfaces, messages, qos, vision
from .marker_output import MarkerOutput
from .transforms import TransformError

# Stages of an inference, then those of tiled maps. Except "total", they add up to it within a few milliseconds.
DEBUG_STAGES = ("wait", "decode", "voxelise", "network", "postprocess", "label", "publish", "total")
DEBUG_STAGES += ("plan", "recall", "merge")
MIN_TOP = 1e-6  # lower bound of the colour scale's maximum (avoids 0/0)


@dataclass(frozen=True)
class Placed:
    """Where a cloud is published: the transform of its local coordinates into the frame of the header."""

    cloud: Cloud
    transform: RigidTransform
    header: Header


@dataclass(frozen=True)
class Drawn:
    """Content of ~/markers: the scene, its published objects, and the settings, header and transform of the message."""

    scene: Scene
    shown: list
    config: OutputConfig
    header: object
    transform: RigidTransform


class Outputs:
    """Publishers of one configured node. Scenes may be published from any thread; outdated ones are skipped."""

    def __init__(self, node, settings, transforms):
        self._node = node
        self._settings = settings
        self._transforms = transforms
        self._lock = threading.Lock()
        self._instances = self._latched(interfaces.InstanceArray, "instances")
        self._cloud = self._latched(PointCloud2, "labeled_cloud")
        self._relevancy = self._latched(PointCloud2, "relevancy")
        self._vocabulary = self._latched(interfaces.Vocabulary, "vocabulary")
        self._state = self._latched(interfaces.NodeState, "state")
        self._vision = vision.VisionOutputs(self._latched) if vision.AVAILABLE else None
        self._stages = {stage: self._debug(f"processing_time/{stage}_ms") for stage in DEBUG_STAGES}
        self._latency = self._debug("pipeline_latency_ms")
        self._markers = MarkerOutput(node, "markers", NAMESPACES)
        self._placed = None  # the Placed of the last cloud
        self._drawn = None  # the Drawn of ~/markers
        self._highlights = ()
        self._newest = (0, 0, 0)  # (map revision, vocabulary revision, number of the call) published last
        self._newest_vocabulary = 0  # revision of the vocabulary published last
        self._calls = itertools.count(1)
        self.on_published = lambda scene, transform, header: None  # called with every published scene

    def _latched(self, kind, name):
        return qos.latched_publisher(self._node, kind, name)

    def _debug(self, name):
        return self._node.create_publisher(Float64, f"~/debug/{name}", qos.STREAM)

    def publish_scene(self, scene, background=None):
        """Publish instances, cloud and markers of a scene with the current settings. Returns the published objects.

        background: see `label_points`
        Skipped if a newer scene is published, or the same one by a later call. Raises TransformError.
        """
        config = self._settings.config
        order = (scene.map_revision, scene.space.revision, next(self._calls))
        shown = scene.published(config.postprocess)
        transform, header = self._place(scene, config.output)
        array = messages.to_instance_array(scene, shown, transform, header)
        cloud = messages.to_labeled_cloud(scene, shown, config.output, transform, header, background)
        with self._lock:
            if order < self._newest:
                return shown
            self._newest = order
            self._instances.publish(array)
            self._cloud.publish(cloud)
            self._drawn = Drawn(scene, shown, config.output, array.header, transform)
            self._draw()
            if self._vision:
                self._vision.publish(array, scene.space.vocabulary.names)
        self.on_published(scene, transform, array.header)
        return shown

    def publish_partial(self, scene):
        """As `publish_scene`, but an error is only logged, because the complete result will report it."""
        try:
            self.publish_scene(scene)
        except SpaceformerError as error:
            self._node.get_logger().warning(
                f"a partial result could not be published: {error}", throttle_duration_sec=5.0
            )

    def _place(self, scene, config):
        """The transform of a scene's local coordinates into target_frame, and the Header of what is published.

        Everything that is made of one cloud has the same: what is found first is kept (see `lookup_for_map`).
        """
        frame_id, placed = config.target_frame or scene.frame_id, self._placed
        if placed is None or placed.cloud is not scene.cloud or placed.header.frame_id != frame_id:
            stamp = Time(nanoseconds=scene.cloud.stamp_ns)
            try:
                found, stamp = self._transforms.lookup_for_map(frame_id, scene.frame_id, stamp, config.tf_timeout)
            except TransformError as error:
                raise TransformError(
                    f"results wait for target_frame {frame_id!r}: {error}; leave target_frame empty to get results in "
                    f"the map's own frame {scene.frame_id!r}"
                ) from error
            header = Header(stamp=stamp.to_msg(), frame_id=frame_id)
            placed = self._placed = Placed(scene.cloud, found.after(scene.cloud.placement), header)
        return placed.transform, placed.header

    def highlight(self, highlights):
        """Replace the Highlights in ~/markers. Each is shown as long as its object exists."""
        with self._lock:
            self._highlights = highlights
            if self._drawn is not None:
                self._draw()

    def _draw(self):
        drawn = self._drawn
        records = scene_markers(drawn.shown, drawn.config, drawn.scene.confidence)
        records += query_markers(drawn.scene, self._highlights, drawn.config)
        self._markers.publish(records, drawn.header, drawn.transform)

    def publish_relevancy(self, scene, relevancy):
        """Publish the relevancy [N] float32 of each point of a scene for a text. Returns the header.

        The colour scale ends at the maximum, but not below min_match_score. Raises TransformError.
        """
        config = self._settings.config
        transform, header = self._place(scene, config.output)
        top = max(float(relevancy.max()), config.scene.min_match_score, MIN_TOP)
        cloud = messages.to_relevancy_cloud(scene, relevancy, top, config.output, transform, header)
        with self._lock:
            if self._drawn is not None or scene.map_revision >= self._newest[0]:  # not cleared meanwhile
                self._relevancy.publish(cloud)
        return cloud.header

    def clear_scene(self, scene):
        """Publish an empty scene: no instances, empty clouds, all markers deleted.

        scene: the cleared one, or None; publishing it is skipped from now on.
        """
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id=scene.frame_id if scene else "")
        with self._lock:
            if scene is not None:
                self._newest = max(self._newest, (scene.map_revision + 1, 0, 0))
            self._placed, self._drawn, self._highlights = None, None, ()
            self._instances.publish(interfaces.InstanceArray(header=header))
            if self._vision:
                self._vision.clear(header)
            for publisher in (self._cloud, self._relevancy):
                publisher.publish(PointCloud2(header=header, height=1, is_dense=True))
            self._markers.publish([], header, IDENTITY)

    def publish_vocabulary(self, space, text_model):
        """Publish the vocabulary of a LabelSpace unless a newer one is published."""
        with self._lock:
            if space.revision >= self._newest_vocabulary:
                self._newest_vocabulary = space.revision
                now = self._node.get_clock().now().to_msg()
                self._vocabulary.publish(messages.to_vocabulary(space, text_model, now))

    def publish_state(self, state, text):
        """Publish a constant of NodeState with its sentence."""
        self._state.publish(interfaces.NodeState(stamp=self._node.get_clock().now().to_msg(), state=state, text=text))

    def publish_timings(self, seconds, latency):
        """Publish seconds per stage and the seconds since the cloud's stamp on the debug topics with a subscriber."""
        for stage, publisher in self._stages.items():
            if stage in seconds and publisher.get_subscription_count():
                publisher.publish(Float64(data=1000.0 * seconds[stage]))
        if self._latency.get_subscription_count():
            self._latency.publish(Float64(data=1000.0 * latency))

    def destroy(self):
        """Remove all publishers from the node."""
        self._markers.destroy()
        publishers = [self._instances, self._cloud, self._relevancy, self._vocabulary, self._state]
        publishers += [self._latency, *self._stages.values(), *(self._vision.publishers if self._vision else ())]
        for publisher in publishers:
            self._node.destroy_publisher(publisher)
