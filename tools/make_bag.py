#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write a bag for `ros2 bag play`: tools/env.sh python tools/make_bag.py [--out walk.mcap] [--seed 0] [--seconds 30]

A robot with a depth camera walks through a generated room: /tf and /tf_static, colour and depth with camera_info under
the names of a RealSense, what a 2D detector finds in the images (/detections), and the map of the room (/map_cloud).
Needs a sourced ROS 2 with tf2_msgs and vision_msgs, and the package mcap.
"""

import argparse
import re
import sys

import numpy as np
from ament_index_python.packages import get_package_share_directory
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from tqdm import tqdm

from benchmarks.fuse import measured
from benchmarks.walks import CAMERA, HEIGHT, free_floor, jittered_box, make_walk
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.clouds.pointcloud2 import cloud_columns
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.ros.images import to_image
from spaceformer_ros.ros.messages import to_cloud_message, to_time
from spaceformer_ros.ros.transforms import quaternion_from_matrix
from spaceformer_ros.ros.view_queries import to_camera_info

RATE, TF_RATE = 5, 20  # images and poses per second
SPEED, TURN = 0.4, 0.6  # metres and radians per second
PITCH = -0.2  # radians, of the camera
MAX_LEG = 3.0  # metres between two places where the robot turns
RECALL = 0.7  # of the detector
START_NS = 1_700_000_000_000_000_000  # stamp of the first message
COLOR, DEPTH = "/camera/camera/color", "/camera/camera/aligned_depth_to_color"
OPTICAL = "camera_color_optical_frame"
LATCHED = {"/map_cloud", "/tf_static"}
# rosbag2's description of the QoS of a publisher; numbers are those of rmw, 9223372036.854775807 s stand for no limit.
QOS = """- history: 1
  depth: {depth}
  reliability: 1
  durability: {durability}
  deadline: {forever}
  lifespan: {forever}
  liveliness: 1
  liveliness_lease_duration: {forever}
  avoid_ros_namespace_conventions: false
"""
FOREVER = "{sec: 9223372036, nsec: 854775807}"
TRANSIENT_LOCAL, VOLATILE = 1, 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="walk.mcap", help="the bag (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the room (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the walk (default: %(default)s)")
    options = parser.parse_args()
    try:
        from tf2_msgs.msg import TFMessage
        from vision_msgs.msg import Detection2DArray
    except ImportError as error:
        sys.exit(f"make_bag: {error}: sudo apt install ros-$ROS_DISTRO-tf2-msgs ros-$ROS_DISTRO-vision-msgs")
    rng = np.random.default_rng(options.seed)
    walk = make_walk(options.seed)
    path = Path.through(free_floor(walk.surfaces.cloud.xyz), options.seconds, rng)
    try:
        bag = Bag(options.out)
    except OSError as error:
        sys.exit(f"make_bag: {options.out} cannot be written: {error.strerror}")
    with bag:
        cloud = walk.room.cloud
        bag.write("/map_cloud", to_cloud_message(header_at(0.0, "map"), cloud_columns(cloud)), 0.0)
        mounted = optical_pose((0.0, 0.0, HEIGHT), 0.0, PITCH)
        bag.write("/tf_static", TFMessage(transforms=[to_transform(mounted, 0.0, "base_link", OPTICAL)]), 0.0)
        for number in tqdm(range(int(options.seconds * TF_RATE) + 1), unit="pose", disable=None):
            seconds = number / TF_RATE
            pose = path.pose(seconds)
            bag.write("/tf", TFMessage(transforms=[to_transform(pose, seconds, "map", "base_link")]), seconds)
            if number % (TF_RATE // RATE) == 0:
                write_images(bag, walk, pose.after(mounted), seconds, rng, Detection2DArray)
    print(f"{options.out}: {bag.count} messages; ros2 bag play {options.out} --clock")


class Path:
    """Where the robot is at each time: it drives straight from place to place and turns meanwhile."""

    def __init__(self, times, places, yaws):
        """times: [K] seconds, increasing; places: [K, 2] metres; yaws: [K] radians, not wrapped."""
        self._times, self._places, self._yaws = times, places, yaws

    @classmethod
    def through(cls, floor, seconds, rng):
        """A Path of at least `seconds` seconds on free floor. floor: [K, 2] metres."""
        times, places, yaws = [0.0], [floor[rng.integers(len(floor))]], [rng.uniform(-np.pi, np.pi)]
        while times[-1] < seconds:
            place = next_place(floor, places[-1], rng)
            turn = rng.uniform(-0.75 * np.pi, 0.75 * np.pi)
            needed = max(np.linalg.norm(place - places[-1]) / SPEED, abs(turn) / TURN)
            times.append(times[-1] + needed)
            places.append(place)
            yaws.append(yaws[-1] + turn)
        return cls(np.array(times), np.array(places), np.array(yaws))

    def pose(self, seconds):
        """RigidTransform of the robot's frame into the map."""
        x, y, yaw = (np.interp(seconds, self._times, values) for values in (*self._places.T, self._yaws))
        turned = RigidTransform.about_z(yaw)
        return RigidTransform(turned.rotation, np.array([x, y, 0.0]))


