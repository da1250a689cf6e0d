# SPDX-License-Identifier: Apache-2.0
"""Frames: which transform is used for a map, what cannot be used, and what is said when there is none."""

import contextlib
import dataclasses
import functools
from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Pose, PoseStamped, Quaternion, Transform, TransformStamped
from helpers import tf_listener
from helpers.fakes import ROOM
from helpers.ros import wait_until
from helpers.tf import SECOND, Buffer, stamped
from rcl_interfaces.srv import SetParameters
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from spaceformer_ros import SpaceformerError
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.ros import interfaces, messages, qos
from spaceformer_ros.ros.messages import read_frame
from spaceformer_ros.ros.transforms import TransformError, Transforms, matrix_from_quaternion, restartable

NodeState = interfaces.NodeState
ANY_JUMP = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True)


def at(seconds):
    return Time(nanoseconds=seconds * SECOND)


def found(transforms, seconds):
    """x and time in seconds of the transform that a map with this stamp gets."""
    transform, time = transforms.lookup_for_map("base_link", "map", at(seconds), 0.0)
    return transform.translation[0], time.nanoseconds // SECOND


@pytest.mark.parametrize(
    ("history", "stamp", "expected"),
    [
        ({5: 1.0, 6: 2.0, 7: 3.0}, 6, (2.0, 6)),  # the stamp of the map
        ({50: 1.0, 60: 2.0}, 6, (2.0, 60)),  # a map that is older than TF's memory: the latest transform
        ({5: 1.0}, 6, (1.0, 5)),  # TF is late
        ({5: 1.0}, 0, (1.0, 0)),  # a map without stamp
        ({0: 4.0}, 6, (4.0, 6)),  # a static transform
    ],
)
def test_a_map_is_placed_at_its_stamp_or_by_the_latest_transform(history, stamp, expected):
    assert found(Transforms(Buffer("base_link", history)), stamp) == expected


def test_a_frame_that_does_not_exist_is_named_with_the_cure():
    with pytest.raises(TransformError, match=r"from 'map' to 'base_link': .*view_frames"):
        found(Transforms(Buffer("other", {5: 1.0})), 5)
    with pytest.raises(TransformError, match="tf2_ros is not installed"):
        found(Transforms(None, "no module"), 5)


@pytest.mark.parametrize(("target", "source"), [("/map", "map"), ("map", "/map"), ("", ""), ("", "/"), ("map", "map")])
def test_a_leading_slash_makes_no_other_frame(target, source):
    transform, time = Transforms(None).lookup_for_map(target, source, at(3), 0.0)
    assert (transform.rotation == np.eye(3)).all()
    assert time == at(3)


def test_a_leading_slash_does_not_reach_tf():
    buffer = Buffer("base_link", {5: 1.0})
    Transforms(buffer).lookup("/base_link", "/map", at(5), 0.0)
    assert buffer.asked == [("base_link", "map", 5 * SECOND)]


def test_identity_between_an_unnamed_frame_and_another_is_not_assumed():
    with pytest.raises(TransformError, match="the cloud has no frame_id"):
        Transforms(Buffer("base_link", {5: 1.0})).lookup("base_link", "", at(5), 0.0)
    with pytest.raises(TransformError, match=r"no transform from 'map': the cloud or image .* has no frame_id"):
        Transforms(Buffer("base_link", {5: 1.0})).lookup("/", "map", at(5), 0.0)


@pytest.mark.parametrize(
    ("quaternion", "translation"),
    [
        ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0, 2.0), (0.0, 0.0, 0.0)),
        ((0.0, float("nan"), 0.0, 1.0), (0.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0, 1.0), (float("nan"), 0.0, 0.0)),
        ((0.0, 0.0, 0.0, 1.0), (0.0, float("inf"), 0.0)),
    ],
)
def test_a_transform_that_is_none_is_refused_with_its_numbers(quaternion, translation):
    buffer = SimpleNamespace(lookup_transform=lambda *_: stamped(quaternion, translation))
    with pytest.raises(TransformError, match=r"from 'map' to 'odom' is invalid: quaternion .*check the node"):
        Transforms(buffer).lookup("odom", "map", at(5), 0.0)


