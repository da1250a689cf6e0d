# SPDX-License-Identifier: Apache-2.0
"""Sequences and overlaps of requests, clouds and settings: effects on state, scene, markers and vocabulary."""

import threading
import time

import pytest
from helpers.fakes import ROOM
from helpers.ros import Client, shown_markers, wait_until
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import Marker, MarkerArray

from spaceformer_ros.ros import interfaces, session
from spaceformer_ros.ros.health import WARN

from .test_node import transition

InstanceArray, NodeState, SegmentNow = interfaces.InstanceArray, interfaces.NodeState, interfaces.SegmentNow
ResultCode = interfaces.ResultCode
SetVocabulary, ShowRelevancy = interfaces.SetVocabulary, interfaces.ShowRelevancy


@pytest.fixture
def room(box_cloud):
    return box_cloud(ROOM)


@pytest.fixture
def segmented(start, client, instances, room):
    """A node that has segmented the room."""
    node = start()
    client.publish(room)
    wait_until(lambda: instances, "instances")
    return node


def set_parameters(client, **values):
    changes = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    results = client.call(SetParameters, "set_parameters", parameters=changes).results
    assert all(result.successful for result in results), results


class Gate:
    """Holds every call of a method until it is opened."""

    def __init__(self, owner, name):
        self._method, self._entered, self._open = getattr(owner, name), threading.Event(), threading.Event()
        self.held = 0
        setattr(owner, name, self)

    def __call__(self, *arguments, **keywords):
        self.held += 1
        self._entered.set()
        assert self._open.wait(20)
        return self._method(*arguments, **keywords)

    def wait(self):
        """Until a call is held."""
        assert self._entered.wait(20)

    def open(self):
        self._open.set()


def test_a_good_cloud_clears_an_error_even_if_unchanged(segmented, client, states, room):
    client.publish(PointCloud2())
    wait_until(lambda: states and states[-1].state == NodeState.ERROR, "the state ERROR")
    client.publish(room)
    wait_until(lambda: states[-1].state == NodeState.IDLE, "the state IDLE")
    assert segmented.session.counters.last_error == ""
    assert segmented.pipeline.segmenter.runs == 1


def test_an_error_ends_when_its_cloud_is_no_longer_wanted(segmented, client):
    counters = segmented.session.counters

    def disable_and_enable():
        return all(client.call(SetBool, "set_enabled", data=value).success for value in (False, True))

    def deactivate():
        return transition(client, Transition.TRANSITION_DEACTIVATE)

    ends = (lambda: client.call(Trigger, "clear").success, disable_and_enable, deactivate)
    for number, end in enumerate(ends):
        client.publish(PointCloud2(height=number))
        wait_until(lambda height=number: f"height {height}" in counters.last_error, "the error")
        assert end()
        assert counters.last_error == ""


def test_settings_of_the_input_take_effect_on_a_latched_map(segmented, client):
    segmenter = segmented.pipeline.segmenter
    changes = {"level": "off", "enlarge": "off", "isolated_points": "keep", "tile_voxels": 900, "tile_margin": 0.5}
    for number, (name, value) in enumerate(changes.items(), start=2):
        set_parameters(client, **{name: value})
        wait_until(lambda runs=number: segmenter.runs == runs, f"another result after {name} changed")
    set_parameters(client, input_timeout=5.0, change_threshold=0.5, publish_partial=True)
    assert client.call(SegmentNow, "segment_now", wait=True).code == ResultCode.OK
    assert segmenter.runs == len(changes) + 2  # these do not change the result


def test_a_map_that_came_while_disabled_is_processed_later(start, client, states, instances, room):
    node = start()
    wait_until(lambda: states and states[-1].state == NodeState.WAITING_FOR_CLOUD, "the model")
    client.call(SetBool, "set_enabled", data=False)
    client.publish(room)  # once
    wait_until(lambda: node.session.counters.clouds_received, "the cloud")
    assert states[-1].state == NodeState.DISABLED
    client.call(SetBool, "set_enabled", data=True)
    wait_until(lambda: instances, "the result")
    client.call(SetBool, "set_enabled", data=False)
    set_parameters(client, roi=[-1.0, -1.0, -1.0, 1.0, 1.0, 2.0])
    client.call(SetBool, "set_enabled", data=True)
    wait_until(lambda: instances[-1].map_revision == 2, "the result for the region")


def test_remarks_on_a_scene_end_with_it(segmented, client, instances, box_cloud):
    client.publish(box_cloud(ROOM[:1], points=1, stamp_ns=2_000_000_000))
    wait_until(lambda: segmented.session.counters.remarks, "remarks on the cloud")
    assert client.call(Trigger, "clear").success
    assert segmented.session.counters.remarks == ()


