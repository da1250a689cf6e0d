# SPDX-License-Identifier: Apache-2.0
"""Start the node on FAST-LIVO2, whose /cloud_registered holds one scan at a time: rtabmap_util assembles them first.

Needs ros-$ROS_DISTRO-rtabmap-util. Set gravity_align_en in FAST-LIVO2, so that z points up.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

ASSEMBLED = "/spaceformer_input/assembled_cloud"


def generate_launch_description():
    share = get_package_share_directory("spaceformer_ros")
    main = PythonLaunchDescriptionSource(os.path.join(share, "launch", "spaceformer.launch.py"))
    assembler = Node(
        package="rtabmap_util",
        executable="point_cloud_assembler",
        namespace="spaceformer_input",
        remappings=[("cloud", LaunchConfiguration("scan_topic"))],
        parameters=[
            {
                "fixed_frame_id": LaunchConfiguration("fixed_frame"),
                "max_clouds": 1000,
                "circular_buffer": True,
                "voxel_size": 0.02,
            }
        ],
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("scan_topic", default_value="/cloud_registered", description="coloured scans"),
            DeclareLaunchArgument("fixed_frame", default_value="camera_init", description="frame of the scans"),
            DeclareLaunchArgument("cloud_topic", default_value=ASSEMBLED, description="the assembled map's topic"),
            assembler,
            IncludeLaunchDescription(
                main, launch_arguments={"cloud_topic": LaunchConfiguration("cloud_topic")}.items()
            ),
        ]
    )
