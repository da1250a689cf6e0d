# SPDX-License-Identifier: Apache-2.0
"""A stand-in for tf2's buffer, as tf2_ros is not among the ROS wheels."""

from types import SimpleNamespace

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3

SECOND = 1_000_000_000


class Buffer:
    """Transforms from "map" to one frame: x in metres by time in seconds, exact times only; {0: x} is a static one."""

    def __init__(self, frame, history):
        self.frame, self.history, self.asked = frame, dict(history), []

    def lookup_transform(self, target, source, stamp, timeout):
        """The transform at a stamp, or the latest for stamp 0. Raises as tf2 does."""
        self.asked.append((target, source, stamp.nanoseconds))
        if (target, source) != (self.frame, "map") or not self.history:
            raise LookupError(f"{target} does not exist")
        seconds = stamp.nanoseconds / SECOND
        if set(self.history) == {0} or not seconds:
            seconds = max(self.history)
        if seconds not in self.history:
            raise LookupError("extrapolation")
        transform = Transform(translation=Vector3(x=self.history[seconds]), rotation=Quaternion(w=1.0))
        message = TransformStamped(transform=transform)
        message.header.stamp = Time(sec=int(seconds))
        return message


def stamped(quaternion=(0.0, 0.0, 0.0, 1.0), translation=(0.0, 0.0, 0.0)):
    """Something that has a Transform with these numbers, and stamp 0."""
    x, y, z, w = quaternion
    transform = Transform(rotation=Quaternion(x=x, y=y, z=z, w=w), translation=Vector3(**dict(zip("xyz", translation))))
    return SimpleNamespace(transform=transform, header=SimpleNamespace(stamp=Time()))
