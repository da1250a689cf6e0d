# SPDX-License-Identifier: Apache-2.0
"""Depth images against objects: seen through, there, or nothing where they are hidden, out of view or not measured."""

import numpy as np
import pytest
from helpers.fakes import ROOM

from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.presence import Presence, judge
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.config import CameraConfig, Config
from spaceformer_ros.scene.evidence import with_presence

CAMERA = CameraModel(160, 120, 133.0, 133.0, 79.5, 59.5)
POSE = optical_pose((0.0, -1.8, 1.2), np.pi / 2, -0.3)  # looks at the chair, the table is behind it
LIMITS = CameraConfig()
POINTS = 10_000  # of each thing
WALLS = [((0.0, 4.0, 0.5), (6.0, 0.1, 3.0), (9, 9, 9)), ((0.0, 1.5, -0.05), (5.0, 6.0, 0.02), (9, 9, 9))]


def depth_of(cloud, pose=POSE):
    """[120, 160] metres that a camera measures of a cloud."""
    depth = MapPoints(cloud.xyz, 0.08).draw(CAMERA, pose.inverse).depth
    return np.where(np.isfinite(depth), depth, 0).astype(np.float32)


@pytest.fixture
def scene(pipeline, box_cloud):
    pipeline.clear()
    return pipeline.process(box_cloud([*ROOM[:3], *WALLS], points=POINTS)).scene


def ids(scene, *labels):
    return {item.id for item in scene.objects if item.label in labels}


def look(scene, depth, pose=POSE):
    objects = [(item.id, item.occupancy.own) for item in scene.objects]
    return judge(objects, depth, CAMERA, pose, LIMITS, scene.instances.voxels.voxel_size)


def test_what_is_gone_is_seen_through_and_what_is_there_is_seen(scene, box_cloud):
    chair, table = ids(scene, "chair"), ids(scene, "table")
    there = look(scene, depth_of(scene.cloud))
    assert chair <= there.there
    assert not there.through
    gone = look(scene, depth_of(box_cloud([ROOM[1], ROOM[2], *WALLS], points=POINTS)))
    assert gone.through == chair
    assert not gone.there & chair
    assert not table & gone.through


def test_hidden_unseen_and_unmeasured_objects_are_not_judged(scene, box_cloud):
    screen = ((0.0, -1.0, 1.0), (3.0, 0.05, 2.5), (9, 9, 9))
    hidden = look(scene, depth_of(box_cloud([screen, *WALLS], points=POINTS)))
    assert not ids(scene, "chair", "table") & (hidden.through | hidden.there)
    away = optical_pose((0.0, -1.8, 1.2), -np.pi / 2, -0.3)
    assert not look(scene, depth_of(scene.cloud, away), away)
    assert not look(scene, np.zeros((120, 160), dtype=np.float32))


def test_an_object_is_missing_before_it_goes_and_back_when_it_is_seen(pipeline, scene):
    (chair,) = ids(scene, "chair")
    through, there = Presence(through=frozenset({chair})), Presence(there=frozenset({chair}))
    states, revision = [], scene.map_revision
    for presence in (through, through, through, there, through):
        changed = pipeline.add_presence(presence)
        states.append((pipeline.scene.find_id(chair).state, changed is not None))
    expected = ["present", "missing", "missing", "present", "present"]
    assert states == list(zip(expected, [False, True, False, True, False]))
    assert pipeline.scene.map_revision == revision + 2
    assert pipeline.add_presence(Presence()) is None
    before = pipeline.scene
    pipeline.add_presence(Presence(there=ids(scene, "sofa")))
    assert pipeline.scene is before


def test_found_objects_stay_and_others_go_after_fade_views(pipeline, scene, box_cloud):
    (chair,) = ids(scene, "chair")
    fade_views = Config().scene.fade_views
    through = Presence(through=frozenset({chair}))
    for _ in range(4 * fade_views):
        scene = with_presence(scene, through, fade_views)
    item = scene.find_id(chair)
    assert (item.state, item.seen_through) == ("missing", float(fade_views))
    for _ in range(3):  # the map still has it, the camera does not see it
        pipeline.add_presence(through)
    again = pipeline.process(box_cloud([*ROOM[:3], *WALLS], points=POINTS)).scene
    assert again.find_id(chair).state == "missing"
    unseen = pipeline.process(box_cloud([*ROOM[1:3]], points=POINTS)).scene  # the map has lost its place
    assert (unseen.find_id(chair).state, unseen.find_id(chair).found) == ("missing", False)
    for _ in range(2 * fade_views):
        pipeline.add_presence(through)
    assert pipeline.scene.find_id(chair) is None
