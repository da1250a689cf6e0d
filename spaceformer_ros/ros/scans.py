"""input_mode "accumulate": single scans become a map in a fixed frame.

A thread of its own decodes, transforms and inserts every scan in order; the worker takes snapshots of the map when it
is ready for one. Scans that come faster than they can be inserted are dropped from the front of a short queue, and
counted.
"""

import threading
from collections import deque

import numpy as np
from rclpy.time import Time

from .. import SpaceformerError
from ..clouds.accumulator import VoxelMapAccumulator
from ..clouds.point_records import DecodedCloud
from .messages import decode_bytes, to_time
from .transforms import TransformError

QUEUE = 10  # scans that may wait: one second at 10 Hz


class Scans:
    """Collects scans for one configured node. `add` and `clear` may be called by any thread."""

    def __init__(self, node, on_map):
        """on_map(): called on the scan thread whenever the map has grown."""
        self._node, self._on_map = node, on_map
        settings = node.config.input
        self._map = VoxelMapAccumulator(
            voxel_size=settings.accumulate_voxel_size,
            max_voxels=settings.accumulate_max_voxels,
            roi=settings.roi,
        )
        self._stamp_ns = 0
        self._map_lock, self._condition = threading.Lock(), threading.Condition()
        self._queue, self._closed = deque(), False
        self._thread = threading.Thread(target=self._run, name="spaceformer_scans", daemon=True)
        self._thread.start()

    def add(self, raw):
        """Queue a scan, the bytes of a PointCloud2."""
        with self._condition:
            if len(self._queue) == QUEUE:
                self._queue.popleft()
                self._node.counters.scans_dropped += 1
            self._queue.append(raw)
            self._condition.notify()

    def snapshot(self):
        """The map as a DecodedCloud in the fixed frame; voxels are its points. Raises SpaceformerError while empty."""
        with self._map_lock:
            if not len(self._map):
                raise SpaceformerError("the accumulated map is empty: no scan with a transform has arrived yet")
            cloud = self._map.snapshot(self._node.config.input.fixed_frame, self._stamp_ns).cloud
        return DecodedCloud(cloud, np.ones(len(cloud), dtype=bool), colored=True)

    def clear(self):
        """Forget the map and the scans that wait."""
        with self._condition:
            self._queue.clear()
        with self._map_lock:
            self._map.clear()
        self._node.counters.map_voxels = 0

    def close(self):
        """End the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(1.0)

    def _run(self):
        while (raw := self._next()) is not None:
            try:
                self._insert(raw)
            except TransformError as error:  # usual for the first scans: TF is not there yet
                self._node.counters.tf_errors += 1
                self._node.get_logger().warning(f"a scan was left out: {error}", throttle_duration_sec=5.0)
            except Exception as error:  # one bad scan must not end the map
                self._node.report_error(error)
            else:
                self._on_map()

    def _next(self):
        with self._condition:
            while not self._queue and not self._closed:
                self._condition.wait()
            return None if self._closed else self._queue.popleft()

    def _insert(self, raw):
        config = self._node.config
        cloud = decode_bytes(raw, config.input.allow_gray).cloud
        fixed, stamp = config.input.fixed_frame, Time.from_msg(to_time(cloud.stamp_ns))
        transform = self._node.transforms.lookup(fixed, cloud.frame_id, stamp, config.output.tf_timeout)
        with self._map_lock:
            self._map.insert(transform.apply(cloud.xyz), cloud.rgb, cloud.stamp_ns * 1e-9)
            self._stamp_ns = cloud.stamp_ns
            self._node.counters.map_voxels = len(self._map)
        self._node.counters.scans_inserted += 1
