# SPDX-License-Identifier: Apache-2.0
"""The node over DDS: topics, services, parameters and errors."""

import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from geometry_msgs.msg import Point
from helpers.fakes import DIM, NAMES, ROOM, ColorSegmenter, make_pipeline
from helpers.paths import ROOT
from helpers.ros import Client, wait_until
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import Marker, MarkerArray

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.pointcloud2 import structured_view
from spaceformer_ros.config import all_settings
from spaceformer_ros.ros import interfaces, qos

WHITE = (250, 250, 250)
FindObjects, NodeState, ResultCode = interfaces.FindObjects, interfaces.NodeState, interfaces.ResultCode


class SlowSegmenter(ColorSegmenter):
    """Waits for a gate, as a long inference would."""

    def __init__(self, names):
        super().__init__(names)
        self.gate, self.entered = threading.Event(), threading.Event()

    def segment(self, *arguments):
        self.entered.set()
        assert self.gate.wait(20)
        return super().segment(*arguments)


def build_slow(settings, progress):
    pipeline = make_pipeline(settings)
    pipeline.segmenter = SlowSegmenter(pipeline.segmenter.names)
    return pipeline


def labels_of(array):
    return sorted(instance.label for instance in array.instances)


# --- cloud in, results out --------------------------------------------------------------------------------------------


