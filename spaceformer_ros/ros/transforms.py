# SPDX-License-Identifier: Apache-2.0
"""Look up transforms with tf2, if it is installed, and convert quaternions of messages."""

import numpy as np
from rclpy.duration import Duration
from rclpy.time import Time

from .. import SpaceformerError
from ..clouds.pointcloud2 import nanoseconds_of
from ..geometry.transform import IDENTITY, RigidTransform, yaw_matrix
from .text import printable

try:  # at module level: a failing import would search the disk again for every pose
    import tf_transformations
except ImportError:
    tf_transformations = None
    from scipy.spatial.transform import Rotation


MEMORY = Duration(seconds=10)  # of tf2: older transforms are dropped, and refused when they arrive
MAX_TF_ERROR = 0.01  # of the squared norm; tf2 refuses transforms with a larger one when they arrive
MAX_REFUSED, MAX_NAMED = 100, 2  # frames with a refused transform that are kept, and named in a message
CONNECT = "check that both frames are on /tf (`ros2 run tf2_tools view_frames`)"
CURES = {  # words of tf2's messages, and what to do
    "into the past": "the stamp is older than what TF remembers (10 s): synchronise the clocks, or, with a bag that "
    "starts again, set use_sim_time and publish /clock",
    "into the future": "TF has stopped, comes late (raise tf_timeout), or the clocks differ (`ros2 topic hz /tf`)",
    "only time": "TF has stopped after one transform, or the clocks differ (`ros2 topic hz /tf`)",
}
MAX_NORM_ERROR = 0.1  # deviation of a quaternion's norm from 1 that is attributed to rounding


class TransformError(SpaceformerError):
    """A transform is not available; the message has tf2's reason and what to do."""


def time_of(stamp):
    """The rclpy Time of the stamp of a message. Raises SpaceformerError for a time that ROS cannot compare."""
    return Time(nanoseconds=nanoseconds_of(stamp))


def yaw_quaternion(transform, yaw):
    """(x, y, z, w) in the target frame of a heading `yaw`, radians about the source's z axis."""
    return quaternion_from_matrix(transform.rotation @ yaw_matrix(yaw))


def quaternion_from_matrix(rotation):
    """(x, y, z, w), w >= 0, of a [3, 3] rotation, through tf_transformations or scipy."""
    if tf_transformations is None:
        quaternion = Rotation.from_matrix(rotation).as_quat()
    else:
        homogeneous = np.eye(4)
        homogeneous[:3, :3] = rotation
        quaternion = tf_transformations.quaternion_from_matrix(homogeneous)
    return tuple(float(value) for value in (quaternion if quaternion[3] >= 0 else -quaternion))


def matrix_from_quaternion(x, y, z, w):
    """[3, 3] rotation of a quaternion of any length but zero, through tf_transformations or scipy."""
    if tf_transformations is None:
        return Rotation.from_quat((x, y, z, w)).as_matrix()
    return tf_transformations.quaternion_matrix((x, y, z, w))[:3, :3]


class Transforms:
    """Transforms between frames, from a tf2 buffer; without one only the identity between equal frames."""

    def __init__(self, buffer, missing=""):
        """buffer: tf2_ros Buffer, or None; missing: why there is none."""
        self._buffer = buffer
        self._missing = missing

    def lookup(self, target, source, stamp, timeout):
        """RigidTransform that maps `source` into `target` at a time. May block up to `timeout` seconds.

        stamp: rclpy Time, zero for the latest. Equal frames give the identity; TransformError names both frames and
        the reason.
        """
        return self.timed_lookup(target, source, stamp, timeout)[0]

    def latest(self, target, source, timeout):
        """As `lookup`, of the latest transform."""
        return self.lookup(target, source, Time(), timeout)

    def lookup_for_map(self, target, source, stamp, timeout):
        """(RigidTransform, rclpy Time) for data of a map that was made at `stamp`.

        At that time if TF has it, else the latest transform, with its own time: TF keeps a few seconds only, and a map
        may be older. A transform that never changes has the stamp of the map.
        """
        try:
            return self.lookup(target, source, stamp, timeout), stamp
        except TransformError:
            if stamp.nanoseconds == 0 or self._buffer is None:
                raise
        transform, time = self.timed_lookup(target, source, Time(), 0.0)
        return transform, time if time.nanoseconds else stamp

    def timed_lookup(self, target, source, stamp, timeout):
        """As `lookup`, with the Time of the transform; 0 if it never changes and the latest was asked for."""
        target, source = target.lstrip("/"), source.lstrip("/")  # tf2 refuses a leading slash
        if target == source:
            return IDENTITY, stamp
        if not source:
            raise TransformError(
                f"no transform to {target!r}: the cloud has no frame_id; set it in the node that publishes the cloud"
            )
        if not target:
            raise TransformError(
                f"no transform from {source!r}: the cloud or image that it is wanted for has no frame_id; set it in "
                "the node that publishes it"
            )
        if self._buffer is None:
            raise TransformError(
                f"no transform from {source!r} to {target!r}: tf2_ros is not installed ({self._missing}); install "
                "ros-$ROS_DISTRO-tf2-ros-py, or ask for the map's own frame"
            )
        try:
            found = self._buffer.lookup_transform(target, source, stamp, Duration(seconds=timeout))
        except Exception as error:  # tf2 raises several types; all mean that there is no transform
            within = f" within {timeout:g} s" if timeout else ""
            raise TransformError(
                f"no transform from {source!r} to {target!r}{within}: {error}; {self._cure(str(error))}"
            ) from error
        return to_rigid_transform(found.transform, source, target), Time.from_msg(found.header.stamp)

    def _cure(self, reason):
        """What to do about a message of tf2: first what it refused itself, which it does not say there."""
        refused = list(getattr(self._buffer, "refused", {}).values())[:MAX_NAMED]
        cure = next((cure for words, cure in CURES.items() if words in reason), CONNECT)
        return "; ".join([*refused, cure])


