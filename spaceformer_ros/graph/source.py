# SPDX-License-Identifier: Apache-2.0
"""Makes the scene graph of the current scene when it is asked for, and keeps it while the scene is the same."""

import threading

from .. import SpaceformerError, StorageError
from ..layout.structure import KINDS, Layout
from .build import build_graph
from .stable_ids import NumberedLayout, numbered


class GraphSource:
    """Graphs of the scenes of one map after another. May be used from any thread."""

    def __init__(self, find_layout, limits, room_table):
        """find_layout: function(scene) that returns a Layout in the scene's local coordinates.

        limits, room_table: functions without arguments, see `build_graph`.
        """
        self._find_layout = find_layout
        self._limits = limits
        self._room_table = room_table
        self._lock = threading.Lock()
        self._layout_lock = threading.Lock()
        self._graph = (None, None)  # of a key
        self._layout = None  # the NumberedLayout of the last map
        self._place = None  # its coordinates and instances

    def graph(self, scene):
        """The SceneGraph of a Scene."""
        key = (scene, self._limits())
        with self._lock:
            if self._graph[0] is None or not scene.is_same(self._graph[0][0]) or self._graph[0][1] != key[1]:
                layout = self.layout(scene)
                self._graph = (key, build_graph(scene, layout, key[1], self._room_table()))
            return self._graph[1]

    def ready(self, scene):
        """The SceneGraph of a Scene if it is made already, else None."""
        key, graph = self._graph
        return graph if key is not None and scene.is_same(key[0]) and key[1] == self._limits() else None

    def layout(self, scene):
        """The Layout of a Scene, its ids continued from the last map in the same coordinates."""
        with self._layout_lock:
            return self._numbered(scene).layout

    def _numbered(self, scene):
        """The NumberedLayout of a Scene. The caller holds the lock of layouts."""
        place = (scene.cloud.coordinates, scene.cloud)
        if self._place is None or self._place[1] is not scene.cloud:
            fresh = self._find_layout(scene)
            known = self._layout is not None and self._place is not None and self._place[0] == place[0]
            self._layout = self._layout.continued(fresh) if known else numbered(fresh)
            self._place = place
        return self._layout

    def forget(self):
        """Start numbering again: the next scene is another map."""
        with self._lock, self._layout_lock:
            self._graph, self._layout, self._place = (None, None), None, None

    def saved(self, scene):
        """The numbered layout of a Scene as a dict for its file."""
        with self._layout_lock:
            known = self._numbered(scene)
            return {"layout": known.layout.to_dict(), "next_ids": dict(known.next_ids), "gone": known.gone.to_dict()}

    def restore(self, scene, layout):
        """Continue with the NumberedLayout of a file, or None."""
        with self._lock, self._layout_lock:
            self._graph, self._layout = (None, None), layout
            self._place = (scene.cloud.coordinates, scene.cloud) if layout else None


def read_layout(content, path):
    """The NumberedLayout of the dict of `GraphSource.saved`, None of {}. Raises StorageError FILE_CORRUPT.

    path: of the file that it is from
    """
    if not content:
        return None
    try:
        next_ids = {kind: int(content["next_ids"][kind]) for kind in KINDS}
        gone = Layout.from_dict(content["gone"]) if "gone" in content else Layout()
        return NumberedLayout(Layout.from_dict(content["layout"]), next_ids, gone)
    except (SpaceformerError, LookupError, TypeError, ValueError) as error:
        raise StorageError("FILE_CORRUPT", f"the layout in {path} is not valid: {error}") from error
