# SPDX-License-Identifier: Apache-2.0
"""The map as cameras see it, over DDS: ~/render_view, and pictures on live images."""

import numpy as np
import pytest
from geometry_msgs.msg import Point, PoseStamped, Quaternion
from helpers.fakes import ROOM
from helpers.ros import wait_until
from sensor_msgs.msg import CameraInfo, Image

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.ros import images, interfaces, messages, qos
from spaceformer_ros.ros.transforms import quaternion_from_matrix
from spaceformer_ros.ros.view_queries import to_camera_info

Code = interfaces.ResultCode
CAMERA = CameraModel(160, 120, 133.0, 133.0, 79.5, 59.5)
POSE = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)  # looks at the chair
NOWHERE = optical_pose((np.nan, 0.0, 0.0), 0.0)


def stamped(pose, frame_id=""):
    """A PoseStamped of a RigidTransform."""
    x, y, z, w = quaternion_from_matrix(pose.rotation)
    message = PoseStamped()
    message.header.frame_id = frame_id
    message.pose.position = Point(**dict(zip("xyz", pose.translation)))
    message.pose.orientation = Quaternion(x=x, y=y, z=z, w=w)
    return message


def pixels(image, kind):
    return np.frombuffer(bytes(image.data), dtype=kind).reshape(image.height, image.width, -1)


def test_a_view_shows_the_objects_of_the_map(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM, points=20_000))
    wait_until(lambda: instances and len(instances[-1].instances) == 3, "the objects")
    chair = next(item for item in instances[-1].instances if item.label == "chair")
    assert (chair.state, chair.label_source, chair.num_detections) == ("present", "network", 0)
    assert chair.text_score == pytest.approx(chair.label_score)

    def render(pose=POSE, frame_id="", **fields):
        return client.call(interfaces.RenderView, "render_view", pose=stamped(pose, frame_id), **fields)

    info = to_camera_info(CAMERA, CameraInfo().header)
    layers = ["ids", "depth", "color", "overlay", "marks", "relevancy"]
    reply = render(camera=info, layers=layers, query="chair")
    assert (reply.code, reply.map_revision) == (Code.OK, instances[-1].map_revision), reply.message
    assert [image.encoding for image in reply.images] == ["32SC1", "32FC1", "rgb8", "rgb8", "rgb8", "rgb8"]
    ids, depth = pixels(reply.images[0], np.int32)[..., 0], pixels(reply.images[1], np.float32)[..., 0]
    nearest = reply.objects[0]
    assert (nearest.id, nearest.label) == (chair.id, "chair")
    assert ids[nearest.row, nearest.column] == chair.id
    assert nearest.share == pytest.approx((ids == chair.id).mean())
    assert 1.4 < depth[nearest.row, nearest.column] < 2.0
    color, heat = pixels(reply.images[2], np.uint8), pixels(reply.images[5], np.uint8)
    assert (color[nearest.row, nearest.column] == ROOM[0][2]).all()
    assert heat[ids == chair.id].mean() > heat[ids != chair.id].mean()
    assert list(reply.camera.k) == list(info.k)

    picture = images.to_image(np.full((120, 160, 3), 7, dtype=np.uint8), info.header)
    reply = render(camera=info, image=picture)
    overlay = pixels(reply.images[0], np.uint8)
    assert len(reply.images) == 1
    assert (overlay[ids == 0] == 7).all()
    assert not (overlay[ids == chair.id] == 7).all(axis=-1).any()
    assert (render().images[0].width, render().camera.height) == (640, 480)

    for fields, code, text in (
        (
            {"pose": NOWHERE},
            Code.INVALID_REQUEST,
            "the pose of the camera in 'map' is invalid: position [nan, 0.0, 0.0]",
        ),
        ({"layers": ["heat"]}, Code.INVALID_REQUEST, "layer 'heat': expected each of color, depth"),
        ({"layers": ["ids", "ids"]}, Code.INVALID_REQUEST, "at most once"),
        ({"layers": ["relevancy"]}, Code.INVALID_REQUEST, "text"),
        ({"image": picture}, Code.INVALID_REQUEST, "image has 160 x 120 pixels, its camera_info 640 x 480"),
        ({"camera": CameraInfo(width=60_000, height=60_000)}, Code.INVALID_REQUEST, "at most 8,000,000"),
        (
            {"camera": CameraInfo(width=2000, height=2000), "layers": ["color", "depth", "ids"]},
            *(Code.INVALID_REQUEST, "2000 x 2000 pixels of 3 layers, at most 8,000,000"),
        ),
        ({"frame_id": "moon"}, Code.TF_FAILED, "'moon'"),
    ):
        reply = render(**fields)
        assert (reply.code, text in reply.message) == (code, True), reply.message
        assert not reply.images


def test_live_images_are_drawn_for_their_subscribers(start, client, instances, box_cloud, monkeypatch):
    node = start(image_views=True, image_cameras=["front"], image_view_rate=100.0)
    known = node.session.transforms.lookup

    def lookup(target, source, stamp, timeout):
        return POSE.inverse if target == "camera" else known(target, source, stamp, timeout)

    monkeypatch.setattr(node.session.transforms, "lookup", lookup)
    client.publish(box_cloud(ROOM, points=20_000))
    wait_until(lambda: instances and len(instances[-1].instances) == 3, "the objects")
    chair = next(item for item in instances[-1].instances if item.label == "chair")
    counters, header = node.session.counters, messages.Header(stamp=messages.to_time(5 * 10**9), frame_id="camera")
    info = to_camera_info(CAMERA, header)
    image = images.to_image(np.full((120, 160, 3), 7, dtype=np.uint8), header)
    camera = client.node.create_publisher(CameraInfo, "/spaceformer/front/input/camera_info", qos.EVENTS)
    wait_until(camera.get_subscription_count, "the subscription of camera_info")
    live = client.node.create_publisher(Image, "/spaceformer/front/input/image", qos.EVENTS)

    ids = client.listen("/spaceformer/front/view/ids", Image, qos.EVENTS)
    wait_until(lambda: camera.publish(info) or ids, "the picture of ids")
    assert live.get_subscription_count() == 0
    seen = pixels(ids[-1], np.int32)[..., 0]
    assert (ids[-1].header.frame_id, ids[-1].header.stamp.sec, ids[-1].encoding) == ("camera", 5, "32SC1")
    assert chair.id in seen

    overlay = client.listen("/spaceformer/front/overlay", Image, qos.EVENTS)
    heat = client.listen("/spaceformer/front/view/relevancy", Image, qos.EVENTS)
    wait_until(live.get_subscription_count, "the subscription of images")
    assert client.call(interfaces.ShowRelevancy, "show_relevancy", query="chair").code == Code.OK
    wait_until(lambda: live.publish(image) or (overlay and heat), "the pictures on the image")
    drawn = pixels(overlay[-1], np.uint8)
    assert (drawn[seen == 0] == 7).all()
    assert not (drawn[seen == chair.id] == 7).all(axis=-1).any()

    small = images.to_image(np.zeros((60, 80, 3), dtype=np.uint8), header)
    wait_until(lambda: live.publish(small) or "80 x 60 pixels" in counters.views_reason, "the reason")
    assert counters.views_drawn > 1
