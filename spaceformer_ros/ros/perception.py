# SPDX-License-Identifier: Apache-2.0
"""Turn clouds into published scenes: the pipeline of one configured node on its device thread, and scene changes."""

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from .. import Cancelled, SpaceformerError
from ..clouds.change import ChangeDetector
from ..pipeline import build_pipeline
from ..timing import Stopwatch
from .device_thread import DeviceThread
from .health import clock_remarks
from .interfaces import NodeState
from .logs import MAX_LINE_LENGTH
from .progress import ProgressPublisher
from .refusal import Refusal
from .text import describe_error, printable
from .transforms import TransformError


@dataclass(frozen=True)
class Job:
    """A cloud that waits for the device thread."""

    decode: Callable  # returns the DecodedCloud; raises SpaceformerError
    arrived: float  # monotonic seconds
    scene_epoch: int  # when the cloud arrived: a later `clear` cancels the job


class Perception:
    """Owns the pipeline. `load_scene`, `set_vocabulary` and `publish_scene` block: do not call them on the executor."""

    def __init__(self, node, settings, outputs, state, storage, counters, on_loaded):
        """Set up the device thread without starting it.

        node: for its logger, clock and context.
        settings: the Settings that node and pipeline share.
        outputs: Outputs.
        state: StateMachine.
        storage: Storage.
        counters: Counters.
        on_loaded: function called on the device thread, when the pipeline is loaded, with the Config of that moment.
        """
        self._node = node
        self._settings = settings
        self._outputs = outputs
        self._state = state
        self._storage = storage
        self._counters = counters
        self._on_loaded = on_loaded
        self._change = ChangeDetector()
        self._decode_latest = None  # as Job.decode, of the newest cloud
        self._late_report = None  # Future of the last `report_later`
        self._cleared = False  # whether the scene was cleared since the newest cloud
        self.watchers = set()  # functions that follow the next inference, see ProgressPublisher
        self.pipeline = None  # until it is loaded
        self.device_thread = DeviceThread(self._load, self._process, self.report_error, self._min_interval)

    def submit(self, decode):
        """Segment a cloud next, in place of one that still waits, or when clouds are enabled. decode: see Job."""
        self._decode_latest = decode
        self._cleared = False
        self.catch_up()

    def catch_up(self):
        """Segment the newest cloud, unless it was cleared, clouds are disabled, or nothing has changed since."""
        if self._decode_latest is not None and not self._cleared and self._state.enabled:
            self.device_thread.submit(self._job(self._decode_latest))

    def segment_latest(self):
        """Submit the newest cloud for immediate processing. Returns a Future of the scene. Raises Refusal without a
        cloud, with the reason why those that came were not used."""
        if self._decode_latest is None:
            raise Refusal("NO_MAP_YET", f"there is no cloud to segment yet: {self._state.text}")
        return self.device_thread.submit(self._job(self._decode_latest), urgent=True)

    def mask_heat(self, object_id, scene):
        """Compute `Pipeline.mask_heat` on the device thread. Returns a Future."""
        return self.device_thread.call(functools.partial(self.require_pipeline().mask_heat, object_id, scene))

    def segment_again(self):
        """Segment the newest cloud immediately with changed settings, unless it was cleared or clouds are disabled."""
        self._change = ChangeDetector()
        if self._decode_latest is not None and not self._cleared and self._state.enabled:
            self.segment_latest()

    def set_vocabulary(self, vocabulary):
        """Relabel with another Vocabulary and publish. Returns the LabelSpace.

        Raises TransformError if the vocabulary is in use, but the relabelled scene could not be published.
        """
        space = self.pipeline.set_vocabulary(vocabulary)
        self._outputs.publish_vocabulary(space, self.pipeline.embedder.model_id)
        if (scene := self.pipeline.scene) is not None:
            self.publish_scene(scene)
        return space

    def publish_scene(self, scene):
        """Publish a scene with the current settings. Returns the published objects.

        Raises TransformError; `publish_waiting_scene` then publishes the scene when the transform is there.
        """
        return self._publish(self.pipeline, scene)

    def _publish(self, pipeline, scene):
        try:
            shown = self._outputs.publish_scene(scene, pipeline.background_of(scene))
        except TransformError as error:
            self._state.unpublished = describe_error(error)
            raise
        reason, self._state.unpublished = self._state.unpublished, ""
        if reason:
            self._end_wait(reason)
        return shown

    def _end_wait(self, reason):
        """A scene that could not be published for a reason is published: state and diagnostics follow."""
        if reason in self._counters.last_error:
            self._counters.last_error = ""
        self._show_idle()

    def _show_idle(self):
        if self._state.state != NodeState.RUNNING:
            self._state.update_idle_state(self.pipeline)

    def publish_waiting_scene(self):
        """Publish the current scene if it could not be published before."""
        reason, scene = self._state.unpublished, self.pipeline and self.pipeline.scene
        if not reason or scene is None:
            return
        try:
            self.publish_scene(scene)
        except TransformError:
            self._state.unpublished = self._counters.last_error = reason  # not a new sentence every second
            self._show_idle()

    def load_scene(self, path, map_id, frame_id):
        """Replace the scene by that of a file and publish it. Returns the Scene.

        Raises StorageError and changes nothing; TransformError if it is loaded, but could not be published.
        """
        scene = self._storage.load(self.pipeline, path, map_id, frame_id)
        self._change = ChangeDetector()  # segment the next cloud even if it equals the last one
        if self._state.state != NodeState.RUNNING:
            self._state.update_idle_state(self.pipeline)
        self._outputs.highlight(())  # an id of the old scene may be another object in the new one
        self.publish_scene(scene)
        return scene

    def edit_scene(self, request, stamp_ns):
        """Apply an EditRequest and publish the scene. Returns (Scene, ids that changed, TransformError or None).

        The error says that the edit holds, but could not be published. Raises EditError and SpaceformerError.
        """
        scene, ids = self.pipeline.edit(request, stamp_ns)
        try:
            self.publish_scene(scene)
        except TransformError as error:
            return scene, ids, error
        return scene, ids, None

    def clear_scene(self):
        """Drop the scene, and the result of a running inference, and publish an empty scene."""
        scene = self.pipeline and self.pipeline.clear()
        self._change = ChangeDetector()
        self._cleared = True
        self._state.unpublished = ""
        self._counters.remarks = ()  # of the scene
        self.forget_error()
        self._outputs.clear_scene(scene)
        self._state.update_idle_state(self.pipeline)

    def require_pipeline(self):
        """The Pipeline. Raises Refusal while it is not loaded."""
        if self.pipeline is None:
            raise Refusal("MODEL_NOT_READY", f"the model is not ready: {self._state.text}")
        return self.pipeline

    def require_scene(self):
        """The current Scene. Raises Refusal without one."""
        scene = self.require_pipeline().scene
        if scene is None:
            raise Refusal("NO_MAP_YET", f"there is no map yet: {self._state.text}")
        return scene

    def report_error(self, error):
        """Count and report a failed cloud, on any thread; the last good scene is kept."""
        if not self._node.context.ok():  # ROS was shut down while publishing; nothing to report to
            return
        if isinstance(error, Cancelled):
            self._state.update_idle_state(self.pipeline)
            return
        text = describe_error(error)
        if isinstance(error, (SpaceformerError, ImportError)):
            self._node.get_logger().error(text, throttle_duration_sec=5.0)
        else:
            logging.getLogger(__name__).error("unexpected error", exc_info=error)
            text = f"unexpected {text}"
        self._counters.last_error = text  # before it is counted: other threads read both
        if isinstance(error, TransformError):
            self._counters.tf_errors += 1
        else:
            self._counters.clouds_failed += 1
        self._state.set(NodeState.ERROR, text)

    def report_later(self, error):
        """As `report_error`, after what the device thread is doing now, whose success would end the report."""
        if self._late_report is None or self._late_report.done():
            self._late_report = self.device_thread.call(functools.partial(self.report_error, error))
        else:  # a report waits: any number of bad clouds may come meanwhile
            self._counters.clouds_failed += 1

    def forget_error(self):
        """End the report of a failed cloud that is no longer wanted, so that the diagnostics show the present."""
        if self.pipeline is not None and not self._state.unpublished:
            self._counters.last_error = ""

    def stop(self, timeout):
        """Cancel a running inference and end the device thread. Returns whether it ended within `timeout` seconds."""
        if self.pipeline is not None:
            self.pipeline.cancel()
        return self.device_thread.stop(timeout)

    def _min_interval(self):
        return self._settings.config.input.min_update_interval

    def _job(self, decode):
        return Job(decode, time.monotonic(), self.pipeline.scene_epoch if self.pipeline else 0)

    # --- on the device thread -------------------------------------------------------------------------------------

    def _load(self):
        config = self._settings.config
        pipeline = build_pipeline(self._settings, self._on_load_progress)
        self._on_load_progress("loading the saved scene")
        self._storage.check_folder()
        scene = self._storage.load_on_start(pipeline)
        self._on_load_progress("publishing the vocabulary")
        self._outputs.publish_vocabulary(pipeline.space, pipeline.embedder.model_id)
        if scene is not None:
            self._storage.publish_on_start(scene, functools.partial(self._publish, pipeline))
        self.pipeline = pipeline
        self._on_loaded(config)
        facts = ", ".join(f"{key} {value}" for key, value in pipeline.facts().items())
        self._node.get_logger().info(f"ready: {facts}")
        self._state.update_idle_state(pipeline)

    def _on_load_progress(self, text):
        if self.device_thread.stopping:
            raise Cancelled("the node was cleaned up while the model was loading")
        self._state.set(NodeState.LOADING, text)

    def _process(self, job, urgent):
        """Decode, segment and publish the cloud of a Job, unless it is unchanged and not urgent. Returns the scene."""
        stopwatch = Stopwatch()
        watchers, self.watchers = self.watchers, set()
        change = self._change  # `clear` replaces the detector; the new one must not accept this cloud
        stopwatch.add("wait", time.monotonic() - job.arrived)
        with stopwatch.stage("total"):
            cloud = self._decode(job, stopwatch)
            if not urgent and self._is_unchanged(cloud, change):
                self._counters.inferences_skipped += 1
                self._counters.last_error = ""
                self._state.update_idle_state(self.pipeline)
                return self.pipeline.scene
            progress = ProgressPublisher(self._settings, self._state, self._outputs, watchers)
            outcome = self.pipeline.process(cloud, stopwatch, job.scene_epoch, progress)
            with stopwatch.stage("publish"):
                published = self.publish_scene(outcome.scene)
        change.accept(cloud)
        self._report(outcome, stopwatch.seconds, len(published))
        return outcome.scene

    def _decode(self, job, stopwatch):
        with stopwatch.stage("decode"):
            decoded = job.decode()
        self._counters.cloud_points = len(decoded.cloud)
        self._counters.cloud_dropped_points = decoded.num_dropped
        return decoded.cloud

    def _is_unchanged(self, cloud, change):
        """Whether the complete scene of an equal cloud is published."""
        return not self.pipeline.is_partial and change.is_same(cloud, self._settings.config.input.change_threshold)

    def _report(self, outcome, seconds, num_published):
        """Update counters, debug topics and state after an inference."""
        scene, total = outcome.scene, seconds["total"]
        self._counters.add_outcome(outcome, seconds, self._settings.config.node.max_processing_time)
        age = self._node.get_clock().now().nanoseconds - scene.cloud.stamp_ns
        self._counters.remarks = (*outcome.remarks, *clock_remarks(age / 1e9))
        if self._counters.remarks:
            text = printable("; ".join(self._counters.remarks), MAX_LINE_LENGTH)
            self._node.get_logger().warning(text, throttle_duration_sec=60.0)
        self._outputs.publish_timings(seconds, age / 1e9)
        text = f"{num_published} instances, map revision {scene.map_revision}, {total:.2f} s"
        if self._counters.alternating:
            text += "; the last maps were different ones in turn: see publishers_of_input in /diagnostics"
        self._state.update_idle_state(self.pipeline, text)
