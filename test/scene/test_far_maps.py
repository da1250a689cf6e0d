# SPDX-License-Identifier: Apache-2.0
"""Scenes of maps far from the origin of their frame, and of maps whose frame does not have z up."""

import dataclasses

import numpy as np
import pytest
from helpers.fakes import ROOM, make_pipeline

from spaceformer_ros.batch.results import object_facts
from spaceformer_ros.config import Config
from spaceformer_ros.scene.find import ObjectQuery

CONFIG = Config().with_values({"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"]})
ORIGIN = (499_712.0, 5_399_552.0, 0.0)
SHIFT = (288.0137, 448.0137, 300.0137)  # local position of the room, off the borders of voxels
SHIFTED = [(np.add(center, SHIFT), size, color) for center, size, color in ROOM]
NEAR = [(np.add(center, 0.0137), size, color) for center, size, color in ROOM]
UTM = np.array(ORIGIN) + SHIFT - 0.0137


@pytest.fixture
def far_cloud(box_cloud):
    """A function: the rows of `box_cloud` in a frame whose origin is far away."""
    return lambda rows, **facts: dataclasses.replace(box_cloud(rows, **facts), origin=ORIGIN)


@pytest.fixture
def scenes(box_cloud, monkeypatch):
    """Two pipelines that have segmented the same room: at the origin of its frame, and far away from it."""
    pipelines = make_pipeline(CONFIG), make_pipeline(CONFIG)
    near = box_cloud(NEAR)
    pipelines[0].process(near)
    pipelines[1].process(dataclasses.replace(near, xyz=(near.xyz + UTM - ORIGIN).astype(np.float32), origin=ORIGIN))
    return pipelines


def facts_of(scene):
    return [object_facts(scene, item) for item in scene.objects]


def test_results_are_those_of_the_same_map_at_the_origin(scenes):
    near, far = (facts_of(pipeline.scene) for pipeline in scenes)
    assert len(near) == len(far) == 4
    for a, b in zip(near, far):
        np.testing.assert_allclose(np.subtract(b["center"], UTM), a["center"], rtol=0, atol=1e-3)
        np.testing.assert_allclose(b["size"], a["size"], rtol=0, atol=1e-3)
        assert (a["id"], a["label"], a["num_points"]) == (b["id"], b["label"], b["num_points"])


def test_positions_and_regions_of_queries_are_in_the_frame(scenes):
    for pipeline, offset in zip(scenes, (np.zeros(3), UTM)):
        robot, region = np.array([3.0, 1.0, 0.4]) + offset, (np.array([3.0, 0.0, 0.4]) + offset, 0.5)
        answer = pipeline.find(ObjectQuery("sofa", position=robot, region=region), pipeline.scene)
        assert [match.object.label for match in answer.matches] == ["sofa"]
        assert answer.matches[0].distance == pytest.approx(1.0, abs=0.03)
        away = pipeline.find(ObjectQuery("sofa", region=(region[0] + 5, 0.5)), pipeline.scene)
        assert away.matches == []


def test_a_scene_file_keeps_origin_and_up(far_cloud, tmp_path):
    pipeline, again = make_pipeline(CONFIG), make_pipeline(CONFIG)
    pipeline.process(far_cloud(SHIFTED).upright("-y"))
    pipeline.save(tmp_path / "far.safetensors")
    scene = again.load(tmp_path / "far.safetensors")
    assert scene.cloud.coordinates == ("map", "-y", ORIGIN)
    assert np.array_equal(scene.cloud.in_frame(), pipeline.scene.cloud.in_frame())
    assert [item.id for item in scene.objects] == [item.id for item in pipeline.scene.objects]


@pytest.mark.parametrize("origin", [(500_736.0, 5_399_552.0, 0.0), (499_712.0, 5_397_504.0, 1024.0)])
def test_objects_keep_their_ids_when_a_growing_map_gets_another_origin(far_cloud, origin):
    pipeline = make_pipeline(CONFIG)
    first = facts_of(pipeline.process(far_cloud(SHIFTED)).scene)
    later = far_cloud(SHIFTED, stamp_ns=2_000_000_000).at_origin(origin)
    second = facts_of(pipeline.process(later).scene)
    assert pipeline.scene.cloud.origin == ORIGIN
    assert [fact["id"] for fact in first] == [fact["id"] for fact in second]
    for a, b in zip(first, second):
        np.testing.assert_allclose(a["center"], b["center"], rtol=0, atol=0.06)  # one voxel of the stand-in


@pytest.mark.slow
def test_a_map_too_far_from_the_last_one_starts_another_scene(far_cloud):
    pipeline = make_pipeline(CONFIG)
    first = {item.id for item in pipeline.process(far_cloud(SHIFTED)).scene.objects}
    elsewhere = dataclasses.replace(far_cloud(SHIFTED), origin=(600_064.0, 5_399_552.0, 0.0))
    second = pipeline.process(elsewhere).scene
    assert second.cloud.origin == elsewhere.origin
    assert first.isdisjoint({item.id for item in second.objects})
    assert {item.id for item in pipeline.process(far_cloud(SHIFTED)).scene.objects} == first


def test_a_map_with_another_axis_up_does_not_continue_the_last_one(box_cloud):
    pipeline = make_pipeline(CONFIG)
    first = {item.id for item in pipeline.process(box_cloud(ROOM)).scene.objects}
    second = pipeline.process(box_cloud(ROOM).upright("-y")).scene
    assert first.isdisjoint({item.id for item in second.objects})
