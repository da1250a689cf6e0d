# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from helpers.fakes import ROOM, make_pipeline

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.files import write_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.sources.files import FileSource, map_files
from spaceformer_ros.sources.snapshot import Question
from spaceformer_ros.sources.source import NoMapYet, NoRobot

CONFIG = Config().with_values({"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"]})


@pytest.fixture
def source(pipeline):
    return FileSource(pipeline)


def test_a_snapshot_holds_published_objects_and_the_owner_of_each_point(source):
    snapshot = source.snapshot()
    assert sorted(item.label for item in snapshot.objects) == ["chair", "sofa", "table"]  # and no wall
    assert source.snapshot() is snapshot
    for item in snapshot.objects:
        points = snapshot.cloud.xyz[snapshot.owner == item.id]
        assert item.box.contains(points, margin=0.06).all()
        assert len(points) == item.num_points
    assert (snapshot.owner == 0).sum() == 4000  # the wall


def test_questions_are_answered_with_matches_or_a_reason(source):
    findings = source.find(Question("couch"))
    best = findings.found[0]
    assert (best.object.label, best.object) == ("sofa", source.snapshot().by_id[best.object.id])
    assert best.score > 0.8
    assert best.approach is None  # there is no floor
    nothing = source.find(Question("couch", near_query="chair", near_distance=0.5))
    assert nothing.found == ()
    assert "within 0.5 m of a chair" in nothing.message
    snapshot, relevancy = source.relevancy("couch")
    inside = snapshot.owner == best.object.id
    assert relevancy[inside].min() > 0.8 > relevancy[~inside].max()


def test_a_new_vocabulary_gives_a_new_snapshot(source):
    before = source.snapshot()
    assert source.set_vocabulary(["lamp"], append=True) == "4 labels in use"
    assert source.set_vocabulary(["seat", "couch"]) == "2 labels in use"
    after = source.snapshot()
    assert after.labels == ("seat", "couch")
    assert "couch" in {item.label for item in after.objects}
    assert (before.cloud is after.cloud, before.revision == after.revision) == (True, False)
    with pytest.raises(SpaceformerError):
        source.set_vocabulary([])


def test_a_folder_of_clouds_and_scenes_can_be_opened_one_by_one(pipeline, box_cloud, tmp_path):
    write_cloud(tmp_path / "b.ply", box_cloud(ROOM[:2]))
    pipeline.save(tmp_path / "a.safetensors")
    for name in ("notes.txt", "a.ply", "a_labeled.ply", "a_heat_3.ply"):  # clouds of the scene's map
        (tmp_path / name).write_text("")
    source = FileSource(make_pipeline(CONFIG), map_files(tmp_path))
    assert source.maps == ("a.safetensors", "b.ply")
    with pytest.raises(NoMapYet, match="no map is open"):
        source.snapshot()
    source.choose("a.safetensors")
    assert (len(source.snapshot().objects), source.status()) == (3, "3 objects in a.safetensors")
    source.choose("b.ply")
    assert len(source.snapshot().objects) == 2
    (tmp_path / "b.ply").write_text("no cloud")
    with pytest.raises(SpaceformerError, match=r"b\.ply"):
        source.choose("b.ply")
    with pytest.raises(SpaceformerError, match=r"only a\.safetensors, b\.ply"):
        source.choose("c.ply")


def test_a_file_has_no_robot(source):
    for action in (source.robot_pose, source.go_to, source.trip, source.cancel):
        with pytest.raises(NoRobot, match="there is no robot"):
            action()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SpaceformerError, match=r"\.safetensors"):
        map_files(tmp_path)


def test_positions_are_in_the_frame_of_a_far_map(box_cloud):
    pipeline = make_pipeline(CONFIG)
    pipeline.process(box_cloud(ROOM).at_origin((-1024.0, 0.0, 0.0)))
    snapshot = FileSource(pipeline).snapshot()
    (chair,) = (item for item in snapshot.objects if item.label == "chair")
    assert np.allclose(snapshot.in_frame(chair).center, (0.0, 0.0, 0.5), atol=0.05)
    assert chair.box.center[0] > 1000