def test_a_cloud_becomes_instances_markers_and_a_labelled_cloud(start, client, instances, box_cloud):
    clouds = client.listen("/spaceformer/labeled_cloud", PointCloud2)
    markers = client.listen("/spaceformer/markers", MarkerArray)
    start()
    client.publish(box_cloud(ROOM))
    array = wait_until(lambda: instances and instances[-1], "instances")
    assert labels_of(array) == ["chair", "sofa", "table"]
    assert (array.header.frame_id, array.header.stamp.sec) == ("map", 1)
    assert (array.map_revision, array.vocabulary_revision) == (1, 1)
    sofa = next(instance for instance in array.instances if instance.label == "sofa")
    assert (sofa.pose.position.x, sofa.pose.position.z) == (pytest.approx(3.0, abs=0.05), pytest.approx(0.4, abs=0.05))
    assert sofa.size.x == pytest.approx(2.0, abs=0.1)
    assert sofa.score == pytest.approx(sofa.objectness * sofa.mask_score * sofa.label_score, rel=1e-5)
    assert sofa.candidate_labels[0] == "sofa"

    cloud = wait_until(lambda: clouds and clouds[-1], "the labelled cloud")
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
        *(("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("rgb", 12, 7)),
        *(("label", 16, 6), ("instance_id", 20, 6), ("score", 24, 7)),
    ]
    points = structured_view(cloud)
    inside = points["instance_id"] == sofa.id
    assert np.count_nonzero(inside) == sofa.num_points == 4000
    assert set(points["label"][inside]) == {2}  # "sofa" is the second label
    assert set(points["label"][points["instance_id"] == 0]) == {0}
    assert np.isfinite(points["rgb"]).all()

    drawn = wait_until(lambda: [m for m in markers[-1:] if m.markers and m.markers[0].action == Marker.ADD], "markers")
    assert {(m.ns, m.id) for m in drawn[0].markers} == {
        (namespace, instance.id) for namespace in ("boxes", "labels", "centroids") for instance in array.instances
    }
    assert all(m.header.frame_id == "map" and m.lifetime.sec == 0 for m in drawn[0].markers)


def test_late_joiners_get_the_latest_results(start, client, spinner, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    late = Client(spinner(), "late")
    kinds = {
        "instances": interfaces.InstanceArray,
        "labeled_cloud": PointCloud2,
        "markers": MarkerArray,
        "vocabulary": interfaces.Vocabulary,
        "state": NodeState,
    }
    boxes = {topic: late.listen(f"/spaceformer/{topic}", kind) for topic, kind in kinds.items()}
    wait_until(lambda: all(boxes.values()), "all latched topics")
    assert labels_of(boxes["instances"][-1]) == ["chair", "sofa", "table"]
    wait_until(lambda: len(boxes["markers"][-1].markers) == 9, "the complete set of markers")
    assert boxes["vocabulary"][-1].labels == ["chair", "sofa", "table"]
    assert boxes["vocabulary"][-1].background_labels == ["wall"]


def test_a_lost_latched_cloud_is_requested_again(start, client, instances, box_cloud, monkeypatch):
    from spaceformer_ros.ros import input as module

    lost, keep = [], module.CloudInput._receive
    monkeypatch.setattr(module, "LATCHED_TIMEOUT", 0.3)
    monkeypatch.setattr(module.CloudInput, "_receive", lambda self, raw: keep(self, raw) if lost else lost.append(raw))
    start(input_qos="latched")
    client.publish(box_cloud(ROOM))  # once
    wait_until(lambda: instances, "instances")
    assert lost


def test_a_latched_cloud_is_processed_once_after_a_new_subscription(start, client, instances, box_cloud):
    node = start(input_qos="latched")
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    arrived, receive = [], node.session.input._receive
    node.session.input._receive = lambda raw: arrived.append(receive(raw))
    node.executor.create_task(node.session.input._subscribe_again)
    wait_until(lambda: arrived, "the latched cloud once more")
    assert node.session.counters.clouds_received == 1


def test_markers_of_removed_objects_are_deleted_and_others_keep_their_ids(start, client, instances, box_cloud):
    markers = client.listen("/spaceformer/markers", MarkerArray)
    start(fade_views=1)
    floor = ((0.0, 0.0, -0.1), (2.0, 2.0, 0.1), (90, 90, 90))  # a colour without a name for the segmenter
    client.publish(box_cloud([*ROOM, floor], points=8000))
    first = wait_until(lambda: instances and instances[-1], "instances")
    client.publish(box_cloud([*ROOM[1:], floor], points=8000, stamp_ns=2_000_000_000))
    second = wait_until(lambda: len(instances) > 1 and instances[-1], "the second result")
    assert {i.id for i in second.instances} < {i.id for i in first.instances}
    gone = {i.id for i in first.instances} - {i.id for i in second.instances}
    last = wait_until(lambda: [m for m in markers if any(x.action == Marker.DELETE for x in m.markers)], "deletions")
    assert {m.id for m in last[-1].markers if m.action == Marker.DELETE} == gone
    assert not any(m.action == Marker.DELETEALL for message in markers[1:] for m in message.markers)


def test_an_unchanged_cloud_is_not_segmented_again(start, client, instances, box_cloud):
    node, cloud = start(), box_cloud(ROOM)
    client.publish(cloud)
    wait_until(lambda: instances, "instances")
    client.publish(cloud)
    wait_until(lambda: node.session.counters.inferences_skipped == 1, "a skipped inference")
    assert node.pipeline.segmenter.runs == 1


def test_remarks_on_a_map_are_logged(start, client, box_cloud, capfd):
    start()
    client.publish(box_cloud(ROOM[:1], points=30))
    log = []
    wait_until(lambda: log.append(capfd.readouterr().err) or "only 30 points" in "".join(log), "the remark")


def test_a_roi_takes_effect_on_a_latched_map_at_once(start, client, instances, states, box_cloud):
    start(min_update_interval=60.0)

    def set_roi(*values):
        request = [Parameter("roi", value=list(values)).to_parameter_msg()]
        assert client.call(SetParameters, "set_parameters", parameters=request).results[0].successful

    client.publish(box_cloud(ROOM))  # once
    wait_until(lambda: instances and len(instances[-1].instances) == 3, "instances")
    set_roi(-1.0, -1.0, -1.0, 1.0, 1.0, 2.0)
    wait_until(lambda: instances[-1].map_revision == 2, "the result for the chair alone")
    assert sum(item.num_points > 0 for item in instances[-1].instances) == 1
    set_roi(50.0, 50.0, 50.0, 51.0, 51.0, 51.0)
    wait_until(lambda: states[-1].state == NodeState.ERROR, "a region without points")
    set_roi(*[0.0] * 6)
    wait_until(lambda: instances[-1].map_revision == 3, "the result for the whole map")
    assert all(item.num_points > 0 for item in instances[-1].instances)


def test_clouds_of_best_effort_and_volatile_publishers_arrive(start, client, instances, box_cloud):
    start()
    cloud = box_cloud(ROOM, points=60_000)  # 3.8 MB: more than the default shared-memory segment
    client.publish(cloud, profile=qos.STREAM)

    while not instances:  # a cloud may be lost, and DDS has to discover the publisher first
        client.publish(cloud)
        time.sleep(0.2)


# --- queries ----------------------------------------------------------------------------------------------------------


def test_find_objects(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    reply = client.call(FindObjects, "find_objects", query="couch")
    assert (reply.code, reply.header.frame_id, reply.map_revision) == (ResultCode.OK, "map", 1)
    assert [match.instance.label for match in reply.matches] == ["sofa"]
    assert np.isnan(reply.matches[0].distance)
    everything = {"min_score": -1.0, "reference_frame": "map", "sort_by_distance": True}
    reply = client.call(FindObjects, "find_objects", query="chair", **everything)
    assert [match.distance for match in reply.matches] == pytest.approx([0.5, 3.03, 3.03], abs=0.05)
    reply = client.call(FindObjects, "find_objects", query="fire extinguisher", min_score=0.5)
    assert reply.code == ResultCode.NOT_FOUND
    assert "best candidates" in reply.message


def test_an_approach_is_a_pose_on_free_floor_that_faces_the_object(start, client, instances, box_cloud):
    start(
        background_labels=["wall", "floor"],
        build=lambda settings, progress: make_pipeline(settings, {**NAMES, WHITE: "floor"}),
    )
    client.publish(box_cloud([*ROOM[:1], ((0.0, 0.0, 0.0), (5.0, 5.0, 0.01), WHITE)], points=20_000))
    wait_until(lambda: instances, "instances")
    plain = client.call(FindObjects, "find_objects", query="chair").matches[0]
    assert not plain.has_approach
    match = client.call(FindObjects, "find_objects", query="chair", with_approach=True).matches[0]
    assert match.has_approach
    place, turn = match.approach.position, match.approach.orientation
    assert 0.6 + 0.25 - 0.05 <= np.hypot(place.x, place.y) <= 0.6 + 0.36 + 0.05
    assert place.z == pytest.approx(0.0, abs=0.05)
    heading = 2 * np.arctan2(turn.z, turn.w)
    assert np.cos(heading - np.arctan2(-place.y, -place.x)) > 0.99


def test_an_approach_follows_standoff_and_robot_radius(start, client, instances, box_cloud):
    start(
        background_labels=["wall", "floor"],
        approach_standoff=1.0,
        robot_radius=0.4,
        build=lambda settings, progress: make_pipeline(settings, {**NAMES, WHITE: "floor"}),
    )
    client.publish(box_cloud([*ROOM[:1], ((0.0, 0.0, 0.0), (5.0, 5.0, 0.01), WHITE)], points=20_000))
    wait_until(lambda: instances, "instances")
    match = client.call(FindObjects, "find_objects", query="chair", with_approach=True).matches[0]
    assert match.has_approach
    place = match.approach.position
    assert 1.0 + 0.25 - 0.05 <= np.hypot(place.x, place.y) <= 1.0 + 0.36 + 0.05
    assert max(abs(place.x), abs(place.y)) <= 2.5 - 0.4 + 0.1  # the floor ends at 2.5 m


def test_a_slow_inference_is_counted(start, client, instances, box_cloud):
    node = start(max_processing_time=0.01)
    client.publish(box_cloud(ROOM, points=20_000))
    wait_until(lambda: node.session.counters.slow_in_a_row == 1, "the count")


def test_the_example_program_waits_and_prints_matches(start, client, box_cloud):
    start()
    client.publish(box_cloud(ROOM))

    def ask(text):
        command = [sys.executable, ROOT / "examples" / "find.py", "--wait", "30", text]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    found, missing = ask("couch"), ask("fire extinguisher")
    assert found.returncode == 0, found.stderr
    assert re.search(r"sofa \d+, score \d\.\d\d: \(3\.\d+, -?0\.\d+, 0\.\d+\) m in map, 2\.\d+ x 0", found.stdout)
    assert (missing.returncode, "best candidates" in missing.stderr) == (1, True)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"query": ""}, "INVALID_REQUEST", "the text is empty"),
        ({"query": "x" * 500}, "INVALID_REQUEST", "500 characters"),
        ({"query": "chair", "sort_by_distance": True}, "INVALID_REQUEST", "needs reference_frame"),
        ({"query": "chair", "region_radius": float("nan")}, "INVALID_REQUEST", "region_radius is nan"),
        (
            {"query": "chair", "region_radius": 1.0, "region_center": Point(x=float("inf"))},
            "INVALID_REQUEST",
            "region_center is [inf, 0.0, 0.0]",
        ),
        ({"query": "chair", "target_frame": "base_link"}, "TF_FAILED", "'map' to 'base_link'"),
    ],
)
def test_requests_that_cannot_be_answered(start, client, instances, box_cloud, fields, code, words):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    reply = client.call(FindObjects, "find_objects", **fields)
    assert reply.code == getattr(ResultCode, code)
    assert words in reply.message
    assert reply.matches == []