def test_a_quaternion_with_a_rounding_error_is_used():
    half = np.sqrt(0.5) * 1.001
    buffer = SimpleNamespace(lookup_transform=lambda *_: stamped((0.0, 0.0, half, half), (1.0, 2.0, 3.0)))
    transform = Transforms(buffer).lookup("odom", "map", at(5), 0.0)
    np.testing.assert_allclose(transform.apply((1.0, 0.0, 0.0)), (1.0, 3.0, 3.0), atol=1e-9)
    np.testing.assert_allclose(matrix_from_quaternion(0, 0, half, half), transform.rotation)


# --- the node ---------------------------------------------------------------------------------------------------------


def test_everything_made_of_one_map_has_the_same_moving_frame(start, client, instances, box_cloud):
    markers = client.listen("/spaceformer/markers", MarkerArray)
    node = start(target_frame="base_link", tf_timeout=0.0)
    buffer = node.session.transforms._buffer = Buffer("base_link", {1: 10.0})
    client.publish(box_cloud(ROOM))  # stamp 1 s
    first = wait_until(lambda: instances and instances[-1], "instances")
    buffer.history = {100: 20.0}  # the robot has moved on, and TF has forgotten second 1
    assert client.call(interfaces.SetVocabulary, "set_vocabulary", labels=["couch"]).code == 0
    second = wait_until(lambda: instances[-1].vocabulary_revision > 1 and instances[-1], "new labels")
    relevancy = client.call(interfaces.ShowRelevancy, "show_relevancy", query="couch")
    for header in (first.header, second.header, relevancy.header, markers[-1].markers[0].header):
        assert (header.frame_id, header.stamp.sec) == ("base_link", 1)
    assert {item.id for item in second.instances} <= {item.id for item in first.instances}
    places = {item.id: item.pose.position.x for item in first.instances}
    assert all(places[item.id] == item.pose.position.x for item in second.instances)
    client.publish(box_cloud(ROOM, stamp_ns=2 * SECOND))  # TF no longer has second 2
    third = wait_until(lambda: instances[-1].map_revision == 2 and instances[-1], "the next map")
    assert third.header.stamp.sec == 100
    assert third.instances[0].pose.position.x - first.instances[0].pose.position.x == pytest.approx(10.0, abs=0.1)
    buffer.history = {300: 40.0}
    reply = client.call(interfaces.FindObjects, "find_objects", query="couch", target_frame="/base_link")
    assert (reply.header.frame_id, reply.header.stamp.sec) == ("base_link", 300)  # where they are now, and when
    cloud = client.call(interfaces.GetInstanceCloud, "get_instance_cloud", id=1, target_frame="base_link").cloud
    assert (cloud.header.frame_id, cloud.header.stamp.sec) == ("base_link", 300)


def test_transforms_of_a_bag_that_starts_again_are_used(start, client, monkeypatch):
    def broken(jump):
        raise TypeError("time_jump_callback() takes 1 positional argument but 2 were given")

    class JazzyBuffer(tf_listener.Buffer):
        def __init__(self, node):
            super().__init__(node)
            self.jump_handle = node.get_clock().create_jump_callback(ANY_JUMP, post_callback=broken)

    monkeypatch.setattr(tf_listener, "Buffer", JazzyBuffer)
    tf_listener.stand_in(monkeypatch)
    node, clock = start(use_sim_time=True), client.node.create_publisher(Clock, "/clock", qos.EVENTS)
    broadcaster = tf_listener.Broadcaster(client)

    def latest(x, seconds):
        clock.publish(Clock(clock=at(seconds).to_msg()))
        broadcaster.send(RigidTransform(np.eye(3), np.array([x, 0.0, 0.0])), seconds * SECOND, "map", "base_link")
        with contextlib.suppress(TransformError):
            return node.session.transforms.latest("map", "base_link", 0.1).translation[0]

    wait_until(lambda: latest(1.0, 100) == 1.0, "a transform")
    wait_until(lambda: latest(2.0, 5) == 2.0, "an earlier one")
    wait_until(lambda: node.get_clock().now().nanoseconds == 5 * SECOND, "the time")


