"""Rigid transforms between frames: looked up through tf2 where it is installed, applied to points and poses."""

import numpy as np

from .. import SpaceformerError
from ..geometry.transform import IDENTITY, RigidTransform, yaw_matrix

try:  # here, not where it is used: a failing import searches the disk again for every pose
    import tf_transformations
except ImportError:
    tf_transformations = None
    from transforms3d.quaternions import mat2quat, quat2mat


class TransformError(SpaceformerError):
    """A transform that cannot be had; the message is tf2's own, with what to do."""


def yaw_quaternion(transform, yaw):
    """(x, y, z, w) in the target frame of a heading `yaw`, radians about the source's z axis."""
    return quaternion_from_matrix(transform.rotation @ yaw_matrix(yaw))


def quaternion_from_matrix(rotation):
    """(x, y, z, w) of a [3, 3] rotation, through tf_transformations or transforms3d, which it wraps."""
    if tf_transformations is None:
        w, x, y, z = mat2quat(rotation)
        return float(x), float(y), float(z), float(w)
    homogeneous = np.eye(4)
    homogeneous[:3, :3] = rotation
    return tuple(float(v) for v in tf_transformations.quaternion_from_matrix(homogeneous))


def matrix_from_quaternion(x, y, z, w):
    """[3, 3] rotation of a quaternion, through tf_transformations or transforms3d."""
    if tf_transformations is None:
        return quat2mat((w, x, y, z))
    return tf_transformations.quaternion_matrix((x, y, z, w))[:3, :3]


class TransformListener:
    """tf2's buffer for a node, or a stand-in that knows only that a frame equals itself."""

    def __init__(self, node):
        try:
            from tf2_ros import Buffer
            from tf2_ros import TransformListener as Tf2Listener
        except ImportError as error:
            self._buffer, self._missing = None, str(error)
            return
        self._buffer, self._missing = Buffer(node=node), ""
        self._listener = Tf2Listener(self._buffer, node)
        self._node = node

    def close(self):
        """Remove tf2's subscriptions and its service from the node."""
        if self._buffer is None:
            return
        self._listener.unregister()
        if hasattr(self._buffer, "srv"):
            self._node.destroy_service(self._buffer.srv)

    def lookup(self, target, source, stamp, timeout):
        """RigidTransform that maps `source` into `target` at a time. May block up to `timeout` seconds.

        stamp: rclpy Time, zero for the latest. Empty frames and equal frames give the identity; TransformError names
        both frames and the reason.
        """
        if not target or target == source:
            return IDENTITY
        if self._buffer is None:
            raise TransformError(
                f"no transform from {source!r} to {target!r}: tf2_ros is not installed ({self._missing}); install "
                "ros-$ROS_DISTRO-tf2-ros-py, or ask for the map's own frame"
            )
        from rclpy.duration import Duration

        try:
            found = self._buffer.lookup_transform(target, source, stamp, Duration(seconds=timeout)).transform
        except Exception as error:  # tf2 raises several kinds, and all of them mean the same here
            raise TransformError(
                f"no transform from {source!r} to {target!r} within {timeout:g} s: {error}; check that both frames are "
                "on /tf (`ros2 run tf2_tools view_frames`)"
            ) from error
        rotation = matrix_from_quaternion(found.rotation.x, found.rotation.y, found.rotation.z, found.rotation.w)
        return RigidTransform(rotation, np.array([found.translation.x, found.translation.y, found.translation.z]))
