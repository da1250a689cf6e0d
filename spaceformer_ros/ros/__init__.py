# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 node: messages, parameters, publishers, services. No other folder imports this one."""
