# SPDX-License-Identifier: Apache-2.0
"""The map of a running node, asked through its topics and services like any other client."""

import dataclasses
import json
import threading

import numpy as np
from sensor_msgs.msg import PointCloud2

from .. import CodedError
from ..clouds.pointcloud2 import decode, structured_view
from ..geometry.boxes import OrientedBox
from ..scene.approach import Approach
from ..sources.snapshot import Finding, Findings, MapObject, Snapshot
from ..sources.source import Drive, NoMapYet, NoRobot, Source
from . import interfaces, qos
from .calls import CODES, Calls, checked
from .transforms import TransformError, TransformListener, pose_transform

START_SECONDS = 2.0  # for a goal to be refused, or to report that it goes on
TF_SECONDS = 0.5
ALL = 100_000  # results: more than a map has objects


class LiveSource(Source):
    """A running node. Its own node must be spun by somebody else; methods block and are not for that thread."""

    def __init__(self, node, server="/spaceformer", robot_frame=""):
        """node: rclpy Node that subscribes and calls; server: full name of the perception node; robot_frame: TF frame
        of the robot, "" where distances and poses of it are not wanted."""
        self._node, self._server, self._robot_frame = node, server, robot_frame
        self._lock, self._asking_graph = threading.Lock(), threading.Lock()
        self._latest = {}  # topic -> newest message
        self._snapshot = (None, None, None), None  # the messages of the last Snapshot, and it
        self._calls = Calls(node, server)
        self._graph = None, None  # revision and dict of the last scene graph
        self._trip, self._feedback = None, None  # (goal handle, Future of the result) and feedback of the last drive
        self._transforms = TransformListener(node)
        kinds = {
            "instances": interfaces.InstanceArray,
            "labeled_cloud": PointCloud2,
            "vocabulary": interfaces.Vocabulary,
            "state": interfaces.NodeState,
        }
        for topic, kind in kinds.items():
            node.create_subscription(kind, f"{server}/{topic}", self._keep(topic), qos.LATCHED)

    def _keep(self, topic):
        def keep(message):
            self._latest[topic] = message

        return keep

    def status(self):
        """The sentence of `~/state`."""
        state = self._latest.get("state")
        return state.text if state else f"waiting for the node {self._server}"

    def snapshot(self):
        """The Snapshot of the newest `~/instances` and `~/labeled_cloud` that belong together."""
        with self._lock:
            parts = [self._latest.get(topic) for topic in ("instances", "labeled_cloud", "vocabulary")]
            array, cloud, vocabulary = parts
            if array is None or cloud is None or not cloud.width:
                raise NoMapYet(self.status())
            known, made = self._snapshot
            if made is None or (array.header == cloud.header and any(a is not b for a, b in zip(known, parts))):
                if array.header != cloud.header:
                    raise NoMapYet("waiting for the labelled cloud of the newest map")
                made = to_snapshot(array, cloud, vocabulary.labels if vocabulary else (), made)
                self._snapshot = parts, made
            return made

    def find(self, question):
        """Matches with approach poses, by `~/find_objects`."""
        snapshot = self.snapshot()
        reply = self._find(
            snapshot, reference_frame=self._robot_frame, with_approach=True, **dataclasses.asdict(question)
        )
        found = tuple(to_finding(match, snapshot) for match in reply.matches)
        return Findings(question, found, reply.message)

    def relevancy(self, text):
        """As `~/show_relevancy`, without publishing: all points of an object have the relevancy of the object."""
        snapshot = self.snapshot()
        reply = self._find(snapshot, query=text, max_results=ALL, min_score=-1.0, min_confidence=-1.0)
        score = {match.instance.id: match.score for match in reply.matches}
        ids, index = np.unique(snapshot.owner, return_inverse=True)
        return snapshot, np.array([score.get(int(i), 0.0) for i in ids], dtype=np.float32)[index]

    def _find(self, snapshot, **fields):
        reply = self._calls.call(interfaces.FindObjects, "find_objects", target_frame=snapshot.cloud.frame_id, **fields)
        return reply if reply.code == interfaces.ResultCode.NOT_FOUND else checked(reply)

    def graph(self):
        """The scene graph, by `~/get_scene_graph`."""
        revision = self.snapshot().revision
        with self._asking_graph:  # of many who ask at once, one asks the node
            if self._graph[0] != revision:
                reply = self._calls.call(interfaces.GetSceneGraph, "get_scene_graph", format="json")
                self._graph = revision, json.loads(checked(reply).content)
            return self._graph[1]

    def edit(self, operation, ids=(), label=""):
        """Correct the node's scene, by `~/edit_object`."""
        number = getattr(interfaces.EditObject.Request, operation.upper())
        fields = {"operation": number, "ids": list(ids), "label": label, "author": "agent"}
        return checked(self._calls.call(interfaces.EditObject, "edit_object", **fields)).message

    def set_vocabulary(self, labels, append=False):
        """Change the labels of the node, by `~/set_vocabulary`."""
        reply = self._calls.call(interfaces.SetVocabulary, "set_vocabulary", labels=list(labels), append=append)
        return checked(reply).message

    def robot_pose(self):
        """The robot's pose from TF, in the frame of the map."""
        if not self._robot_frame:
            raise NoRobot("the frame of the robot is not known: set the parameter robot_frame, such as base_link")
        frame = self.snapshot().cloud.frame_id
        try:
            pose = self._transforms.latest(frame, self._robot_frame, TF_SECONDS)
        except TransformError as error:
            raise CodedError("TF_FAILED", str(error)) from error
        return pose.translation, pose.yaw

    def go_to(self, text="", object_id=0, **limits):
        """Send a goal to `~/go_to`."""
        started = threading.Event()
        self._feedback = None

        def on_feedback(message):
            self._feedback = message.feedback
            started.set()

        goal = interfaces.GoTo.Goal(text=text, object_id=object_id, **limits)
        sent = self._calls.client(interfaces.GoTo, "go_to").send_goal_async(goal, feedback_callback=on_feedback)
        handle = self._calls.result(sent, "go_to")
        if not handle.accepted:
            raise CodedError("INTERNAL_ERROR", "the node refused the goal")
        result = handle.get_result_async()
        self._trip = handle, result
        result.add_done_callback(lambda _: started.set())
        started.wait(START_SECONDS)
        if result.done():  # at once: most likely refused
            checked(result.result().result)
        return f"the robot is on its way to {f'object {object_id}' if object_id else text}"

    def trip(self):
        """The last feedback, or the result, of the last goal."""
        if self._trip is None:
            raise CodedError("NOT_FOUND", "no drive was started here")
        result, feedback = self._trip[1], self._feedback
        if result.done():
            end = result.result().result
            fields = {name: getattr(end, name) for name in ("message", "object_id", "attempts", "distance")}
            return Drive(code=CODES[end.code], checked_with=end.checked_with, **fields)
        if feedback is None:
            return Drive("the robot has not started yet")
        return Drive(feedback.text, "", feedback.object_id, feedback.attempt, feedback.distance_remaining)

    def cancel(self):
        """Cancel the last goal."""
        if self._trip is None or self._trip[1].done():
            raise CodedError("NOT_FOUND", "there is no drive to stop")
        self._calls.result(self._trip[0].cancel_goal_async(), "go_to")
        return "the robot stops"

    def close(self):
        """Remove tf2's subscriptions from the node."""
        self._transforms.close()


