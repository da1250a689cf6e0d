# SPDX-License-Identifier: Apache-2.0
"""The parts of a configured node, which exist between the lifecycle transitions configure and cleanup."""

import functools
import re
import time
from dataclasses import replace

from std_msgs.msg import Header

from .. import SpaceformerError
from ..clouds.alternation import Alternation
from ..geometry.transform import IDENTITY
from . import health
from .autosave import Autosave
from .background import Background
from .clocks import STEADY
from .diagnostics import Diagnostics
from .frames import Frames, ImagePair
from .graph_outputs import GraphOutputs
from .image_cameras import ImageCameras
from .image_input import ImageInput
from .input import TOPIC, CloudInput
from .interfaces import NodeState
from .map_views import MapViews
from .messages import decode_bytes
from .outputs import Outputs
from .perception import Perception
from .refusal import Refusal
from .scans import Scans
from .state import StateMachine
from .storage import Storage
from .time_limit import TimeLimit
from .transforms import TransformListener
from .trips import Trips

NAMESAKE_SECONDS = 40.0  # DDS shows a killed node for 20 s
SMALL_MESSAGE = 2000  # bytes; decoded in less than a millisecond
LOST = "scans arrive, but are not in the map"
LOST_SCANS = 10  # in a row, which the state of a node with a scene mentions; fewer are usual
RETRY_PERIOD = 1.0  # seconds between attempts to publish a scene whose transform is missing
SHUTDOWN_TIMEOUT = 5.0  # seconds for the device thread to leave the network
CLOSE_SECONDS, MIN_SAVE_SECONDS = 8.0, 3.0  # of closing, including save_on_shutdown; launch kills a process after 10 s
END_SECONDS = 0.5  # that background work may take to end after the save; a long native call takes longer


