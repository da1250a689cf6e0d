# SPDX-License-Identifier: Apache-2.0
"""Publish a cloud file as a latched PointCloud2 map, as a mapping node would: `ros2 run spaceformer_ros publish_cloud`.

Keeps running, so that late joiners receive the map, and publishes it again every --period seconds if that is set.
"""

import argparse
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from .. import SpaceformerError
from ..clouds.cloud import UPRIGHT
from ..clouds.files import read_cloud
from ..clouds.pointcloud2 import cloud_columns
from . import qos
from .messages import to_cloud_message


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cloud", help=".ply, .pcd or .npz with colour, in metres")
    parser.add_argument(
        "--up", choices=UPRIGHT, default="z", help="axis of the file that points up; --up=-y for cameras"
    )
    parser.add_argument("--topic", default="/map_cloud")
    parser.add_argument("--frame", default="map")
    parser.add_argument("--period", type=float, default=0.0, help="seconds between repetitions; 0: publish once")
    options = parser.parse_args()
    try:
        cloud = read_cloud(options.cloud, allow_gray=True).cloud.turned(options.up)
    except SpaceformerError as error:
        sys.exit(f"publish_cloud: {error}")
    rclpy.init()
    node = rclpy.create_node("cloud_publisher")
    publisher = node.create_publisher(PointCloud2, options.topic, qos.LATCHED)

    def publish():
        header = Header(stamp=node.get_clock().now().to_msg(), frame_id=options.frame)
        publisher.publish(to_cloud_message(header, cloud_columns(cloud)))

    publish()
    node.get_logger().info(f"{options.cloud}: {len(cloud)} points on {options.topic} in frame {options.frame}")
    if options.period:
        node.create_timer(options.period, publish)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