def next_place(floor, place, rng, attempts=50):
    """A place [2] of the free floor to which a straight line leads over free floor, or the same place."""
    near = floor[np.linalg.norm(floor - place, axis=1) < MAX_LEG]
    for candidate in near[rng.permutation(len(near))[:attempts]]:
        line = np.linspace(place, candidate, 20)
        if (np.linalg.norm(line[:, None] - floor[None], axis=2).min(axis=1) < 0.1).all():
            return candidate
    return place


def write_images(bag, walk, pose, seconds, rng, detections_type):
    """Write what the camera and its detector see from a pose of the optical frame."""
    view, header = walk.see(pose), header_at(seconds, OPTICAL)
    depth = measured(np.where(np.isfinite(view.depth), view.depth, 0).astype(np.float32), rng)
    info = to_camera_info(CAMERA, header)
    for topic, image in (
        (COLOR, view.pick(walk.surfaces.cloud.rgb)),
        (DEPTH, np.rint(1000 * np.minimum(depth, 65.0)).astype(np.uint16)),
    ):
        bag.write(f"{topic}/camera_info", info, seconds)
        bag.write(f"{topic}/image_raw", to_image(image, header), seconds)
    found = detections_type(header=header)
    found.detections = [
        to_detection(item.kind, jittered_box(pixels, rng), rng.uniform(0.5, 0.95), header)
        for item, pixels in walk.in_view(view)
        if rng.random() < RECALL
    ]
    bag.write("/detections", found, seconds)


def to_detection(word, box, score, header):
    """A Detection2D. box: (left, top, right, bottom) in pixels."""
    from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

    left, top, right, bottom = (
        float(min(max(value, 0), side)) for value, side in zip(box, 2 * (CAMERA.width, CAMERA.height))
    )
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = word, float(score)
    detection = Detection2D(header=header, results=[result])
    detection.bbox.center.position.x, detection.bbox.center.position.y = (left + right) / 2, (top + bottom) / 2
    detection.bbox.size_x, detection.bbox.size_y = right - left, bottom - top
    return detection


def to_transform(pose, seconds, parent, child):
    """A TransformStamped of a RigidTransform of `child` into `parent`."""
    message = TransformStamped(header=header_at(seconds, parent), child_frame_id=child)
    x, y, z, w = quaternion_from_matrix(pose.rotation)
    message.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    message.transform.translation = Vector3(**dict(zip("xyz", map(float, pose.translation))))
    return message


def header_at(seconds, frame_id):
    """A Header at a time of the walk."""
    return Header(stamp=to_time(stamp_ns(seconds)), frame_id=frame_id)


def stamp_ns(seconds):
    """Nanoseconds since 1970 of a time of the walk."""
    return START_NS + round(seconds * 1e9)


class Bag:
    """An mcap file as rosbag2 writes it, for use in a `with` statement."""

    def __init__(self, path):
        """path: of the file, which is replaced."""
        from mcap.writer import Writer

        self.count = 0  # messages so far
        self._file = open(path, "wb")  # noqa: SIM115 (closed by __exit__)
        self._writer = Writer(self._file)
        self._channels = {}

    def __enter__(self):
        self._writer.start(profile="ros2", library="spaceformer_ros")
        return self

    def __exit__(self, *_):
        self._writer.finish()
        self._file.close()

    def write(self, topic, message, seconds):
        """Write a message of any installed type at a time of the walk."""
        if topic not in self._channels:
            self._channels[topic] = self._register(topic, type(message))
        time = stamp_ns(seconds)
        data = serialize_message(message)
        self._writer.add_message(self._channels[topic], log_time=time, publish_time=time, data=data)
        self.count += 1

    def _register(self, topic, kind):
        package, name = kind.__module__.split(".")[0], kind.__name__
        text = definition(package, name).encode()
        schema = self._writer.register_schema(f"{package}/msg/{name}", "ros2msg", text)
        depth, durability = (1, TRANSIENT_LOCAL) if topic in LATCHED else (10, VOLATILE)
        qos = QOS.format(depth=depth, durability=durability, forever=FOREVER)
        return self._writer.register_channel(topic, "cdr", schema, {"offered_qos_profiles": qos})


def definition(package, name):
    """The definition of a message with those of all its parts, as mcap stores it."""
    texts, waiting = {}, [(package, name)]
    while waiting:
        key = waiting.pop(0)
        if key not in texts:
            with open(f"{get_package_share_directory(key[0])}/msg/{key[1]}.msg") as file:
                texts[key] = file.read()
            waiting += parts_of(texts[key], key[0])
    first, *others = texts.items()
    return "\n".join([first[1], *(f"{'=' * 80}\nMSG: {'/'.join(key)}\n{text}" for key, text in others)])


def parts_of(text, package):
    """(package, name) of the types of fields that are messages themselves."""
    types = re.findall(r"^\s*([A-Za-z][\w/]*)(?:\[[^\]]*\])?\s+[a-z]\w*", text, re.MULTILINE)
    return [tuple(one.split("/")) if "/" in one else (package, one) for one in types if one[0].isupper() or "/" in one]


if __name__ == "__main__":
    main()
