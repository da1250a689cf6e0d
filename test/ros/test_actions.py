# SPDX-License-Identifier: Apache-2.0
"""The actions of the node over DDS: driving with a stand-in of Nav2, and segmenting with progress."""

import contextlib
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Point, Pose
from helpers.agents import answer, refusal
from helpers.fakes import GRAY, ROOM
from helpers.halls import SETTINGS, hall_pipeline, make_hall
from helpers.ros import ATTEMPTS, PATIENCE, Spinner, announce, wait_until
from helpers.tf import stamped
from rclpy._rclpy_pybind11 import NodeNameNonExistentError
from rclpy.action import ActionClient
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from spaceformer_ros import SpaceformerError
from spaceformer_ros.agents.server import make_server
from spaceformer_ros.geometry.footprint import EXAMPLE, Footprint
from spaceformer_ros.geometry.transform import IDENTITY
from spaceformer_ros.ros import interfaces, nav2, qos
from spaceformer_ros.ros.costmaps import CostmapInput, to_costmap
from spaceformer_ros.ros.live_source import LiveSource
from spaceformer_ros.ros.refusal import Refusal

GoTo, Segment, ResultCode = interfaces.GoTo, interfaces.Segment, interfaces.ResultCode
NAV2_MSGS = "nav_msgs and nav2_msgs are built by `make test`, or come with Nav2"
FLOOR = [((3.0, y, -0.01), (4.0, 1.0, 0.02), GRAY) for y in (-1.0, 0.0, 1.0)]


class Goals:
    """Sends goals of one action and waits for what comes back."""

    def __init__(self, client, kind, name):
        """As `Client.call`: Fast DDS now and then never tells a new client of its server, and it drops responses to
        clients that the server does not know."""
        self.kind, self.feedback = kind, []
        for _ in range(ATTEMPTS):
            self._client = ActionClient(client.node, kind, f"/spaceformer/{name}")
            if self._client.wait_for_server(PATIENCE / ATTEMPTS):
                break
            self._client.destroy()
        wait_until(
            lambda: self._is_known(client, name),
            f"{name} to discover its client",
            again=lambda: announce(client.node),
        )

    def _is_known(self, client, name):
        servers = [node for spinner in Spinner.running for node in spinner.nodes if node.get_name() == "spaceformer"]
        with contextlib.suppress(NodeNameNonExistentError):
            found = servers[0].get_client_names_and_types_by_node(client.node.get_name(), client.node.get_namespace())
            return f"/spaceformer/{name}/_action/get_result" in dict(found)

    def send(self, **fields):
        """The handle of an accepted goal."""
        self.feedback = []
        sent = self._client.send_goal_async(self.kind.Goal(**fields), feedback_callback=self._keep)
        wait_until(sent.done, "the goal to be accepted")
        assert sent.result().accepted
        return sent.result()

    def _keep(self, message):
        self.feedback.append(message.feedback)

    def end(self, handle):
        """(status, result) of a goal."""
        result = handle.get_result_async()
        wait_until(result.done, "the end of the goal")
        return result.result().status, result.result().result

    def run(self, **fields):
        return self.end(self.send(**fields))


@pytest.fixture
def robot(start, client, spinner, instances, box_cloud, monkeypatch):
    """The stand-in of Nav2 beside a node that knows a chair, a sofa and a table on a floor."""
    pytest.importorskip("nav2_msgs", reason=NAV2_MSGS)
    import rclpy
    from helpers.nav2 import StandIn

    monkeypatch.setattr(nav2, "SERVER_SECONDS", 1.0)
    own = spinner()
    made = StandIn(own.add(rclpy.create_node("nav2", context=own.context)))
    node = start(footprint=EXAMPLE)
    node.session.transforms._buffer = made
    client.publish(box_cloud([*ROOM[:3], *FLOOR], points=8_000))
    wait_until(lambda: instances and len(instances[-1].instances) == 3, "the objects")
    yield made
    made.die()  # otherwise later tests may see this Nav2


@pytest.fixture
def trips(robot, client):
    return Goals(client, GoTo, "go_to")


