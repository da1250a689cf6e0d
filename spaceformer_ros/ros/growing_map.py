# SPDX-License-Identifier: Apache-2.0
"""A map in a fixed frame that grows by scans or images.

The scan thread decodes, transforms and inserts every scan in order; the device thread takes a snapshot of the map when
it is ready to process one. If scans arrive faster than they can be inserted, the oldest in the short queue are dropped
and counted.
"""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import replace

import numpy as np

from .. import SpaceformerError
from ..clouds.accumulator import VoxelMapAccumulator
from ..clouds.origin import local_origin
from ..clouds.point_records import DecodedCloud
from .transforms import TransformError


class GrowingMap(ABC):
    """The map of one configured node. `add` and `clear` may be called by any thread."""

    MAX_QUEUE = 10  # waiting scans: one second at 10 Hz

    def __init__(self, settings, transforms, counters, logger, on_map, on_unplaced, on_error):
        """Start the scan thread.

        settings: Settings; the size of the map and of its voxels are read once.
        transforms: TransformListener.
        counters: Counters.
        logger: of the node.
        on_map: function called on the scan thread when the map has grown.
        on_unplaced: function called on the scan thread with the reason why a scan is not in the map: it is bad, or
            cannot be placed.
        on_error: function called on the scan thread with an unexpected exception.
        """
        self._settings = settings
        self._transforms = transforms
        self._counters = counters
        self._logger = logger
        self._on_map = on_map
        self._on_unplaced = on_unplaced
        self._on_error = on_error
        config = settings.config.input
        self._map = VoxelMapAccumulator(
            voxel_size=config.accumulate_voxel_size,
            max_voxels=config.accumulate_max_voxels,
            roi=config.roi,
        )
        self._stamp_ns = 0
        self._remarks = ()  # sentences about the last scan
        self._colored = True  # whether all scans of the map have colours
        self._map_lock = threading.Lock()
        self._condition = threading.Condition()
        self._queue = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="spaceformer_scans", daemon=True)
        self._thread.start()

    def add(self, scan):
        """Queue a scan: what `_insert` takes."""
        with self._condition:
            if len(self._queue) == self.MAX_QUEUE:
                self._queue.popleft()
                self._counters.scans_dropped += 1
            self._queue.append(scan)
            self._condition.notify()

    def snapshot(self):
        """The map as a DecodedCloud in the fixed frame, one point per voxel. Raises SpaceformerError if it is empty."""
        config = self._settings.config.input
        with self._map_lock:
            if not len(self._map):
                lost = self._counters.unplaced_in_a_row and self._counters.unplaced_reason
                inside = f" with a point inside roi {list(config.roi)}" if any(config.roi) else ""
                raise SpaceformerError(f"the accumulated map is empty: {lost or f'no scan{inside} has arrived yet'}")
            origin = local_origin(self._map.origin, self._map.origin)
            cloud = self._map.snapshot(config.fixed_frame, self._stamp_ns, origin).cloud
        cloud = replace(cloud, colored=self._colored, remarks=self._remarks).upright(config.input_up)
        return DecodedCloud(cloud, np.ones(len(cloud), dtype=bool))

    def clear(self):
        """Drop the map and the waiting scans."""
        with self._condition:
            self._queue.clear()
        with self._map_lock:
            self._map.clear()
            self._colored = True
        self._counters.map_voxels = 0

    def close(self):
        """End the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(1.0)

    def _run(self):
        while (scan := self._next()) is not None:
            try:
                self._insert(scan)
            except SpaceformerError as error:  # usual for the first scans: TF has not arrived yet
                self._counters.add_unplaced_scan(str(error), isinstance(error, TransformError))
                self._on_unplaced(str(error))
                self._logger.warning(f"a scan was dropped: {error}", throttle_duration_sec=5.0)
            except Exception as error:  # must not end the map
                self._on_error(error)
            else:
                self._on_map()

    def _next(self):
        with self._condition:
            while not self._queue and not self._closed:
                self._condition.wait()
            return None if self._closed else self._queue.popleft()

    @abstractmethod
    def _insert(self, scan):
        """Add a scan to the map. Raises TransformError if it cannot be placed, and SpaceformerError if it is bad."""

    @contextlib.contextmanager
    def _changing(self, stamp_ns, colored=True):
        """Context in which a scan is added to `self._map`. stamp_ns, colored: of the scan."""
        with self._map_lock:
            self._map.roi = self._settings.config.input.roi
            yield
            self._stamp_ns = stamp_ns
            self._colored &= colored
            self._counters.map_voxels = len(self._map)
        self._counters.add_placed_scan()
