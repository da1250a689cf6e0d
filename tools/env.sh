#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a command in the environment made by tools/setup_env.py: tools/env.sh COMMAND [ARGUMENT ...]
# The Python code of this checkout is used. Other ROS installations are ignored, and DDS discovery is restricted to this
# machine.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ ! -x "$root/.venv/bin/python" ]; then
  echo "env.sh: nothing is set up yet: make setup" >&2
  exit 2
fi
unset PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH ROS_LOCALHOST_ONLY
unset PYTHONDONTWRITEBYTECODE # without its compiled files torch takes three times as long to import
export PATH="$root/.venv/bin:$PATH"
if [ -f "$root/.venv/setup.bash" ]; then
  . "$root/.venv/setup.bash"
  PYTHONPATH=""
  for built in "$root"/build/ws/install/*/; do # not by colcon's own script, which fails in a path with blanks
    built=${built%/}
    [ -d "$built/share" ] || continue
    export AMENT_PREFIX_PATH="$built:$AMENT_PREFIX_PATH" CMAKE_PREFIX_PATH="$built:$CMAKE_PREFIX_PATH"
    export LD_LIBRARY_PATH="$built/lib:$LD_LIBRARY_PATH"
    PYTHONPATH="$(echo "$built"/lib/python3.*/site-packages)${PYTHONPATH:+:$PYTHONPATH}"
  done
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
if [ ! -w "${HOME:-/}" ]; then # caches and logs of ROS, matplotlib and others
  export HOME="$root/build/home"
  mkdir -p "$HOME"
fi
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export FASTRTPS_DEFAULT_PROFILES_FILE="$root/config/fastdds_large_clouds.xml"
export HF_HUB_OFFLINE=1
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} # as spaceformer_ros sets it, also where torch is imported first
exec "$@"