class TransformListener(Transforms):
    """Transforms that a node receives on /tf and /tf_static, if tf2_ros is installed."""

    def __init__(self, node):
        try:
            from tf2_ros import Buffer
            from tf2_ros import TransformListener as Tf2Listener
        except ImportError as error:
            super().__init__(None, str(error))
            return
        super().__init__(restartable(Buffer)(node=node))
        self._listener = Tf2Listener(self._buffer, node)
        self._node = node

    def close(self):
        """Remove tf2's subscriptions and its service from the node."""
        if not hasattr(self, "_listener"):
            return
        self._listener.unregister()
        if hasattr(self._buffer, "srv"):
            self._node.destroy_service(self._buffer.srv)


def restartable(buffer_class):
    """A subclass of tf2_ros.Buffer that forgets, when the stamps of a frame jump back, what it knew before, and
    remembers which transforms cannot be used: tf2 writes those to the log only.

    As when a bag starts again: tf2 would refuse all new transforms as too old. A jump of the node's clock is no
    sufficient sign, as a bag may be played without one, and transforms from before may arrive after it. tf2_ros ignores
    such jumps in Humble (geometry2 issue 606), and its callback for them fails in early Jazzy (issue 710).
    """

    class RestartableBuffer(buffer_class):
        def __init__(self, node):
            super().__init__(node=node)
            self._newest = {}  # frame -> ns of its last transform
            self.refused = {}  # frame -> sentence, of frames whose last transform cannot be used
            if hasattr(self, "jump_handle"):
                self.jump_handle.unregister()

        def set_transform(self, transform, authority):
            stamp = transform.header.stamp
            stamp, frame = stamp.sec * 10**9 + stamp.nanosec, transform.child_frame_id
            if self._refuses(transform):
                return
            if frame in self._newest and stamp + MEMORY.nanoseconds < self._newest[frame]:
                self.clear()  # keeps static transforms
                self._newest.clear()
            self._newest[frame] = stamp
            super().set_transform(transform, authority)

        def set_transform_static(self, transform, authority):
            if not self._refuses(transform):
                super().set_transform_static(transform, authority)

        def _refuses(self, transform):
            frame, parent = printable(transform.child_frame_id, 100), printable(transform.header.frame_id, 100)
            self.refused.pop(frame, None)
            try:
                to_rigid_transform(transform.transform, frame, parent, MAX_TF_ERROR / 2)
            except TransformError as error:
                if len(self.refused) < MAX_REFUSED:
                    self.refused[frame] = str(error)
                return True
            return False

    return RestartableBuffer


def pose_transform(pose, source, target):
    """RigidTransform that places what is given in a geometry_msgs Pose's own axes. Raises TransformError."""
    found = _rigid(pose.orientation, pose.position)
    if found is None:
        raise TransformError(
            f"the pose of {source} in {target!r} is invalid: position {_numbers(pose.position, 'xyz')}, orientation "
            f"{_numbers(pose.orientation, 'xyzw')}; expected finite numbers and a quaternion of length 1"
        )
    return found


def to_rigid_transform(transform, source, target, max_error=MAX_NORM_ERROR):
    """RigidTransform of a geometry_msgs Transform. Raises TransformError if it is not a rigid transform.

    max_error: of the quaternion's norm.
    """
    found = _rigid(transform.rotation, transform.translation, max_error)
    if found is None:
        raise TransformError(
            f"the transform from {source!r} to {target!r} is invalid: quaternion {_numbers(transform.rotation, 'xyzw')}"
            f", translation {_numbers(transform.translation, 'xyz')}; check the node that publishes it on /tf"
        )
    return found


def _rigid(rotation, translation, max_error=MAX_NORM_ERROR):
    """RigidTransform of a geometry_msgs Quaternion and a message with x, y, z; None if it is not a rigid transform."""
    quaternion, vector = np.array(_numbers(rotation, "xyzw")), np.array(_numbers(translation, "xyz"))
    if not (np.isfinite(quaternion).all() and np.isfinite(vector).all()):
        return None
    if abs(np.linalg.norm(quaternion) - 1) >= max_error:
        return None
    return RigidTransform(matrix_from_quaternion(*quaternion), vector)


def _numbers(message, names):
    return [getattr(message, name) for name in names]
