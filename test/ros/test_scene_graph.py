# SPDX-License-Identifier: Apache-2.0
"""The scene graph over ROS: topics, services about it, questions with rooms, edits. One node serves all of it."""

import json

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, Vector3
from helpers.fakes import ROOM
from helpers.layouts import TWO_ROOMS
from helpers.ros import wait_until
from helpers.tf_listener import Broadcaster, stand_in
from visualization_msgs.msg import Marker, MarkerArray

from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.pipeline import Pipeline
from spaceformer_ros.ros import interfaces

ResultCode, EditObject, GraphNode = interfaces.ResultCode, interfaces.EditObject, interfaces.GraphNode


def test_graph_questions_places_and_edits(start, client, instances, box_cloud, monkeypatch):
    monkeypatch.setattr(Pipeline, "_find_layout", lambda self, scene: TWO_ROOMS)
    graphs = client.listen("/spaceformer/scene_graph", interfaces.SceneGraph)
    markers = client.listen("/spaceformer/layout_markers", MarkerArray)
    start()
    client.publish(box_cloud(ROOM))
    graph = wait_until(lambda: graphs and graphs[-1].nodes and graphs[-1], "the scene graph")
    ids = {item.label: item.id for item in wait_until(lambda: instances and instances[-1], "instances").instances}
    check_graph(graph, ids)
    drawn = wait_until(lambda: [m for message in markers for m in message.markers if m.action == Marker.ADD], "markers")
    assert {marker.ns for marker in drawn} == {"rooms", "room_names", "walls", "doors", "windows"}
    assert all(len(marker.points) == 6 for marker in drawn if marker.ns == "rooms")
    check_questions(client, ids)
    check_places(client, ids)
    check_edits(client, graphs, ids)


def check_graph(graph, ids):
    nodes = {node.id: node for node in graph.nodes}
    assert (graph.header.frame_id, graph.map_revision, graph.revision) == ("map", 1, 1)
    assert nodes["room_2"].kind == GraphNode.ROOM
    assert (nodes["room_2"].label, len(nodes["room_2"].outline), nodes["room_2"].area) == ("living room", 4, 21.0)
    assert nodes[f"object_{ids['sofa']}"].parent == "room_2"
    assert nodes["door_1"].state == "open"
    assert {edge.target for edge in graph.edges if edge.source == "door_1"} == {"room_1", "room_2"}


def check_questions(client, ids):
    reply = client.call(interfaces.FindObjects, "find_objects", query="the largest sofa in the living room")
    assert reply.code == ResultCode.OK, reply.message
    assert [match.instance.id for match in reply.matches] == [ids["sofa"]]
    assert (reply.matches[0].room_id, reply.matches[0].room) == (2, "living room")
    assert "understood 'the largest sofa in the living room' as 'largest sofa in living room'" in reply.message
    request = {"query": "chair", "in_room": "room 2", "min_score": 0.5}
    reply = client.call(interfaces.FindObjects, "find_objects", **request)
    assert (reply.code, reply.matches) == (ResultCode.NOT_FOUND, [])
    reply = client.call(interfaces.FindObjects, "find_objects", query="chair", relation="at", relation_query="desk")
    assert reply.code == ResultCode.INVALID_REQUEST
    text = client.call(interfaces.GetSceneGraph, "get_scene_graph", format="text")
    assert f"sofa {ids['sofa']} at" in text.content
    content = json.loads(client.call(interfaces.GetSceneGraph, "get_scene_graph").content)
    assert content["map_revision"] == 1
    assert client.call(interfaces.GetSceneGraph, "get_scene_graph", format="xml").code == ResultCode.INVALID_REQUEST


def check_places(client, ids):
    pose = Pose(position=Point(x=3.0, y=0.8, z=0.0))
    reply = client.call(interfaces.Locate, "locate", pose=pose, radius=1.0)
    assert (reply.code, reply.storey, reply.room_id, reply.room) == (ResultCode.OK, 1, 2, "living room"), reply.message
    assert [node.number for node in reply.near] == [ids["sofa"]]
    assert 0.3 < reply.distances[0] < 0.4
    far = client.call(interfaces.Locate, "locate", pose=Pose(position=Point(x=50.0)))
    assert (far.code, far.near) == (ResultCode.NOT_FOUND, [])
    assert client.call(interfaces.Locate, "locate", radius=-1.0).code == ResultCode.INVALID_REQUEST
    assert client.call(interfaces.Locate, "locate", frame_id="nowhere").code == ResultCode.TF_FAILED


