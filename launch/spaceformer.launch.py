# SPDX-License-Identifier: Apache-2.0
"""Start the node. `ros2 launch spaceformer_ros spaceformer.launch.py --show-args` explains every argument."""

import os
import shlex
import shutil

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = get_package_share_directory("spaceformer_ros")
CONFIG = os.path.join(SHARE, "config")

BOOLEANS = ("true", "false", "True", "False")
# name, default, description, choices
ARGUMENTS = (
    ("cloud_topic", "/rtabmap/cloud_map", "accumulated, coloured PointCloud2 map to segment", None),
    ("namespace", "", "namespace of the node", None),
    ("params_file", os.path.join(CONFIG, "params.yaml"), "yaml file with the node's parameters", None),
    ("vocabulary_file", "", "yaml or text file with the labels; empty: as in params_file", None),
    ("checkpoint", "", 'weights: "demo", "released" or a path; empty: as in params_file', None),
    ("device", "", 'torch device, such as "cpu" or "cuda:0"; empty: as in params_file', None),
    ("input_mode", "", "map, accumulate or rgbd; empty: as in params_file", None),
    ("fixed_frame", "", "frame of the map with accumulate and rgbd, e.g. odom; empty: as in params_file", None),
    ("cameras", "", "namespaces of depth cameras, comma-separated; empty: as in params_file", None),
    ("color_topic", "", "colour images in each camera's namespace; empty: as in params_file", None),
    ("depth_topic", "", "depth images in each camera's namespace; empty: as in params_file", None),
    ("detections", "", "true: names from 2D detectors (docs/cameras.md); empty: as in params_file", ("", *BOOLEANS)),
    ("image_views", "", "true: the map drawn into live images; empty: as in params_file", ("", *BOOLEANS)),
    ("image_topic", "", "images of the camera that the map is drawn into; empty: ~/input/image", None),
    ("camera_info_topic", "", "CameraInfo of these, and of the detector's images; empty: ~/input/camera_info", None),
    ("detections_topic", "", "vision_msgs/Detection2DArray of a detector; empty: ~/input/detections", None),
    ("yolo_topic", "", "yolo_msgs/DetectionArray of a detector; empty: ~/input/yolo_detections", None),
    ("autostart", "true", "configure and activate at start; false: wait for a lifecycle manager", BOOLEANS),
    ("use_sim_time", "false", "use the time from /clock", BOOLEANS),
    ("tf_prefix", "", "namespace of /tf and /tf_static, e.g. robot1; empty: the global topics", None),
    ("rviz", "false", "start RViz with all displays", BOOLEANS),
    ("viewer", "false", "serve a page in the browser at http://localhost:8080 (docs/view.md)", BOOLEANS),
    ("large_clouds", "false", "Fast DDS profile for clouds of many MB on one machine", BOOLEANS),
    ("python_prefix", "", "Python of a virtual environment to run the node with, e.g. ~/venv/bin/python", None),
    ("respawn", "false", "restart the node if it ends", BOOLEANS),
    ("log_level", "info", "log level of the node", ("debug", "info", "warn", "error")),
)
# Parameters that an argument overrides when it is not empty.
OVERRIDES = ("vocabulary_file", "checkpoint", "device", "input_mode", "fixed_frame", "color_topic", "depth_topic")
SWITCHES = ("detections", "image_views")  # the same for parameters that are true or false
INPUTS = {  # topic of the node -> argument that names another one
    "~/input/points": "cloud_topic",
    "~/input/image": "image_topic",
    "~/input/camera_info": "camera_info_topic",
    "~/input/detections": "detections_topic",
    "~/input/yolo_detections": "yolo_topic",
}
RVIZ_ARGUMENTS = ("rviz", "namespace", "cloud_topic", "fixed_frame", "use_sim_time", "tf_prefix")
# Topics that config/spaceformer.rviz shows, below /spaceformer, its topic of the raw map, and those of its tools.
RVIZ_TOPICS = ("labeled_cloud", "markers", "layout_markers", "relevancy")
RAW_MAP = "/spaceformer/input/points"
RVIZ_TOOLS = ("goal_pose", "clicked_point")


def tf_remappings(prefix):
    """Remappings of the TF topics below a namespace; none for an empty one."""
    return [(f"/{name}", f"/{prefix.strip('/')}/{name}") for name in ("tf", "tf_static")] if prefix else []


def input_remappings(value):
    """Remappings of the node's inputs to the topics that arguments name. value: function of an argument's name."""
    return [(topic, value(name)) for topic, name in INPUTS.items() if value(name)]