def test_queries_are_answered_while_an_inference_runs(start, client, instances, box_cloud):
    node = start(build_slow)
    wait_until(lambda: node.pipeline, "the pipeline")
    reply = client.call(FindObjects, "find_objects", query="chair")
    assert reply.code == ResultCode.NO_MAP_YET
    slow = node.pipeline.segmenter
    slow.gate.set()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    slow.gate.clear()
    slow.entered.clear()
    client.publish(box_cloud(ROOM, stamp_ns=2_000_000_000))
    assert slow.entered.wait(20)
    reply = client.call(FindObjects, "find_objects", query="sofa")
    assert (reply.code, reply.map_revision) == (ResultCode.OK, 1)
    reply = client.call(interfaces.SetVocabulary, "set_vocabulary", labels=["couch"])
    assert reply.code == ResultCode.OK
    assert node.session.state.state == NodeState.RUNNING
    slow.gate.set()
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    assert "couch" in labels_of(instances[-1])


def test_instances_by_id_and_label_and_their_clouds(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    array = wait_until(lambda: instances and instances[-1], "instances")
    everything = client.call(interfaces.GetInstances, "get_instances", with_embeddings=True)
    assert labels_of(everything.result) == ["chair", "sofa", "table"]
    assert len(everything.result.instances[0].embedding) == DIM
    walls = client.call(interfaces.GetInstances, "get_instances", labels=["wall"])
    assert labels_of(walls.result) == ["wall"]
    assert labels_of(client.call(interfaces.GetInstances, "get_instances", labels=[" Wall "]).result) == ["wall"]
    reply = client.call(interfaces.GetInstances, "get_instances", labels=["lamp"])
    assert reply.message == "no object with label lamp in map revision 1, which has chair, sofa, table, wall"
    one = array.instances[0]
    same = client.call(interfaces.GetInstances, "get_instances", ids=[one.id])
    assert [instance.id for instance in same.result.instances] == [one.id]
    missing = client.call(interfaces.GetInstances, "get_instances", ids=[one.id, 999])
    assert missing.code == ResultCode.NOT_FOUND
    assert "999" in missing.message
    cloud = client.call(interfaces.GetInstanceCloud, "get_instance_cloud", id=one.id)
    assert cloud.cloud.width == one.num_points
    assert cloud.cloud.header.frame_id == "map"
    unknown = client.call(interfaces.GetInstanceCloud, "get_instance_cloud", id=999)
    assert (unknown.code, unknown.cloud.width) == (ResultCode.NOT_FOUND, 0)


def test_embeddings_of_texts(start, client):
    node = start()
    wait_until(lambda: node.pipeline, "the pipeline")
    reply = client.call(interfaces.EmbedText, "embed_text", texts=["sofa", "couch", "chair"])
    vectors = np.array(reply.values).reshape(3, reply.dim)
    assert np.allclose(vectors[0], vectors[1])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert reply.text_model == "fake@1"
    empty = client.call(interfaces.EmbedText, "embed_text", texts=[])
    assert empty.code == ResultCode.INVALID_REQUEST


# --- vocabulary -------------------------------------------------------------------------------------------------------


def test_the_vocabulary_changes_by_service_without_the_network(start, client, instances, box_cloud):
    vocabularies = client.listen("/spaceformer/vocabulary", interfaces.Vocabulary)
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    reply = client.call(interfaces.SetVocabulary, "set_vocabulary", labels=["couch", "throne|chair"])
    assert (reply.code, reply.revision, list(reply.active_labels)) == (0, 2, ["couch", "throne"])
    wait_until(lambda: instances[-1].vocabulary_revision == 2, "the relabelled result")
    assert set(labels_of(instances[-1])) <= {"couch", "throne"}
    assert instances[-1].map_revision == 1
    assert node.pipeline.segmenter.runs == 1
    wait_until(lambda: vocabularies[-1].revision == 2, "the vocabulary")
    assert vocabularies[-1].labels == ["couch", "throne|chair"]
    stored = client.call(GetParameters, "get_parameters", names=["vocabulary"])
    assert list(stored.values[0].string_array_value) == ["couch", "throne|chair"]
    reply = client.call(interfaces.SetVocabulary, "set_vocabulary", labels=["lamp"], append=True)
    assert list(reply.active_labels) == ["couch", "throne", "lamp"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"labels": []}, "empty"), ({"labels": ["a", "a"]}, "twice"), ({"labels": ["sofa|"]}, "empty synonym")],
)
def test_an_unusable_vocabulary_changes_nothing(start, client, fields, words):
    node = start()
    wait_until(lambda: node.pipeline, "the pipeline")
    reply = client.call(interfaces.SetVocabulary, "set_vocabulary", **fields)
    assert reply.code == ResultCode.INVALID_REQUEST
    assert words in reply.message
    assert node.pipeline.space.revision == 1


