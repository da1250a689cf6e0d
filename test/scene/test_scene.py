# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from helpers.fakes import GRAY, NAMES, RED, ROOM, make_pipeline, text_vector

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.change import ChangeDetector
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.selection import select_points
from spaceformer_ros.config import Config, PostprocessConfig
from spaceformer_ros.scene.find import ObjectQuery, summary
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.words.vocabulary import Vocabulary
from spaceformer_ros.words.vocabulary_file import read_vocabulary_file

CONFIG = Config().with_values({"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"]})


@pytest.fixture
def pipeline():
    return make_pipeline(CONFIG)


def process(pipeline, cloud):
    return pipeline.process(cloud, Stopwatch()).scene


def by_label(scene):
    return {item.label: item for item in scene.objects}


def test_objects_are_named_measured_and_background_is_not_published(pipeline, box_cloud):
    scene = process(pipeline, box_cloud(ROOM))
    objects = by_label(scene)
    assert set(objects) == {"chair", "sofa", "table", "wall"}
    assert {item.label for item in scene.published(PostprocessConfig())} == {"chair", "sofa", "table"}
    assert objects["wall"].background
    assert np.allclose(objects["sofa"].box.center, (3.0, 0.0, 0.4), atol=0.05)
    assert np.allclose(objects["sofa"].box.size, (2.0, 0.9, 0.8), atol=0.1)
    assert objects["sofa"].num_points == 4000
    assert (scene.map_revision, scene.space.revision, scene.frame_id) == (1, 1, "map")
    assert objects["chair"].first_seen_ns == 1_000_000_000
    assert scene.published(PostprocessConfig(score_threshold=0.99)) == []


def test_a_cloud_that_arrived_while_the_model_was_loaded_is_segmented(pipeline, box_cloud):
    """The node gives it epoch 0, as there is no pipeline to ask."""
    assert pipeline.process(box_cloud(ROOM), scene_epoch=0).scene.objects


def test_identities_survive_growth_drift_and_new_objects(pipeline, box_cloud):
    first = by_label(process(pipeline, box_cloud(ROOM[:2])))
    moved = [(np.add(center, 0.06), size, color) for center, size, color in ROOM]
    second = by_label(process(pipeline, box_cloud(moved, stamp_ns=2_000_000_000)))
    assert second["chair"].id == first["chair"].id
    assert second["sofa"].id == first["sofa"].id
    assert second["table"].id not in {item.id for item in first.values()}
    assert (second["chair"].first_seen_ns, second["chair"].last_seen_ns) == (1_000_000_000, 2_000_000_000)
    assert second["table"].first_seen_ns == 2_000_000_000


def test_a_shift_beyond_overlap_is_followed_by_label_and_distance(pipeline, box_cloud):
    first = by_label(process(pipeline, box_cloud(ROOM[:3])))
    shifted = [(np.add(center, (0.45, 0.0, 0.0)), (0.2, 0.2, 0.2), color) for center, size, color in ROOM[:3]]
    second = by_label(process(pipeline, box_cloud(shifted)))
    assert {label: item.id for label, item in second.items()} == {label: item.id for label, item in first.items()}


FLOOR = (
    (0.0, 0.0, -0.1),
    (2.0, 2.0, 0.1),
    (90, 90, 90),
)  # below the chair, in an unknown colour


def test_ids_are_never_used_again(pipeline, box_cloud):
    first = process(pipeline, box_cloud(ROOM[:3]))
    pipeline.clear()
    third = process(pipeline, box_cloud(ROOM[:3]))
    assert not {item.id for item in first.objects} & {item.id for item in third.objects}
    assert third.map_revision == 2
    pipeline.clear()
    fourth = process(pipeline, box_cloud(ROOM[:3]))
    assert min(item.id for item in fourth.objects) > max(item.id for item in third.objects)


