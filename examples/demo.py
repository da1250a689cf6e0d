#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole path, for real: a map over DDS into the node, objects and answers out of it. `make demo` runs this.

Three processes: a publisher of the map, the node, and this one, which asks. Exit code 0 only if every step gave what
it promises; whether the answers are right is printed beside them wherever the truth is known (generated rooms).
"""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.clouds.pointcloud2 import decode
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.ros import interfaces, qos
from spaceformer_ros.ros.messages import PointCloud2
from spaceformer_ros.show.pictures import VIEWS, draw_scene

TOPIC = "/demo/map_cloud"
PATIENCE = 100.0  # seconds for the first result, with loading
ROOM_SEED, ROOM_THEME = 6, "living room"  # a room that no checkpoint was trained on: training seeds start at 1000000
ROOM_QUERIES = ("couch", "plant", "television")  # "couch" is not in the vocabulary, "sofa" is
CLOUD_QUERIES = ("table", "chair", "couch")
OTHER_WORDS = ("furniture", "lighting", "decoration", "electronics")
RIGHT_IOU = 0.25  # of boxes, from which an answer counts as right


class Failure(Exception):
    """A step of the demo that did not give what it promises."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cloud", help=".ply, .pcd or .npz with colour; default: a generated room")
    parser.add_argument("--query", action="append", help="what to look for; may be given several times")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out"), help="folder of the pictures")
    parser.add_argument("--checkpoint", default="demo")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        try:
            run(options, stack)
        except (Failure, SpaceformerError) as error:
            print(f"demo: {error}", file=sys.stderr)
            sys.exit(1)
    print(f"demo: done in {time.monotonic() - start:.1f} s; pictures in {options.out}/")


def run(options, stack):
    """Every step in order."""
    import domain_coordinator

    os.environ["ROS_DOMAIN_ID"] = str(stack.enter_context(domain_coordinator.domain_id()))
    path, truth = (options.cloud, None) if options.cloud else make_room(stack)
    processes = {"node": start_node(stack, options.checkpoint), "publisher": start_publisher(stack, path)}
    robot = stack.enter_context(Robot(processes))
    array = robot.wait("instances", lambda m: m.map_revision >= 1, PATIENCE)
    cloud = robot.wait("labeled_cloud", lambda m: m.width > 0, PATIENCE)
    robot.wait("markers", lambda m: len(m.markers) > 1, PATIENCE)
    print(f"\n{len(array.instances)} objects in frame {array.header.frame_id}, map revision {array.map_revision}")
    answers = ask(robot, options.query or (CLOUD_QUERIES if options.cloud else ROOM_QUERIES), truth)
    relabel(robot, array)
    print_timings(robot)
    draw(options.out, pathlib.Path(path).stem, read_cloud(path).cloud, cloud, array)
    if truth:
        print(f"{sum(answers)} of {len(answers)} answers agree with the room's known contents")


def make_room(stack):
    """A generated room as a file, and its objects."""
    from spaceformer_ros.synthetic import RoomConfig, write_room
    from spaceformer_ros.synthetic import make_room as generate

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    room = generate(ROOM_SEED, RoomConfig(theme=ROOM_THEME))
    write_room(room, folder, "room")
    kinds = sorted(item.kind for item in room.objects)
    print(f"demo: a generated {ROOM_THEME} with {len(room.cloud)} points and {len(kinds)} objects: {', '.join(kinds)}")
    return f"{folder}/room.ply", room.objects


def start(stack, name, command):
    """Start a process that is stopped with the demo, and must then exit with 0. Returns it."""
    process = subprocess.Popen([str(part) for part in command])

    def stop():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        if process.wait(20) != 0:
            print(f"demo: {name} ended with exit code {process.returncode}", file=sys.stderr)
            os._exit(1)

    stack.callback(stop)
    return process


