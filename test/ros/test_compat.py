# SPDX-License-Identifier: Apache-2.0
"""The node imports on every distro: rclpy's modules are hidden or renamed as they are there."""

import subprocess
import sys

import pytest
from helpers.paths import ROOT

# What a distro has under another name than the ROS that runs the tests: hidden modules, and renamed ones.
SURFACES = {
    "humble": ({"rclpy.event_handler"}, {"rclpy.qos_event": "rclpy.event_handler"}),
    "jazzy": ({"rclpy.qos_event"}, {}),
    "kilted": ({"rclpy.qos_event"}, {}),
    "lyrical": ({"rclpy.qos_event"}, {}),
}
SCRIPT = """
import importlib, pkgutil, sys
import rclpy.executors, rclpy.lifecycle  # rclpy's own imports are as on this distro
hidden, renamed = {hidden!r}, {renamed!r}
modules = {{new: importlib.import_module(old) for new, old in renamed.items()}}
sys.modules.update(modules)
sys.modules.update(dict.fromkeys(hidden))  # None: importing it is an ImportError
import spaceformer_ros.ros
for module in pkgutil.iter_modules(spaceformer_ros.ros.__path__):
    importlib.import_module("spaceformer_ros.ros." + module.name)
"""


@pytest.mark.slow
@pytest.mark.parametrize("distro", SURFACES)
def test_every_module_of_the_node_imports(distro):
    hidden, renamed = SURFACES[distro]
    subprocess.run([sys.executable, "-c", SCRIPT.format(hidden=hidden, renamed=renamed)], check=True, cwd=ROOT)
