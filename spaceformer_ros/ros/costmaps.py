# SPDX-License-Identifier: Apache-2.0
"""Costmaps of Nav2 and occupancy grids as messages. nav_msgs and nav2_msgs are optional."""

import math

import numpy as np

from .. import SpaceformerError
from ..navigate.costmap import INSCRIBED, LETHAL, MAX_CELLS, Costmap
from . import qos
from .refusal import Refusal
from .transforms import pose_transform

RAW = "_raw"  # end of the names of the topics on which Nav2 publishes nav2_msgs/Costmap
MISSING = (
    "costmap_topic is set, but {package} is not installed ({error}): sudo apt install ros-$ROS_DISTRO-{debian}, or "
    "leave costmap_topic empty"
)


def _occupancy():
    """[256] int8: costs of nav2_costmap_2d as it publishes them in an OccupancyGrid (`Costmap2DPublisher`)."""
    table = np.zeros(256, dtype=np.int8)
    table[1:253] = 1 + 97 * np.arange(252) // 251
    table[253:] = INSCRIBED, LETHAL, -1
    return table


OCCUPANCY = _occupancy()


class CostmapInput:
    """The newest costmap of a topic: a nav2_msgs/Costmap where its name ends with RAW, otherwise an OccupancyGrid."""

    def __init__(self, node, topic):
        """Subscribes to the topic, if the package of its messages is installed."""
        self._node, self._message, self._subscription = node, None, None
        self._missing = f"no costmap has come on {topic}: is it published, reliable and transient local, as by Nav2?"
        package = "nav2_msgs" if topic.endswith(RAW) else "nav_msgs"
        try:
            if package == "nav2_msgs":
                from nav2_msgs.msg import Costmap as Kind
            else:
                from nav_msgs.msg import OccupancyGrid as Kind
        except ImportError as error:
            self._missing = MISSING.format(package=package, error=error, debian=package.replace("_", "-"))
            node.get_logger().error(self._missing)
        else:
            self._subscription = node.create_subscription(Kind, topic, self._keep, qos.LATCHED)

    def _keep(self, message):
        self._message = message

    def latest(self):
        """The newest Costmap. Raises Refusal if none has come."""
        if self._message is None:
            raise Refusal("NAVIGATION_UNAVAILABLE", self._missing)
        return to_costmap(self._message)

    def destroy(self):
        """Remove the subscription from the node."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)


def to_costmap(message):
    """The Costmap of an OccupancyGrid or of a nav2_msgs/Costmap. Raises SpaceformerError for one that is unusable."""
    if hasattr(message, "metadata"):
        info, values = message.metadata, OCCUPANCY[np.array(message.data, dtype=np.uint8)]
        width, height = info.size_x, info.size_y
    else:
        info, values = message.info, np.array(message.data, dtype=np.int8)
        width, height = info.width, info.height
    if not (0 < width * height <= MAX_CELLS and len(values) == width * height):
        raise SpaceformerError(f"a costmap of {width} x {height} cells with {len(values)} values cannot be used")
    if not (math.isfinite(info.resolution) and info.resolution > 0):
        raise SpaceformerError(f"a costmap with cells of {info.resolution} m cannot be used")
    placement = pose_transform(info.origin, "the costmap", message.header.frame_id)
    return Costmap(values.reshape(height, width), float(info.resolution), placement, message.header.frame_id)