def test_segment_now_says_why_there_is_no_cloud(start, client, states):
    start()
    wait_until(lambda: states and states[-1].state == NodeState.WAITING_FOR_CLOUD, "the model")
    assert "waiting for a cloud on /spaceformer/input/points" in client.call(SegmentNow, "segment_now").message
    client.publish(PointCloud2())
    wait_until(lambda: states[-1].state == NodeState.ERROR, "the error")
    reply = client.call(SegmentNow, "segment_now")
    assert (reply.code, reply.message[-18:]) == (ResultCode.NO_MAP_YET, "width 0 x height 0")


def test_an_empty_cloud_does_not_replace_a_map_that_waits(segmented, client, instances, box_cloud):
    gate = Gate(segmented.pipeline.segmenter, "segment")
    client.publish(box_cloud(ROOM[:2], stamp_ns=2_000_000_000))
    gate.wait()
    client.publish(box_cloud(ROOM[:1], stamp_ns=3_000_000_000))
    wait_until(lambda: segmented.session.counters.clouds_received == 3, "the map")
    client.publish(PointCloud2())
    wait_until(lambda: segmented.session.counters.clouds_received == 4, "the empty cloud")
    gate.open()
    wait_until(lambda: instances[-1].header.stamp.sec == 3, "the map that waited")


def test_a_small_cloud_is_decoded_once(segmented, client, instances, box_cloud, monkeypatch):
    decoded, decode = [], session.decode_bytes
    monkeypatch.setattr(session, "decode_bytes", lambda raw, config: decoded.append(raw) or decode(raw, config))
    client.publish(box_cloud(ROOM)[:40])
    wait_until(lambda: instances[-1].map_revision == 2, "the small cloud")
    assert len(decoded) == 1


def test_two_publishers_of_different_maps_are_named(start, client, spinner, states, instances, box_cloud):
    """Each cloud replaces the objects of the other."""
    segmented = start()
    other = Client(spinner(), "map_of_a_file")
    for number in range(5):
        sender, rows = ((client, ROOM[:2]), (other, ROOM[2:]))[number % 2]
        sender.publish(box_cloud(rows, stamp_ns=number))
        wait_until(lambda revision=number + 1: instances and instances[-1].map_revision == revision, "the map")
    wait_until(lambda: "different ones in turn" in states[-1].text, "the state")
    warning = "2 publishers, of /client and /map_of_a_file, send different maps"
    level, text, _ = segmented.session._read_status(time.monotonic())
    assert (level, warning in text) == (WARN, True)
    other.stop_publishing()
    wait_until(lambda: warning not in segmented.session._read_status(time.monotonic())[1], "the end of the warning")


def test_objects_hidden_by_a_setting_disappear_from_the_markers(segmented, client, instances):
    markers = client.listen("/spaceformer/markers", MarkerArray)
    shown = set(wait_until(lambda: shown_markers(markers), "markers"))
    set_parameters(client, score_threshold=1.0)
    wait_until(lambda: not instances[-1].instances, "the empty result")
    gone = wait_until(lambda: [one for one in markers[-1].markers if one.action == Marker.DELETE], "deletions")
    assert {(marker.ns, marker.id) for marker in gone} == shown


def test_a_setting_that_changes_during_an_inference_stays(segmented, client, instances, box_cloud):
    gate = Gate(segmented.pipeline.segmenter, "segment")
    client.publish(box_cloud(ROOM, stamp_ns=2_000_000_000))
    gate.wait()
    set_parameters(client, score_threshold=1.0)
    wait_until(lambda: not instances[-1].instances, "the empty result")
    gate.open()
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    assert instances[-1].instances == []


def test_a_setting_that_changes_while_a_result_waits_for_its_transform_stays(
    segmented, client, spinner, instances, box_cloud
):
    lookup, gate = segmented.session.transforms.lookup, Gate(segmented.session.transforms, "lookup")
    client.publish(box_cloud(ROOM, stamp_ns=2_000_000_000))
    gate.wait()
    segmented.session.transforms.lookup = lookup  # of the others
    set_parameters(client, score_threshold=1.0)
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    gate.open()
    wait_until(lambda: segmented.session.counters.inferences == 2, "the end of the inference")
    late = Client(spinner(), "late").listen("/spaceformer/instances", InstanceArray)
    assert wait_until(lambda: late, "the latched result")[-1].instances == []


