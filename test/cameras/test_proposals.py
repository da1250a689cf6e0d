# SPDX-License-Identifier: Apache-2.0
"""Detections where the map has points and no object: a box is proposed once several views agree."""

import itertools

import numpy as np
import pytest
from helpers.fakes import ROOM, make_pipeline

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.proposals import Proposer
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.cameras.voting import Detection, Sighting, Voter
from spaceformer_ros.config import Config

CAMERA = CameraModel(320, 240, 266.0, 266.0, 159.5, 119.5)
BIN = ((-1.5, 0.5, 0.25), (0.4, 0.4, 0.5), (77, 77, 77))  # a thing of a colour that the segmenter does not know
FLOOR = ((0.0, 0.0, -0.05), (5.0, 4.0, 0.02), (78, 78, 78))
POSES = [optical_pose((x, -1.5, 1.2), yaw, -0.4) for x, yaw in ((-2.2, 1.25), (-1.5, 1.57), (-0.8, 1.95), (-1.9, 1.4))]


@pytest.fixture
def scene(pipeline, box_cloud):
    pipeline.clear()
    return pipeline.process(box_cloud([ROOM[0], BIN, FLOOR], points=10_000)).scene


def box_of(thing, pose):
    center, size, _ = thing
    corners = np.array([np.array(center) + np.array(size) * (np.array(s) - 0.5) for s in np.ndindex(2, 2, 2)])
    pixels, _ = CAMERA.project(pose.inverse.apply(corners))
    return (*pixels.min(axis=0), *pixels.max(axis=0))


def show(proposer, scene, poses, word="bin", thing=BIN, wider=()):
    """The Proposals after views from poses. wider: pixels by which the detection of each view reaches too far right."""
    voter, found = Voter(MapPoints(scene.cloud.xyz), scene.instances, scene.objects), []
    for pose, more in itertools.zip_longest(poses, wider, fillvalue=0.0):
        look = voter.look(CAMERA, pose.inverse)
        box = np.add(box_of(thing, pose), (0, 0, more, 0)) if thing else ()
        detections = [Detection(word, 0.8, tuple(box))] if thing else []
        found += proposer.add(look, CAMERA, pose.inverse, detections, scene.cloud)
    return found


def test_views_that_agree_propose_an_object_with_its_box(pipeline, scene):
    assert show(Proposer(), scene, POSES[:2]) == []
    assert show(Proposer(), scene, POSES[:1] * 5) == []  # one place is one view
    (found,) = show(Proposer(), scene, POSES[:3])
    assert (found.word, found.count, found.score) == ("bin", 3, pytest.approx(0.8))
    after = pipeline.propose(found)
    (item,) = [one for one in after.objects if one.proposed]
    assert np.abs(item.box.center - BIN[0]).max() < 0.15
    assert np.abs(np.sort(item.box.size) - np.sort(BIN[1])).max() < 0.25
    assert (item.state, item.label_source, item.votes.share("bin")) == ("proposed", "camera", 1.0)
    assert item in after.published(pipeline.config.postprocess)
    assert item.score < 0.3
    assert after.map_revision == scene.map_revision + 1
    assert pipeline.propose(found) is None  # it is there already
    assert show(Proposer(), after, POSES) == []  # its detections have an object now


def test_what_is_beside_the_thing_in_one_view_is_left_out(scene):
    (exact,), (wide,) = (show(Proposer(), scene, POSES[:3], wider=wider) for wider in ((0, 0, 0), (60, 60, 0)))
    assert len(wide.cells) < 1.1 * len(exact.cells)


def test_what_detectors_no_longer_see_is_not_proposed(scene):
    proposer = Proposer()
    show(proposer, scene, POSES[:1])
    moved = [optical_pose((-1.5 + 0.1 * i, -1.5, 1.2), 1.57, -0.4) for i in range(6)]
    assert show(proposer, scene, moved, thing=None) == []
    assert show(proposer, scene, POSES[1:3]) == []  # the first view is forgotten


def test_a_proposed_object_goes_when_detectors_no_longer_see_it(box_cloud):
    pipeline = make_pipeline(Config().with_values({"vocabulary": ["chair"], "fade_views": 1}))
    same = box_cloud([ROOM[0], BIN, FLOOR], points=10_000)
    (found,) = show(Proposer(), pipeline.process(same).scene, POSES[:3])
    (key,) = {item.id for item in pipeline.propose(found).objects if item.proposed}
    again = pipeline.process(same).scene.find_id(key)
    assert (again.state, again.missed_views) == ("proposed", 0.25)
    pipeline.add_sightings([Sighting(key, "bin", 0.5)])
    assert pipeline.scene.find_id(key).missed_views == 0.0
    for _ in range(4):
        last = pipeline.process(same).scene
    assert last.find_id(key) is None


def test_objects_and_background_are_not_proposed(pipeline, scene):
    assert show(Proposer(), scene, POSES[:3], "chair", ROOM[0]) == []
    (found,) = show(Proposer(), scene, POSES[:3], "wall")
    assert pipeline.propose(found) is None
