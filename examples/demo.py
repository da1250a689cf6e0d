#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The complete system on one map: `make demo` runs this.

A publisher sends a map over DDS, the node segments it, and this program finds objects, changes the vocabulary and draws
pictures. For a generated room the answers are compared with the ground truth. Exit code 0: every step succeeded, and at
least a share of MIN_RIGHT of the questions by name was answered correctly.
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
from dataclasses import dataclass
from types import SimpleNamespace

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli.options import results_folder
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.cloud import UPRIGHT
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.clouds.pointcloud2 import decode
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.ros import interfaces, qos
from spaceformer_ros.ros.messages import PointCloud2
from spaceformer_ros.show.pictures import VIEWS, draw_scene

TOPIC = "/demo/map_cloud"
TIMEOUT = 100.0  # seconds until the first result, with loading
ROOM_SEED = 221750  # drawn once at random and kept, not chosen for its answers; training seeds start at 1000000
CLOUD_QUERIES = ("table", "chair", "couch")
COARSE_LABELS = {  # with synonyms
    "furniture": "chair|table|desk|sofa|bed|cabinet|shelf|wardrobe",
    "lighting": "lamp|ceiling lamp|floor lamp|table lamp",
    "decoration": "picture|mirror|plant|vase|curtain|rug",
    "appliance": "television|monitor|refrigerator|washing machine|stove|microwave|coffee machine",
}
MAX_SYNONYMS = 6  # questions by words that are not in the vocabulary
MIN_IOU = 0.25  # of boxes, from which an answer is right
MIN_RIGHT = 0.5  # share of right answers by name; over 200 rooms it is 0.875 (docs/demo_weights.md)


