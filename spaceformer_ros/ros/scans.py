# SPDX-License-Identifier: Apache-2.0
"""input_mode "accumulate": accumulate single scans into a map in a fixed frame."""

from rclpy.time import Time

from .growing_map import GrowingMap
from .messages import decode_bytes, to_time


class Scans(GrowingMap):
    """A map of scans, each the bytes of a PointCloud2."""

    def _insert(self, scan):
        config = self._settings.config
        cloud = decode_bytes(scan, config.input).cloud
        fixed, stamp = config.input.fixed_frame, Time.from_msg(to_time(cloud.stamp_ns))
        transform = self._transforms.lookup(fixed, cloud.frame_id, stamp, config.output.tf_timeout)
        with self._changing(cloud.stamp_ns, cloud.colored):
            self._map.insert(transform.after(cloud.placement).apply(cloud.xyz), cloud.rgb, cloud.stamp_ns * 1e-9)