def set_parameter(client, name, value):
    request = [Parameter(name, value=value).to_parameter_msg()]
    return client.call(SetParameters, "set_parameters", parameters=request).results[0]


def test_the_vocabulary_changes_by_parameter(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert set_parameter(client, "vocabulary", ["couch", "bench"]).successful
    wait_until(lambda: instances[-1].vocabulary_revision == 2, "the relabelled result")
    assert "couch" in labels_of(instances[-1])
    assert len(instances) == 2


def test_the_vocabulary_comes_from_a_file(start, client, tmp_path):
    vocabularies = client.listen("/spaceformer/vocabulary", interfaces.Vocabulary)
    (tmp_path / "words.yaml").write_text("labels: [hammer, saw]\nbackground: [bench]\n")
    start(vocabulary=[""], background_labels=[""], vocabulary_file=str(tmp_path / "words.yaml"))
    wait_until(lambda: vocabularies, "the vocabulary")
    assert vocabularies[-1].labels == ["hammer", "saw"]


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("marker_text", "{name}", "cannot be formatted"),
        ("roi", [1.0, 2.0], "2 numbers, expected 6"),
        ("rgb_mode", "rainbow", "'rainbow' is not one of original, instance, label"),
        ("device", "cuda:9", "cannot change while the node is configured"),
    ],
)
def test_bad_parameters_are_refused_with_a_reason(start, client, name, value, words):
    start()
    result = set_parameter(client, name, value)
    assert not result.successful
    assert words in result.reason


