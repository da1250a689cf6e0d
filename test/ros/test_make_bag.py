# SPDX-License-Identifier: Apache-2.0
"""tools/make_bag.py: the bag is read back, its messages fit each other and are what the node reads."""

import functools
import importlib
import importlib.util

import numpy as np
import pytest
from helpers.paths import ROOT
from rclpy.serialization import deserialize_message
from scipy.spatial import cKDTree

from spaceformer_ros.cameras.depth import DepthFrame, frame_points
from spaceformer_ros.clouds.pointcloud2 import decode
from spaceformer_ros.ros.detection_messages import detections_of
from spaceformer_ros.ros.frames import model_of
from spaceformer_ros.ros.images import color_of, depth_of
from spaceformer_ros.ros.transforms import to_rigid_transform
from spaceformer_ros.synthetic import OBJECT_KINDS, RoomConfig

pytestmark = pytest.mark.slow

DEPTH = "/camera/camera/aligned_depth_to_color"
SMALL = ["/tf", "/tf_static", "/detections", f"{DEPTH}/camera_info"]  # mcap decodes large arrays number by number
SECONDS = 1.0


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """Dict topic -> list of messages, as real ones and as the mcap reader decodes them, and the channels."""
    for name in ("tf2_msgs", "vision_msgs", "mcap_ros2"):
        pytest.importorskip(name, reason=f"{name} comes with the packages and messages of `make test`")
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    spec = importlib.util.spec_from_file_location("make_bag", ROOT / "tools" / "make_bag.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    path = tmp_path_factory.mktemp("bag") / "walk.mcap"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "make_walk", functools.partial(tool.make_walk, config=RoomConfig(tours=(0, 0, 1))))
        patch.setattr("sys.argv", ["make_bag.py", "--out", str(path), "--seconds", str(SECONDS)])
        tool.main()
    found, channels = {}, {}
    with path.open("rb") as file:
        for schema, channel, record in make_reader(file).iter_messages():
            package, _, kind = schema.name.split("/")
            message = deserialize_message(record.data, getattr(importlib.import_module(f"{package}.msg"), kind))
            channels[channel.topic] = channel
            found.setdefault(channel.topic, []).append(message)
    with path.open("rb") as file:
        small = ["/tf", "/tf_static", "/detections", f"{DEPTH}/camera_info"]
        decoded = [
            row.decoded_message
            for row in make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages(small)
        ]
    return found, decoded, channels


def test_the_bag_has_what_a_robot_publishes(bag):
    found, decoded, channels = bag
    images = round(SECONDS * 5) + 1
    counts = {topic: len(messages) for topic, messages in found.items()}
    assert counts["/detections"] == counts[f"{DEPTH}/image_raw"] == counts[f"{DEPTH}/camera_info"] == images
    assert counts["/tf"] == round(SECONDS * 20) + 1
    assert counts["/map_cloud"] == counts["/tf_static"] == 1
    assert len(decoded) == sum(counts[topic] for topic in SMALL)
    latched = {topic for topic, one in channels.items() if "durability: 1" in one.metadata["offered_qos_profiles"]}
    assert latched == {"/map_cloud", "/tf_static"}
    words = [one.word for message in found["/detections"] for one in detections_of(message)]
    assert words
    assert set(words) <= set(OBJECT_KINDS)


def test_depth_lies_on_the_map_where_tf_says(bag):
    found, _, _ = bag
    known = {(t.header.stamp.sec, t.header.stamp.nanosec): t for m in found["/tf"] for t in m.transforms}
    (mounted,) = found["/tf_static"][0].transforms
    tree = cKDTree(decode(found["/map_cloud"][0]).cloud.xyz)
    for image, color, info in zip(
        found[f"{DEPTH}/image_raw"], found["/camera/camera/color/image_raw"], found[f"{DEPTH}/camera_info"]
    ):
        assert image.header.frame_id == mounted.child_frame_id
        moved = known[image.header.stamp.sec, image.header.stamp.nanosec]
        pose = [to_rigid_transform(one.transform, one.child_frame_id, one.header.frame_id) for one in (moved, mounted)]
        frame = DepthFrame(depth_of(image), model_of(info), color_of(color))
        xyz = pose[0].after(pose[1]).apply(frame_points(frame, 0.3, 3.0, 4)[0])
        assert np.median(tree.query(xyz)[0]) < 0.05