def test_segment_now_runs_the_network_even_if_an_equal_cloud_replaces_it(segmented, client, box_cloud):
    other = box_cloud(ROOM, stamp_ns=2_000_000_000)
    gate = Gate(segmented.pipeline.segmenter, "segment")
    client.publish(other)
    gate.wait()
    answer = client.call_later(SegmentNow, "segment_now", wait=True)
    wait_until(lambda: segmented.session.perception.device_thread._urgent, "the request")
    client.publish(other)
    wait_until(lambda: segmented.session.perception.device_thread.dropped, "the newer cloud")
    gate.open()
    reply = answer()
    assert (reply.code, reply.map_revision) == (ResultCode.OK, 3)
    assert segmented.pipeline.segmenter.runs == 3


def test_segment_now_is_answered_when_the_node_is_deactivated_meanwhile(segmented, client, box_cloud):
    gate = Gate(segmented.pipeline.segmenter, "segment")
    client.publish(box_cloud(ROOM, stamp_ns=2_000_000_000))
    gate.wait()
    answer = client.call_later(SegmentNow, "segment_now", wait=True)
    wait_until(lambda: segmented.session.perception.device_thread._urgent, "the request")
    segmented.trigger_deactivate()
    reply = answer()
    assert (reply.code, "was deactivated" in reply.message) == (ResultCode.NOT_ACTIVE, True)
    gate.open()


# --- clear ------------------------------------------------------------------------------------------------------------


def test_a_cleared_scene_stays_empty_until_the_next_cloud(segmented, client, states, instances, box_cloud):
    gate, clouds = Gate(segmented.pipeline.segmenter, "segment"), [box_cloud(ROOM, stamp_ns=n * 10**9) for n in (2, 3)]
    client.publish(clouds[0])
    gate.wait()
    client.publish(clouds[1])
    wait_until(lambda: segmented.session.perception.device_thread._item, "a second cloud that waits")
    assert client.call(Trigger, "clear").success
    gate.open()
    thread = segmented.session.perception.device_thread
    wait_until(lambda: thread._item is None and thread.busy_since is None, "both clouds")
    assert (segmented.pipeline.scene, segmented.pipeline.segmenter.runs) == (None, 2)
    wait_until(lambda: states[-1].state == NodeState.WAITING_FOR_CLOUD, "the state WAITING_FOR_CLOUD")
    assert instances[-1].instances == []
    client.publish(clouds[1])
    wait_until(lambda: len(instances[-1].instances) == 3, "the next result")


def test_a_result_that_waits_for_its_transform_during_a_clear_is_dropped(segmented, client, instances, box_cloud):
    gate, cloud = Gate(segmented.session.transforms, "lookup"), box_cloud(ROOM, stamp_ns=2_000_000_000)
    client.publish(cloud)
    gate.wait()
    assert client.call(Trigger, "clear").success
    gate.open()
    wait_until(lambda: segmented.session.counters.inferences == 2, "the end of the inference")
    client.publish(cloud)
    wait_until(lambda: instances[-1].map_revision == 3, "the next result")
    assert 2 not in [array.map_revision for array in instances]


def test_delayed_results_do_not_restore_a_cleared_scene(segmented, client, spinner, instances, box_cloud):
    gate = Gate(segmented.session.outputs, "_place")
    answers = [
        client.call_later(SetVocabulary, "set_vocabulary", labels=["couch"]),
        client.call_later(ShowRelevancy, "show_relevancy", query="sofa"),
    ]
    wait_until(lambda: gate.held == 2, "two that wait")
    assert client.call(Trigger, "clear").success
    assert client.call(Trigger, "clear").success
    gate.open()
    assert [bool(answer()) for answer in answers] == [True] * 2
    late = Client(spinner(), "late")
    latched = late.listen("/spaceformer/instances", InstanceArray)
    relevancy = late.listen("/spaceformer/relevancy", PointCloud2)
    wait_until(lambda: latched and relevancy, "the latched topics")
    assert (latched[-1].instances, relevancy[-1].width) == ([], 0)
    client.publish(box_cloud(ROOM, stamp_ns=2_000_000_000))
    wait_until(lambda: instances[-1].map_revision == 2, "the next result")


# --- words and highlights ---------------------------------------------------------------------------------------------


def test_the_newest_of_overlapping_vocabularies_is_published(segmented, client, spinner):
    publish, gate = segmented.session.outputs.publish_vocabulary, Gate(segmented.session.outputs, "publish_vocabulary")
    slow = client.call_later(SetVocabulary, "set_vocabulary", labels=["lamp"])
    gate.wait()
    segmented.session.outputs.publish_vocabulary = publish
    assert client.call(SetVocabulary, "set_vocabulary", labels=["couch"]).active_labels == ["couch"]
    gate.open()
    slow()
    words = Client(spinner(), "late").listen("/spaceformer/vocabulary", interfaces.Vocabulary)
    assert wait_until(lambda: words, "the latched words")[-1].labels == ["couch"]
