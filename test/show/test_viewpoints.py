# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.show.viewpoints import overview, toward

CAMERA = CameraModel(640, 640, 400.0, 400.0, 319.5, 319.5)
FOV = 2 * math.atan(320 / 400)


def pixels(xyz, eye, target):
    """[N, 2] where points are seen by a camera at `eye` directed at `target`."""
    x, y, z = target - eye
    local = optical_pose(eye, math.atan2(y, x), math.atan2(z, math.hypot(x, y))).inverse.apply(xyz)
    assert (local[:, 2] > 0).all()
    return local[:, :2] / local[:, 2:] * 400 + 319.5


def test_an_overview_shows_the_whole_map_and_fills_the_picture():
    x, y = np.meshgrid([10.0, 18.0], [-3.0, 3.0])
    xyz = np.column_stack([x.ravel(), y.ravel(), np.zeros(4)]).astype(np.float32)
    seen = pixels(xyz, *overview(Cloud(xyz, np.zeros((4, 3), np.uint8)), FOV))
    assert (seen > 0).all()
    assert (seen < 640).all()
    assert np.ptp(seen[:, 0]) > 320


def test_an_object_is_seen_from_the_side_of_the_eye():
    box = OrientedBox(np.array([2.0, 1.0, 0.5]), np.array([2.0, 1.0, 1.0]), 0.3)
    eye, target = toward(box, np.array([2.0, -9.0, 3.0]))
    assert np.array_equal(target, box.center)
    assert eye[1] < box.center[1]
    seen = pixels(box.corners, eye, target)
    assert ((seen > 0) & (seen < 640)).all()
    assert np.isfinite(toward(box, box.center)[0]).all()