def executable(name):
    """Path of an installed program of this package: what `ros2 run` starts."""
    return pathlib.Path(get_package_prefix("spaceformer_ros")) / "lib" / "spaceformer_ros" / name


def start_node(stack, checkpoint):
    arguments = ["-r", f"~/input/points:={TOPIC}", "-p", f"checkpoint:={checkpoint}", "-p", "min_update_interval:=0.0"]
    return start(stack, "the node", [sys.executable, executable("spaceformer_node"), "--ros-args", *arguments])


def start_publisher(stack, path):
    return start(stack, "the publisher", [sys.executable, executable("publish_cloud"), path, "--topic", TOPIC])


class Robot:
    """A small ROS program: listens to the node's latched topics and calls its services."""

    TOPICS = (
        ("instances", interfaces.InstanceArray),
        ("labeled_cloud", PointCloud2),
        ("vocabulary", interfaces.Vocabulary),
        ("state", interfaces.NodeState),
    )

    def __init__(self, processes):
        self.processes = processes  # dict of name and Popen that must not end before the demo does

    def __enter__(self):
        from diagnostic_msgs.msg import DiagnosticArray
        from visualization_msgs.msg import MarkerArray

        rclpy.init()
        self.node, self.executor, self.latest = rclpy.create_node("demo_robot"), SingleThreadedExecutor(), {}
        for name, kind in (*self.TOPICS, ("markers", MarkerArray)):
            self.node.create_subscription(kind, f"/spaceformer/{name}", self._keep(name), qos.LATCHED)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._keep("diagnostics"), qos.EVENTS)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.executor.shutdown(timeout_sec=5)
        self.thread.join(5)
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self.executor.spin()

    def _keep(self, name):
        def keep(message):
            self.latest[name] = message
            if name == "state":
                print(f"  node: {message.text}")
                if message.state == interfaces.NodeState.ERROR:
                    self.latest["error"] = message.text

        return keep

    def wait(self, name, condition, seconds):
        """The latest message of a topic, once it satisfies the condition."""
        end = time.monotonic() + seconds
        while not (name in self.latest and condition(self.latest[name])):
            if "error" in self.latest:
                raise Failure(f"the node reports: {self.latest['error']}")
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            if dead:
                raise Failure(f"the {' and the '.join(dead)} ended before the demo did; its own words are above")
            if time.monotonic() > end:
                raise Failure(f"no usable message on /spaceformer/{name} within {seconds:g} s")
            time.sleep(0.02)
        return self.latest[name]

    def call(self, kind, name, **fields):
        """The response of one of the node's services."""
        client = self.node.create_client(kind, f"/spaceformer/{name}")
        if not client.wait_for_service(10):
            raise Failure(f"there is no service /spaceformer/{name}")
        future, end = client.call_async(kind.Request(**fields)), time.monotonic() + 20
        while not future.done():
            if time.monotonic() > end:
                raise Failure(f"/spaceformer/{name} did not answer")
            time.sleep(0.001)
        return future.result()


def ask(robot, queries, truth):
    """Ask where things are, and print one table. Returns for each query whether the answer is right (if known)."""
    vocabulary = robot.wait("vocabulary", lambda m: m.labels, 5)
    known = {phrase for label in vocabulary.labels for phrase in label.split("|")}
    rows, right = [], []
    for text in queries:
        begun = time.monotonic()
        reply = robot.call(interfaces.FindObjects, "find_objects", query=text, reference_frame="map", max_results=1)
        milliseconds = 1000 * (time.monotonic() - begun)
        asked = text if text in known else f"{text} (not in the vocabulary)"
        if reply.code == interfaces.ResultCode.NOT_FOUND and not truth:  # your map may well have none
            rows.append((asked, "not found", "", "", "", "", f"{milliseconds:.0f} ms", reply.message))
            continue
        if reply.code != interfaces.ResultCode.OK:
            raise Failure(f"where is the {text}? {reply.message}")
        match = reply.matches[0]
        position, size = match.instance.pose.position, match.instance.size
        right.append(is_right(text, match.instance, truth) if truth else None)
        rows.append(
            (
                asked,
                match.instance.label,
                f"{match.score:.2f}",
                f"{position.x:6.2f} {position.y:6.2f} {position.z:6.2f}",
                f"{size.x:.2f} x {size.y:.2f} x {size.z:.2f}",
                f"{match.distance:.2f} m",
                f"{milliseconds:.0f} ms",
                {True: "right", False: "wrong", None: "?"}[right[-1]],
            )
        )
    print("\nWhere is the ... ?   (positions in the frame map, distances from its origin)")
    print_table(rows, ("query", "label", "score", "position [m]", "size [m]", "distance", "answered in", "truth"))
    return right


