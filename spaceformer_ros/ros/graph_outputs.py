# SPDX-License-Identifier: Apache-2.0
"""Publishers of the scene graph and of its markers. A pool thread makes the graph, of the newest scene only."""

import contextlib
import threading

from visualization_msgs.msg import Marker, MarkerArray

from ..show.layout_markers import LAYOUT_NAMESPACES, layout_markers
from ..show.markers import MarkerTracker
from . import interfaces, messages, qos
from .graph_messages import to_scene_graph
from .refusal import Refusal


class GraphOutputs:
    """~/scene_graph and ~/layout_markers of one configured node."""

    def __init__(self, node, settings, background):
        self._node = node
        self._settings = settings
        self._background = background
        self._lock = threading.Lock()
        self._graph = self._latched(interfaces.SceneGraph, "scene_graph")
        self._markers = self._latched(MarkerArray, "layout_markers")
        self._tracker = MarkerTracker()
        self._waiting = None  # (pipeline, scene, transform, header) that is to be published next
        self._revision = 0
        self._destroyed = False
        deletions = [Marker(ns=name, action=Marker.DELETEALL) for name in LAYOUT_NAMESPACES]
        self._markers.publish(MarkerArray(markers=deletions))

    def _latched(self, kind, name):
        latched = qos.profile(qos.RELIABLE, qos.TRANSIENT_LOCAL)
        return self._node.create_publisher(kind, f"~/{name}", latched, qos_overriding_options=qos.overridable())

    def submit(self, pipeline, scene, transform, header):
        """Publish the graph of a scene soon, in place of one that still waits. Partial scenes are left out.

        transform, header: of the messages of the scene
        """
        if scene.partial or not self._settings.config.output.scene_graph:
            return
        with self._lock:
            idle, self._waiting = self._waiting is None, (pipeline, scene, transform, header)
        if idle:
            with contextlib.suppress(Refusal):  # the node is being cleaned up
                self._background.submit(self._publish, lane="graph")

    def _publish(self):
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is None:  # cleared meanwhile
            return
        pipeline, scene, transform, header = waiting
        if pipeline.scene is not scene:
            return
        graph = pipeline.graph(scene)
        to_target = transform.after(scene.cloud.placement.inverse)
        records = layout_markers(graph, self._settings.config.output.marker_text_height)
        with self._lock:
            if pipeline.scene is scene and not self._destroyed:
                self._revision += 1
                self._graph.publish(to_scene_graph(graph, self._revision, to_target, header))
                self._publish_markers(records, header, to_target)

    def _publish_markers(self, records, header, transform):
        place = (header.frame_id, transform.rotation.tobytes(), transform.translation.tobytes())
        change = self._tracker.update(records, place)
        if change is not None:
            self._markers.publish(messages.to_marker_array(*change, header, transform))

    def clear(self, header, transform):
        """Publish an empty graph and delete its markers."""
        with self._lock:
            self._waiting = None
            self._revision += 1
            self._graph.publish(interfaces.SceneGraph(header=header, revision=self._revision))
            self._publish_markers([], header, transform)

    def destroy(self):
        """Remove the publishers from the node. A graph that is still being made is not published."""
        with self._lock:
            self._destroyed = True
            for publisher in (self._graph, self._markers):
                self._node.destroy_publisher(publisher)
