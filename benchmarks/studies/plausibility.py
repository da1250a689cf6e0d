#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often are generated rooms called implausible, and how often is each kind of bad map noticed?

Usage: tools/env.sh python -m benchmarks.studies.plausibility

Prints a table in Markdown: for the rooms as they are, the share with a remark is that of false alarms; below, the share
of rooms that are noticed after each change, and of those whose remark proposes the right parameter.
"""

import argparse
import dataclasses

import numpy as np
from tqdm import tqdm

from spaceformer_ros.clouds.cloud import UPRIGHT
from spaceformer_ros.clouds.plausibility import plausibility_remarks
from spaceformer_ros.grids.keys import cell_keys
from spaceformer_ros.synthetic import make_room

FIRST_SEED = 740_000  # no room of training, tests or other studies; the limits were set with other rooms
VOXEL_SIZE = 0.05  # metres, of the demo network
SPARSE = 0.2  # metres between the points of a sparse map


def scaled(factor):
    """A change: coordinates times `factor`."""
    return lambda cloud: dataclasses.replace(cloud, xyz=cloud.xyz * np.float32(factor))


def with_up(axis):
    """A change: the frame's axis `axis` points up instead of z."""
    return lambda cloud: dataclasses.replace(cloud, xyz=cloud.xyz @ UPRIGHT[axis].astype(np.float32))


def thinned(cloud):
    """One point per cell of SPARSE metres."""
    return cloud[np.unique(cell_keys(cloud.xyz, SPARSE), return_index=True)[1]]


def gray(cloud):
    """The cloud in one colour."""
    return dataclasses.replace(cloud, rgb=np.full_like(cloud.rgb, 128))


CHANGES = {  # name -> (change, text that the remark should contain)
    "none": (lambda cloud: cloud, ""),
    "millimetres": (scaled(1000), "input_scale to 0.001"),
    "centimetres": (scaled(100), "input_scale to 0.01"),
    "0.4 of its size": (scaled(0.4), "input_scale"),
    **{f"{axis} up": (with_up(axis), f"input_up to {axis} ") for axis in UPRIGHT if axis != "z"},
    "a point every 0.2 m": (thinned, "denser map"),
    "one colour": (gray, "one colour"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=100, help="number of rooms (default: %(default)s)")
    options = parser.parse_args()
    noticed, right = (dict.fromkeys(CHANGES, 0) for _ in range(2))
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + options.n), disable=None):
        room = make_room(seed).cloud
        for name, (change, text) in CHANGES.items():
            remarks = [str(remark) for remark in plausibility_remarks(change(room), VOXEL_SIZE)]
            noticed[name] += bool(remarks)
            right[name] += any(text in remark for remark in remarks)
            if name == "none" and remarks:
                tqdm.write(f"seed {seed}: {'; '.join(remarks)}")
    print("| Change | Rooms with a remark | ... that names the cause |\n|---|---|---|")
    for name in CHANGES:
        cause = "" if name == "none" else f"{right[name] / options.n:.0%}"
        print(f"| {name} | {noticed[name] / options.n:.0%} | {cause} |")


if __name__ == "__main__":
    main()