def test_another_frame_is_another_map(pipeline, box_cloud):
    first = process(pipeline, box_cloud(ROOM[:3]))
    second = process(pipeline, box_cloud(ROOM[:2], frame_id="odom"))
    assert not {item.id for item in first.objects} & {item.id for item in second.objects}
    assert len(second.objects) == 2


def test_a_stray_cloud_in_another_frame_removes_no_object(pipeline, box_cloud, tmp_path, caplog):
    first = by_label(process(pipeline, box_cloud(ROOM)))
    stray = pipeline.process(box_cloud(ROOM[:1], frame_id="camera", points=1))
    assert "the map is in frame 'camera', the last one was in 'map': its 4 objects are kept" in stray.remarks[0]
    assert stray.remarks[0] in caplog.text
    pipeline.set_vocabulary(Vocabulary.parse(["seat|chair", "sofa", "table"], ["wall"]))
    again = by_label(process(pipeline, box_cloud(ROOM)))
    assert {item.id for item in again.values()} == {item.id for item in first.values()}
    assert again["seat"].id == first["chair"].id


NOTHING = ((0.0, 0.0, 0.0), (1.0, 1.0, 0.1), (90, 90, 90))  # a colour without a name for the segmenter


def test_maps_without_objects_are_forgotten_first(pipeline, box_cloud, caplog):
    first = process(pipeline, box_cloud(ROOM))
    for frame_id in ("camera", "base_link", "lidar", "imu"):
        stray = pipeline.process(box_cloud([NOTHING], frame_id=frame_id, points=1))
        assert not stray.scene.objects
    again = pipeline.process(box_cloud(ROOM))
    assert ids(again.scene) == ids(first)
    assert not again.remarks  # nothing was lost in the frames between
    for frame_id in ("odom", "world"):
        process(pipeline, box_cloud(ROOM, frame_id=frame_id))
    assert "forgotten" not in caplog.text
    process(pipeline, box_cloud(ROOM, frame_id="earth"))
    assert "the 4 objects of frame 'map' are forgotten: maps of 3 other frames" in caplog.text
    assert not ids(process(pipeline, box_cloud(ROOM))) & ids(first)


def ids(scene):
    return {item.id for item in scene.objects}


def test_a_cloud_without_most_objects_is_reported_and_removes_none(pipeline, box_cloud, tmp_path):
    first = process(pipeline, box_cloud(ROOM))
    stray = pipeline.process(box_cloud(ROOM[:1], points=1))
    assert "0 objects were found, 4 in the last map" in stray.remarks[0] or "1 objects" in stray.remarks[0]
    scene, _ = pipeline.save(tmp_path / "scene.safetensors")
    assert len(scene.objects) == 4
    other = make_pipeline(CONFIG)
    assert len(other.load(tmp_path / "scene.safetensors").objects) == 4
    assert {item.id for item in process(other, box_cloud(ROOM)).objects} == {item.id for item in first.objects}


def test_objects_far_from_the_map_are_marked_and_then_removed(box_cloud):
    """A map that is replaced, such as after a SLAM reset, does not keep the objects of the old one."""
    pipeline = make_pipeline(CONFIG.with_values({"outside_maps": 3}))
    process(pipeline, box_cloud(ROOM))
    elsewhere = box_cloud([((50.0, 50.0, 0.45), (0.5, 0.5, 0.9), RED)])
    for count in (1, 2):
        scene = process(pipeline, elsewhere)
        assert {item.outside_maps for item in scene.objects} == {0, count}
        answer = find(pipeline, "sofa")
        assert "1 not in the current map" in summary([answer])
        assert "(not in the current map)" in summary([answer])
    (left,) = process(pipeline, elsewhere).objects
    assert left.in_map
    process(pipeline, box_cloud(ROOM))
    assert "current map" not in summary([find(pipeline, "sofa")])