def test_the_robot_drives_to_an_object_and_faces_it(robot, trips):
    status, result = trips.run(text="couch", standoff=0.7)
    assert (status, result.code, result.label) == (GoalStatus.STATUS_SUCCEEDED, ResultCode.OK, "sofa")
    assert result.message.startswith(f"in front of sofa {result.object_id}, 0.7")
    assert (result.distance, result.facing_error) == (pytest.approx(0.7, abs=0.05), pytest.approx(0.0, abs=0.02))
    assert (result.checked_with, result.attempts) == ("map", 1)
    (goal,) = robot.goals
    assert goal.header.frame_id == result.pose.header.frame_id == "map"
    assert result.pose.pose.position.x == pytest.approx(goal.pose.position.x)
    wait_until(lambda: any(not math.isnan(row.distance_remaining) for row in trips.feedback), "feedback of Nav2")
    assert trips.feedback[0].text == f"attempt 1: driving to sofa {result.object_id}"

    robot.plan = ["blocks", "moves"]  # the next pose of the same object is tried
    status, result = trips.run(object_id=result.object_id)
    assert (result.code, result.attempts, len(robot.goals)) == (ResultCode.OK, 2, 3)
    first, second = (np.array([goal.pose.position.x, goal.pose.position.y]) for goal in robot.goals[1:])
    assert np.linalg.norm(first - second) >= 2 * np.hypot(0.3, 0.2)  # not only twice the default radius


def test_why_the_robot_did_not_arrive(robot, trips):
    robot.plan = ["blocks"]
    status, result = trips.run(text="couch", max_attempts=2)
    assert (status, result.code, result.attempts) == (GoalStatus.STATUS_ABORTED, ResultCode.NOT_REACHED, 2)
    assert "after 2 attempts" in result.message
    assert "no valid path" in result.message
    robot.plan = ["turns away"]
    assert "turned away from it by 180 degrees" in trips.run(text="couch", max_attempts=1)[1].message
    robot.plan = ["waits"]
    assert trips.run(text="couch", timeout=0.3)[1].code == ResultCode.TIMEOUT
    wait_until(lambda: robot.cancelled == 1, "Nav2's goal to be cancelled")
    for fields, code, words in (
        ({"text": "helicopter"}, ResultCode.NOT_FOUND, "helicopter"),
        ({"object_id": 99}, ResultCode.NOT_FOUND, "no object with id 99"),
        ({}, ResultCode.INVALID_REQUEST, "neither text nor object_id"),
        ({"text": "couch", "standoff": -1.0}, ResultCode.INVALID_REQUEST, "standoff is -1.0"),
    ):
        status, result = trips.run(**fields)
        assert (status, result.code) == (GoalStatus.STATUS_ABORTED, code)
        assert words in result.message


def test_cancelling_stops_nav2_and_one_trip_runs_at_a_time(robot, trips, client):
    robot.plan = ["waits", "moves"]
    source = LiveSource(client.node)
    agent = make_server(source, motion=True)
    assert "no drive was started here" in refusal(agent, "trip_status")
    handle = trips.send(text="couch")
    wait_until(lambda: robot.goals, "Nav2's goal")
    assert "cancel that one first" in trips.run(text="chair")[1].message
    handle.cancel_goal_async()
    status, result = trips.end(handle)
    assert (status, result.code, robot.cancelled) == (GoalStatus.STATUS_CANCELED, ResultCode.CANCELLED, 1)
    assert answer(agent, "go_to", text="couch")["message"] == "the robot is on its way to couch"
    wait_until(lambda: source.trip().code, "the robot to arrive")
    arrived = answer(agent, "trip_status")
    assert (arrived["code"], arrived["checked_with"], arrived["attempts"]) == ("OK", "map", 1)
    assert arrived["message"].startswith(f"in front of sofa {arrived['object_id']}")
    assert '"NOT_FOUND","message":"there is no drive to stop"' in refusal(agent, "cancel")
    assert '"NOT_FOUND","message":"no object with id 99' in refusal(agent, "go_to", object_id=99)
    robot.plan = ["waits"]
    answer(agent, "go_to", text="chair")
    wait_until(lambda: len(robot.goals) == 3 and source.trip().distance_remaining == 1.5, "Nav2's goal")
    assert answer(agent, "trip_status")["code"] is None
    assert answer(agent, "cancel")["message"] == "the robot stops"
    wait_until(lambda: source.trip().code, "the end of the drive")
    assert answer(agent, "trip_status")["code"] == "CANCELLED"
    assert robot.cancelled == 2
    source.close()