def absolute(name, namespace):
    """A name as a node in a namespace resolves it; names of its own, with "~", are those of this package's node."""
    inside = "/".join(["", *filter(None, [namespace.strip("/")])])
    name = name.replace("~", "spaceformer", 1) if name.startswith("~") else name
    return name if name.startswith("/") else f"{inside.rstrip('/')}/{name}"


def node_name(namespace):
    """The full name of the node."""
    return absolute("spaceformer", namespace)


def python_prefix(value):
    """The argument python_prefix as a prefix of launch, which splits it at blanks; None for an empty one."""
    words = [value] if os.path.isfile(value) else shlex.split(value)  # or a command, such as "nice -n 5"
    if words and shutil.which(words[0]) is None:
        raise FileNotFoundError(
            f"python_prefix {value}: there is no such program; give the Python of your virtual environment, such as "
            "~/spaceformer_venv/bin/python"
        )
    return shlex.join(words) or None


def start_viewer(context):
    """The action of the page in the browser."""
    names = ("viewer", "namespace", "use_sim_time", "tf_prefix", "python_prefix")
    value = {name: os.path.expanduser(LaunchConfiguration(name).perform(context)) for name in names}
    if value["viewer"].lower() != "true":
        return []
    return [
        Node(
            package="spaceformer_ros",
            executable="viewer",
            name="spaceformer_viewer",
            namespace=value["namespace"],
            parameters=[
                {"server": node_name(value["namespace"]), "use_sim_time": value["use_sim_time"].lower() == "true"}
            ],
            remappings=tf_remappings(value["tf_prefix"]),
            prefix=python_prefix(value["python_prefix"]),
            output="screen",
        )
    ]


def start_rviz(context):
    """RViz's action, on the topics of the node."""
    value = {name: LaunchConfiguration(name).perform(context) for name in RVIZ_ARGUMENTS}
    if value["rviz"].lower() != "true":
        return []
    space = value["namespace"]
    topics = [(f"/spaceformer/{name}", absolute(f"~/{name}", space)) for name in RVIZ_TOPICS]
    topics += [(RAW_MAP, absolute(value["cloud_topic"] or "~/input/points", space))]
    topics += [(f"/{name}", absolute(name, space)) for name in RVIZ_TOOLS]
    frame = ["-f", value["fixed_frame"]] if value["fixed_frame"] else []
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", os.path.join(CONFIG, "spaceformer.rviz"), *frame],
            parameters=[{"use_sim_time": value["use_sim_time"].lower() == "true"}],
            remappings=[*topics, *tf_remappings(value["tf_prefix"])],
        )
    ]


def start_node(context):
    """The node's action, once the arguments are known."""

    def value(name):
        return os.path.expanduser(LaunchConfiguration(name).perform(context))

    def is_true(name):
        return value(name).lower() == "true"

    params_file = value("params_file")
    if not os.path.isfile(params_file):
        raise FileNotFoundError(f"params_file {params_file} does not exist; copy {os.path.join(CONFIG, 'params.yaml')}")
    overrides = {name: value(name) for name in OVERRIDES if value(name)}
    overrides |= {name: is_true(name) for name in SWITCHES if value(name)}
    if value("cameras"):
        overrides["cameras"] = [name.strip() for name in value("cameras").split(",") if name.strip()]
    overrides["use_sim_time"] = is_true("use_sim_time")
    overrides["autostart"] = is_true("autostart")
    return [
        Node(
            package="spaceformer_ros",
            executable="spaceformer_node",
            name="spaceformer",
            namespace=value("namespace"),
            parameters=[params_file, overrides],
            remappings=[*input_remappings(value), *tf_remappings(value("tf_prefix"))],
            prefix=python_prefix(value("python_prefix")),
            arguments=["--ros-args", "--log-level", f"spaceformer:={value('log_level')}"],
            respawn=is_true("respawn"),
            respawn_delay=2.0,
            output="screen",
        )
    ]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=text, **({"choices": choices} if choices else {})
        )
        for name, default, text, choices in ARGUMENTS
    ]
    profile = os.path.join(CONFIG, "fastdds_large_clouds.xml")
    large_clouds = [  # Humble and Jazzy read the first variable, Kilted both
        SetEnvironmentVariable(name, profile, condition=IfCondition(LaunchConfiguration("large_clouds")))
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    ]
    actions = [OpaqueFunction(function=start_node), OpaqueFunction(function=start_rviz)]
    actions.append(OpaqueFunction(function=start_viewer))
    return LaunchDescription([*arguments, *large_clouds, *actions])
