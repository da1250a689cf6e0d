# SPDX-License-Identifier: Apache-2.0
"""The clock of everything that must go on while /clock stands still, jumps back or never comes (use_sim_time)."""

from rclpy.clock import Clock, ClockType

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
