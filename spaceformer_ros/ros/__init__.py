# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side: messages, parameters, publishers, services and the node that wires them. Nothing imports it."""