def test_numbers_out_of_range_are_refused(start, client):
    node = start()
    assert not set_parameter(client, "nms_iou", 1.5).successful
    assert node.settings.config.postprocess.nms_iou == -1.0


def test_parameters_describe_themselves(start, client):
    start()
    (descriptor,) = client.call(DescribeParameters, "describe_parameters", names=["nms_iou"]).descriptors
    assert "IoU" in descriptor.description
    assert (descriptor.floating_point_range[0].from_value, descriptor.floating_point_range[0].to_value) == (-1.0, 1.0)


DEPTH = "qos_overrides./spaceformer/instances.publisher.depth"


def test_every_verb_of_ros2_param(start, client):
    """The services behind list, describe, get, set, dump and load."""
    node = start()
    names = client.call(ListParameters, "list_parameters").result.names
    own = [info.name for _, info in all_settings()]
    assert {*own, "use_sim_time"} <= set(names)
    assert len(client.call(DescribeParameters, "describe_parameters", names=own).descriptors) == len(own)
    dumped = client.call(GetParameters, "get_parameters", names=own).values
    loaded = [ParameterMessage(name=name, value=value) for name, value in zip(own, dumped)]
    results = client.call(SetParameters, "set_parameters", parameters=loaded).results
    assert [result.reason for result in results if not result.successful] == []  # also of those that are fixed now
    change = Parameter("data_dir", value="/elsewhere").to_parameter_msg()
    (result,) = client.call(SetParameters, "set_parameters", parameters=[change]).results
    assert "data_dir cannot change while the node is configured" in result.reason
    unknown = ParameterMessage(name="nms_io", value=dumped[0])
    nameless, typeless = (
        ParameterMessage(value=dumped[0]),
        ParameterMessage(name="nms_iou", value=ParameterValue(type=77)),
    )
    messages = [unknown, nameless, loaded[-1], typeless]
    results = client.call(SetParameters, "set_parameters", parameters=messages).results
    assert [result.successful for result in results] == [False, False, True, False]
    assert results[0].reason == "there is no parameter 'nms_io', did you mean 'nms_iou'?"
    assert "there is no parameter ''" in results[1].reason
    assert "type 77" in results[3].reason
    for bad in (unknown, typeless):
        result = client.call(SetParametersAtomically, "set_parameters_atomically", parameters=[loaded[-1], bad]).result
        assert not result.successful
    assert client.call(SetParametersAtomically, "set_parameters_atomically", parameters=loaded).result.successful
    (depth,) = client.call(GetParameters, "get_parameters", names=[DEPTH]).values  # read-only, in every dump
    deleted = ParameterMessage(name="nms_iou")
    messages = [ParameterMessage(name=DEPTH, value=depth), deleted, Parameter("nms_iou", value="x").to_parameter_msg()]
    results = client.call(SetParameters, "set_parameters", parameters=messages).results
    assert [result.successful for result in results] == [True, False, False]
    assert results[1].reason == "nms_iou cannot be deleted: set it to its default, -1.0"
    (descriptor,) = client.call(DescribeParameters, "describe_parameters", names=["nms_iou"]).descriptors
    assert descriptor.type == ParameterType.PARAMETER_DOUBLE  # not of the last attempt
    (value,) = client.call(GetParameters, "get_parameters", names=["nms_io"]).values or [None]
    assert value is None or value.type == 0  # not set
    assert node.settings.config == node._live_parameters.read_all()


