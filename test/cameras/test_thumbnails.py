# SPDX-License-Identifier: Apache-2.0
"""Pictures of objects: of the right place, small, and replaced by better ones only."""

import io

import numpy as np
from helpers.fakes import RED, ROOM
from PIL import Image

from spaceformer_ros.cameras.layers import color_layer
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.cameras.thumbnails import MAX_BYTES, MAX_SIDE, cut_out
from spaceformer_ros.cameras.voting import Voter

CAMERA = CameraModel(320, 240, 266.0, 266.0, 159.5, 119.5)
NEAR, FAR = (optical_pose((0.0, y, 1.2), np.pi / 2, -0.3) for y in (-1.75, -3.5))


def test_thumbnails_show_the_object_and_get_better(pipeline, box_cloud, tmp_path):
    pipeline.clear()
    scene = pipeline.process(box_cloud(ROOM[:1], points=8000)).scene
    points = MapPoints(scene.cloud.xyz)
    voter = Voter(points, scene.instances, scene.objects)
    (chair,) = [item.id for item in scene.objects if item.label == "chair"]

    def take(pose, known):
        image = color_layer(points.draw(CAMERA, pose.inverse), scene.cloud.rgb)
        return cut_out(voter.look(CAMERA, pose.inverse), image, known, 7, "camera")

    far = take(FAR, {})[chair]
    assert len(far.jpeg) <= MAX_BYTES
    picture = np.asarray(Image.open(io.BytesIO(far.jpeg))).astype(int)
    assert max(picture.shape) <= MAX_SIDE
    height, width, _ = picture.shape
    assert np.abs(picture[height // 2, width // 2] - RED).max() < 30
    assert np.abs(picture[0, 0] - RED).max() > 60
    assert chair not in take(FAR, {chair: far.quality})
    near = take(NEAR, {chair: far.quality})[chair]
    pipeline.add_thumbnails({chair: near, 4711: near})
    again = pipeline.process(box_cloud(ROOM[:1], points=8000)).scene  # it stays with the object
    assert again.find_id(chair).thumbnail == near
    pipeline.save(tmp_path / "scene.safetensors")
    assert pipeline.load(tmp_path / "scene.safetensors").find_id(chair).thumbnail == near
    assert (near.stamp_ns, near.frame_id) == (7, "camera")