def test_results_wait_for_a_target_frame_that_does_not_exist_yet(start, client, instances, states, box_cloud):
    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    node = start(target_frame="base_link", tf_timeout=0.0)
    buffer = node.session.transforms._buffer = Buffer("base_link", {})
    client.publish(box_cloud(ROOM))
    wait_until(lambda: states and states[-1].state == NodeState.ERROR, "the state")
    text = states[-1].text
    assert text.startswith("results wait for target_frame 'base_link': no transform from 'map' to 'base_link'")
    assert "leave target_frame empty" in text
    wait_until(lambda: found and found[-1].status[0].message == text, "the diagnostics")
    assert not any(array.instances for array in instances)
    buffer.history = {0: 1.0}
    wait_until(lambda: instances and instances[-1].header.frame_id == "base_link", "the result")
    wait_until(lambda: states[-1].state == NodeState.IDLE, "the state")
    assert node.session.counters.last_error == ""
    for frame, state in (("nowhere", NodeState.ERROR), ("base_link", NodeState.IDLE)):  # another frame ends the wait
        change = Parameter("target_frame", value=frame).to_parameter_msg()
        assert client.call(SetParameters, "set_parameters", parameters=[change]).results[0].successful
        wait_until(lambda wanted=state: states[-1].state == wanted, frame)
    assert node.session.counters.last_error == ""


@pytest.mark.parametrize(
    ("frame_id", "name", "words"),
    [
        ("map", "map", ""),
        ("/map", "map", "'/map' was read as 'map'"),
        ("//map", "map", "'//map' was read as 'map'"),
        ("", "", "no frame_id"),
        ("/", "", "no frame_id"),
        ("map ", "map ", "blanks around it"),
    ],
)
def test_frames_of_clouds_are_normalised_with_a_remark(frame_id, name, words):
    found, remarks = read_frame(frame_id)
    assert found == name
    assert (words in remarks[0]) if words else remarks == ()


def test_a_leading_slash_in_a_request_makes_no_other_frame(start, client, instances, box_cloud, tmp_path):
    start(data_dir=str(tmp_path))
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    pose = PoseStamped(header=Header(frame_id="/map"), pose=Pose(orientation=Quaternion(w=1.0)))
    for kind, name, fields in (
        (interfaces.FindObjects, "find_objects", {"query": "sofa", "target_frame": "/map"}),
        (interfaces.RenderView, "render_view", {"pose": pose}),
        (interfaces.SaveScene, "save", {}),
        (interfaces.LoadScene, "load", {"frame_id": "/map"}),
    ):
        reply = client.call(kind, name, **fields)
        assert reply.code == interfaces.ResultCode.OK, reply.message
        frames = [value.header.frame_id for value in vars_of(reply) if hasattr(value, "header")]
        assert set(frames) <= {"map"}


def test_a_map_without_frame_answers_in_no_other_frame(start, client, instances, box_cloud):
    start()
    client.publish(dataclasses.replace(box_cloud(ROOM), frame_id=""))
    wait_until(lambda: instances, "instances")
    pose = Pose(orientation=Quaternion(w=1.0))
    for kind, name, fields in (
        (interfaces.FindObjects, "find_objects", {"query": "sofa", "reference_frame": "base_link"}),
        (interfaces.FindObjects, "find_objects", {"query": "sofa", "target_frame": "base_link"}),
        (interfaces.Locate, "locate", {"frame_id": "base_link"}),
        (interfaces.RenderView, "render_view", {"pose": PoseStamped(header=Header(frame_id="camera"), pose=pose)}),
    ):
        reply = client.call(kind, name, **fields)
        assert (reply.code, "has no frame_id" in reply.message) == (interfaces.ResultCode.TF_FAILED, True), reply
    assert client.call(interfaces.FindObjects, "find_objects", query="sofa").code == interfaces.ResultCode.OK