def test_a_score_threshold_takes_effect_immediately(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert set_parameter(client, "score_threshold", 0.99).successful
    wait_until(lambda: instances[-1].instances == [], "an empty result")


# --- clouds that cannot be used ---------------------------------------------------------------------------------------


def spoil(box_cloud, **changes):
    from spaceformer_ros.clouds.pointcloud2 import cloud_columns
    from spaceformer_ros.ros import messages

    message = messages.to_cloud_message(messages.Header(frame_id="map"), cloud_columns(box_cloud(ROOM[:1])))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 0, "data": []}, "the cloud is empty"),
        ({"width": 9000}, "truncated or its header is wrong"),
        ({"fields": []}, "no field x, y, z"),
        ({"point_step": 8}, "but point_step is 8"),
    ],
)
def test_a_bad_cloud_is_explained_and_the_last_good_scene_stays(
    start, client, states, instances, box_cloud, changes, words
):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    client.publish(spoil(box_cloud, **changes))
    error = wait_until(lambda: [s for s in states if s.state == NodeState.ERROR], "an error state")
    assert words in error[-1].text
    reply = client.call(FindObjects, "find_objects", query="sofa")
    assert (reply.code, reply.map_revision) == (ResultCode.OK, 1)
    client.publish(box_cloud(ROOM[:2]))
    wait_until(lambda: instances[-1].map_revision == 2, "the next good cloud")
    wait_until(lambda: states[-1].state == NodeState.IDLE, "recovery")


