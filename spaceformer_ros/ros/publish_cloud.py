# SPDX-License-Identifier: Apache-2.0
"""Publish a cloud file as a latched PointCloud2 map, as a mapping node would: `ros2 run spaceformer_ros publish_cloud`.

Keeps running, so that late joiners receive the map, and publishes it again every --period seconds if that is set.
"""

import argparse
import math
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ..clouds.cloud import UPRIGHT
from ..clouds.files import read_cloud
from ..clouds.pointcloud2 import cloud_columns
from . import qos
from .companion import one_sentence
from .messages import read_frame, to_cloud_message
from .parameter_files import unknown_parameters
from .signals import leave_interrupts_to_ros


def seconds(text):
    """A number of seconds of the command line, 0 or more."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cloud", help="a file of a coloured cloud, in metres: .ply, .pcd, .npz and others")
    parser.add_argument(
        "--up", choices=UPRIGHT, default="z", help="axis of the file that points up; --up=-y for cameras"
    )
    parser.add_argument("--topic", default="/map_cloud")
    parser.add_argument("--frame", default="map")
    parser.add_argument("--period", type=seconds, default=0.0, help="seconds between repetitions; 0: publish once")
    leave_interrupts_to_ros()
    with one_sentence("publish_cloud"):
        options = parser.parse_args(remove_ros_args(sys.argv)[1:])
        frame_id, remarks = read_frame(options.frame)
        cloud = read_cloud(options.cloud, allow_gray=True).cloud.turned(options.up)
        rclpy.init()
        node = rclpy.create_node("cloud_publisher")
        publisher = node.create_publisher(PointCloud2, options.topic, qos.LATCHED)
    for text in (*remarks, *cloud.remarks, *unknown_parameters(node, ())):
        node.get_logger().warning(text)

    def publish():
        header = Header(stamp=node.get_clock().now().to_msg(), frame_id=frame_id)
        publisher.publish(to_cloud_message(header, cloud_columns(cloud)))

    publish()
    node.get_logger().info(f"{options.cloud}: {len(cloud)} points on {publisher.topic_name} in frame {frame_id}")
    if options.period:
        node.create_timer(options.period, publish)
    try:
        rclpy.spin(node)
    except ExternalShutdownException:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