class Failure(Exception):
    """A step of the demo failed."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cloud", help="file with a coloured cloud, such as a .ply (default: a generated room)")
    parser.add_argument("--up", choices=UPRIGHT, default="z", help="axis of the file that points up, such as -y")
    parser.add_argument("--query", action="append", help="what to look for; may be given several times")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out"), help="folder of the pictures")
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--view", action="store_true", help="end with a page in the browser, until Ctrl-C")
    options = parser.parse_args()
    start = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):  # end what was started, as Ctrl-C
        signal.signal(number, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as stack:
            results_folder(options.out)
            run(options, stack)
    except (Failure, SpaceformerError) as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        sys.exit(130)
    print(f"demo: done in {time.monotonic() - start:.1f} s; pictures in {options.out}/")


def run(options, stack):
    """Run all steps in order."""
    import domain_coordinator

    os.environ["ROS_DOMAIN_ID"] = str(stack.enter_context(domain_coordinator.domain_id()))
    path, questions = (options.cloud, None) if options.cloud else make_room(stack)
    cloud = read_cloud(path, allow_gray=True).cloud.turned(options.up)  # before anything is started
    processes = {
        "node": start_node(stack, options.checkpoint, cloud.colored),
        "publisher": start_publisher(stack, path, options.up),
    }
    robot = stack.enter_context(Robot(processes))
    array = robot.wait("instances", lambda m: m.map_revision >= 1, TIMEOUT)
    labeled = robot.wait("labeled_cloud", lambda m: m.width > 0, TIMEOUT)
    robot.wait("markers", lambda m: len(m.markers) > 1, TIMEOUT)
    print(f"\n{len(array.instances)} objects in frame {array.header.frame_id}, map revision {array.map_revision}")
    if options.query or not questions:
        questions = [Question(text) for text in options.query or CLOUD_QUERIES]
    answers, labels = ask(robot, questions), robot.latest["vocabulary"].labels
    relabel(robot, array, must_change=not options.cloud)
    print_timings(robot)
    draw(options.out, pathlib.Path(path).stem, cloud, labeled, array)
    check_answers(questions, answers)
    if options.view:
        robot.call(interfaces.SetVocabulary, "set_vocabulary", labels=labels)
        show_page(stack, robot)


def show_page(stack, robot):
    """Serve the page of the running node until Ctrl-C."""
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    colors = Parameter("rgb_mode", value="original").to_parameter_msg()
    robot.call(SetParameters, "set_parameters", parameters=[colors])
    page = start(stack, "the page", [sys.executable, executable("viewer")])
    with contextlib.suppress(KeyboardInterrupt):
        page.wait()


def check_answers(questions, answers):
    """Count the right answers if the ground truth is known. Raises Failure if too few are right by name."""
    for kind in dict.fromkeys(question.kind for question in questions if question.boxes):
        right = [answer for question, answer in zip(questions, answers) if question.kind == kind]
        print(f"{sum(right)} of {len(right)} questions by {kind} answered right")
        if kind == "name" and sum(right) < MIN_RIGHT * len(right):
            raise Failure(f"fewer than {MIN_RIGHT:.0%} of the answers are right; over 200 rooms 88 % are")


@dataclass(frozen=True)
class Question:
    """A question. kind: "name" or "held-out synonym"; boxes: of the right objects, where they are known."""

    text: str
    kind: str = ""
    boxes: tuple = ()


def make_room(stack):
    """A generated room as a file, and questions about it: every kind of object by name, some by a synonym."""
    from spaceformer_ros.synthetic import make_room as generate
    from spaceformer_ros.synthetic import write_room
    from spaceformer_ros.synthetic.questions import questions as room_questions

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    room = generate(ROOM_SEED)
    write_room(room, folder, "room")
    kinds = sorted(item.kind for item in room.objects)
    print(f"demo: a generated room with {len(room.cloud)} points and {len(kinds)} objects: {', '.join(kinds)}")
    asked = room_questions(room)
    chosen = [("name", row) for row in asked["name"]]
    chosen += [("held-out synonym", row) for row in asked["held-out synonym"][:MAX_SYNONYMS]]
    questions = [Question(text, kind, tuple(room.objects[row].box for row in rows)) for kind, (text, rows) in chosen]
    return f"{folder}/room.ply", questions


def start(stack, name, command):
    """Start a process that is stopped with the demo. Returns it."""
    process = subprocess.Popen([str(part) for part in command], process_group=0)  # Ctrl-C is for the demo alone

    def stop(error, *_):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.wait() != 0 and error is None:
            raise Failure(f"{name} ended with exit code {process.returncode}")

    stack.push(stop)
    return process


def executable(name):
    """Path of an installed program of this package: what `ros2 run` starts."""
    return pathlib.Path(get_package_prefix("spaceformer_ros")) / "lib" / "spaceformer_ros" / name


def start_node(stack, checkpoint, colored):
    arguments = ["-r", f"~/input/points:={TOPIC}", "-p", f"checkpoint:={checkpoint}", "-p", "min_update_interval:=0.0"]
    arguments += ["-p", f"allow_gray:={str(not colored).lower()}"]
    return start(stack, "the node", [sys.executable, executable("spaceformer_node"), "--ros-args", *arguments])


def start_publisher(stack, path, up):
    return start(
        stack, "the publisher", [sys.executable, executable("publish_cloud"), path, f"--up={up}", "--topic", TOPIC]
    )


class Robot:
    """A small ROS client: subscribes to the node's latched topics and calls its services."""

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

        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
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
                raise Failure(f"the {' and the '.join(dead)} ended before the demo did; see its output above")
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