class Session:
    """One configured node. Its methods belong to the executor."""

    def __init__(self, node, settings, live_parameters):
        """Create the parts.

        node: the LifecycleNode that owns topics and timers.
        settings: the Settings that node and pipeline share.
        live_parameters: LiveParameters.
        """
        logger = node.get_logger()
        self._logger = logger
        self._node = node
        self.settings = settings
        self.live_parameters = live_parameters
        self._active_since = 0.0
        self._alone_at = time.monotonic()  # last time without another node of the same name
        self.has_pending_parameters = False  # an application of LiveParameters is queued
        self.counters = health.Counters()
        self._alternation = Alternation()
        self._lost = ""  # the reason why scans are not in the map that the state last had, without its numbers
        self.transforms = TransformListener(node)
        self.background = Background(node)
        self.outputs = Outputs(node, settings, self.transforms)
        self.graph_outputs = GraphOutputs(node, settings, self.background)
        self.outputs.on_published = self._on_published
        self.state = StateMachine(self.outputs.publish_state, node.resolve_topic_name(TOPIC), self.counters)
        self.views = MapViews(settings)
        self.trips = Trips(node, settings, self.transforms)
        self.storage = Storage(settings, self.counters, self.state, logger)
        self.perception = Perception(
            node, settings, self.outputs, self.state, self.storage, self.counters, live_parameters.on_loaded
        )
        self.scans = self._make_growing_map()
        self.input = self._make_input()
        parts = self.transforms, self.background, self.counters, self.perception
        self.cameras = ImageCameras(node, settings, *parts, self.views)
        self.diagnostics = Diagnostics(node, self._read_status)
        self._autosave = Autosave(
            node, settings, self.background, self._save_while_working, self.storage.report_unsaved
        )
        self._retry = node.create_timer(RETRY_PERIOD, self._publish_waiting_scene, clock=STEADY)
        self._is_retrying = False
        self.state.set(NodeState.LOADING, "loading the model")

    def _make_growing_map(self):
        """The GrowingMap of the input mode; None if clouds are whole maps."""
        kinds = {"accumulate": Scans, "rgbd": Frames}
        kind = kinds.get(self.settings.config.input.input_mode)
        if kind is None:
            return None
        report = self._on_map, self._on_unplaced_scan, self.perception.report_error
        return kind(self.settings, self.transforms, self.counters, self._logger, *report)

    def _make_input(self):
        """The subscriptions of the input mode."""
        if self.settings.config.input.input_mode == "rgbd":
            return ImageInput(self._node, self.settings, self.counters, self._on_cloud)
        streaming = self.scans is not None
        return CloudInput(self._node, self.settings, self.counters, self._on_cloud, streaming)

    def start(self):
        """Load the model on the device thread."""
        self.perception.device_thread.start()

    def activate(self):
        """Subscribe and process."""
        self.state.active = True
        self._active_since = time.monotonic()
        self.input.open()
        self.cameras.open()
        self.perception.device_thread.resume()
        self.state.update_idle_state(self.perception.pipeline)

    def deactivate(self):
        """Stop processing clouds; the scene is kept."""
        self.state.active = False
        self.perception.device_thread.pause(Refusal("NOT_ACTIVE", "the node was deactivated before the network ran"))
        self.input.close()
        self.cameras.close()
        self.perception.forget_error()
        self.background.submit(self.storage.save_on_shutdown, self.perception.pipeline, lane="files")
        self.state.update_idle_state(self.perception.pipeline)

    def close(self):
        """Release everything. Returns whether all threads ended or are idle."""
        deadline = time.monotonic() + CLOSE_SECONDS
        self.state.active = False
        self._node.destroy_timer(self._retry)
        self._autosave.destroy()
        self.input.destroy()
        self.cameras.destroy()
        if self.scans is not None:
            self.scans.close()
        ended = self.perception.stop(SHUTDOWN_TIMEOUT)
        ended = self.trips.close() and ended
        self.background.close()
        ended = self._save(deadline) and ended  # waits for a save that runs already
        ended = self.background.join(END_SECONDS) and ended
        if ended:
            self.perception.pipeline = None  # the executor may hold callbacks of this session for a while
        self.diagnostics.destroy()
        self.state.close()
        self.outputs.destroy()
        self.graph_outputs.destroy()
        self.transforms.close()
        return ended

    def _save(self, deadline):
        """Save if save_on_shutdown is set. Returns whether it was done by `deadline`, monotonic seconds: a network disk
        may hang, and the save then goes on while the node is closed."""
        limit = TimeLimit(max(deadline - time.monotonic(), MIN_SAVE_SECONDS), "save_on_shutdown")
        try:
            limit.call(self.storage.save_on_shutdown, self.perception.pipeline)
        except SpaceformerError as error:
            self.storage.report_unsaved(str(error))
            return False
        return True

    def _save_while_working(self):
        """Save if save_on_shutdown is set. Runs on the pool."""
        self.storage.autosave(self.perception.pipeline)

    def require_active(self):
        """Raises Refusal unless the node is active."""
        if not self.state.active:
            raise Refusal("NOT_ACTIVE", "the node is not active: `ros2 lifecycle set <node> activate`, or autostart")

    def set_enabled(self, enabled):
        """Process clouds, or ignore them. The newest map, which may not be sent again, is processed later."""
        self.state.enabled = enabled
        if not enabled:
            self.perception.forget_error()
        self.state.update_idle_state(self.perception.pipeline)
        self.perception.catch_up()

    def clear_scene(self):
        """Drop the scene and the accumulated map."""
        if self.scans is not None:
            self.scans.clear()
        self.perception.clear_scene()
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self.graph_outputs.clear(header, IDENTITY)

    def now_ns(self):
        """Time of the node's clock in ns."""
        return self._node.get_clock().now().nanoseconds

    def _on_published(self, scene, transform, header):
        """A scene was published: its graph follows. Runs on the thread that published it."""
        if self.perception.pipeline is not None:
            self.graph_outputs.submit(self.perception.pipeline, scene, transform, header)

    def _on_cloud(self, raw):
        """Keep the newest cloud's bytes, or queue the scan or images; other threads do the rest."""
        if self.scans is None and len(raw) > SMALL_MESSAGE:
            self.perception.submit(functools.partial(self._decode, raw))
        elif not self.state.enabled:
            return
        elif self.scans is None:
            self._submit_small(raw)
        else:
            self.scans.add(raw)
            if isinstance(raw, ImagePair):
                self.cameras.presence.submit(raw)

    def _submit_small(self, raw):
        """Submit a small message decoded: a bad one, such as an empty cloud, must not replace a map that waits."""
        try:
            decoded = decode_bytes(raw, self.settings.config.input)
        except SpaceformerError as error:
            self.perception.report_later(error)
        else:
            self.perception.submit(functools.partial(self._as_map, decoded))

    def _decode(self, raw):
        """DecodedCloud of a whole map from its message. Runs on the device thread."""
        return self._as_map(decode_bytes(raw, self.settings.config.input))

    def _as_map(self, decoded):
        """A whole map that was decoded, upright. Runs on the device thread."""
        self.counters.alternating = self._alternation.add(decoded.cloud)
        return replace(decoded, cloud=decoded.cloud.upright(self.settings.config.input.input_up))

    def _publish_waiting_scene(self):
        """Try again to publish a scene whose transform was missing."""
        if self.state.unpublished and not self._is_retrying:
            self._is_retrying = True
            self.background.submit(self._retry_on_pool, lane="transforms")

    def _retry_on_pool(self):
        try:
            self.perception.publish_waiting_scene()
        finally:
            self._is_retrying = False

    def _on_map(self):
        """The accumulated map has grown. Runs on the scan thread."""
        self.perception.submit(self.scans.snapshot)

    def _on_unplaced_scan(self, reason):
        """A scan was dropped. Runs on the scan thread."""
        pipeline, text = self.perception.pipeline, f"{LOST}: {reason}"
        kind = re.sub(r"\d+", "0", reason)  # stamps change with every scan
        if pipeline is None or not self.state.active or (LOST in self.state.text and kind == self._lost):
            return
        self._lost = kind
        if pipeline.scene is None:
            self.state.set(NodeState.WAITING_FOR_CLOUD, text)
        elif self.state.state == NodeState.IDLE and self.counters.unplaced_in_a_row >= LOST_SCANS:
            self.state.update_idle_state(pipeline, f"map revision {pipeline.scene.map_revision}; {text}")

    def _read_status(self, now):
        """Level, sentence and rows of the diagnostics."""
        pipeline, publishers = self.perception.pipeline, self.input.publishers()
        level, text = health.diagnose(
            self.state.name,
            self.state.active,
            self.counters,
            publishers,
            now,
            self.settings.config.input.input_timeout,
            self._active_since,
            self.scans is not None,
            self._namesakes(now),
            self._camera_remarks(now),
        )
        facts = pipeline.facts() if pipeline else {}
        return level, text, health.rows(self.state.name, facts, self.counters, publishers, now)

    def _camera_remarks(self, now):
        """Sentences about topics of cameras, once they have had input_timeout to appear."""
        waited = now - self._active_since > self.settings.config.input.input_timeout
        return self.cameras.remarks() if self.state.active and waited else []

    def _namesakes(self, now):
        """A message if another node has had the same name for NAMESAKE_SECONDS, otherwise ""."""
        name = self._node.get_fully_qualified_name()
        found = sum(f"{ns.rstrip('/')}/{own}" == name for own, ns in self._node.get_node_names_and_namespaces())
        if found < 2:
            self._alone_at = now
        if now - self._alone_at < NAMESAKE_SECONDS:
            return ""
        return f"{found} nodes are called {name} and answer the same services: give each a namespace or another name"
