"""Saving and loading for one configured node: by service, at the start and at the end."""

import os
import threading

from ..scene.data_dir import scene_path
from .transforms import TransformError

ASIDE = ".refused"  # stands before the suffix of a file that load_on_start refused and a save would have replaced


class Storage:
    """Scenes to files and back. Any thread but the executor's may call; one file operation runs at a time."""

    def __init__(self, node):
        self._node, self._lock = node, threading.Lock()
        self._saved = None  # the Scene that scene_file holds, as far as this node knows
        self._refused = None  # the path that load_on_start would not load

    def save(self, pipeline, path):
        """Save the current scene. Returns (Scene, number of bytes); raises StorageError."""
        with self._lock:
            scene, size = pipeline.save(path)
            if path == self._refused:  # somebody wanted it replaced
                self._refused = None
        self._node.get_logger().info(f"saved map revision {scene.map_revision} to {path} ({size / 1e6:.1f} MB)")
        return scene, size

    def load(self, pipeline, path, map_id="", frame_id=""):
        """Make a saved scene the current one. Returns the Scene; raises StorageError and changes nothing."""
        with self._lock:
            scene = pipeline.load(path, map_id, frame_id)
        objects = f"{len(scene.objects)} objects of map {scene.map_id!r} in frame {scene.frame_id!r}"
        self._node.get_logger().info(f"loaded {objects} from {path}")
        return scene

    def load_on_start(self, pipeline):
        """The Scene of scene_file, or None: a file that cannot be used is reported, and the node starts without."""
        storage = self._node.config.storage
        if not storage.load_on_start:
            return None
        try:
            path = scene_path("", storage)
            if not path.exists():
                self._node.get_logger().info(f"load_on_start: there is no {path} yet")
                return None
            self._refused = path  # until it is loaded
            scene = self.load(pipeline, path)
        except Exception as error:  # whatever is wrong with a file, the node must start
            self._report("load_on_start", error)
            return None
        self._refused, self._saved = None, scene
        return scene

    def publish_loaded(self, scene):
        """Publish a scene that load_on_start found; a missing transform is reported."""
        try:
            self._node.publish_scene(scene)
        except TransformError as error:
            self._node.counters.tf_errors += 1
            self._report("load_on_start", error)

    def save_on_shutdown(self):
        """Save to scene_file if the setting says so and there is something new; never raises."""
        pipeline, storage = self._node.pipeline, self._node.config.storage
        if pipeline is None or not storage.save_on_shutdown:
            return
        try:
            path = scene_path("", storage)
            with self._lock:
                if pipeline.scene is None or pipeline.scene is self._saved:
                    return
                self._keep_refused(path)
                self._saved, size = pipeline.save(path)
            self._node.get_logger().info(f"save_on_shutdown: {path} ({size / 1e6:.1f} MB)")
        except Exception as error:  # a full disk must not stop a shutdown
            self._report("save_on_shutdown", error)

    def _keep_refused(self, path):
        """Give a file that was refused at the start a second name: it may be of another model, and dear to somebody."""
        if path != self._refused:
            return
        aside = path.with_name(f"{path.stem}{ASIDE}{path.suffix}")
        if path.exists():
            aside.unlink(missing_ok=True)
            os.link(path, aside)
            self._node.get_logger().warning(f"save_on_shutdown: what was refused at the start is kept as {aside}")
        self._refused = None

    def _report(self, setting, error):
        text = f"{setting}: {error or type(error).__name__}"
        self._node.get_logger().error(text)
        self._node.counters.last_error = text