@pytest.mark.slow
def test_objects_outside_the_cloud_are_kept(pipeline, box_cloud):
    first = by_label(process(pipeline, box_cloud(ROOM)))
    for number in range(2, 9):
        scene = process(pipeline, box_cloud(ROOM[:1], stamp_ns=number * 1_000_000_000))
    objects = by_label(scene)
    assert {label: item.id for label, item in objects.items()} == {label: item.id for label, item in first.items()}
    assert [objects[label].num_observations for label in ("chair", "sofa")] == [8, 1]
    sofa = objects["sofa"]
    assert (sofa.found, sofa.last_seen_ns, sofa.num_points) == (False, 1_000_000_000, 0)
    assert np.array_equal(sofa.box.center, first["sofa"].box.center)
    assert [match.object.id for match in find(pipeline, "couch").matches] == [sofa.id]
    assert (scene.point_owner(scene.published(PostprocessConfig(score_threshold=0.0))) >= 0).all()
    process(pipeline, box_cloud(ROOM))
    again = by_label(pipeline.scene)["sofa"]
    assert (again.id, again.found, again.num_observations, again.num_points) == (sofa.id, True, 2, 4000)


@pytest.mark.slow
def test_a_removed_object_is_dropped_after_three_clear_views(pipeline, box_cloud):
    first = by_label(process(pipeline, box_cloud([*ROOM, FLOOR], points=8000)))
    for views in (1, 2, 3):
        objects = by_label(process(pipeline, box_cloud([*ROOM[1:], FLOOR], points=8000)))
        assert ("chair" in objects) == (views < 3), views
    assert {label: item.id for label, item in first.items() if label != "chair"} == {
        label: item.id for label, item in objects.items()
    }
    back = by_label(process(pipeline, box_cloud([*ROOM, FLOOR], points=8000)))
    assert back["chair"].id > max(item.id for item in first.values())


def test_the_number_of_views_is_a_setting(box_cloud):
    pipeline = make_pipeline(CONFIG.with_values({"fade_views": 1}))
    process(pipeline, box_cloud([*ROOM, FLOOR], points=8000))
    assert "chair" not in by_label(process(pipeline, box_cloud([*ROOM[1:], FLOOR], points=8000)))


@pytest.mark.slow
def test_an_occupied_location_delays_the_removal_of_its_object(pipeline, box_cloud):
    cloud = box_cloud(ROOM)
    before = by_label(process(pipeline, cloud))["sofa"]
    pipeline.segmenter.names = {color: name for color, name in NAMES.items() if name != "sofa"}
    for views in range(1, 13):  # four filled views weigh as much as a clear one
        scene = process(pipeline, cloud)
        assert ("sofa" in by_label(scene)) == (views < 12), views
        if views == 1:
            sofa = by_label(scene)["sofa"]
            assert sofa.num_points > 0.9 * before.num_points
            inside = scene.instances.point_mask(sofa.row)
            assert (scene.cloud.rgb[inside] == ROOM[1][2]).all(axis=1).mean() > 0.9
    pipeline.segmenter.names = NAMES
    assert by_label(process(pipeline, cloud))["sofa"].id > before.id


def test_a_replaced_object_is_dropped_immediately(pipeline, box_cloud):
    half = ((2.5, 0.0, 0.4), (1.0, 0.9, 0.8), (30, 200, 31))
    other = ((3.5, 0.0, 0.4), (1.0, 0.9, 0.8), (30, 200, 32))
    pipeline.segmenter.names = {**NAMES, half[2]: "sofa", other[2]: "sofa"}
    halves = process(pipeline, box_cloud([half, other]))
    whole = process(pipeline, box_cloud(ROOM[1:2]))
    assert len(halves.objects) == 2
    assert len(whole.objects) == 1
    assert whole.objects[0].id in {item.id for item in halves.objects}


@pytest.mark.slow
def test_labels_are_made_from_the_mean_of_all_views(pipeline, box_cloud):
    cloud = box_cloud(ROOM[:1])
    for name in ("chair", "chair", "table"):
        pipeline.segmenter.names = {**NAMES, RED: name}
        (item,) = process(pipeline, cloud).objects
        assert item.label == "chair"
    feature = pipeline.scene.instances.features[item.row]
    expected = (2 * text_vector("chair") + text_vector("table")) / 3
    assert np.allclose(feature, expected, atol=1e-6)
    for _ in range(40):
        (item,) = process(pipeline, cloud).objects
    assert (item.label, item.num_observations) == ("table", 43)  # what is seen now wins in the end