def test_a_view_at_a_time_that_ros_does_not_have_is_refused(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    pose = PoseStamped(header=Header(frame_id="map"), pose=Pose(orientation=Quaternion(w=1.0)))
    pose.header.stamp.sec = -5
    reply = client.call(interfaces.RenderView, "render_view", pose=pose)
    assert reply.code == interfaces.ResultCode.INVALID_REQUEST
    assert "the stamp sec -5, nanosec 0 is not between 1970 and 2038" in reply.message


def test_a_transform_at_a_time_that_ros_does_not_have_costs_no_other():
    taken = []

    class Known:
        def __init__(self, node):
            pass

        def set_transform(self, transform, authority):
            taken.append(transform)

    buffer = restartable(Known)(None)
    for seconds in (-1, 5):
        buffer.set_transform(on_tf(Quaternion(w=1.0), seconds), "tf")
    assert len(taken) == 2


@pytest.mark.parametrize("quaternion", [(0.0, 0.0, 0.0, 0.0), (0.0, float("nan"), 0.0, 1.0), (0.0, 0.0, 0.0, 1.02)])
@pytest.mark.parametrize("method", ["set_transform", "set_transform_static"])
def test_a_transform_that_tf2_refuses_is_the_reason_until_a_good_one_comes(quaternion, method):
    class Known(Buffer):
        def __init__(self, node):
            super().__init__("lidar", {5: 1.0})

        def set_transform(self, transform, authority):
            """As tf2's, which takes good ones."""

        set_transform_static = set_transform

    buffer = restartable(Known)(None)
    send = functools.partial(getattr(type(buffer), method), buffer)

    def reason():
        with pytest.raises(TransformError) as caught:
            Transforms(buffer).lookup("base_link", "map", at(6), 0.0)
        return str(caught.value)

    send(on_tf(Quaternion(**dict(zip("xyzw", quaternion)))), "tf")
    assert "the transform from 'lidar' to 'base_link' is invalid: quaternion" in reason()
    send(on_tf(Quaternion(w=1.0)), "tf")
    assert "invalid" not in reason()


def on_tf(rotation, seconds=5):
    header = Header(stamp=messages.Time(sec=seconds), frame_id="base_link")
    return TransformStamped(header=header, child_frame_id="lidar", transform=Transform(rotation=rotation))


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("extrapolation into the past.  Requested time 5 but the earliest", "older than what TF remembers"),
        ("extrapolation into the future.  Requested time 5 but the latest", "TF has stopped, comes late"),
        ("extrapolation at time 5, but only time 4 is in the buffer", "TF has stopped after one transform"),
        ('"lidar" passed to lookupTransform does not exist', "check that both frames are on /tf"),
    ],
)
def test_the_cure_fits_the_reason_of_tf2(reason, cure):
    def refuse(*_):
        raise LookupError(f"Lookup would require {reason}")

    with pytest.raises(TransformError, match=cure):
        Transforms(SimpleNamespace(lookup_transform=refuse)).lookup("map", "lidar", at(5), 0.0)


def vars_of(message):
    """The values of a message's fields and the message itself."""
    return [message, *(getattr(message, name) for name in message.get_fields_and_field_types())]


@pytest.mark.parametrize("frame_id", ["ma\x1b[31mp", "map\n", "m" * 300_000])
def test_frames_that_are_no_names_are_refused(frame_id):
    with pytest.raises(SpaceformerError, match="control characters or more than 200 characters") as caught:
        read_frame(frame_id)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