def test_a_cloud_of_nan_and_one_without_color_are_explained(start, client, states, box_cloud):
    from spaceformer_ros.clouds.pointcloud2 import cloud_columns
    from spaceformer_ros.ros import messages

    start()
    columns, header = cloud_columns(box_cloud(ROOM[:1])), messages.Header(frame_id="map")
    client.publish(messages.to_cloud_message(header, {**columns, "x": np.full_like(columns["x"], np.nan)}))
    wait_until(lambda: any("non-finite" in s.text for s in states), "the reason")
    client.publish(messages.to_cloud_message(header, {axis: columns[axis] for axis in "xyz"}))
    wait_until(lambda: any("no colour" in s.text for s in states), "the reason")


def test_an_unexpected_error_is_survived(start, client, states, instances, box_cloud):
    node = start()
    wait_until(lambda: node.pipeline, "the pipeline")
    segment, node.pipeline.segmenter.segment = node.pipeline.segmenter.segment, lambda *_: 1 / 0
    client.publish(box_cloud(ROOM))
    wait_until(lambda: any("ZeroDivisionError" in s.text for s in states), "the reason")
    node.pipeline.segmenter.segment = segment
    client.publish(box_cloud(ROOM, stamp_ns=2_000_000_000))
    wait_until(lambda: instances, "the next result")


# --- switches and lifecycle -------------------------------------------------------------------------------------------


def test_segment_now_waits_and_reports(start, client, box_cloud, instances):
    node = start()
    SegmentNow = interfaces.SegmentNow
    reply = client.call(SegmentNow, "segment_now", wait=True)
    assert reply.code in (ResultCode.NO_MAP_YET, ResultCode.MODEL_NOT_READY)
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    reply = client.call(SegmentNow, "segment_now", wait=True)
    assert (reply.code, reply.map_revision, reply.num_instances) == (ResultCode.OK, 2, 3)
    assert node.pipeline.segmenter.runs == 2
    reply = client.call(SegmentNow, "segment_now", wait=False)
    assert reply.code == ResultCode.OK
    wait_until(lambda: instances[-1].map_revision == 3, "the third result")


def test_segment_now_times_out_without_blocking_anyone(start, client, box_cloud):
    node = start(build_slow)
    wait_until(lambda: node.pipeline, "the pipeline")
    client.publish(box_cloud(ROOM))
    assert node.pipeline.segmenter.entered.wait(20)
    answers = [client.call_later(interfaces.SegmentNow, "segment_now", wait=True, timeout=0.5) for _ in range(8)]
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.NO_MAP_YET
    assert {answer().code for answer in answers} == {ResultCode.TIMEOUT}
    node.pipeline.segmenter.gate.set()


def test_clear_and_enable(start, client, states, instances, box_cloud):
    markers = client.listen("/spaceformer/markers", MarkerArray)
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert client.call(Trigger, "clear").success
    wait_until(lambda: instances[-1].instances == [], "the empty result")
    wait_until(lambda: any(m.action == Marker.DELETE for m in markers[-1].markers), "deleted markers")
    assert client.call(SetBool, "set_enabled", data=False).success
    wait_until(lambda: states[-1].state == NodeState.DISABLED, "the state DISABLED")
    before = node.session.counters.clouds_received
    client.publish(box_cloud(ROOM))
    wait_until(lambda: node.session.counters.clouds_received > before, "the ignored cloud")
    assert client.call(SetBool, "set_enabled", data=True).success
    client.publish(box_cloud(ROOM, stamp_ns=3_000_000_000))
    wait_until(lambda: len(instances[-1].instances) == 3, "results again")


