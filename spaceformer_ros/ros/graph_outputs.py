# SPDX-License-Identifier: Apache-2.0
"""Publishers of the scene graph and of its markers. A pool thread makes the graph, of the newest scene only."""

import contextlib
import threading

from ..show.layout_markers import LAYOUT_NAMESPACES, layout_markers
from . import interfaces, qos
from .graph_messages import to_scene_graph
from .marker_output import MarkerOutput
from .refusal import Refusal


class GraphOutputs:
    """~/scene_graph and ~/layout_markers of one configured node."""

    def __init__(self, node, settings, background):
        self._node = node
        self._settings = settings
        self._background = background
        self._lock = threading.Lock()
        self._graph = qos.latched_publisher(node, interfaces.SceneGraph, "scene_graph")
        self._markers = MarkerOutput(node, "layout_markers", LAYOUT_NAMESPACES)
        self._waiting = None  # (pipeline, scene, transform, header) that is to be published next
        self._revision = 0
        self._destroyed = False

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
        if not scene.is_same(pipeline.scene):
            return
        graph = pipeline.graph(scene)
        to_target = transform.after(scene.cloud.placement.inverse)
        records = layout_markers(graph, self._settings.config.output.marker_text_height)
        with self._lock:
            if scene.is_same(pipeline.scene) and not self._destroyed:
                self._revision += 1
                self._graph.publish(to_scene_graph(graph, self._revision, to_target, header))
                self._markers.publish(records, header, to_target)

    def clear(self, header, transform):
        """Publish an empty graph and delete its markers."""
        with self._lock:
            self._waiting = None
            self._revision += 1
            self._graph.publish(interfaces.SceneGraph(header=header, revision=self._revision))
            self._markers.publish([], header, transform)

    def destroy(self):
        """Remove the publishers from the node. A graph that is still being made is not published."""
        with self._lock:
            self._destroyed = True
            self._markers.destroy()
            self._node.destroy_publisher(self._graph)