def test_a_new_vocabulary_relabels_without_the_network(pipeline, box_cloud):
    before = process(pipeline, box_cloud(ROOM))
    space = pipeline.set_vocabulary(Vocabulary.parse(["couch", "throne|chair"], ["wall"]))
    after = pipeline.scene
    assert pipeline.segmenter.runs == 1
    assert space.revision == 2
    assert (after.map_revision, after.space.revision) == (1, 2)
    ids = {item.id: item.label for item in before.objects}
    assert {ids[item.id]: item.label for item in after.objects if ids[item.id] != "table"} == {
        "chair": "throne",
        "sofa": "couch",
        "wall": "wall",
    }
    assert {item.label for item in before.objects} == {"chair", "sofa", "table", "wall"}  # snapshots do not change


def find(pipeline, text, **arguments):
    return pipeline.find(ObjectQuery(text, **arguments), pipeline.scene)


def test_queries_inside_and_outside_the_vocabulary(pipeline, box_cloud):
    process(pipeline, box_cloud(ROOM))
    for text in ("sofa", "couch"):
        answer = find(pipeline, text)
        assert [match.object.label for match in answer.matches] == ["sofa"]
    answer = find(pipeline, "fire extinguisher")
    assert answer.matches == []
    assert "no object that matches 'fire extinguisher' scores 0.10 or more; best candidates:" in answer.reason


def test_background_is_found_only_by_its_name(pipeline, box_cloud):
    process(pipeline, box_cloud(ROOM))
    assert [match.object.label for match in find(pipeline, "wall").matches] == ["wall"]
    assert all(match.object.label != "wall" for match in find(pipeline, "chair", min_score=0.0).matches)


def test_queries_by_place(pipeline, box_cloud):
    process(pipeline, box_cloud(ROOM))
    everything = {"min_score": 0.0, "max_results": 10}
    nearest = find(pipeline, "sofa", position=np.array([0.0, 3.0, 0.0]), sort_by_distance=True, **everything).matches
    assert [match.object.label for match in nearest] == ["table", "chair", "sofa"]
    assert np.isclose(nearest[0].distance, 0.4, atol=0.05)
    assert np.isnan(find(pipeline, "sofa").matches[0].distance)
    region = find(pipeline, "sofa", region=(np.array([0.0, 0.0, 0.5]), 1.0), **everything).matches
    assert [match.object.label for match in region] == ["chair"]
    assert find(pipeline, "sofa", region=(np.array([9.0, 9.0, 9.0]), 1.0)).reason.startswith("no object that matches")


def test_queries_by_neighbour(pipeline, box_cloud):
    process(pipeline, box_cloud([*ROOM, ((0.9, 3.0, 0.5), (0.4, 0.4, 0.9), (250, 30, 30))]))
    pipeline.segmenter.names = {**NAMES, (250, 30, 30): "chair"}
    process(pipeline, box_cloud([*ROOM, ((0.9, 3.0, 0.5), (0.4, 0.4, 0.9), (250, 30, 30))]))
    assert len(find(pipeline, "chair").matches) == 2
    (match,) = find(pipeline, "chair", near_text="table", near_distance=1.2).matches
    assert match.object.box.center[1] > 2.5
    answer = find(pipeline, "chair", near_text="sofa", near_distance=0.5)
    assert "is within 0.5 m of a sofa (1 found)" in answer.reason


def test_an_empty_query_is_refused(pipeline, box_cloud):
    process(pipeline, box_cloud(ROOM))
    with pytest.raises(SpaceformerError, match="the text is empty"):
        find(pipeline, " ")