def test_lifecycle(start, client, states, instances, box_cloud):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import GetState

    def state():
        return client.call(GetState, "get_state").current_state.label

    node = start(active=False)
    assert state() == "unconfigured"
    assert transition(client, Transition.TRANSITION_CONFIGURE)
    assert client.call(FindObjects, "find_objects", query="chair").code == ResultCode.NOT_ACTIVE
    wait_until(lambda: states and states[-1].state == NodeState.READY, "the state READY")
    assert transition(client, Transition.TRANSITION_ACTIVATE)
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    assert state() == "inactive"
    wait_until(lambda: states[-1].state == NodeState.READY, "the state READY")
    assert transition(client, Transition.TRANSITION_ACTIVATE)
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    assert transition(client, Transition.TRANSITION_CLEANUP)
    assert (state(), node.pipeline, node.session) == ("unconfigured", None, None)
    assert set_parameter(client, "device", "cpu").successful
    assert transition(client, Transition.TRANSITION_CONFIGURE)
    assert transition(client, Transition.TRANSITION_INACTIVE_SHUTDOWN)
    assert state() == "finalized"


def transition(client, number):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    return client.call(ChangeState, "change_state", transition=Transition(id=number)).success


def test_a_model_that_cannot_be_loaded_is_an_error_state_and_can_be_repaired(start, client, states):
    def build(settings, progress):
        if settings.config.model.checkpoint == "demo":
            raise SpaceformerError("checkpoint 'demo' is not there: do this")
        return make_pipeline(settings)

    node = start(build)
    wait_until(lambda: states and states[-1].state == NodeState.ERROR, "the error state")
    assert "do this" in states[-1].text
    reply = client.call(FindObjects, "find_objects", query="chair")
    assert reply.code == ResultCode.MODEL_NOT_READY
    assert "do this" in reply.message
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert set_parameter(client, "checkpoint", "other").successful
    node.trigger_configure()
    node.trigger_activate()
    wait_until(lambda: states[-1].state == NodeState.WAITING_FOR_CLOUD, "the repaired node")


def test_a_python_without_torch_is_named_in_the_state(start, states):
    def build(settings, progress):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    start(build)
    wait_until(lambda: states and states[-1].state == NodeState.ERROR, "the error state")
    assert states[-1].text.startswith(f"the package torch cannot be imported by {sys.executable}")
    assert "python_prefix:=" in states[-1].text


# --- diagnostics and debug topics -------------------------------------------------------------------------------------


def test_diagnostics_name_publishers_and_stage_times(start, client, instances, box_cloud):
    from diagnostic_msgs.msg import DiagnosticArray

    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")

    def complete():
        values = {pair.key: pair.value for pair in found[-1].status[0].values} if found else {}
        return values if values.get("inferences") == "1" and values.get("publishers_of_input") else None

    values = wait_until(complete, "diagnostics")
    assert values["publishers_of_input"] == "/client (reliable, transient_local)"
    assert float(values["stage_label_ms"]) >= 0
    assert (values["backend"], values["state"]) == ("fake", "IDLE")
    assert found[-1].status[0].name == "/spaceformer"


def test_debug_timings_are_published_to_subscribers(start, client, instances, box_cloud):
    from std_msgs.msg import Float64

    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    times = client.listen("/spaceformer/debug/processing_time/total_ms", Float64, qos.STREAM)
    stamps = iter(range(2, 10_000))

    def timed():
        client.publish(box_cloud(ROOM, points=100, stamp_ns=next(stamps) * 1_000_000_000))
        return times

    assert wait_until(timed, "a timing")[0].data > 0


def test_a_second_node_in_a_namespace_does_not_interfere(spinner, client, start, instances, box_cloud):
    start()
    other = Client(spinner(), "other")
    other.publish(box_cloud(ROOM), topic="/elsewhere/input/points")
    client.publish(box_cloud(ROOM[:1]))
    array = wait_until(lambda: instances and instances[-1], "instances")
    assert labels_of(array) == ["chair"]