def to_snapshot(array, message, labels, before=None):
    """The Snapshot of an InstanceArray and the labelled PointCloud2 of the same map.

    before: the last Snapshot; its cloud is kept where nothing but labels changed.
    """
    cloud = decode(message, allow_gray=True).cloud
    owner = structured_view(message)["instance_id"].astype(np.int64)
    if before is not None and _is_same(before.cloud, cloud):
        cloud = before.cloud
    to_local = cloud.placement.inverse
    return Snapshot(
        cloud=cloud,
        owner=owner,
        objects=tuple(to_map_object(instance, to_local) for instance in array.instances),
        labels=tuple(labels),
        map_id=array.map_id,
        map_revision=array.map_revision,
        vocabulary_revision=array.vocabulary_revision,
        partial=array.partial,
    )


def _is_same(a, b):
    return a.coordinates == b.coordinates and np.array_equal(a.xyz, b.xyz) and np.array_equal(a.rgb, b.rgb)


def to_map_object(instance, to_local):
    """The MapObject of an Instance. to_local: RigidTransform of the message's frame into the cloud's coordinates."""
    size = instance.size
    placed = pose_transform(instance.pose, "the box", "the map")
    box = OrientedBox(placed.translation, np.array([size.x, size.y, size.z]), placed.yaw)
    return MapObject(
        id=instance.id,
        label=instance.label,
        score=instance.score,
        confidence=instance.confidence,
        candidates=tuple(zip(instance.candidate_labels, instance.candidate_scores)),
        box=box.moved(to_local),
        num_points=instance.num_points,
        num_observations=instance.num_observations,
        first_seen_ns=to_ns(instance.first_seen),
        last_seen_ns=to_ns(instance.last_seen),
    )


def to_finding(match, snapshot):
    """The Finding of an ObjectMatch."""
    to_local = snapshot.cloud.placement.inverse
    approach = None
    if match.has_approach:
        placed = to_local.after(pose_transform(match.approach, "the approach", "the map"))
        approach = Approach(placed.translation, placed.yaw)
    item = snapshot.by_id.get(match.instance.id) or to_map_object(match.instance, to_local)
    return Finding(item, match.score, match.distance, approach, match.confidence)


def to_ns(stamp):
    """Nanoseconds of a builtin_interfaces Time."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec
