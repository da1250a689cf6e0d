# SPDX-License-Identifier: Apache-2.0
"""The camera: projection, visibility, discs and creases."""

import numpy as np
import pytest

from spaceformer_ros.show.camera import Camera, render

CAMERA = Camera(eye=np.array([0.0, -4.0, 1.0]), target=np.array([0.0, 0.0, 1.0]), width=80, height=60, fov=0.8)


def test_projection_of_target_right_and_up():
    pixels, depth = CAMERA.project(np.array([[0.0, 0.0, 1.0], [0.5, 0.0, 1.0], [0.0, 0.0, 1.5], [0.0, -2.0, 1.0]]))
    assert pixels[0] == pytest.approx([40, 30])
    assert depth == pytest.approx([4, 4, 4, 2])
    assert pixels[1] == pytest.approx([40 + CAMERA.focal * 0.5 / 4, 30])
    assert pixels[2] == pytest.approx([40, 30 - CAMERA.focal * 0.5 / 4])


def test_the_nearest_point_is_visible_whatever_the_order():
    near, far, behind = [0.0, -1.0, 1.0], [0.0, 0.0, 1.0], [0.0, -5.0, 1.0]
    for order in ([0, 1, 2], [2, 1, 0]):
        xyz = np.array([near, far, behind])[order]
        image = render(xyz, 0.05, CAMERA)
        assert order[image.index[30, 40]] == 0
        assert image.depth[30, 40] == pytest.approx(3.0)
        assert order.index(2) not in image.index


def test_a_disc_has_the_size_of_its_radius_at_its_distance():
    image = render(np.array([[0.0, 0.0, 1.0]]), 0.2, CAMERA)
    reach = CAMERA.focal * 0.2 / 4
    assert (image.index >= 0).sum() == pytest.approx(np.pi * reach**2, rel=0.25)


def test_points_outside_the_image_are_left_out():
    image = render(np.array([[30.0, 0.0, 1.0]]), 0.05, CAMERA)
    assert (image.index == -1).all()
    assert (image.paint(np.array([[255, 0, 0]]), (1, 2, 3)) == (1, 2, 3)).all()


def test_points_behind_an_edge_are_darkened():
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 120), np.linspace(0, 2, 120)), axis=-1).reshape(-1, 2)
    wall = np.column_stack([grid[:, 0], np.where(grid[:, 0] < 0, 0.0, 0.6), grid[:, 1]])
    shade = render(wall, 0.02, CAMERA).shade[30]
    edge = 40
    assert shade[edge : edge + 3].min() < 0.9  # the farther side
    assert shade[edge - 12 : edge - 4].min() > 0.98  # the nearer side and flat parts