def ask(robot, questions):
    """Ask all questions and print one table. Returns whether each answer is right, None where the truth is unknown."""
    vocabulary = robot.wait("vocabulary", lambda m: m.labels, 5)
    known = {phrase for label in vocabulary.labels for phrase in label.split("|")}
    rows, right = [], []
    for question in questions:
        start = time.monotonic()
        reply = robot.call(
            interfaces.FindObjects, "find_objects", query=question.text, reference_frame="map", max_results=1
        )
        milliseconds = 1000 * (time.monotonic() - start)
        if reply.code not in (interfaces.ResultCode.OK, interfaces.ResultCode.NOT_FOUND):
            raise Failure(f"where is the {question.text}? {reply.message}")
        match = reply.matches[0] if reply.matches else None
        right.append(is_right(match, question.boxes) if question.boxes else None)
        text = question.text if question.text in known else f"{question.text} (not in the vocabulary)"
        verdict = {True: "right", False: "wrong", None: ""}[right[-1]]
        rows.append((text, *describe(match), f"{milliseconds:.0f} ms", verdict))
    print("\nWhere is the ... ?   (positions in the frame map, distances from its origin)")
    print_table(rows, ("query", "label", "score", "position [m]", "size [m]", "distance", "answered in", "truth"))
    return right


def describe(match):
    """Label, score, position, size and distance of a Match message as text, or that there is none."""
    if match is None:
        return ("not found", "", "", "", "")
    position, size = match.instance.pose.position, match.instance.size
    return (
        match.instance.label,
        f"{match.score:.2f}",
        f"{position.x:6.2f} {position.y:6.2f} {position.z:6.2f}",
        f"{size.x:.2f} x {size.y:.2f} x {size.z:.2f}",
        f"{match.distance:.2f} m",
    )


def is_right(match, boxes):
    """Whether the box of a Match message overlaps the box of a right object."""
    return match is not None and any(box_of(match.instance).iou(box) >= MIN_IOU for box in boxes)


def box_of(instance):
    """The OrientedBox of an Instance message."""
    position, turn, size = instance.pose.position, instance.pose.orientation, instance.size
    yaw = 2 * float(np.arctan2(turn.z, turn.w))
    return OrientedBox(np.array([position.x, position.y, position.z]), np.array([size.x, size.y, size.z]), yaw)


def relabel(robot, before, must_change):
    """Change the vocabulary while the node runs; labels must change and the network must not run again.

    must_change: whether an object must have a new label. What none of the labels names goes: on a map without such
        things nothing may remain.
    """
    runs = counted(robot, "inferences", fresh=True)
    labels = [f"{label}|{synonyms}" for label, synonyms in COARSE_LABELS.items()]
    reply = robot.call(interfaces.SetVocabulary, "set_vocabulary", labels=labels)
    if reply.code != interfaces.ResultCode.OK:
        raise Failure(f"set_vocabulary: {reply.message}")
    after = robot.wait("instances", lambda m: m.vocabulary_revision == reply.revision, 20)
    labels = {item.id: item.label for item in after.instances}
    changed = [f"{item.label} -> {labels[item.id]}" for item in before.instances if item.id in labels]
    if (must_change and not changed) or any(label not in COARSE_LABELS for label in labels.values()):
        raise Failure("the labels did not follow the new vocabulary")
    if after.map_revision != before.map_revision or counted(robot, "inferences", fresh=True) != runs:
        raise Failure("the network ran again for a new vocabulary")
    named = "; ".join(changed[:6]) + "; ..." if changed else f"nothing is {', '.join(COARSE_LABELS)}"
    print(f"\nNew vocabulary at run time, no new inference: {named}")


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
    """Draw the received map in its colours, and by instance with boxes and labels."""
    labeled = decode(labeled).cloud
    to_local = labeled.placement.inverse
    items = [
        SimpleNamespace(id=item.id, label=item.label, score=item.score, box=box_of(item).moved(to_local))
        for item in array.instances
    ]
    for view in VIEWS:
        draw_scene(folder / f"{stem}_{view}_colors.png", cloud, view=view, title=f"{stem}: the map, {view} view")
        title = f"{stem}: {len(items)} objects, {view} view"
        draw_scene(folder / f"{stem}_{view}_instances.png", labeled, items, view, title)


if __name__ == "__main__":
    main()
