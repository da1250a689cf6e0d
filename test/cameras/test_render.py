# SPDX-License-Identifier: Apache-2.0
"""Views of the map against a plain z-buffer, and the layers that are drawn from them."""

import numpy as np
import pytest
from scipy import ndimage

from spaceformer_ros.cameras import layers
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import COVER, MapPoints, optical_pose
from spaceformer_ros.clouds.cloud import Cloud

CAMERA = CameraModel(160, 120, 131.0, 131.0, 79.5, 59.5)


def wall(y, low, high, spacing=0.02):
    """Points of a wall across the view, on a jittered grid: [N, 3] float32."""
    x, z = np.meshgrid(np.arange(low[0], high[0], spacing), np.arange(low[1], high[1], spacing))
    return np.column_stack([x.ravel(), np.full(x.size, y), z.ravel()]).astype(np.float32)


def plain_view(xyz, camera, pose, radius):
    """Row and depth of the nearest disc over each pixel, point by point."""
    local = pose.inverse.apply(xyz)
    row = np.full((camera.height, camera.width), -1)
    depth = np.full(row.shape, np.inf)
    grid_v, grid_u = np.mgrid[: camera.height, : camera.width]
    for i, (x, y, z) in enumerate(local):
        if z <= 0.05:
            continue
        u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        reach = max(camera.fx * radius / z, 0.5)
        inside = ((grid_u - u) ** 2 + (grid_v - v) ** 2 <= reach**2) & (depth > z)
        row[inside], depth[inside] = i, z
    return row, depth


@pytest.mark.parametrize("yaw", [np.pi / 2, np.pi / 2 + 0.4])
def test_a_view_agrees_with_a_plain_z_buffer(yaw):
    near, far = wall(1.5, (-0.3, 0.5), (0.3, 1.1), 0.05), wall(3.0, (-1.0, 0.0), (1.5, 2.0), 0.05)
    xyz, owner = np.concatenate([near, far]), np.repeat([1, 2], [len(near), len(far)])
    pose = optical_pose((0.0, 0.0, 1.0), yaw, 0.05)
    points = MapPoints(xyz, 0.05)
    view = points.draw(CAMERA, pose.inverse)
    row, depth = plain_view(xyz, CAMERA, pose, COVER * 0.05)
    found, wanted = view.pick(owner), np.where(row >= 0, owner[row], 0)
    assert set(np.unique(wanted)) >= {1, 2}
    inner = ndimage.maximum_filter(wanted, 5) == ndimage.minimum_filter(wanted, 5)
    assert (found == wanted)[inner].all()  # discs are rounded to whole pixels, so borders move by up to two
    assert (found != wanted).mean() < 0.04
    both = (found == wanted) & (found > 0)
    assert np.abs(view.depth[both] - depth[both]).max() < 0.05
    assert np.isinf(view.depth[view.row < 0]).all()


@pytest.mark.parametrize("distance", [0.3, 0.6, 1.2, 2.5, 5.0])
def test_discs_close_holes_at_every_distance(distance):
    xyz = wall(distance, (-4.0, -4.0), (4.0, 4.0))
    view = MapPoints(xyz).draw(CAMERA, optical_pose((0, 0, 0), np.pi / 2).inverse)
    assert (view.row >= 0).all()
    behind = wall(distance + 0.5, (-4.0, -4.0), (4.0, 4.0))
    both = MapPoints(np.concatenate([behind, xyz]), 0.02)
    rows = both.draw(CAMERA, optical_pose((0, 0, 0), np.pi / 2).inverse).row
    assert (rows >= len(behind)).all()


def test_a_camera_with_distortion_sees_points_where_it_projects_them(rng):
    camera = CameraModel(160, 120, 131.0, 131.0, 79.5, 59.5, (-0.3, 0.1, 0.001, -0.001, 0.0))
    pose = optical_pose((0.3, -0.2, 1.0), 0.7, -0.2, 0.1)
    xyz = pose.apply(np.column_stack([rng.uniform(-0.6, 0.6, (60, 2)), np.ones(60)]) * rng.uniform(2, 3, (60, 1)))
    xyz = xyz.astype(np.float32)
    view = MapPoints(xyz, 0.001).draw(camera, pose.inverse)
    pixels, inside = camera.project(pose.inverse.apply(xyz))
    column, row = np.rint(pixels[inside]).astype(int).T
    assert inside.sum() > 30
    assert (view.row[row, column] == np.flatnonzero(inside)).mean() > 0.9  # some cover others


def test_nothing_in_view():
    view = MapPoints(wall(3.0, (-1, -1), (1, 1))).draw(CAMERA, optical_pose((0, 0, 0), -np.pi / 2).inverse)
    assert (view.row == -1).all()
    assert not layers.depth_layer(view).any()
    assert (MapPoints(np.zeros((0, 3), np.float32)).draw(CAMERA, optical_pose((0, 0, 0), 0)).row == -1).all()


def test_layers_show_objects_marks_and_heat():
    near, far = wall(1.5, (-0.3, -0.3), (0.3, 0.3)), wall(3.0, (-2.0, -2.0), (2.0, 2.0))
    xyz = np.concatenate([near, far])
    ids = np.repeat(np.array([7, 0], np.int32), [len(near), len(far)])
    cloud = Cloud(xyz, np.full((len(xyz), 3), 200, np.uint8))
    view = MapPoints(xyz, 0.02).draw(CAMERA, optical_pose((0, 0, 0), np.pi / 2).inverse)
    relevancy = np.where(ids == 7, 0.4, 0).astype(np.float32)
    made = layers.draw_layers(view, cloud, ids, layers.LAYERS, relevancy)
    assert set(np.unique(made["ids"])) == {0, 7}
    assert made["ids"].dtype == np.int32
    inside = made["ids"] == 7
    np.testing.assert_allclose(made["depth"][inside], 1.5, atol=1e-6)
    assert (made["overlay"][~inside] == 200).all()
    outline = made["overlay"][inside & layers.outlines(made["ids"])]
    assert np.abs(outline - layers.object_color(7)).max() <= 0.51
    (mark,) = layers.marks_of(made["ids"])
    assert mark.id == 7
    assert np.abs(np.array(mark.pixel) - (79.5, 59.5)).max() < 2
    assert (made["marks"][mark.pixel[1] - 3 : mark.pixel[1] + 4, mark.pixel[0] - 3 : mark.pixel[0] + 4] > 200).any()
    assert np.ptp(made["relevancy"][~inside].astype(int), axis=1).max() == 0  # gray
    assert np.ptp(made["relevancy"][inside].astype(int), axis=1).min() > 50
