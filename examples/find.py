#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Find objects in the map and an approach pose: python3 examples/find.py "fire extinguisher" couch

The last line is an approach pose for a navigation goal, in front of the first match. Exit code 1 if nothing was found,
with the message of the node.
"""

import argparse
import math
import sys
import time

import rclpy

from spaceformer_ros.msg import ResultCode
from spaceformer_ros.srv import FindObjects

NOT_YET = (ResultCode.MODEL_NOT_READY, ResultCode.NOT_ACTIVE, ResultCode.NO_MAP_YET)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="+", help="what to look for; quote several words")
    parser.add_argument("--frame", default="", help="of the answers, such as base_link (default: the map's own)")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for a node that has no map yet")
    parser.add_argument("--highlight", action="store_true", help="show the matches in ~/markers")
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("find_example")
    client = node.create_client(FindObjects, "/spaceformer/find_objects")
    if not client.wait_for_service(timeout_sec=10):
        sys.exit("there is no service /spaceformer/find_objects: is the node running?")
    request = FindObjects.Request(queries=options.text, max_results=3, with_approach=True)
    request.target_frame, request.highlight = options.frame, options.highlight
    end = time.monotonic() + options.wait
    while (reply := ask(node, client, request)).code in NOT_YET and time.monotonic() < end:
        time.sleep(0.5)
    if reply.code != ResultCode.OK:
        sys.exit(reply.message)
    for match in reply.matches:
        place, size = match.instance.pose.position, match.instance.size
        print(f"{match.query}: {match.instance.label} {match.instance.id}, score {match.score:.2f}: ", end="")
        print(f"({place.x:.2f}, {place.y:.2f}, {place.z:.2f}) m in {reply.header.frame_id}, ", end="")
        print(f"{size.x:.2f} x {size.y:.2f} x {size.z:.2f} m")
    best = reply.matches[0]
    if best.has_approach:
        place, turn = best.approach.position, best.approach.orientation
        yaw = math.degrees(2 * math.atan2(turn.z, turn.w))
        print(f"approach pose: ({place.x:.2f}, {place.y:.2f}), yaw {yaw:.0f} deg")
    rclpy.shutdown()


def ask(node, client, request):
    """The reply of the node."""
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future, timeout_sec=10)
    return future.result() or sys.exit("no answer within 10 s")


if __name__ == "__main__":
    main()
