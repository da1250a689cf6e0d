# SPDX-License-Identifier: Apache-2.0
"""Saving and loading of scenes for one configured node: by service, at startup and at shutdown."""

import contextlib
import errno
import os
import threading

from .. import StorageError
from ..disk.atomic import keep_file
from ..disk.folders import open_folder
from ..disk.hashing import file_identity
from ..disk.paths import display_path
from ..scene.data_dir import scene_path
from ..scene.file import saved_objects
from .text import describe_error, printable
from .transforms import TransformError

MIN_KEPT = 4  # objects of a scene_file that is not replaced unasked by a scene with fewer than half of them
NEW_SUFFIX = ".new"  # inserted before the suffix of scene_file if save_on_shutdown must not replace it
OLD_SUFFIX = ".old"  # the same of such a file that a request to save replaces


MAX_WAIT = 15.0  # seconds that a save or load waits for an earlier one of the same file; a disk may hang


class Storage:
    """Saves and loads scenes, each file one at a time. Methods block: do not call them on the executor."""

    def __init__(self, settings, counters, state, logger):
        self._settings = settings
        self._counters = counters
        self._state = state
        self._logger = logger
        self._condition = threading.Condition()
        self._used = set()  # paths that are being written or read
        self._seen = None  # as `_identity`, of scene_file as this node last saw it
        self._saved = None  # the Scene last saved to or loaded from scene_file by this node
        self._has_saved_beside = False  # the last scene that nobody asked to save has NEW_SUFFIX
        self._warned = ""  # the last warning of `_warn_once`
        self._refused = None  # path of a file that load_on_start could not use: save_on_shutdown must not replace it

    def save(self, pipeline, path):
        """Save the current scene. Returns (Scene, number of bytes, remark). Raises StorageError.

        A file with many more objects or of another frame, which a stray cloud would cost, is kept with OLD_SUFFIX; the
        remark says so.
        """
        with self._using(path):
            try:
                snapshot = pipeline.require_snapshot()
                scene, remark = snapshot.scene, _keep_old(path, snapshot.scene)
                size = snapshot.write(path)
            except StorageError as error:
                if error.code == "WRITE_FAILED" and self._is_scene_file(path):
                    self.report_unsaved(f"save: {describe_error(error)}")
                raise
            self._see(path, scene)
            self._set_save_error("")
            if path == self._refused:  # replaced on request
                self._refused = None
        self._logger.info(f"saved map revision {scene.map_revision} to {path} ({size / 1e6:.1f} MB){remark}")
        return scene, size, remark

    def load(self, pipeline, path, map_id="", frame_id=""):
        """Make a saved scene the current one. Returns the Scene. Raises StorageError and changes nothing."""
        with self._using(path):
            scene = pipeline.load(path, map_id, frame_id)
            self._see(path, scene)
        objects = f"{len(scene.objects)} objects of map {scene.map_id!r} in frame {scene.frame_id!r}"
        self._logger.info(f"loaded {objects} from {path}")
        for remark in scene.remarks:
            self._logger.warning(remark)
        self._counters.remarks = scene.remarks
        return scene

    def load_on_start(self, pipeline):
        """The Scene of scene_file, or None. A file that cannot be used is reported; the node starts without it."""
        settings = self._settings.config.storage
        try:
            path = scene_path("", settings)
            self._see(path)
            if not settings.load_on_start:
                return None
            if not path.exists():
                self._logger.info(f"load_on_start: {path} does not exist yet")
                return None
            self._refused = path  # until it is loaded
            scene = self.load(pipeline, path)
        except Exception as error:  # a bad file must not stop the node
            self._report("load_on_start", error)
            return None
        self._refused = None
        return scene

    def check_folder(self):
        """Report a folder that save_on_shutdown could not write to, now and not when the scene would be lost."""
        settings = self._settings.config.storage
        if not settings.save_on_shutdown:
            return
        folder = settings.data_dir
        try:
            folder = scene_path("", settings).parent
            with open_folder(folder, create=True):
                if not os.access(folder, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except Exception as error:  # must not stop the node
            reason = getattr(error, "strerror", None) or error
            self.report_unsaved(f"save_on_shutdown: {display_path(folder)} cannot be written: {reason}")

    def publish_on_start(self, scene, publish):
        """Publish the scene of load_on_start by `publish(scene)`; a missing transform is reported."""
        try:
            publish(scene)
        except TransformError as error:
            self._counters.tf_errors += 1
            self._report("load_on_start", error)

    def save_on_shutdown(self, pipeline):
        """Save to scene_file if the parameter is set and the scene is new. Never raises.

        The file is not replaced if load_on_start refused it, as it may belong to another model, if another program
        wrote it, as another robot's node with the same data_dir, or if it has many more objects than the scene or is of
        another frame, as the scene may come from a stray cloud; the scene is then saved with NEW_SUFFIX, unless that
        would cost objects, too. The file with NEW_SUFFIX goes when a later state of the scene can be saved to
        scene_file.
        """
        self._save_unasked(pipeline, "save_on_shutdown")

    def autosave(self, pipeline):
        """As `save_on_shutdown`, while the node works."""
        self._save_unasked(pipeline, "autosave")

    def _save_unasked(self, pipeline, cause):
        settings = self._settings.config.storage
        if pipeline is None or not settings.save_on_shutdown:
            return
        try:
            path = scene_path("", settings)
            with self._using(path):
                self._save_new_scene(pipeline, path, cause)
        except Exception as error:  # a full disk must not stop a node or its shutdown
            self.report_unsaved(f"{cause}: {describe_error(error)}")

    @contextlib.contextmanager
    def _using(self, path):
        """Context in which no other thread writes or reads a file. Raises StorageError TIMEOUT if one does for long."""
        with self._condition:
            if not self._condition.wait_for(lambda: path not in self._used, MAX_WAIT):
                text = f"{display_path(path)}: an earlier save or load of it has not ended yet; check its disk"
                raise StorageError("TIMEOUT", text)
            self._used.add(path)
        try:
            yield
        finally:
            with self._condition:
                self._used.remove(path)
                self._condition.notify_all()

    def report_unsaved(self, text):
        """Log that the scene could not be saved, and say it in state and diagnostics until a save succeeds."""
        self._logger.error(text)
        self._set_save_error(text)

    def _set_save_error(self, text):
        self._counters.save_error = text
        self._state.publish_again()

    def _save_new_scene(self, pipeline, path, cause):
        """Save to scene_file, or beside it, unless this node did.

        What is written is the scene that was compared with the files, whatever replaces it meanwhile.
        """
        snapshot = pipeline.snapshot()
        if snapshot is None or (snapshot.scene is self._saved and path.exists()):
            return
        scene = snapshot.scene
        file, beside = path, _with_suffix(path, NEW_SUFFIX)
        reason = self._reason_to_keep(path, scene)
        if reason:
            loss = _loss(beside, scene)
            neither = f", nor {beside.name}, which {loss}" if loss else ""
            self._warn_once(f"{path} {reason} and is not replaced{neither}; ~/save replaces it", cause)
            if loss:
                return
            file = beside
        size = snapshot.write(file)
        self._see(file, scene)
        self._saved = scene  # under either name
        self._set_save_error("")
        if self._has_saved_beside and not reason and not _loss(beside, scene):  # by an earlier state of the scene
            beside.unlink(missing_ok=True)
        self._has_saved_beside = bool(reason)
        self._logger.info(f"{cause}: {file} ({size / 1e6:.1f} MB)")

    def _warn_once(self, text, cause):
        """Log a warning, unless it was the last one."""
        if text != self._warned:
            self._logger.warning(f"{cause}: {text}")
        self._warned = text

    def _reason_to_keep(self, path, scene):
        """Why save_on_shutdown must not replace a file, or an empty string."""
        if path == self._refused:
            return "was refused at the start"
        if _identity(path) not in (None, self._seen):
            return "was written by another program or node meanwhile"
        return _loss(path, scene)

    def _see(self, path, scene=None):
        """Remember a file, if it is scene_file, and the Scene that it holds."""
        if self._is_scene_file(path):
            self._seen, self._saved = _identity(path), scene

    def _is_scene_file(self, path):
        return path == scene_path("", self._settings.config.storage)

    def _report(self, setting, error):
        """Log an error and show it in the diagnostics."""
        text = f"{setting}: {describe_error(error)}"
        self._logger.error(text)
        self._counters.last_error = text


def _with_suffix(path, suffix):
    """A path with another suffix before its own."""
    return path.with_name(f"{path.stem}{suffix}{path.suffix}")


def _loss(path, scene):
    """In words what of a file would be lost if a Scene replaced it: most objects; an empty string if little."""
    saved, frame_id = saved_objects(path)
    if saved < MIN_KEPT:
        return ""
    if frame_id != scene.frame_id:
        return f"has {saved} objects in frame {printable(frame_id)!r}, the current scene is in {scene.frame_id!r}"
    return f"has {saved} objects, the current scene {len(scene.objects)}" if len(scene.objects) < saved / 2 else ""


def _keep_old(path, scene):
    """Keep a file of which much would be lost if a Scene replaced it. Returns a remark. Raises StorageError."""
    loss = _loss(path, scene)
    if not loss:
        return ""
    kept = _with_suffix(path, OLD_SUFFIX)
    try:
        keep_file(path, kept)
    except (OSError, StorageError) as error:
        text = f"{display_path(path)} {loss}, and cannot be kept as {kept.name}: {describe_error(error)}"
        raise StorageError("WRITE_FAILED", text) from error
    return f"; the file before {loss}: it is kept as {kept.name}"


def _identity(path):
    """The `file_identity` of a file; None without it."""
    try:
        return file_identity(path)
    except OSError:
        return None
