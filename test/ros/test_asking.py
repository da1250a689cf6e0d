# SPDX-License-Identifier: Apache-2.0
"""Queries: several texts per request, the relevancy cloud, and highlighted matches in the markers."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers.fakes import CALIBRATION, NAMES, ROOM, make_pipeline
from helpers.paths import ROOT
from helpers.ros import Client, shown_markers, wait_until
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker, MarkerArray

from spaceformer_ros.clouds.pointcloud2 import decode, structured_view
from spaceformer_ros.ros import interfaces
from spaceformer_ros.scene.find import MAX_TEXTS

FindObjects, ShowRelevancy = interfaces.FindObjects, interfaces.ShowRelevancy
ResultCode = interfaces.ResultCode
WHITE = (250, 250, 250)
FLOOR = ((0.0, 0.0, 0.0), (5.0, 5.0, 0.01), WHITE)


@pytest.fixture
def drawn(client):
    """A function: the markers (namespace, id) -> message that a display shows by now."""
    received = client.listen("/spaceformer/markers", MarkerArray)
    return lambda: shown_markers(received)


def see(client, instances, cloud):
    """Publish a cloud and wait for its result."""
    before = len(instances)
    client.publish(cloud)
    return wait_until(lambda: len(instances) > before and instances[-1], "instances")


def highlighted(markers):
    """The names of what is highlighted: dict (namespace, id) -> text."""
    return {key: marker.text for key, marker in markers.items() if key[0].startswith("query_")}


# --- several texts ----------------------------------------------------------------------------------------------------


def test_several_texts_are_answered_one_by_one(start, client, instances, box_cloud):
    start()
    see(client, instances, box_cloud(ROOM))
    texts = ["table", "fire extinguisher"]
    reply = client.call(FindObjects, "find_objects", query="couch", queries=texts, min_score=0.5)
    assert reply.code == ResultCode.OK
    assert [(match.query, match.instance.label) for match in reply.matches] == [("couch", "sofa"), ("table", "table")]
    assert re.match(r"2 found; first for 'couch': sofa \d+; first for 'table': table \d+; no object", reply.message)
    assert "no object that matches 'fire extinguisher' scores 0.50 or more; best candidates: " in reply.message
    alone = client.call(FindObjects, "find_objects", queries=["table"])
    assert alone.matches[0].instance.id == reply.matches[1].instance.id
    assert alone.message == f"1 found; first: table {alone.matches[0].instance.id}"
    nothing = client.call(FindObjects, "find_objects", queries=["fire extinguisher", "lamp"], min_score=0.5)
    assert (nothing.code, nothing.matches) == (ResultCode.NOT_FOUND, [])
    assert all(f"no object that matches {text!r}" in nothing.message for text in ("fire extinguisher", "lamp"))


def test_nothing_in_the_map_matches(start, client, instances, box_cloud):
    start(build=lambda settings, progress: make_pipeline(settings, calibration=CALIBRATION))
    array = see(client, instances, box_cloud(ROOM))
    assert all(item.confidence == pytest.approx(CALIBRATION.objects(item.score), abs=1e-5) for item in array.instances)
    reply = client.call(FindObjects, "find_objects", query="fire extinguisher", min_score=-1.0)
    assert (reply.code, reply.matches) == (ResultCode.NOT_FOUND, [])
    assert "nothing in this map matches 'fire extinguisher': the best candidate, " in reply.message
    reply = client.call(FindObjects, "find_objects", query="fire extinguisher", min_score=-1.0, min_confidence=-1.0)
    assert {match.confidence for match in reply.matches} == {0.0}
    reply = client.call(FindObjects, "find_objects", query="sofa", min_confidence=0.8)
    assert [match.confidence > 0.8 for match in reply.matches] == [True]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([f"thing {i}" for i in range(MAX_TEXTS + 1)], f"{MAX_TEXTS + 1} texts given, expected 1 to {MAX_TEXTS}"),
        (["sofa", ""], "the text is empty"),
        (["sofa", "x" * 500], "500 characters"),
    ],
)
def test_texts_that_cannot_be_asked_are_refused(start, client, instances, box_cloud, texts, words):
    start()
    see(client, instances, box_cloud(ROOM))
    reply = client.call(FindObjects, "find_objects", queries=texts)
    assert (reply.code, reply.matches) == (ResultCode.INVALID_REQUEST, [])
    assert words in reply.message


def test_the_example_program_takes_several_texts(start, client, instances, drawn, box_cloud):
    start()
    see(client, instances, box_cloud(ROOM))
    command = [sys.executable, ROOT / "examples" / "find.py", "couch", "table", "--highlight", "--frame", "map"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [re.match(r"(.+): (\w+) \d+, score", line).groups() for line in lines[:2]] == [
        ("couch", "sofa"),
        ("table", "table"),
    ]
    wait_until(lambda: {"1. couch", "1. table"} <= set(highlighted(drawn()).values()), "highlights")


# --- relevancy --------------------------------------------------------------------------------------------------------


def test_relevancy_is_that_of_the_best_object_and_zero_outside(start, client, instances, box_cloud):
    clouds = client.listen("/spaceformer/relevancy", PointCloud2)
    start()
    see(client, instances, box_cloud(ROOM))
    reply = client.call(ShowRelevancy, "show_relevancy", query="couch")
    assert (reply.code, reply.map_revision, reply.header.frame_id) == (ResultCode.OK, 1, "map")
    assert reply.header.stamp.sec == 1
    cloud = wait_until(lambda: clouds and clouds[-1], "the relevancy cloud")
    assert cloud.header == reply.header
    fields = [(f.name, f.offset, f.datatype) for f in cloud.fields]
    assert fields == [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("rgb", 12, 7), ("relevancy", 16, 7)]
    points = structured_view(cloud)
    assert len(points) == 4 * 4000
    match = client.call(FindObjects, "find_objects", query="couch").matches[0]
    sofa = (points["x"] > 1.9) & (points["y"] > -0.6)
    wall = points["y"] < -1.9
    assert np.count_nonzero(sofa) == match.instance.num_points
    assert (points["relevancy"][sofa] == np.float32(match.score)).all()
    assert (points["relevancy"][wall] == 0).all()
    assert (points["relevancy"][~sofa] < 0.1).all()
    assert (reply.min_relevancy, reply.max_relevancy) == (0.0, np.float32(match.score))
    assert np.isfinite(points["rgb"]).all()  # alpha 0: never NaN
    rgb = decode(cloud).cloud.rgb
    assert (rgb[sofa] == (240, 249, 33)).all()
    assert (rgb[wall] == rgb[wall][:, :1]).all()


def test_relevancy_is_computed_on_request_only_capped_and_cleared(start, client, instances, box_cloud):
    clouds = client.listen("/spaceformer/relevancy", PointCloud2)
    start(labeled_cloud_max_points=1000)
    see(client, instances, box_cloud(ROOM))
    client.call(ShowRelevancy, "show_relevancy", query="wall")
    wait_until(lambda: clouds, "the relevancy cloud")
    see(client, instances, box_cloud(ROOM[:2], stamp_ns=2_000_000_000))
    client.call(FindObjects, "find_objects", query="sofa")
    assert [cloud.width for cloud in clouds] == [1000]
    assert client.call(Trigger, "clear").success
    wait_until(lambda: clouds[-1].width == 0, "an empty cloud")


def test_relevancy_that_cannot_be_had_is_refused_with_a_code(start, client, instances, box_cloud):
    codes = ResultCode
    clouds = client.listen("/spaceformer/relevancy", PointCloud2)
    node = start()
    wait_until(lambda: node.pipeline, "the pipeline")
    assert client.call(ShowRelevancy, "show_relevancy", query="sofa").code == codes.NO_MAP_YET
    see(client, instances, box_cloud(ROOM))
    reply = client.call(ShowRelevancy, "show_relevancy", query=" ")
    assert (reply.code, "the text is empty" in reply.message) == (codes.INVALID_REQUEST, True)
    node.settings.config = node.settings.config.with_values({"target_frame": "nowhere"})
    reply = client.call(ShowRelevancy, "show_relevancy", query="sofa")
    assert (reply.code, "'map' to 'nowhere'" in reply.message) == (codes.TF_FAILED, True)
    node.trigger_deactivate()
    assert client.call(ShowRelevancy, "show_relevancy", query="sofa").code == codes.NOT_ACTIVE
    assert clouds == []


def test_the_mask_of_an_object_is_shown_as_relevancy(start, client, instances, box_cloud):
    clouds = client.listen("/spaceformer/relevancy", PointCloud2)
    node = start()
    see(client, instances, box_cloud(ROOM))
    sofa = next(item for item in instances[-1].instances if item.label == "sofa")
    reply = client.call(ShowRelevancy, "show_relevancy", mask_of=sofa.id)
    assert (reply.code, reply.min_relevancy, reply.max_relevancy) == (ResultCode.OK, np.float32(0.1), np.float32(0.9))
    assert f"the mask of object {sofa.id}: 0.90" in reply.message
    points = structured_view(wait_until(lambda: clouds and clouds[-1], "the relevancy cloud"))
    assert np.count_nonzero(points["relevancy"] == np.float32(0.9)) == sofa.num_points
    node.pipeline.segmenter.mask_heat = lambda cloud, *_: np.zeros(len(cloud), dtype=np.float32)
    assert client.call(ShowRelevancy, "show_relevancy", mask_of=sofa.id).message.endswith(
        "has no mask of it in this map"
    )
    reply = client.call(ShowRelevancy, "show_relevancy", mask_of=999)
    assert (reply.code, reply.message) == (ResultCode.NOT_FOUND, "no object with id 999 in map revision 1")
    reply = client.call(ShowRelevancy, "show_relevancy", query="sofa", mask_of=sofa.id)
    assert (reply.code, "leave one of them empty" in reply.message) == (ResultCode.INVALID_REQUEST, True)


def test_a_match_outside_the_current_map_says_so(start, client, instances, box_cloud):
    node = start()
    see(client, instances, box_cloud(ROOM))
    (match,) = client.call(FindObjects, "find_objects", query="sofa").matches
    assert match.in_map
    scene = node.pipeline.scene
    objects = tuple(replace(o, outside_maps=1) for o in scene.objects)
    node.pipeline.store.scene = replace(scene, objects=objects, map_revision=2)
    reply = client.call(FindObjects, "find_objects", query="sofa")
    assert not reply.matches[0].in_map
    assert "(not in the current map)" in reply.message
    words = f"sofa {match.instance.id} (not in the current map)"
    reply = client.call(interfaces.Locate, "locate", pose=match.instance.pose)
    assert (words in reply.message, reply.near[0].state) == (True, "not in the current map")
    assert words in client.call(interfaces.GetSceneGraph, "get_scene_graph", format="text").content
    assert words in client.call(interfaces.GetInstanceCloud, "get_instance_cloud", id=match.instance.id).message
    assert "3 not in the current map" in client.call(interfaces.GetInstances, "get_instances").message


# --- highlights -------------------------------------------------------------------------------------------------------


def test_what_was_asked_for_is_highlighted_until_the_next_question(start, client, instances, drawn, box_cloud):
    start()
    array = see(client, instances, box_cloud(ROOM))
    ids = {item.label: item.id for item in array.instances}
    client.call(FindObjects, "find_objects", query="couch")
    client.call(FindObjects, "find_objects", query="couch", min_score=0.5, highlight=True)
    wait_until(lambda: highlighted(drawn()), "a highlight")
    assert highlighted(drawn()) == {("query_boxes", ids["sofa"]): "", ("query_labels", ids["sofa"]): "1. couch"}
    client.call(FindObjects, "find_objects", query="table")  # does not ask for it
    client.call(FindObjects, "find_objects", queries=["chair", "table"], min_score=0.5, highlight=True)
    expected = {("query_labels", ids["chair"]): "1. chair", ("query_labels", ids["table"]): "1. table"}
    wait_until(lambda: expected.items() <= highlighted(drawn()).items(), "other highlights")
    assert len(highlighted(drawn())) == 4
    assert len(drawn()) == 3 * 3 + 4  # the objects themselves are still there
    client.call(FindObjects, "find_objects", query="fire extinguisher", min_score=0.5, highlight=True)
    wait_until(lambda: not highlighted(drawn()), "no highlight")


def test_highlights_follow_their_objects_and_vanish_with_them(start, client, spinner, instances, drawn, box_cloud):
    start()
    array = see(client, instances, box_cloud(ROOM))
    ids = {item.label: item.id for item in array.instances}
    client.call(FindObjects, "find_objects", queries=["chair", "sofa"], min_score=0.5, highlight=True)
    wait_until(lambda: len(highlighted(drawn())) == 4, "two highlights")
    moved = ((0.1, 0.0, 0.5), (0.5, 0.5, 1.0), ROOM[0][2])
    see(client, instances, box_cloud([moved, *ROOM[1:]], stamp_ns=2_000_000_000))
    box = ("query_boxes", ids["chair"])
    wait_until(lambda: drawn().get(box) and drawn()[box].pose.position.x > 0.05, "the highlight of the moved chair")
    assert set(highlighted(drawn())) == {
        (namespace, ids[label]) for namespace in ("query_boxes", "query_labels") for label in ("chair", "sofa")
    }
    late = Client(spinner(), "late").listen("/spaceformer/markers", MarkerArray)
    wait_until(lambda: shown_markers(late).keys() == drawn().keys(), "all markers for a late joiner")
    see(client, instances, box_cloud(ROOM, frame_id="odom", stamp_ns=3_000_000_000))  # another map: other objects
    wait_until(lambda: len(drawn()) == 9 and not highlighted(drawn()), "only the objects of the new map")


def test_clearing_the_scene_ends_the_highlight(start, client, instances, drawn, box_cloud):
    start()
    see(client, instances, box_cloud(ROOM))
    client.call(FindObjects, "find_objects", query="chair", highlight=True)
    wait_until(lambda: highlighted(drawn()), "a highlight")
    assert client.call(Trigger, "clear").success
    wait_until(lambda: not drawn(), "no markers")
    see(client, instances, box_cloud(ROOM, stamp_ns=2_000_000_000))
    wait_until(lambda: len(drawn()) == 9, "the objects of the new map")
    assert highlighted(drawn()) == {}


def test_an_approach_is_drawn_as_an_arrow_where_the_robot_can_stand(start, client, instances, drawn, box_cloud):
    start(
        background_labels=["wall", "floor"],
        build=lambda settings, progress: make_pipeline(settings, {**NAMES, WHITE: "floor"}),
    )
    see(client, instances, box_cloud([ROOM[0], FLOOR], points=20_000))
    reply = client.call(FindObjects, "find_objects", query="chair", with_approach=True, highlight=True)
    (match,) = reply.matches
    arrow = wait_until(lambda: drawn().get(("query_poses", match.instance.id)), "an arrow")
    assert (arrow.type, arrow.header.frame_id) == (Marker.ARROW, "map")
    assert arrow.pose.orientation == match.approach.orientation
    assert arrow.pose.position.x == pytest.approx(match.approach.position.x)
    assert 0 < arrow.pose.position.z - match.approach.position.z < 0.2
    client.call(FindObjects, "find_objects", query="chair", highlight=True)
    wait_until(lambda: ("query_poses", match.instance.id) not in drawn(), "no arrow")


def test_a_question_that_is_refused_leaves_the_highlight(start, client, instances, drawn, box_cloud):
    start()
    see(client, instances, box_cloud(ROOM))
    client.call(FindObjects, "find_objects", query="sofa", highlight=True)
    before = wait_until(lambda: highlighted(drawn()), "a highlight")
    client.call(FindObjects, "find_objects", query="chair", target_frame="nowhere", highlight=True)
    client.call(FindObjects, "find_objects", query="", highlight=True)
    assert highlighted(drawn()) == before
