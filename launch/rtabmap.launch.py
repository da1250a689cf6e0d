# SPDX-License-Identifier: Apache-2.0
"""Start the node on the map of rtabmap_ros; run it with Grid/3D:=true Grid/CellSize:=0.02 Grid/RangeMax:=5.0."""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription


def generate_launch_description():
    share = get_package_share_directory("spaceformer_ros")
    main = PythonLaunchDescriptionSource(os.path.join(share, "launch", "spaceformer.launch.py"))
    return LaunchDescription(
        [
            DeclareLaunchArgument("cloud_topic", default_value="/rtabmap/cloud_map", description="the map's topic"),
            IncludeLaunchDescription(
                main, launch_arguments={"cloud_topic": LaunchConfiguration("cloud_topic")}.items()
            ),
        ]
    )
