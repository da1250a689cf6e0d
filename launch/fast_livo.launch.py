# SPDX-License-Identifier: Apache-2.0
"""Start the node on FAST-LIVO2, whose /cloud_registered holds one scan at a time: rtabmap_util assembles them first.

Needs ros-$ROS_DISTRO-rtabmap-util. Set gravity_align_en in FAST-LIVO2, so that z points up.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription


def start(context):
    """The assembler, in the namespace of the node, and the main launch file on what it publishes."""
    names = ("scan_topic", "fixed_frame", "cloud_topic", "namespace", "tf_prefix")
    value = {name: LaunchConfiguration(name).perform(context) for name in names}
    folder = "/".join(["", *filter(None, [value["namespace"].strip("/")]), "spaceformer_input"])
    prefix = value["tf_prefix"].strip("/")
    assembler = Node(
        package="rtabmap_util",
        executable="point_cloud_assembler",
        namespace=folder,
        remappings=[
            ("cloud", value["scan_topic"]),
            *([(f"/{name}", f"/{prefix}/{name}") for name in ("tf", "tf_static")] if prefix else []),
        ],
        parameters=[
            {"fixed_frame_id": value["fixed_frame"], "max_clouds": 1000, "circular_buffer": True, "voxel_size": 0.02}
        ],
    )
    share = get_package_share_directory("spaceformer_ros")
    main = PythonLaunchDescriptionSource(os.path.join(share, "launch", "spaceformer.launch.py"))
    arguments = {
        "cloud_topic": value["cloud_topic"] or f"{folder}/assembled_cloud",
        "namespace": value["namespace"],
        "tf_prefix": value["tf_prefix"],
    }
    return [assembler, IncludeLaunchDescription(main, launch_arguments=arguments.items())]


def generate_launch_description():
    arguments = (
        ("scan_topic", "/cloud_registered", "coloured scans"),
        ("fixed_frame", "camera_init", "frame of the scans"),
        ("cloud_topic", "", "the assembled map's topic; empty: as the assembler names it in the namespace"),
        ("namespace", "", "namespace of the node and of the assembler"),
        ("tf_prefix", "", "namespace of /tf and /tf_static, e.g. robot1; empty: the global topics"),
    )
    declared = [DeclareLaunchArgument(name, default_value=value, description=text) for name, value, text in arguments]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