def test_locate_the_robot_by_its_frame(start, client, instances, box_cloud, monkeypatch):
    """The robot is at (3.0, 0.8) in the map and looks along its y axis; the other room is on its left."""
    pytest.importorskip("tf2_msgs", reason="tf2_msgs comes with the messages of `make test`")
    stand_in(monkeypatch)
    monkeypatch.setattr(Pipeline, "_find_layout", lambda self, scene: TWO_ROOMS)
    start(tf_timeout=0.1)
    tf = Broadcaster(client)
    client.publish(box_cloud(ROOM))
    ids = {item.label: item.id for item in wait_until(lambda: instances and instances[-1], "instances").instances}

    def locate(**fields):
        return client.call(interfaces.Locate, "locate", frame_id="base_link", radius=1.0, **fields)

    lost = locate()
    assert (lost.code, lost.room_id, lost.near) == (ResultCode.TF_FAILED, 0, [])
    assert "no transform from 'base_link' to 'map' within 0.1 s: " in lost.message
    assert "check that both frames are on /tf" in lost.message

    def located():
        tf.send(RigidTransform.about_z(0.0, (2.0, 0.0, 0.0)), 10**9, "map", "odom")
        tf.send(RigidTransform.about_z(np.pi / 2, (1.0, 0.8, 0.0)), 10**9, "odom", "base_link")
        reply = locate()
        return reply if reply.code != ResultCode.TF_FAILED else None

    here = wait_until(located, "the transforms")
    assert (here.code, here.room_id, here.room) == (ResultCode.OK, 2, "living room"), here.message
    assert (here.header.frame_id, [node.number for node in here.near]) == ("map", [ids["sofa"]])
    assert 0.3 < here.distances[0] < 0.4
    left = locate(pose=Pose(position=Point(x=0.0, y=4.0)))
    assert (left.code, left.room_id) == (ResultCode.OK, 1), left.message


def check_edits(client, graphs, ids):
    def edit(operation, **fields):
        return client.call(EditObject, "edit_object", operation=operation, **fields)

    reply = edit(EditObject.Request.RENAME, ids=[ids["sofa"]], label="couch of Ada", author="Ada")
    assert (reply.code, reply.map_revision, list(reply.ids)) == (ResultCode.OK, 2, [ids["sofa"]]), reply.message
    assert reply.history[0].endswith(f"Ada: renamed sofa {ids['sofa']} to couch of Ada")
    reply = edit(EditObject.Request.NAME_ROOM, ids=[2], label="lounge", expected_revision=2)
    assert reply.code == ResultCode.OK, reply.message
    named = wait_until(lambda: graphs[-1].map_revision == 3 and graphs[-1], "the graph after the edits")
    nodes = {node.id: node for node in named.nodes}
    assert (nodes["room_2"].label, nodes["room_2"].label_source) == ("lounge", "operator")
    assert nodes[f"object_{ids['sofa']}"].label == "couch of Ada"
    found = client.call(interfaces.FindObjects, "find_objects", query="couch of Ada in the lounge", min_score=0.5)
    assert found.matches[0].instance.label_source == "operator", found.message
    pose, size = Pose(position=Point(x=4.0, y=3.0, z=0.5)), Vector3(x=0.5, y=0.5, z=1.0)
    reply = edit(EditObject.Request.ADD, label="robot dock", pose=pose, size=size)
    assert (reply.code, len(reply.ids)) == (ResultCode.OK, 1), reply.message
    conflicts = {"expected_revision": 2, "label": "x", "ids": [ids["sofa"]]}
    assert edit(EditObject.Request.RENAME, **conflicts).code == ResultCode.CONFLICT
    assert edit(EditObject.Request.DELETE, ids=[999]).code == ResultCode.NOT_FOUND
    assert edit(99).code == ResultCode.INVALID_REQUEST
    assert edit(EditObject.Request.UNDO, count=3).code == ResultCode.OK
    reply = client.call(interfaces.GetInstances, "get_instances")
    assert {item.label for item in reply.result.instances} == {"chair", "sofa", "table"}
