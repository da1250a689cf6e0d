"""A lifecycle node that wires subscription, worker, services, publishers and diagnostics. No logic of its own.

Threads: the executor runs callbacks and never waits; one worker thread owns the device; a small pool answers requests
that may have to wait for the text model or a transform.
"""

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from .. import Cancelled, SpaceformerError
from ..clouds.change import ChangeDetector
from ..pipeline import build_pipeline
from ..timing import Stopwatch
from . import health, interfaces, parameters, qos
from .background import Background
from .clocks import STEADY
from .device_thread import Worker, trim_heap
from .logs import forward_logging, log_failure
from .messages import decode_bytes
from .outputs import Outputs
from .progress import ProgressPublisher
from .scans import Scans
from .services import Refusal, Services
from .storage import Storage
from .transforms import TransformListener

NodeState = interfaces.NodeState
STATES = ("LOADING", "READY", "WAITING_FOR_CLOUD", "RUNNING", "IDLE", "DISABLED", "ERROR")
STATE_NAMES = {getattr(NodeState, name): name for name in STATES}
SHUTDOWN_PATIENCE = 5.0  # seconds for the worker to leave the network at shutdown
LATCHED_PATIENCE = 2.0  # seconds that a latched cloud may take before it is asked for again; doubled each time
SWITCH_INTERVAL = 0.0005  # seconds until a busy Python thread lets another run: an answer changes threads twice
DIAGNOSTICS_PERIOD, WATCH_PERIOD = 1.0, 0.2  # seconds between diagnostics; between looks at the publishers' QoS


