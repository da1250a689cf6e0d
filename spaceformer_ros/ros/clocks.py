# SPDX-License-Identifier: Apache-2.0
"""A clock for timers that must keep running while /clock is paused, jumps back or is missing (use_sim_time)."""

from rclpy.clock import Clock, ClockType

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
