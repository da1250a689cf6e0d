# SPDX-License-Identifier: Apache-2.0
"""input_mode "accumulate": accumulate single scans into a map in a fixed frame."""

from rclpy.time import Time

from .growing_map import GrowingMap
from .messages import decode_bytes, to_time

NO_STAMP = (
    "scans have no stamp and are placed by the latest transform, which smears the map while the robot moves: set "
    "header.stamp in the node that publishes them"
)


class Scans(GrowingMap):
    """A map of scans, each the bytes of a PointCloud2."""

    def _insert(self, scan):
        config = self._settings.config
        cloud = decode_bytes(scan, config.input).cloud
        fixed, stamp = config.input.fixed_frame, Time.from_msg(to_time(cloud.stamp_ns))
        transform = self._transforms.lookup(fixed, cloud.frame_id, stamp, config.output.tf_timeout)
        remarks = cloud.remarks if stamp.nanoseconds or cloud.frame_id == fixed else (*cloud.remarks, NO_STAMP)
        if remarks:
            self._logger.warning("; ".join(remarks), throttle_duration_sec=60.0)
        self._remarks = (NO_STAMP,) if NO_STAMP in remarks else ()  # others, as of missing measurements, are usual
        with self._changing(cloud.stamp_ns, cloud.colored):
            self._map.insert(transform.after(cloud.placement).apply(cloud.xyz), cloud.rgb, cloud.stamp_ns * 1e-9)