class SpaceformerNode(LifecycleNode):
    """Clouds in, instances out. See README for its topics, services and parameters."""

    def __init__(self, **arguments):
        super().__init__("spaceformer", **arguments)
        parameters.declare(self)
        self.live_parameters = parameters.LiveParameters(self)
        self.config, self.pipeline, self.outputs, self.worker, self.background = None, None, None, None, None
        self.active, self._active_since, self.enabled = False, 0.0, True
        self.state, self.state_text, self._state_lock = NodeState.LOADING, "not configured", threading.Lock()
        self.counters = health.Counters()
        self._subscription, self._input_profile, self._latest, self._scans = None, None, None, None
        forward_logging(self)

    # --- lifecycle -------------------------------------------------------------------------------------------------

    @log_failure
    def on_configure(self, _state):
        """Create publishers, services and the worker; the model is loaded on the worker thread."""
        try:
            self.config = parameters.read(self)
        except SpaceformerError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self.counters = health.Counters()
        self.transforms = TransformListener(self)
        self.background = Background(self)
        self.outputs = Outputs(self, self.transforms)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.EVENTS)
        self._clockwork = [
            self.create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=STEADY),
            self.create_timer(WATCH_PERIOD, self._watch_publishers, clock=STEADY),
        ]
        self.change, self.storage = ChangeDetector(), Storage(self)
        self.set_state(NodeState.LOADING, "loading the model")
        interval = lambda: self.config.input.min_update_interval  # noqa: E731 - the setting may change at run time
        self.worker = Worker(self._load, self._process, self.report_error, interval)
        self.worker.start()
        self._scans = Scans(self, self._on_map) if self.config.input.input_mode == "accumulate" else None
        self.requests = Services(self)
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_activate(self, _state):
        """Subscribe and process."""
        self.active, self._active_since, self._latched_patience = True, time.monotonic(), LATCHED_PATIENCE
        self._subscribe()
        self.worker.resume()
        self._rest()
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_deactivate(self, _state):
        """Stop taking clouds; the scene stays."""
        self.active = False
        self.worker.pause(Refusal("NOT_ACTIVE", "the node was deactivated before the network ran"))
        self._unsubscribe()
        self.background.submit(self.storage.save_on_shutdown)
        self._rest()
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_cleanup(self, _state):
        """Let go of the model, the scene and all interfaces."""
        self._tear_down()
        gc.collect()  # the network refers to itself: without this it would stay, on the device too, for a while
        trim_heap()
        return TransitionCallbackReturn.SUCCESS

    @log_failure
    def on_shutdown(self, _state):
        """As cleanup, from any state."""
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, _state):
        """After a failed transition: back to unconfigured, ready to be configured again."""
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def _tear_down(self):
        """Undo on_configure and on_activate. Returns whether the worker thread ended."""
        self.active = False
        if self.worker is None:
            return True
        self._unsubscribe()
        if self._scans is not None:
            self._scans.close()
        if self.pipeline is not None:
            self.pipeline.cancel()
        ended = self.worker.stop(SHUTDOWN_PATIENCE)
        self.background.close()
        self.storage.save_on_shutdown()
        self.requests.destroy()
        for timer in self._clockwork:
            self.destroy_timer(timer)
        self.destroy_publisher(self._diagnostics)
        self.outputs.destroy()
        self.transforms.close()
        self.worker, self.pipeline, self.outputs, self.background = None, None, None, None
        self._latest, self._scans = None, None
        self.state, self.state_text = NodeState.LOADING, "not configured"
        return ended

    # --- worker thread ---------------------------------------------------------------------------------------------

    def _load(self):
        worker = self.worker  # after a cleanup this thread may outlive its place

        def progress(text):
            if worker.stopping:
                raise Cancelled("loading was broken off by a shutdown")
            self.set_state(NodeState.LOADING, text)

        pipeline = build_pipeline(self.config, progress)
        progress("loading the saved scene")
        scene = self.storage.load_on_start(pipeline)
        progress("publishing the vocabulary")
        self.outputs.publish_vocabulary(pipeline.space, pipeline.embedder.model_id)
        if scene is not None:
            self.storage.publish_loaded(scene)
        self.pipeline = pipeline
        self.live_parameters.apply_soon()  # what was set while it was loading
        self.get_logger().info(f"ready: {', '.join(f'{key} {value}' for key, value in pipeline.facts().items())}")
        self._rest()

    def _process(self, job, urgent):
        """Handle one cloud: decode, skip if unchanged unless urgent, segment, publish. Returns the scene.

        job: see `_job`.
        """
        take, arrival, scene_epoch = job
        watch, change = Stopwatch(), self.change  # a clear meanwhile brings another, which must not know this cloud
        watch.add("wait", time.monotonic() - arrival)
        with watch.stage("total"):
            with watch.stage("decode"):
                decoded = take()
            self.counters.cloud_points = len(decoded.cloud)
            self.counters.cloud_dropped_points = decoded.num_dropped
            threshold, broken_off = self.config.input.change_threshold, self.pipeline.is_partial
            if not urgent and not broken_off and change.is_same(decoded.cloud, threshold):
                self.counters.inferences_skipped += 1
                self.counters.last_error = ""
                self._rest()
                return self.pipeline.scene
            progress = ProgressPublisher(self)
            outcome = self.pipeline.process(decoded.cloud, watch, scene_epoch, progress)
            with watch.stage("publish"):
                shown = self.publish_scene(outcome.scene)
        change.accept(decoded.cloud)
        self._report(outcome, watch, len(shown))
        return outcome.scene

    def _report(self, outcome, watch, num_shown):
        """Tell the counters, the debug topics and the state what an inference did."""
        self.counters.last_error, self.counters.remarks = "", outcome.remarks
        self.counters.voxels = len(outcome.scene.instances.voxels)
        self.counters.tiles, self.counters.tiles_computed = outcome.tiles, outcome.tiles_computed
        limit = self.config.node.max_processing_time
        self.counters.add_inference(dict(watch.seconds), watch.seconds["total"], limit)
        age = self.get_clock().now().nanoseconds - outcome.scene.cloud.stamp_ns
        self.outputs.publish_timings(watch.seconds, age / 1e9)
        text = f"{num_shown} instances, map revision {outcome.scene.map_revision}, {watch.seconds['total']:.2f} s"
        self._rest(text)

    def report_error(self, error):
        """Report what went wrong with a cloud, on any thread; the last good scene stays."""
        if not self.context.ok():  # a signal has ended ROS in the middle of publishing: no news, and nobody to tell
            return
        if isinstance(error, Cancelled):  # no fault of the cloud
            self._rest()
            return
        self.counters.clouds_failed += 1
        self.counters.last_error = str(error) or type(error).__name__
        if isinstance(error, SpaceformerError):
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
        else:
            logging.getLogger(__name__).error("unexpected error", exc_info=error)
            self.counters.last_error = f"unexpected {type(error).__name__}: {error}"
        self.set_state(NodeState.ERROR, self.counters.last_error)

    # --- input -----------------------------------------------------------------------------------------------------

    def _subscribe(self):
        topic = self.resolve_topic_name("~/input/points")
        self._input_profile = self._wanted_profile(self.get_publishers_info_by_topic(topic))
        events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos)
        self._subscription = self.create_subscription(
            PointCloud2, "~/input/points", self._on_cloud, self._input_profile, event_callbacks=events, raw=True
        )
        self._silent_since = time.monotonic()  # None once a cloud has come

    def _wanted_profile(self, publishers):
        return qos.input_profile(self.config.input.input_qos, publishers, depth=10 if self._scans else 1)

    def _unsubscribe(self):
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_cloud(self, raw):
        """Keep the newest cloud's bytes, or all scans; everything else happens on other threads."""
        self.counters.clouds_received += 1
        self.counters.last_cloud_time = time.monotonic()
        self._silent_since = None
        if not self.enabled:
            return
        if self._scans is not None:
            self._scans.add(raw)
        else:
            self._take(lambda: decode_bytes(raw, self.config.input.allow_gray))

    def _on_map(self):
        """Runs on the scan thread: the accumulated map has grown."""
        self._take(self._scans.snapshot)

    def _take(self, take):
        """Put a cloud before the worker. take: function that gives its DecodedCloud."""
        self._latest = take
        self.worker.submit(self._job(take))

    def _job(self, take):
        """What the worker handles: `take`, the monotonic time, and how often the scene has been cleared by now."""
        return take, time.monotonic(), self.pipeline and self.pipeline.scene_epoch

    def _on_incompatible_qos(self, event):
        self.get_logger().warning(
            f"a publisher on {self._subscription.topic_name} offers another {event.last_policy_kind.name.lower()} than "
            f"input_qos {self.config.input.input_qos} asks for: nothing will arrive from it; set input_qos to auto"
        )

    def _watch_publishers(self):
        if self._subscription is None:
            return []
        infos = self.get_publishers_info_by_topic(self._subscription.topic_name)
        if self.config.input.input_qos == "auto":
            wanted = self._wanted_profile(infos)
            if infos and qos.describe(wanted) != qos.describe(self._input_profile):
                self.get_logger().info(f"input_qos auto: the publishers offer {qos.describe(wanted)}, subscribing so")
                self._unsubscribe()
                self._subscribe()
        self._ask_again_for_latched_cloud(infos)
        return qos.publisher_rows(infos, self._input_profile)

    def _ask_again_for_latched_cloud(self, publishers):
        """Subscribe anew where a latched cloud should have come: Fast DDS now and then forgets a new reader."""
        if self._silent_since is None or not publishers or self._input_profile.durability != qos.TRANSIENT_LOCAL:
            return
        if time.monotonic() - self._silent_since > self._latched_patience:
            self._latched_patience = min(2 * self._latched_patience, 60.0)  # there may be nothing to come yet
            self._unsubscribe()
            self._subscribe()

    # --- what services ask for -------------------------------------------------------------------------------------

    def segment_latest(self):
        """Put the newest cloud before the worker at once. Returns a Future of the scene, None without a cloud."""
        if self._latest is None:
            return None
        return self.worker.submit(self._job(self._latest), urgent=True)

    def use_vocabulary(self, vocabulary):
        """Relabel with other words and publish; may block for the text model. Returns the LabelSpace."""
        space = self.pipeline.set_vocabulary(vocabulary)
        self.outputs.publish_vocabulary(space, self.pipeline.embedder.model_id)
        if (scene := self.pipeline.scene) is not None:
            self.publish_scene(scene)
        return space

    def remember_vocabulary(self):
        """Let the parameters name the words in use. Call from the executor's thread."""
        labels, background = self.pipeline.space.vocabulary.entries()
        names = {"vocabulary": labels, "background_labels": background or [""]}
        self.config = self.config.with_values({name: tuple(values) for name, values in names.items()})
        self.pipeline.config = replace(self.pipeline.config, vocabulary=self.config.vocabulary)
        changes = [Parameter(name, Parameter.Type.STRING_ARRAY, values) for name, values in names.items()]
        self.set_parameters_atomically(changes)

    def publish_scene(self, scene, again=False):
        """Publish a scene by the present settings. Returns the objects that are shown."""
        return self.outputs.publish_scene(scene, self.config, again)

    def load_scene(self, pipeline, path, map_id, frame_id):
        """Make the scene of a file the current one and publish it; may block. Returns the Scene.

        Raises StorageError and changes nothing, or TransformError when all but the publishing is done.
        """
        scene = self.storage.load(pipeline, path, map_id, frame_id)
        self.change = ChangeDetector()  # the next cloud is looked at, even if it equals the last one
        if self.state != NodeState.RUNNING:
            self._rest()
        self.outputs.highlight(())  # the same id may be another object there
        self.publish_scene(scene)
        return scene

    def clear_scene(self):
        """Forget the scene and publish that it is gone."""
        scene = self.pipeline and self.pipeline.clear()
        self.change = ChangeDetector()
        if self._scans is not None:
            self._scans.clear()
        self.outputs.clear_scene(scene)
        self._rest()

    def set_enabled(self, enabled):
        """Take clouds, or let them pass."""
        self.enabled = enabled
        self._rest()

    # --- state and diagnostics -------------------------------------------------------------------------------------

    def _rest(self, text=""):
        """The state between two inferences, from what is known."""
        if self.pipeline is None:
            return  # still loading, or failed: that state stays
        if not self.active:
            self.set_state(NodeState.READY, "not active")
        elif not self.enabled:
            self.set_state(NodeState.DISABLED, "switched off by ~/set_enabled")
        elif self.pipeline.scene is None:
            self.set_state(NodeState.WAITING_FOR_CLOUD, f"waiting for {self.resolve_topic_name('~/input/points')}")
        else:
            self.set_state(NodeState.IDLE, text or f"map revision {self.pipeline.scene.map_revision}")

    def set_state(self, state, text):
        """Publish a state if it is new. Any thread may call; what is set last is published last."""
        with self._state_lock:
            if (state, text) != (self.state, self.state_text) and self.outputs is not None:
                self.state, self.state_text = state, text
                self.outputs.publish_state(state, text)

    def _publish_diagnostics(self):
        publishers = self._watch_publishers()
        now, state = time.monotonic(), STATE_NAMES[self.state]
        timeout, streaming = self.config.input.input_timeout, self._scans is not None
        level, text = health.judge(
            state, self.active, self.counters, publishers, now, timeout, self._active_since, streaming
        )
        facts = self.pipeline.facts() if self.pipeline else {}
        status = DiagnosticStatus(level=bytes([level]), name=f"{self.get_fully_qualified_name()}", message=text)
        rows = health.rows(state, facts, self.counters, publishers, now)
        status.values = [KeyValue(key=key, value=value) for key, value in rows]
        header = Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=[status]))


def _close(node, executor):
    """Tear the node down. Returns whether its worker thread ended."""
    ended = node._tear_down()
    with contextlib.suppress(Exception):  # the context may be gone already
        if executor is not None:
            executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
    return ended


def main(arguments=None):
    """Run the node until SIGINT or SIGTERM; exit code 0."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    signal.signal(signal.SIGINT, lambda *_: None)  # rclpy ends ROS; a KeyboardInterrupt besides could come anywhere
    rclpy.init(args=arguments)
    node, executor, ended = None, None, True
    try:
        node, executor = SpaceformerNode(), SingleThreadedExecutor()
        executor.add_node(node)
        if node.get_parameter("autostart").value and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception:
        if rclpy.ok():  # otherwise a signal has ended ROS in the middle of it
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not interrupt the shutdown
            signal.signal(number, signal.SIG_IGN)
        ended = node is None or _close(node, executor)
        rclpy.try_shutdown()
    if not ended:  # the worker sits in a long native call; nothing is left to save
        os._exit(0)


if __name__ == "__main__":
    main()
