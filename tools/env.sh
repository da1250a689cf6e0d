#!/usr/bin/env bash
# Run a command in the environment made by tools/setup_env.py: tools/env.sh COMMAND [ARGUMENT ...]
# ROS from anywhere else is left out, and nothing that is started here is seen beyond this machine.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unset PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH ROS_LOCALHOST_ONLY
set +u
. "$root/.venv/setup.bash"
. "$root/build/ws/install/setup.bash"
set -u
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export FASTRTPS_DEFAULT_PROFILES_FILE="$root/config/fastdds_large_clouds.xml"
export HF_HUB_OFFLINE=1
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} # as spaceformer_ros sets it, also where torch is imported first
exec "$@"
