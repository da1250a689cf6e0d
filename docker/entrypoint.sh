#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Arguments of the form name:=value, or none: launch the node. Otherwise run them as a command in the ROS environment.
set -eo pipefail
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /ws/install/setup.bash
case "${1:-}" in
  "" | *:=*) exec ros2 launch spaceformer_ros spaceformer.launch.py "python_prefix:=$VENV/bin/python" "$@" ;;
  *) exec "$@" ;;
esac
