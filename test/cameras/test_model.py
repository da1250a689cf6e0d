# SPDX-License-Identifier: Apache-2.0
"""The camera model against the formulas of OpenCV's documentation, point by point."""

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cameras.depth import DepthFrame, frame_points, to_metres
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.geometry.transform import RigidTransform

K = (525.0, 0.0, 319.5, 0.0, 520.0, 239.5, 0.0, 0.0, 1.0)
PLUMB_BOB = (0.12, -0.25, 0.001, -0.002, 0.08)
RATIONAL = (0.5, -2.6, 0.0007, -0.0004, 1.5, 0.38, -2.4, 1.4)  # of an Azure Kinect's colour camera, rounded


def camera(model="plumb_bob", coefficients=()):
    return CameraModel.from_calibration(640, 480, K, model, coefficients)


def reference(xyz, k):
    """Pixel of one point, written out from the documentation."""
    x, y = xyz[0] / xyz[2], xyz[1] / xyz[2]
    k1, k2, p1, p2, k3, k4, k5, k6 = (*k, *[0] * (8 - len(k)))
    r = x**2 + y**2
    factor = (1 + k1 * r + k2 * r**2 + k3 * r**3) / (1 + k4 * r + k5 * r**2 + k6 * r**3)
    u = x * factor + 2 * p1 * x * y + p2 * (r + 2 * x**2)
    v = y * factor + p1 * (r + 2 * y**2) + 2 * p2 * x * y
    return K[0] * u + K[2], K[4] * v + K[5]


@pytest.mark.parametrize(
    ("model", "k"), [("plumb_bob", ()), ("plumb_bob", PLUMB_BOB), ("rational_polynomial", RATIONAL)]
)
def test_points_project_as_documented_and_come_back(model, k, rng):
    made = camera(model, k)
    xyz = np.column_stack([rng.uniform(-0.5, 0.5, (200, 2)), np.ones(200)]) * rng.uniform(0.5, 5, (200, 1))
    pixels, inside = made.project(xyz)
    assert inside.mean() > 0.8
    wanted = np.array([reference(point, k) for point in xyz])
    np.testing.assert_allclose(pixels, wanted, atol=1e-9)
    back = made.unproject(pixels[inside], xyz[inside, 2])
    np.testing.assert_allclose(back, xyz[inside], atol=1e-4)
    column, row = 37, 401
    x, y = made.rays[:, row, column]
    np.testing.assert_allclose(made.project([[x, y, 1.0]])[0], [[column, row]], atol=1e-3)


def test_points_behind_and_outside_are_not_in_the_image():
    made = camera("plumb_bob", PLUMB_BOB)
    assert made.project([[0, 0, 1.0], [0, 0, -1.0], [5, 0, 1.0], [0, 0, 0.0]])[1].tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_a_polynomial_that_turns_back_draws_nothing_from_outside_the_field_of_view():
    made = camera("plumb_bob", (-0.35, 0.0, 0.0, 0.0))
    outside = np.array([[1.69, 0.0, 1.0]])  # radial factor about 0: the centre of the image
    assert abs(made.fx * 1.69 * (1 - 0.35 * 1.69**2)) < 10
    assert not made.project(outside)[1].any()


def test_rectified_images_show_straight_lines(rng):
    made = camera("plumb_bob", (-0.3, 0.08, 0.0, 0.0, 0.0))
    line = np.column_stack([np.linspace(-0.45, 0.45, 2000), np.full(2000, 0.3), np.ones(2000)])
    image = np.zeros((480, 640), dtype=np.uint8)
    pixels, inside = made.project(line)
    column, row = np.rint(pixels[inside]).astype(int).T
    for offset in (-1, 0, 1):
        image[row + offset, column] = 255
    assert np.ptp(row) > 5
    rows, _ = np.nonzero(made.rectify(image))
    assert abs(np.median(rows) - (0.3 * K[4] + K[5])) < 1
    assert np.ptp(rows) <= 4


def test_other_lenses_are_refused_by_name():
    with pytest.raises(SpaceformerError, match=r"'equidistant' is not supported.*plumb_bob.*image_proc"):
        camera("equidistant", (0.1, 0.0, 0.0, 0.0))
    with pytest.raises(SpaceformerError, match="plumb_bob with 3 coefficients, expected 4 or 5"):
        camera("plumb_bob", (0.1, 0.1, 0.1))
    with pytest.raises(SpaceformerError, match="calibrated"):
        CameraModel.from_calibration(640, 480, (0.0,) * 9, "", ())
    assert camera("equidistant", (0.0,) * 4).distortion == ()


def test_a_scaled_camera_sees_the_same():
    small, xyz = camera("plumb_bob", PLUMB_BOB).scaled(320, 240), np.array([[0.2, -0.1, 1.5]])
    full = camera("plumb_bob", PLUMB_BOB).project(xyz)[0]
    np.testing.assert_allclose(small.project(xyz)[0], (full + 0.5) / 2 - 0.5, atol=1e-9)


def test_depth_images_become_points_with_the_colours_of_their_pixels():
    made = camera("plumb_bob", PLUMB_BOB)
    image = np.zeros((480, 640), dtype=np.uint16)
    image[100:110, 200:210] = 1500
    image[5, 5], image[6, 5] = 65535, 200
    color = np.zeros((480, 640, 3), dtype=np.uint8)
    color[100:110, 200:210] = 10, 20, 30
    xyz, rgb = frame_points(DepthFrame(to_metres(image), made, color), near=0.3, far=5.0)
    assert len(xyz) == 100
    assert (rgb == [10, 20, 30]).all()
    pixels = made.project(xyz)[0]
    assert pixels.min(axis=0).round().tolist() == [200, 100]
    assert pixels.max(axis=0).round().tolist() == [209, 109]
    meters = to_metres(np.array([[np.nan, -1, 2.5]], dtype=np.float32))
    assert meters.tolist() == [[0, 0, 2.5]]
    with pytest.raises(SpaceformerError, match="uint8"):
        to_metres(np.zeros((4, 4), dtype=np.uint8))


def test_colours_of_another_camera_are_found_by_the_extrinsics():
    depth, color = np.full((48, 64), 2.0, dtype=np.float32), np.zeros((480, 640, 3), dtype=np.uint8)
    color[:, 320:] = 255
    coarse = camera().scaled(64, 48)
    frame = DepthFrame(depth, coarse, color, camera(), RigidTransform(np.eye(3), np.array([0.5, 0.0, 0.0])))
    xyz, rgb = frame_points(frame, 0.3, 5.0)
    bright = rgb[:, 0] == 255
    assert xyz[bright, 0].min() > -0.52
    assert xyz[~bright, 0].max() < -0.48
    with pytest.raises(SpaceformerError, match="64 x 48 pixels, its camera_info 640 x 480"):
        DepthFrame(depth, camera(), color)


def test_pixels_between_an_object_and_what_is_behind_are_left_out():
    depth = np.full((48, 64), 3.0, dtype=np.float32)
    depth[10:20, 10:20] = 1.0
    depth[10:20, 20] = 2.0  # an interpolated column
    small = camera().scaled(64, 48)
    xyz, _ = frame_points(DepthFrame(depth, small, np.zeros((48, 64, 3), np.uint8)), 0.3, 5.0)
    assert set(np.unique(xyz[:, 2]).tolist()) == {1.0, 3.0}
