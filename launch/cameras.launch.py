# SPDX-License-Identifier: Apache-2.0
"""Start the node on depth cameras whose poses are on TF: RealSense, ZED or OAK-D. See docs/cameras.md."""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

# driver -> namespace of its camera, colour and depth in it, as the drivers name them by default
DRIVERS = {
    "realsense": ("/camera/camera", "color/image_raw", "aligned_depth_to_color/image_raw"),
    "zed": ("/zed/zed_node", "rgb/image_rect_color", "depth/depth_registered"),
    "oak": ("/oak", "rgb/image_raw", "stereo/image_raw"),
}

SAME = ("detections", "detections_topic", "yolo_topic", "image_views")  # arguments of the main launch file
SWITCH = ("", "true", "false", "True", "False")  # empty: as in params_file


def live_images(cameras, color):
    """Arguments with the images of the first camera and their CameraInfo, for its detector and for ~/overlay."""
    image = f"{cameras.split(',')[0].strip().rstrip('/')}/{color.removesuffix('/compressed')}"
    return {"image_topic": image, "camera_info_topic": f"{image.rsplit('/', 1)[0]}/camera_info"}


def start(context):
    """The main launch file, with the topics of the driver."""
    names = ("driver", "cameras", "color_topic", "depth_topic")
    value = {name: LaunchConfiguration(name).perform(context) for name in names}
    camera, color, depth = DRIVERS[value["driver"]]
    share = get_package_share_directory("spaceformer_ros")
    main = PythonLaunchDescriptionSource(os.path.join(share, "launch", "spaceformer.launch.py"))
    arguments = {
        "input_mode": "rgbd",
        "large_clouds": "true",
        "cameras": value["cameras"] or camera,
        "color_topic": value["color_topic"] or color,
        "depth_topic": value["depth_topic"] or depth,
        "fixed_frame": LaunchConfiguration("fixed_frame"),
        **live_images(value["cameras"] or camera, value["color_topic"] or color),
        **{name: LaunchConfiguration(name) for name in SAME},
    }
    return [IncludeLaunchDescription(main, launch_arguments=arguments.items())]


def generate_launch_description():
    arguments = (
        ("driver", "realsense", "driver of the cameras, for the names of their topics", list(DRIVERS)),
        ("cameras", "", "namespaces of the cameras, comma-separated; empty: the driver's default", None),
        ("color_topic", "", "colour images in each camera's namespace; empty: the driver's", None),
        ("depth_topic", "", "depth images in each camera's namespace; empty: the driver's", None),
        ("detections", "", "true: names from a 2D detector of the first camera (docs/cameras.md)", SWITCH),
        ("detections_topic", "", "vision_msgs/Detection2DArray of the detector; empty: ~/input/detections", None),
        ("yolo_topic", "", "yolo_msgs/DetectionArray of the detector; empty: ~/input/yolo_detections", None),
        ("image_views", "", "true: the map drawn into the images of the first camera", SWITCH),
        ("fixed_frame", "odom", "frame of the map, in which TF has the cameras' poses", None),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text, **({"choices": known} if known else {}))
        for name, default, text, known in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