def is_right(text, instance, truth):
    """Whether the answer's box overlaps an object of the room that the text names."""
    return any(
        text in (*item.names, *item.held_out_names) and box_of(instance).iou(item.box) >= RIGHT_IOU for item in truth
    )


def box_of(instance):
    """The OrientedBox of an Instance message."""
    position, turn, size = instance.pose.position, instance.pose.orientation, instance.size
    yaw = 2 * float(np.arctan2(turn.z, turn.w))
    return OrientedBox(np.array([position.x, position.y, position.z]), np.array([size.x, size.y, size.z]), yaw)


def relabel(robot, before):
    """Change the vocabulary while the node runs; labels must change and the network must not run again."""
    runs = counted(robot, "inferences", fresh=True)
    reply = robot.call(interfaces.SetVocabulary, "set_vocabulary", labels=list(OTHER_WORDS))
    if reply.code != interfaces.ResultCode.OK:
        raise Failure(f"set_vocabulary: {reply.message}")
    after = robot.wait("instances", lambda m: m.vocabulary_revision == reply.revision, 20)
    labels = {item.id: item.label for item in after.instances}
    changed = [f"{item.label} -> {labels[item.id]}" for item in before.instances if item.id in labels]
    if not changed or any(label not in OTHER_WORDS for label in labels.values()):
        raise Failure("the labels did not follow the new vocabulary")
    if after.map_revision != before.map_revision or counted(robot, "inferences", fresh=True) != runs:
        raise Failure("the network ran again for a new vocabulary")
    print(f"\nNew vocabulary at run time, no new inference: {'; '.join(changed[:6])}; ...")


def counted(robot, key, fresh=False):
    """A number of the node's diagnostics; fresh: of the next message."""
    if fresh:
        robot.latest.pop("diagnostics", None)
    values = {pair.key: pair.value for pair in robot.wait("diagnostics", lambda m: m.status, 10).status[0].values}
    return values.get(key)


def print_timings(robot):
    """One line with the seconds of each stage."""
    status = robot.wait("diagnostics", lambda m: m.status, 10).status[0]
    values = {pair.key: pair.value for pair in status.values}
    stages = [
        (k.removeprefix("stage_").removesuffix("_ms"), float(v)) for k, v in values.items() if k.startswith("stage_")
    ]
    line = ", ".join(f"{name} {milliseconds / 1000:.2f}" for name, milliseconds in stages)
    print(f"\nSeconds per stage ({values['voxels']} voxels, {values['device']}, {values['precision']}): {line}")


def draw(folder, stem, cloud, labeled, array):
    """Pictures of what came over DDS: the map in its colours, and by instance with boxes and labels."""
    items = [
        SimpleNamespace(id=item.id, label=item.label, score=item.score, box=box_of(item)) for item in array.instances
    ]
    for view in VIEWS:
        draw_scene(folder / f"{stem}_{view}_colors.png", cloud, view=view, title=f"{stem}: the map, {view} view")
        title = f"{stem}: {len(items)} objects, {view} view"
        draw_scene(folder / f"{stem}_{view}_instances.png", decode(labeled).cloud, items, view, title)


if __name__ == "__main__":
    main()