def test_points_are_owned_by_the_best_shown_object(pipeline, box_cloud):
    scene = process(pipeline, box_cloud(ROOM))
    shown = scene.published(PostprocessConfig())
    owner = scene.point_owner(shown)
    for index, item in enumerate(shown):
        color = next(color for color, name in NAMES.items() if name == item.label)
        assert (scene.cloud.rgb[owner == index] == color).all()
    assert (scene.cloud.rgb[owner == -1] == GRAY).all()


def test_region_of_interest_and_thinning(box_cloud):
    cloud = box_cloud(ROOM)
    limited = dataclasses.replace(CONFIG.input, roi=(-1.0, -1.0, 0.0, 1.0, 1.0, 2.0))
    inside, remarks = select_points(cloud, limited)
    assert len(inside) == 4000
    assert remarks == ()
    thin, remarks = select_points(cloud, dataclasses.replace(CONFIG.input, max_points=5000))
    assert len(thin) == 4000
    assert remarks == ("used 1 of every 4 of 16000 points (max_points 5000)",)
    with pytest.raises(SpaceformerError, match="holds none of the cloud's 16000 points"):
        select_points(cloud, dataclasses.replace(CONFIG.input, roi=(50.0, 50.0, 0.0, 60.0, 60.0, 1.0)))


def test_change_detection(box_cloud):
    cloud, detector = box_cloud(ROOM), ChangeDetector()
    assert not detector.is_same(cloud, 0.0)
    detector.accept(cloud)
    assert detector.is_same(dataclasses.replace(cloud, stamp_ns=9), 0.0)
    little, much = (
        Cloud(np.concatenate([cloud.xyz, new.xyz]), np.concatenate([cloud.rgb, new.rgb]), "map")
        for new in (box_cloud([((5.0, 5.0, 0.1), (size, size, 0.2), RED)]) for size in (0.2, 4.0))
    )
    assert not detector.is_same(little, 0.0)
    assert detector.is_same(little, 0.1)
    assert not detector.is_same(much, 0.1)


def test_the_packages_vocabulary_file_is_usable():
    content = read_vocabulary_file()
    vocabulary = Vocabulary.parse(content["labels"], content["background"])
    assert "fire extinguisher" in vocabulary.labels
    assert vocabulary.num_background == 3


@pytest.mark.parametrize(
    ("text", "labels"), [("chair\nsofa|couch\n", ["chair", "sofa|couch"]), ("- chair\n- table\n", ["chair", "table"])]
)
def test_simple_vocabulary_files(tmp_path, text, labels):
    path = tmp_path / "words.txt"
    path.write_text(text)
    assert read_vocabulary_file(path)["labels"] == labels


@pytest.mark.parametrize(
    ("text", "words"),
    [("labels: 5", "must be a list of strings"), ("a: [", "is not valid yaml"), ("other: [x]", "has no list `labels`")],
)
def test_broken_vocabulary_files_are_refused(tmp_path, text, words):
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(SpaceformerError, match=words):
        read_vocabulary_file(path)


@pytest.mark.parametrize(
    ("settings", "moved", "same"),
    [
        ({"track_iou": 0.2, "track_distance": 0.0}, 0.2, True),
        ({"track_iou": 0.9, "track_distance": 0.0}, 0.2, False),
        ({"track_distance": 2.0}, 1.0, True),
        ({"track_distance": 0.3}, 1.0, False),
    ],
)
def test_how_far_an_object_may_move_between_two_clouds(box_cloud, settings, moved, same):
    pipeline = make_pipeline(CONFIG.with_values(settings))
    (x, y, z), size, color = ROOM[0]
    before = by_label(process(pipeline, box_cloud(ROOM)))["chair"].id
    cloud = box_cloud([((x + moved, y, z), size, color), *ROOM[1:]], stamp_ns=2_000_000_000)
    chairs = [
        item.id for item in process(pipeline, cloud).objects if item.label == "chair" and item.last_seen_ns > 10**9
    ]
    assert (chairs == [before]) == same