def test_a_nav2_that_dies_or_accepts_too_late_is_noticed(robot, trips, monkeypatch):
    monkeypatch.setattr(nav2, "ACCEPT_SECONDS", 0.3)
    robot.plan = ["accepts late"]
    result = trips.run(text="couch")[1]
    assert (result.code, "no Nav2 answers" in result.message) == (ResultCode.NAVIGATION_UNAVAILABLE, True)
    wait_until(lambda: robot.cancelled == 1, "the goal that was accepted late to be cancelled")
    robot.plan = ["waits"]
    handle = trips.send(text="couch")
    wait_until(lambda: len(robot.goals) == 2, "Nav2's goal")
    robot.die()
    status, result = trips.end(handle)
    assert (status, result.code) == (GoalStatus.STATUS_ABORTED, ResultCode.NAVIGATION_UNAVAILABLE)
    assert "Nav2 has ended" in result.message


def test_without_nav2_or_its_messages_the_action_refuses(start, client, instances, box_cloud, monkeypatch):
    monkeypatch.setattr(nav2, "SERVER_SECONDS", 0.2)
    monkeypatch.setattr(nav2, "ACCEPT_SECONDS", 0.5)  # the Nav2 of another test may still be seen
    node = start(active=False)
    goals = Goals(client, GoTo, "go_to")
    assert goals.run(text="couch")[1].code == ResultCode.NOT_ACTIVE
    node.trigger_configure()
    node.trigger_activate()
    client.publish(box_cloud([*ROOM[:3], *FLOOR], points=8_000))
    wait_until(lambda: instances and instances[-1].instances, "the objects")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "nav2_msgs.action", None)
        status, result = goals.run(text="couch")
        assert (status, result.code) == (GoalStatus.STATUS_ABORTED, ResultCode.NAVIGATION_UNAVAILABLE)
        assert "apt install ros-$ROS_DISTRO-nav2-msgs" in result.message
    pytest.importorskip("nav2_msgs", reason=NAV2_MSGS)
    assert goals.run(text="couch")[1].code == ResultCode.TF_FAILED
    node.session.transforms._buffer = SimpleNamespace(lookup_transform=lambda *_: stamped())
    assert "no Nav2 answers on /navigate_to_pose" in goals.run(text="couch")[1].message


@pytest.mark.parametrize("topic", ["/map", "/global_costmap/costmap_raw"])
def test_poses_are_free_in_the_costmap(robot, trips, client, topic):
    nav_msgs, nav2_msgs = (pytest.importorskip(f"{name}.msg", reason=NAV2_MSGS) for name in ("nav_msgs", "nav2_msgs"))
    trips_of_node = Spinner.running[-1].nodes[0].session.trips
    trips_of_node._costmap = CostmapInput(Spinner.running[-1].nodes[0], topic)
    result = trips.run(text="couch")[1]
    assert (result.code, result.checked_with) == (ResultCode.NAVIGATION_UNAVAILABLE, "")
    assert f"no costmap has come on {topic}" in result.message
    costs = np.zeros((100, 100), dtype=np.uint8)  # 10 x 10 m around the origin, y along the rows
    costs[:56] = 254 if topic.endswith("_raw") else 100  # where y is below 0.6 m
    header, origin = Header(frame_id="map"), Pose(position=Point(x=-2.0, y=-5.0))
    if topic.endswith("_raw"):
        info = nav2_msgs.CostmapMetaData(resolution=0.1, size_x=100, size_y=100, origin=origin)
        message = nav2_msgs.Costmap(header=header, metadata=info, data=costs.ravel().tolist())
    else:
        info = nav_msgs.MapMetaData(resolution=0.1, width=100, height=100, origin=origin)
        message = nav_msgs.OccupancyGrid(header=header, info=info, data=costs.ravel().tolist())
    publisher = client.node.create_publisher(type(message), topic, qos.LATCHED)
    publisher.publish(message)
    wait_until(lambda: trips_of_node._costmap._message, "the costmap")
    result = trips.run(text="couch")[1]
    assert (result.code, result.checked_with) == (ResultCode.OK, "costmap")
    assert robot.goals[-1].pose.position.y > 0.6
    message.data = [254 if topic.endswith("_raw") else 100] * 10_000
    publisher.publish(message)
    wait_until(lambda: trips_of_node._costmap._message.data[-1] == message.data[-1], "the next costmap")
    result = trips.run(text="couch")[1]
    assert (result.code, len(robot.goals)) == (ResultCode.NOT_REACHED, 1)
    assert "the costmap has no free place within" in result.message


