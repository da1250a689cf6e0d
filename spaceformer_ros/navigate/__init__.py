# SPDX-License-Identifier: Apache-2.0
"""Driving to an object: which poses to try, whether they are free, whether the robot has arrived. Without ROS."""
