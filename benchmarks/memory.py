#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much memory does the node use in each lifecycle state? Measured from outside, on the CPU.

    tools/env.sh python -m benchmarks.memory

Prints a table: resident memory at the end of each state, and its peak since the state before.
"""

import argparse
import pathlib
import tempfile
from dataclasses import replace

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from benchmarks.live_node import NodeState, live_node
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.synthetic import RoomConfig, make_room


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=500_000, help="of the generated room")
    parser.add_argument("--checkpoint", default="demo")
    options = parser.parse_args()
    room = replace(make_room(options.seed, RoomConfig()).cloud, frame_id="map", stamp_ns=1_000_000_000)
    settings = {"checkpoint": options.checkpoint, "autostart": "false", "device": "cpu"}
    with tempfile.TemporaryDirectory() as cache, live_node(cache_dir=cache, **settings) as client:
        rows = list(lifecycle(client, room))
        voxels = client.diagnostics()["voxels"]
    print(f"checkpoint {options.checkpoint}, room of {len(room)} points, {voxels} voxels")
    print_table(rows, ("state", "resident MiB", "highest MiB"))


def lifecycle(client, room):
    """Go through the lifecycle states; rows (state, MiB at its end, peak MiB since the state before)."""

    def change(number):
        client.call(ChangeState, "change_state", transition=Transition(id=number))

    client.connect(ChangeState, "change_state")
    yield "unconfigured", *measure(client.pid)
    change(Transition.TRANSITION_CONFIGURE)
    client.wait_for_state(NodeState.READY)
    yield "inactive: model loaded and warmed up", *measure(client.pid)
    change(Transition.TRANSITION_ACTIVATE)
    client.wait_for_state(NodeState.WAITING_FOR_CLOUD)
    yield "active, waiting for a cloud", *measure(client.pid)
    client.publish(room)
    client.wait_for_state(NodeState.IDLE)
    client.wait(lambda: client.diagnostics().get("inferences") == "1", "diagnostics")
    yield "active, idle with a scene (highest: while it ran)", *measure(client.pid)
    change(Transition.TRANSITION_DEACTIVATE)
    change(Transition.TRANSITION_CLEANUP)
    yield "unconfigured again", *measure(client.pid)


def measure(pid):
    """Resident and peak memory of a process in MiB, as text; the peak is reset."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    return tuple(f"{int(values[name].split()[0]) / 1024:.0f}" for name in ("VmRSS", "VmHWM"))


if __name__ == "__main__":
    main()