def test_the_costmap_topic_is_subscribed_while_the_node_is_configured(start):
    pytest.importorskip("nav_msgs", reason=NAV2_MSGS)
    node = start(costmap_topic="/global_costmap/costmap")
    assert "/global_costmap/costmap" in [one.topic_name for one in node.subscriptions]
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert "/global_costmap/costmap" not in [one.topic_name for one in node.subscriptions]


def test_a_costmap_message_is_read_row_by_row():
    info = SimpleNamespace(width=3, height=2, resolution=0.5, origin=Pose(position=Point(x=1.0, y=2.0)))
    message = SimpleNamespace(info=info, header=Header(frame_id="map"), data=[0, 0, 100, 0, 0, 0])
    costmap = to_costmap(message)
    places = np.array([[1.25, 2.25, 0.0], [2.25, 2.25, 0.0], [2.25, 2.75, 0.0]])
    assert costmap.is_free(places, np.zeros(3), Footprint(0.1), IDENTITY).tolist() == [True, False, True]
    for name, value in (("width", 4), ("resolution", 0.0)):
        changed = SimpleNamespace(**{**vars(message), "info": SimpleNamespace(**{**vars(info), name: value})})
        with pytest.raises(SpaceformerError, match="cannot be used"):
            to_costmap(changed)


def test_raw_costs_are_those_of_the_grid_that_nav2_publishes():
    info = SimpleNamespace(size_x=3, size_y=2, resolution=0.5, origin=Pose())
    message = SimpleNamespace(metadata=info, header=Header(frame_id="map"), data=[0, 1, 252, 253, 254, 255])
    assert to_costmap(message).costs.tolist() == [[0, 1, 98], [99, 100, -1]]


def test_without_the_messages_of_the_costmap_the_reason_is_given(monkeypatch):
    said = []
    node = SimpleNamespace(get_logger=lambda: SimpleNamespace(error=said.append))
    monkeypatch.setitem(sys.modules, "nav_msgs.msg", None)
    monkeypatch.setitem(sys.modules, "nav2_msgs.msg", None)
    for topic, debian in (("/map", "nav-msgs"), ("/costmap_raw", "nav2-msgs")):
        with pytest.raises(Refusal, match=rf"apt install ros-\$ROS_DISTRO-{debian}"):
            CostmapInput(node, topic).latest()
    assert len(said) == 2


def test_segmenting_reports_its_tiles_and_can_be_cancelled(start, client, instances):
    node = start(lambda settings, progress: hall_pipeline(settings), **SETTINGS)
    goals = Goals(client, Segment, "segment")
    wait_until(lambda: goals.run()[1].code == ResultCode.NO_MAP_YET, "the model")
    client.publish(make_hall())
    wait_until(lambda: instances, "the first result")
    client.call(Trigger, "clear")
    status, result = goals.run()
    assert (status, result.code) == (GoalStatus.STATUS_SUCCEEDED, ResultCode.OK)
    assert (result.num_instances, result.map_revision) == (len(instances[0].instances), 2)
    tiles = [(row.tile, row.tiles) for row in goals.feedback]
    assert tiles == [(0, 0), *((k, tiles[-1][1]) for k in range(1, len(tiles)))]
    assert tiles[-1][0] == tiles[-1][1] > 3

    client.call(Trigger, "clear")
    node.pipeline.segmenter.backend.before = lambda: wait_until(lambda: handle.cancelled) if goals.feedback else None
    handle = goals.send()
    handle.cancelled = False
    wait_until(lambda: goals.feedback, "the start")
    handle.cancel_goal_async().add_done_callback(lambda _: setattr(handle, "cancelled", True))
    status, result = goals.end(handle)
    assert (status, result.code) == (GoalStatus.STATUS_CANCELED, ResultCode.CANCELLED)
    assert goals.feedback[-1].tile < tiles[-1][0]
    node.pipeline.segmenter.backend.before = lambda: None
    assert goals.run()[1].code == ResultCode.OK
