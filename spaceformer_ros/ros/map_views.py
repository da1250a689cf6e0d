# SPDX-License-Identifier: Apache-2.0
"""Draw the current map from any pose: for ~/render_view, for live images, and to see what a detection shows."""

import contextlib
import threading

import numpy as np

from ..cameras.render import MapPoints
from .limits import MAX_WAITING_PIXELS
from .refusal import Refusal


class MapViews:
    """Draws scenes; what is computed once per map or scene is kept for the newest one. For any thread."""

    def __init__(self, settings):
        self._settings = settings
        self._lock = threading.Lock()
        self._points = None, None  # a Cloud and its MapPoints
        self.text = ""  # of the layer relevancy on live images: the one that ~/show_relevancy was asked for last
        self._relevancy = None, None  # (a Scene, text) and the relevancy of its points
        self._ids = None, None  # (a Scene, PostprocessConfig) and the ids of its points
        self._waiting = 0  # pixels of the requests in `admitted`

    @contextlib.contextmanager
    def admitted(self, pixels):
        """Context of a request for pictures of so many pixels. Raises Refusal if too many wait. For the executor."""
        if self._waiting and self._waiting + pixels > MAX_WAITING_PIXELS:
            raise Refusal(
                "RATE_LIMITED",
                f"pictures of {self._waiting:,} pixels are waiting, with {pixels:,} more they exceed "
                f"{MAX_WAITING_PIXELS:,}: ask again when they have come, or for smaller ones",
            )
        self._waiting += pixels
        try:
            yield
        finally:
            self._waiting -= pixels

    def draw(self, scene, camera, camera_from_map):
        """The View of a Scene. camera: CameraModel; camera_from_map: RigidTransform of the cloud's local coordinates
        into the optical frame."""
        return self.points(scene.cloud).draw(camera, camera_from_map)

    def points(self, cloud):
        """The MapPoints of a Cloud."""
        with self._lock:
            known, points = self._points
            if known is not cloud:
                points = MapPoints(cloud.xyz)
                self._points = cloud, points
        return points

    def relevancy(self, pipeline, scene):
        """[N] float32 relevancy of the points of a Scene for `text`; None without a text."""
        text, (known, relevancy) = self.text, self._relevancy
        if not text:
            return None
        if known is None or not scene.is_same(known[0]) or known[1] != text:
            relevancy = pipeline.relevancy(text, scene)
            self._relevancy = (scene, text), relevancy
        return relevancy

    def ids(self, scene):
        """[N] int32 id of the published object that each point of a Scene belongs to, 0 for none."""
        limits = self._settings.config.postprocess
        with self._lock:
            key, ids = self._ids
            if key is None or not scene.is_same(key[0]) or key[1] != limits:
                shown = scene.published(limits)
                ids = np.array([*(item.id for item in shown), 0], dtype=np.int32)[scene.point_owner(shown)]
                self._ids = (scene, limits), ids
        return ids
