# SPDX-License-Identifier: Apache-2.0
"""Detections in images name objects of the running node, over DDS."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.fakes import ROOM
from helpers.ros import wait_until
from sensor_msgs.msg import CameraInfo

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.ros import images, messages, qos
from spaceformer_ros.ros.detection_messages import (
    MAX_DETECTIONS,
    detection_topics,
    detections_of,
    label_image_of,
    yolo_detections_of,
)
from spaceformer_ros.ros.transforms import TransformError

CAMERA = CameraModel(320, 240, 266.0, 266.0, 159.5, 119.5)
POSE = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)  # looks at the chair
BIN = ((-1.5, 0.5, 0.25), (0.4, 0.4, 0.5), (77, 77, 77))  # of a colour that the segmenter does not know


def plain(word, score=0.9, box=(10.0, 20.0, 30.0, 40.0)):
    """A Detection2D with one hypothesis, as far as it is read. box: left, top, right, bottom."""
    center = SimpleNamespace(position=SimpleNamespace(x=(box[0] + box[2]) / 2, y=(box[1] + box[3]) / 2))
    bbox = SimpleNamespace(center=center, size_x=box[2] - box[0], size_y=box[3] - box[1])
    hypothesis = SimpleNamespace(class_id=word, score=score)
    return SimpleNamespace(bbox=bbox, results=[SimpleNamespace(hypothesis=hypothesis)])


def test_the_best_hypothesis_of_a_detection_is_used():
    one = plain("stool", 0.3)
    one.results += plain(" chair ", 0.8).results
    found = detections_of(SimpleNamespace(detections=[one, SimpleNamespace(results=[])]))
    assert [(d.word, d.score, d.box) for d in found] == [("chair", 0.8, (10.0, 20.0, 30.0, 40.0))]


@pytest.mark.parametrize(
    ("detection", "text"),
    [
        (plain("17"), "class '17' of a detection is not a name: let the detector publish names"),
        (plain(""), "is not a name"),
        (plain("chair", float("nan")), "has the score"),
        (plain("chair", box=(0.0, float("inf"), 1.0, 1.0)), "the box"),
    ],
)
def test_bad_detections_are_refused_with_the_cure(detection, text):
    with pytest.raises(SpaceformerError, match=text):
        detections_of(SimpleNamespace(detections=[detection]))
    with pytest.raises(SpaceformerError, match="at most"):
        detections_of(SimpleNamespace(detections=[plain("chair")] * (MAX_DETECTIONS + 1)))


def box_around(thing, pose=POSE):
    """The box in the image around a row of ROOM."""
    center, size, _ = thing
    corners = np.array([center + np.array(size) * (np.array(signs) - 0.5) for signs in np.ndindex(2, 2, 2)])
    pixels, _ = CAMERA.project(pose.inverse.apply(corners))
    return (*pixels.min(axis=0), *pixels.max(axis=0))


def test_detections_name_an_object(start, client, instances, box_cloud, monkeypatch):
    messages_of = pytest.importorskip("vision_msgs.msg", reason="vision_msgs comes with the messages of `make test`")
    node = start(detections=True, min_detections=3, text_weight_known=0.0, tf_timeout=0.1, max_turn_rate=0.5)
    node.settings.config = node.settings.config.with_values({"propose_objects": True})
    known, poses = node.session.transforms.lookup, {}

    def lookup(target, source, stamp, timeout):
        if target != "camera":
            return known(target, source, stamp, timeout)
        if stamp.nanoseconds // 10**9 > 100:
            raise TransformError("no transform from 'map' to 'camera'")
        return poses.get("turned", POSE.inverse)

    monkeypatch.setattr(node.session.transforms, "lookup", lookup)
    client.publish(box_cloud([*ROOM, BIN]))
    wait_until(lambda: instances and len(instances[-1].instances) == 3, "the objects")
    chair = next(item.id for item in instances[-1].instances if item.label == "chair")
    counters, made = node.session.counters, messages_of.Detection2DArray
    detections = client.node.create_publisher(made, "/spaceformer/input/detections", qos.EVENTS)
    info = client.node.create_publisher(CameraInfo, "/spaceformer/input/camera_info", qos.EVENTS)
    wait_until(lambda: detections.get_subscription_count() and info.get_subscription_count(), "the subscriptions")

    def send(word, milliseconds, box=None):
        """Publish one detection and wait until it was used or dropped."""
        before = counters.detections_used, counters.detections_dropped
        message = made()
        message.header = messages.Header(stamp=messages.to_time(milliseconds * 1_000_000), frame_id="camera")
        one = messages_of.Detection2D()
        left, top, right, bottom = (float(value) for value in box or box_around(ROOM[0]))
        one.bbox.center.position.x, one.bbox.center.position.y = (left + right) / 2, (top + bottom) / 2
        one.bbox.size_x, one.bbox.size_y = right - left, bottom - top
        result = messages_of.ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = word, 0.9
        one.results = [result]
        message.detections = [one]
        detections.publish(message)
        wait_until(lambda: (counters.detections_used, counters.detections_dropped) != before, "the detection")

    send("table", 0)
    assert "no camera_info on /spaceformer/input/camera_info" in counters.detections_reason
    k = [float(value) for value in (CAMERA.fx, 0, CAMERA.cx, 0, CAMERA.fy, CAMERA.cy, 0, 0, 1)]
    info.publish(CameraInfo(width=320, height=240, k=k))
    wait_until(lambda: node.session.cameras.detections[0].camera.info, "the camera_info")
    for number in range(2):
        send("table", 1000 + 100 * number)
    assert counters.detections_assigned == 2
    assert next(i for i in instances[-1].instances if i.id == chair).label == "chair"
    send("table", 1200)
    wait_until(lambda: {i.id: i.label for i in instances[-1].instances}[chair] == "table", "the new name")
    assert next(i for i in instances[-1].instances if i.id == chair).label_source == "camera"

    send("table", 200_000)
    assert "no transform" in counters.detections_reason
    send("table", 3000, box=(10.0, 10.0, 900.0, 200.0))
    assert "320 x 240 pixels" in counters.detections_reason
    send("table", 4000)
    poses["turned"] = optical_pose((0.0, -1.8, 1.2), 0.0).inverse
    send("table", 4100)
    assert "more than max_turn_rate 0.5" in counters.detections_reason
    assert counters.detections_dropped == 4

    for number, x in enumerate((-2.0, -1.5, -1.0)):
        pose = optical_pose((x, -1.5, 1.2), np.pi / 2, -0.4)
        poses["turned"] = pose.inverse
        send("table", 6000 + 1000 * number, box_around(BIN, pose))
    wait_until(lambda: "proposed" in {item.state for item in instances[-1].instances}, "a proposed object")
    proposed = next(item for item in instances[-1].instances if item.state == "proposed")
    assert proposed.pose.position.x == pytest.approx(BIN[0][0], abs=0.15)
    assert (proposed.label, proposed.num_detections) == ("table", 3)
    assert proposed.score < 0.4

    poses.clear()
    segmenter = client.node.create_publisher(images.Image, "/spaceformer/input/label_image", qos.EVENTS)
    names = client.node.create_publisher(messages_of.LabelInfo, "/spaceformer/input/label_info", qos.LATCHED)
    classes = [messages_of.VisionClass(class_id=7, class_name="throne")]
    names.publish(messages_of.LabelInfo(class_map=classes))
    wait_until(lambda: node.session.cameras.detections[0]._label_info, "the names of classes")
    wait_until(segmenter.get_subscription_count, "the subscription")
    header = messages.Header(stamp=messages.to_time(9 * 10**9), frame_id="camera")
    segmenter.publish(images.to_image(np.full((240, 320), 7, dtype=np.int32), header))
    wait_until(lambda: node.pipeline.scene.find_id(chair).votes.share("throne"), "a vote of the segmenter")


def labels(pixels, classes):
    """A LabelImage as it is read from messages."""
    image = images.to_image(np.array(pixels, dtype=np.int32), messages.Header())
    info = SimpleNamespace(class_map=[SimpleNamespace(class_id=n, class_name=name) for n, name in classes.items()])
    return label_image_of(image, info, "/names")


def test_label_images_need_the_names_of_their_classes():
    found = labels([[0, 3], [3, 9]], {3: " chair ", 0: "", 5: "sofa"})
    assert found.names == {3: "chair", 5: "sofa"}
    assert found.pixels.tolist() == [[0, 3], [3, 9]]
    with pytest.raises(SpaceformerError, match="/names has no names for the classes 3, 9"):
        labels([[0, 3], [3, 9]], {4: "chair"})
    with pytest.raises(SpaceformerError, match="no LabelInfo on /names: publish it latched"):
        label_image_of(None, None, "/names")
    small = images.Image(width=2, height=1, step=4, encoding="mono16", data=bytes([1, 0, 0, 1]))
    assert images.labels_of(small).tolist() == [[1, 256]]
    small.encoding = "rgb8"
    with pytest.raises(SpaceformerError, match="'rgb8' is not one of mono8"):
        images.labels_of(small)


def test_yolo_detections_have_masks():
    yolo = pytest.importorskip("yolo_msgs.msg", reason="yolo_msgs comes with the messages of `make test`")
    one = yolo.Detection(class_id=3, class_name="chair", score=0.8)
    one.bbox.center.position.x, one.bbox.center.position.y = 25.0, 30.0
    one.bbox.size.x, one.bbox.size.y = 10.0, 20.0
    (plain_box,) = yolo_detections_of(yolo.DetectionArray(detections=[one]))
    assert (plain_box.word, plain_box.box, plain_box.mask) == ("chair", (20.0, 20.0, 30.0, 40.0), None)
    one.mask.width, one.mask.height = 60, 50
    one.mask.data = [yolo.Point2D(x=x, y=y) for x, y in ((20.0, 20.0), (30.0, 20.0), (30.0, 40.0), (20.0, 40.0))]
    (found,) = yolo_detections_of(yolo.DetectionArray(detections=[one]))
    assert found.mask.shape == (50, 60)
    assert found.mask[30, 25]
    assert found.mask.sum() == pytest.approx(10 * 20, abs=30)
    one.mask.data[0].x = float("nan")
    with pytest.raises(SpaceformerError, match="corner"):
        yolo_detections_of(yolo.DetectionArray(detections=[one]))
    one.class_name, one.mask = "", yolo.Mask()
    with pytest.raises(SpaceformerError, match="is not a name"):
        yolo_detections_of(yolo.DetectionArray(detections=[one]))


def test_without_messages_of_detections_the_node_says_what_to_install(monkeypatch):
    for name in ("vision_msgs.msg", "yolo_msgs.msg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SpaceformerError, match="neither vision_msgs nor yolo_msgs is installed"):
        detection_topics()
