# SPDX-License-Identifier: Apache-2.0
"""tf2_ros over DDS for tests, as no wheel carries it: the newest transform between two frames of /tf and /tf_static."""

import functools
import sys
import threading
import time
from types import ModuleType

import numpy as np
from geometry_msgs.msg import TransformStamped

from spaceformer_ros.geometry.transform import IDENTITY
from spaceformer_ros.ros import messages, qos
from spaceformer_ros.ros.transforms import MEMORY, quaternion_from_matrix, to_rigid_transform

TOPICS = {
    "/tf": qos.profile(qos.RELIABLE, qos.VOLATILE, 100),
    "/tf_static": qos.profile(qos.RELIABLE, qos.TRANSIENT_LOCAL, 100),
}


class Buffer:
    """Knows the parent of each frame with the transforms by their stamps. Only exact stamps, and static ones."""

    def __init__(self, node=None):
        self._changed = threading.Condition()
        self._known = {}  # child -> (parent, {stamp in ns, or None for static ones: RigidTransform})

    def set_transform(self, one, _authority):
        """Add a TransformStamped, unless it is older than what tf2 remembers (TF_OLD_DATA)."""
        stamp = one.header.stamp.sec * 10**9 + one.header.stamp.nanosec
        newest = max(self._known.get(one.child_frame_id, ("", {stamp: None}))[1])
        if stamp >= newest - MEMORY.nanoseconds:
            self._add(one, stamp)

    def set_transform_static(self, one, _authority):
        """Add a TransformStamped that holds at all times."""
        self._add(one, None)

    def _add(self, one, stamp):
        with self._changed:
            _, history = self._known.setdefault(one.child_frame_id, (one.header.frame_id, {}))
            history[stamp] = to_rigid_transform(one.transform, one.child_frame_id, one.header.frame_id)
            self._changed.notify_all()

    def clear(self):
        """Drop what is not static."""
        with self._changed:
            self._known = {child: entry for child, entry in self._known.items() if None in entry[1]}

    def lookup_transform(self, target, source, stamp, timeout):
        """A TransformStamped; raises LookupError after the timeout."""
        end = time.monotonic() + timeout.nanoseconds / 1e9
        with self._changed:
            while True:
                try:
                    chains = [self._to_root(frame, stamp.nanoseconds) for frame in (target, source)]
                    break
                except LookupError:
                    if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                        raise
        (root, target_in_root), (other, source_in_root) = chains
        if root != other:
            raise LookupError(f"{target} and {source} are not connected")
        return _stamped(target_in_root.inverse.after(source_in_root), stamp)

    def _to_root(self, frame, stamp):
        """(root, RigidTransform of a frame into it)."""
        found = IDENTITY
        while frame in self._known:
            parent, history = self._known[frame]
            key = None if None in history else stamp or max(history)
            if key not in history:
                raise LookupError(f"no transform of {frame} at {stamp}")
            frame, found = parent, history[key].after(found)
        return frame, found


def _stamped(found, stamp):
    message = TransformStamped()
    message.header.stamp = stamp.to_msg()
    x, y, z, w = quaternion_from_matrix(found.rotation)
    rotation, translation = message.transform.rotation, message.transform.translation
    rotation.x, rotation.y, rotation.z, rotation.w = x, y, z, w
    translation.x, translation.y, translation.z = (float(value) for value in np.asarray(found.translation))
    return message


class TransformListener:
    """Feeds a Buffer from /tf and /tf_static."""

    def __init__(self, buffer, node):
        from tf2_msgs.msg import TFMessage

        def take(message, take_one):
            for one in message.transforms:
                take_one(one, "default_authority")

        self._node = node
        self._subscriptions = [
            node.create_subscription(TFMessage, topic, functools.partial(take, take_one=take_one), TOPICS[topic])
            for topic, take_one in (("/tf", buffer.set_transform), ("/tf_static", buffer.set_transform_static))
        ]

    def unregister(self):
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


def stand_in(monkeypatch):
    """Let `import tf2_ros` give this module's classes."""
    module = ModuleType("tf2_ros")
    module.Buffer, module.TransformListener = Buffer, TransformListener
    monkeypatch.setitem(sys.modules, "tf2_ros", module)


class Broadcaster:
    """Publishes transforms on /tf and waits until they have arrived at a node."""

    def __init__(self, client):
        from tf2_msgs.msg import TFMessage

        self._kind = TFMessage
        self._publisher = client.node.create_publisher(TFMessage, "/tf", TOPICS["/tf"])

    def send(self, pose, stamp_ns, parent, child):
        """Publish a RigidTransform of `child` into `parent`."""
        message = _stamped(pose, _Stamp(stamp_ns))
        message.header.frame_id, message.child_frame_id = parent, child
        self._publisher.publish(self._kind(transforms=[message]))


class _Stamp:
    def __init__(self, nanoseconds):
        self.nanoseconds = nanoseconds

    def to_msg(self):
        return messages.to_time(self.nanoseconds)
