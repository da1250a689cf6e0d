# SPDX-License-Identifier: Apache-2.0
"""Which object does a detection show? What is hidden gets no votes."""

import numpy as np
import pytest
from helpers.fakes import ROOM

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.cameras.voting import Detection, LabelImage, Voter, polygon_mask

CAMERA = CameraModel(320, 240, 266.0, 266.0, 159.5, 119.5)


@pytest.fixture
def voter(pipeline, box_cloud):
    """The Voter of ROOM, sampled so densely that its wall hides what is behind it."""
    pipeline.clear()
    pipeline.process(box_cloud(ROOM, points=40_000))
    scene = pipeline.scene
    return Voter(MapPoints(scene.cloud.xyz), scene.instances, scene.objects)


def id_of(pipeline, label):
    return next(item.id for item in pipeline.scene.objects if item.label == label)


def box_of(row, pose):
    """The box in the image around the corners of a row of ROOM."""
    center, size, _ = ROOM[row]
    corners = (
        np.array([np.array(center) + np.array(size) * signs for signs in np.ndindex(2, 2, 2)]) - np.array(size) / 2
    )
    pixels, _ = CAMERA.project(pose.inverse.apply(corners))
    return (*pixels.min(axis=0), *pixels.max(axis=0))


def sightings(voter, pose, *detections):
    return voter.sightings(CAMERA, pose.inverse, detections)


def test_a_box_names_the_object_behind_it(pipeline, voter):
    pose = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)  # the chair is 1.8 m away, the table behind it
    (found,) = sightings(voter, pose, Detection("throne", 0.9, box_of(0, pose)))
    assert (found.id, found.word) == (id_of(pipeline, "chair"), "throne")
    assert 0.1 < found.weight < 0.9
    assert sightings(voter, pose, Detection("throne", 0.9, (0.0, 0.0, 30.0, 30.0))) == []
    assert sightings(voter, pose, Detection("throne", 0.9, (0.0, 0.0, 320.0, 240.0))) == []


def test_weights_grow_with_score_and_nearness(voter):
    near, far = (optical_pose((0.0, -distance, 1.2), np.pi / 2, -0.3) for distance in (1.5, 1.9))
    sure, unsure = (
        sightings(voter, near, Detection("chair", score, box_of(0, near)))[0].weight for score in (0.9, 0.4)
    )
    assert sure == pytest.approx(unsure * 0.9 / 0.4, rel=1e-3)
    assert sightings(voter, far, Detection("chair", 0.9, box_of(0, far)))[0].weight < sure


def test_what_is_hidden_gets_no_votes(pipeline, voter):
    pose = optical_pose((0.0, -3.0, 1.2), np.pi / 2, -0.1)  # behind the wall
    found = sightings(voter, pose, Detection("chair", 0.9, box_of(0, pose)))
    assert id_of(pipeline, "chair") not in [one.id for one in found]
    behind = optical_pose((0.0, -1.8, 1.2), -np.pi / 2, 0.0)
    assert sightings(voter, behind, Detection("chair", 0.9, (100.0, 50.0, 200.0, 150.0))) == []


def test_of_two_detections_of_one_object_the_better_one_counts(voter):
    pose = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)
    box = box_of(0, pose)
    shifted = tuple(value + 25 for value in box)
    (found,) = sightings(voter, pose, Detection("desk", 0.9, shifted), Detection("chair", 0.9, box))
    assert found.word == "chair"


def test_a_mask_is_compared_with_the_voxels(pipeline, voter):
    pose = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)
    left, top, right, bottom = (round(value) for value in box_of(0, pose))
    mask = np.zeros((240, 320), dtype=bool)
    mask[top:bottom, left:right] = True
    (found,) = sightings(voter, pose, Detection("chair", 0.8, (0, 0, 0, 0), mask))
    assert found.id == id_of(pipeline, "chair")
    assert sightings(voter, pose, Detection("chair", 0.8, (0, 0, 0, 0), ~mask)) == []


def test_a_label_image_names_the_objects_that_it_covers(pipeline, voter):
    pose = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)
    pixels = np.zeros((240, 320), dtype=np.int32)
    left, top, right, bottom = (round(value) for value in box_of(0, pose))
    pixels[top:bottom, left:right] = 5
    (found,) = voter.sightings(CAMERA, pose.inverse, LabelImage(pixels, {5: "throne", 6: "lamp"}))
    assert (found.id, found.word) == (id_of(pipeline, "chair"), "throne")
    assert 0.1 < found.weight < 0.7
    pixels[: (top + bottom) // 2 + 20] = 0  # most of the object has no class
    assert voter.sightings(CAMERA, pose.inverse, LabelImage(pixels, {5: "throne"})) == []
    pixels[:] = 5  # one class may cover several objects: the chair and the table
    pose = optical_pose((-3.0, 1.5, 1.8), 0.0, -0.4)
    named = {one.id for one in voter.sightings(CAMERA, pose.inverse, LabelImage(pixels, {5: "throne"}))}
    assert named > {id_of(pipeline, "chair"), id_of(pipeline, "table")}


def test_the_mask_of_a_polygon_is_where_it_winds_around():
    corners = np.array([(10.2, 3.1), (50.7, 20.4), (30.3, 25.5), (44.9, 58.2), (-5.0, 30.6)])
    mask = polygon_mask(corners, 60, 50)
    u, v = np.meshgrid(np.arange(60), np.arange(50))
    ahead = np.roll(corners, -1, axis=0)
    angles = np.zeros(mask.shape)
    for (ax, ay), (bx, by) in zip(corners, ahead):
        a, b = np.arctan2(ay - v, ax - u), np.arctan2(by - v, bx - u)
        angles += (b - a + np.pi) % (2 * np.pi) - np.pi
    assert (mask == (np.abs(angles) > np.pi)).all()
    assert 500 < mask.sum() < 1500
