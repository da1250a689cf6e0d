# SPDX-License-Identifier: Apache-2.0
"""A depth camera, a colour camera and /tf over DDS: an object is removed, becomes missing, and is back; its picture."""

import io
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.fakes import RED, ROOM
from helpers.ros import wait_until
from helpers.tf_listener import Broadcaster, stand_in
from PIL import Image as Picture
from sensor_msgs.msg import CameraInfo, Image

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.ros import images, interfaces, messages, qos
from spaceformer_ros.ros.view_queries import to_camera_info

CAMERA = CameraModel(160, 120, 133.0, 133.0, 79.5, 59.5)
AT = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)  # looks at the chair
AWAY = optical_pose((0.0, -1.8, 1.2), -np.pi / 2, -0.3)
FLOOR = ((0.0, 1.0, -0.05), (5.0, 6.0, 0.02), (9, 9, 9))
WALL = ((0.0, 4.0, 0.5), (6.0, 0.1, 3.0), (9, 9, 9))
SCREEN = ((0.0, -1.0, 1.0), (3.0, 0.05, 2.5), (9, 9, 9))
FRAME = "camera_optical"


class RobotCamera:
    """Publishes what a camera sees of clouds, with its pose on /tf."""

    def __init__(self, client):
        self._node, self._tf, self._publishers, self._number = client.node, Broadcaster(client), {}, 0
        for name in ("color", "depth"):
            for kind, topic in ((Image, f"/cam/{name}/image"), (CameraInfo, f"/cam/{name}/camera_info")):
                self._publishers[topic] = client.node.create_publisher(kind, topic, qos.EVENTS)

    def connected(self):
        """Whether the node has subscribed to all topics."""
        return all(one.get_subscription_count() for one in self._publishers.values())

    def show(self, cloud, pose=AT):
        """Publish one colour and depth image, half a second after the last one."""
        self._number += 1
        stamp = 10**9 + self._number * 10**9 // 2
        view = MapPoints(cloud.xyz, 0.08).draw(CAMERA, pose.inverse)
        depth = np.where(np.isfinite(view.depth), view.depth, 0).astype(np.float32)
        header = messages.Header(stamp=messages.to_time(stamp), frame_id=FRAME)
        self._tf.send(pose, stamp, "map", FRAME)
        for name, pixels in (("color", view.pick(cloud.rgb)), ("depth", depth)):
            self._publishers[f"/cam/{name}/camera_info"].publish(to_camera_info(CAMERA, header))
            self._publishers[f"/cam/{name}/image"].publish(images.to_image(pixels, header))


def test_an_object_that_a_camera_sees_through_is_missing(start, client, instances, box_cloud, monkeypatch):
    pytest.importorskip("tf2_msgs", reason="tf2_msgs comes with the messages of `make test`")
    stand_in(monkeypatch)
    for module in ("presence", "thumbnails"):  # faster than a person would like it
        monkeypatch.setattr(f"spaceformer_ros.ros.{module}.PERIOD", 0.0)
    status = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    node = start(
        watch_objects=True,
        cameras=["/cam"],
        color_topic="color/image",
        depth_topic="depth/image",
        thumbnails=True,
        fade_views=2,
        input_timeout=0.1,
        tf_timeout=1.0,
    )
    full, empty = (box_cloud([*things, FLOOR, WALL], points=8000) for things in (ROOM[:1], ()))
    hidden = box_cloud([SCREEN, FLOOR], points=8000)
    client.publish(full)
    wait_until(lambda: instances and instances[-1].instances, "the chair")
    (chair,) = [item.id for item in instances[-1].instances]
    reason = "nobody publishes /spaceformer/input/image"
    wait_until(lambda: status and reason in status[-1].status[0].message, "the diagnostics")
    camera, counters = RobotCamera(client), node.session.counters
    wait_until(camera.connected, "the subscriptions")

    def state():
        return {item.id: item.state for item in instances[-1].instances}.get(chair)

    def show(cloud, pose=AT):
        """How many objects an image of a cloud sees through."""
        before = counters.presence_images
        camera.show(cloud, pose)
        wait_until(lambda: counters.presence_images > before, "an image that is judged")
        return counters.objects_seen_through

    for _ in range(100):  # the first camera_info may come after its image
        camera.show(full)
        time.sleep(0.3)
        if counters.presence_images:
            break
    assert counters.objects_seen_through == 0
    assert show(hidden) == 0
    assert show(empty, AWAY) == 0
    assert state() == "present"
    assert [show(empty), show(empty)] == [1, 1]
    wait_until(lambda: state() == "missing", "the missing chair")
    (item,) = instances[-1].instances
    assert item.pose.position.y == pytest.approx(0.0, abs=0.05)  # its last seen place
    assert item.last_seen.sec == 1
    show(full)
    wait_until(lambda: state() == "present", "the chair")

    images_of = client.node.create_publisher(Image, "/spaceformer/input/image", qos.EVENTS)
    info = client.node.create_publisher(CameraInfo, "/spaceformer/input/camera_info", qos.EVENTS)
    wait_until(lambda: images_of.get_subscription_count() and info.get_subscription_count(), "the subscriptions")
    header = messages.Header(stamp=messages.to_time(10**9 + 10**9 // 2), frame_id=FRAME)
    red = images.to_image(np.full((120, 160, 3), RED, dtype=np.uint8), header)

    def taken():
        info.publish(to_camera_info(CAMERA, header))
        images_of.publish(red)
        return counters.thumbnails_taken

    wait_until(taken, "a thumbnail")
    assert not instances[-1].instances[0].thumbnail.data
    reply = client.call(interfaces.GetInstances, "get_instances", ids=[chair], with_thumbnails=True)
    thumbnail = reply.result.instances[0].thumbnail
    assert (thumbnail.format, thumbnail.header.frame_id) == ("jpeg", FRAME)
    assert np.abs(np.asarray(Picture.open(io.BytesIO(bytes(thumbnail.data)))).astype(int) - RED).max() < 10
