# SPDX-License-Identifier: Apache-2.0
"""Start the node. `ros2 launch spaceformer_ros spaceformer.launch.py --show-args` explains every argument."""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = get_package_share_directory("spaceformer_ros")
CONFIG = os.path.join(SHARE, "config")

# name, default, description, choices
ARGUMENTS = (
    ("cloud_topic", "/rtabmap/cloud_map", "accumulated, coloured PointCloud2 map to segment", None),
    ("namespace", "", "namespace of the node", None),
    ("params_file", os.path.join(CONFIG, "params.yaml"), "yaml file with the node's parameters", None),
    ("vocabulary_file", "", "yaml or text file with the labels; empty: as in params_file", None),
    ("checkpoint", "", 'weights: "demo", "released" or a path; empty: as in params_file', None),
    ("device", "", 'torch device, such as "cpu" or "cuda:0"; empty: as in params_file', None),
    ("autostart", "true", "configure and activate at once; false: leave it to a lifecycle manager", ("true", "false")),
    ("use_sim_time", "false", "take the time from /clock", ("true", "false")),
    ("rviz", "false", "start RViz with everything shown", ("true", "false")),
    ("large_clouds", "false", "Fast DDS profile for clouds of many MB on one machine", ("true", "false")),
    ("python_prefix", "", "Python of a virtual environment to run the node with, e.g. ~/venv/bin/python", None),
    ("respawn", "false", "start the node again if it ends", ("true", "false")),
    ("log_level", "info", "log level of the node", ("debug", "info", "warn", "error")),
)
# Parameters that an argument overrides when it is not empty.
OVERRIDES = ("vocabulary_file", "checkpoint", "device")


def start_node(context):
    """The node's action, once the arguments are known."""
    value = lambda name: LaunchConfiguration(name).perform(context)  # noqa: E731
    overrides = {name: os.path.expanduser(value(name)) for name in OVERRIDES if value(name)}
    overrides["use_sim_time"] = value("use_sim_time") == "true"
    overrides["autostart"] = value("autostart") == "true"
    return [
        Node(
            package="spaceformer_ros",
            executable="spaceformer_node",
            name="spaceformer",
            namespace=value("namespace"),
            parameters=[value("params_file"), overrides],
            remappings=[("~/input/points", value("cloud_topic"))],
            prefix=os.path.expanduser(value("python_prefix")) or None,
            arguments=["--ros-args", "--log-level", f"spaceformer:={value('log_level')}"],
            respawn=value("respawn") == "true",
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
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", os.path.join(CONFIG, "spaceformer.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*arguments, *large_clouds, OpaqueFunction(function=start_node), rviz])
