# SPDX-License-Identifier: Apache-2.0
"""The command `spaceformer`: works on files, without ROS. One module per command."""

from .main import main

__all__ = ["main"]
