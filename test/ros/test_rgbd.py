# SPDX-License-Identifier: Apache-2.0
"""input_mode "rgbd": images in, a map and its objects out, over DDS; and the formats of images."""

import array
import io
import struct
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.fakes import GRAY, GREEN, RED
from helpers.ros import wait_until
from PIL import Image as Picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.ros import images, messages, qos
from spaceformer_ros.ros.transforms import TransformError

CAMERA = CameraModel(160, 120, 131.0, 131.0, 79.5, 59.5)
FRAMES = {"front_optical": optical_pose((0, 0, 1.0), 0.0), "rear_optical": optical_pose((0, 0, 1.0), np.pi)}


def message(pixels, encoding, header, padding=0):
    """An Image with padded rows."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    data = np.pad(rows, ((0, 0), (0, padding)))
    height, width = pixels.shape[:2]
    fields = {"height": height, "width": width, "step": data.shape[1], "data": array.array("B", data.tobytes())}
    return Image(header=header, encoding=encoding, **fields)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"


def png(pixels):
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_encodings_of_colour_give_the_same_pixels(rng):
    rgb = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    header = messages.Header()
    alpha = np.full((6, 5, 1), 255, dtype=np.uint8)
    for encoding, pixels in (
        ("rgb8", rgb),
        ("bgr8", rgb[..., ::-1]),
        ("rgba8", np.concatenate([rgb, alpha], axis=2)),
        ("bgra8", np.concatenate([rgb[..., ::-1], alpha], axis=2)),
    ):
        assert (images.color_of(message(pixels, encoding, header, padding=3)) == rgb).all(), encoding
    gray = images.color_of(message(rgb[..., :1], "mono8", header))
    assert (gray == rgb[..., :1]).all()
    assert (images.color_of(CompressedImage(format="rgb8; png", data=png(rgb))) == rgb).all()
    with pytest.raises(SpaceformerError, match="'yuv422' is not one of rgb8"):
        images.color_of(message(rgb, "yuv422", header))
    damaged = message(rgb, "rgb8", header)
    damaged.height = 60
    with pytest.raises(SpaceformerError, match="5 x 60 pixels"):
        images.color_of(damaged)
    for data, words in (
        (b"nothing", "it is none of JPEG, PNG"),
        (EPS, "it is none of JPEG, PNG"),  # which Ghostscript would run
        (png(rgb)[:50], "cannot be decoded, subscribe to the raw topic"),
        (
            png(np.zeros((1, 1), np.uint8)).replace(b"\0\0\0\1\0\0\0\1", struct.pack(">II", 30_000, 30_000)),
            "cannot be decoded",
        ),
    ):
        with pytest.raises(SpaceformerError, match=words):
            images.color_of(CompressedImage(format="jpeg", data=data))
        with pytest.raises(SpaceformerError, match=words):
            images.depth_of(CompressedImage(format="16UC1; compressedDepth", data=bytes(12) + data))


def test_encodings_of_depth_give_metres():
    header, metres = messages.Header(), np.array([[0.0, 1.25], [2.5, 3.999]], dtype=np.float32)
    integers = np.rint(1000 * metres).astype(np.uint16)
    big = message(integers.astype(">u2"), "16UC1", header)
    big.is_bigendian = 1
    a, b = 50.0, 3.0  # pixel = a / depth + b
    quantised = np.where(metres > 0, np.rint(a / np.maximum(metres, 0.1) + b), 0).astype(np.uint16)
    packed = struct.pack("<iff", 0, a, b) + png(quantised)
    found = [
        images.depth_of(message(integers, "16UC1", header, padding=2)),
        images.depth_of(big),
        images.depth_of(message(metres, "32FC1", header)),
        images.depth_of(CompressedImage(format="16UC1; compressedDepth", data=bytes(12) + png(integers))),
    ]
    for one in found:
        np.testing.assert_allclose(one, metres, atol=1e-6)
    coarse = images.depth_of(CompressedImage(format="32FC1; compressedDepth", data=packed))
    np.testing.assert_allclose(coarse, metres, rtol=0.05)
    with pytest.raises(SpaceformerError, match="lossy compression destroys depth"):
        images.depth_of(CompressedImage(format="jpeg", data=png(integers)))


class Cameras:
    """Publishes what depth cameras see: a grey wall, and a box of a colour."""

    def __init__(self, client, topics=("color/image_raw", "depth/image_raw")):
        self.node, self.publishers, self.topics = client.node, {}, topics

    def publish(self, name, number, box=None, info_width=160):
        """One image at `number` tenths of a second. box: colour, or None for no box."""
        depth, color = np.full((120, 160), 3.0, dtype=np.float32), np.full((120, 160, 3), GRAY, dtype=np.uint8)
        if box:
            depth[40:80, 60:100], color[40:80, 60:100] = 1.5, box
        header = messages.Header(stamp=messages.to_time(100_000_000 * number), frame_id=f"{name}_optical")
        k = [float(value) for value in (CAMERA.fx, 0, CAMERA.cx, 0, CAMERA.fy, CAMERA.cy, 0, 0, 1)]
        info = CameraInfo(header=header, width=info_width, height=120, k=k, distortion_model="plumb_bob", d=[0.0] * 5)
        for topic, image in zip(self.topics, (message(color, "rgb8", header), message(depth, "32FC1", header))):
            self._send(CameraInfo, f"/{name}/{topic.rsplit('/', 1)[0]}/camera_info", info)
            self._send(Image, f"/{name}/{topic}", image)

    def _send(self, kind, topic, content):
        if topic not in self.publishers:
            self.publishers[topic] = self.node.create_publisher(kind, topic, qos.EVENTS)
            wait_until(self.publishers[topic].get_subscription_count, f"the subscription of {topic}")
        self.publishers[topic].publish(content)


def test_images_of_two_cameras_become_one_map_and_what_has_gone_leaves_it(start, client, instances, monkeypatch):
    status = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    monkeypatch.setattr("spaceformer_ros.ros.presence.PERIOD", 0.0)
    node = start(
        input_mode="rgbd",
        cameras=["/front", "/rear"],
        depth_topic="depth/image_raw",
        accumulate_voxel_size=0.05,
        camera_rate=5.0,
        allow_gray=True,
    )
    asked, known = [], node.session.transforms.lookup

    def lookup(target, source, stamp, timeout):
        if target == "map" and source.endswith("optical"):
            asked.append((source, stamp.nanoseconds))
            if source not in FRAMES:
                raise TransformError(f"no transform from {source!r} to 'map'")
            return FRAMES[source]
        return known(target, source, stamp, timeout)

    monkeypatch.setattr(node.session.transforms, "lookup", lookup)

    def value(key):
        return {p.key: p.value for p in status[-1].status[0].values}[key] if status else ""

    def labels():
        return sorted(item.label for item in instances[-1].instances) if instances else []

    cameras, counters = Cameras(client), node.session.counters

    def show(name, second, box=None):
        """Publish an image, again if its camera_info had not arrived yet, until it is in the map."""
        before = counters.scans_inserted
        for attempt in range(100):
            cameras.publish(name, 10 * second + attempt, box)
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                if counters.scans_inserted > before:
                    return
                time.sleep(0.01)
        raise AssertionError("no image came into the map")

    show("front", 10, box=RED)
    show("rear", 10, box=GREEN)
    wait_until(lambda: labels() == ["chair", "sofa"], "a chair and a sofa")
    chair = next(item for item in instances[-1].instances if item.label == "chair")
    assert chair.pose.position.x == pytest.approx(1.5, abs=0.1)
    assert instances[-1].header.frame_id == "map"
    assert asked[0][0] == "front_optical"
    assert asked[0][1] >= 10_000_000_000
    assert [one.refusal for one in node.session.input.publishers()] == [""] * 4

    for second in (30, 31, 32):
        show("front", second)
    assert counters.voxels_removed > 50
    assert not (node.session.scans.snapshot().cloud.rgb == RED).all(axis=1).any()
    wait_until(lambda: int(value("voxels_removed") or 0) > 50, "the diagnostics")

    def states():
        return {(item.id, item.state) for message in list(instances) for item in message.instances}

    wait_until(lambda: (chair.id, "missing") in states(), "the missing chair, before it goes")

    cameras.publish("front", 321)  # 0.1 s later: too early for 5 Hz
    wait_until(lambda: counters.images_skipped >= 1, "the rate limit")
    cameras.publish("front", 400, info_width=320)
    cameras.publish("front", 410, info_width=320)
    wait_until(lambda: "its camera_info 320 x 120" in counters.unplaced_reason, "the wrong camera_info")
    assert "camera /front" in counters.unplaced_reason
    show("rear", 50, box=GREEN)
    wait_until(lambda: not counters.unplaced_in_a_row, "the next image")
