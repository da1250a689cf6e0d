#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often are generated rooms called implausible, and how often is each kind of bad map noticed?

Usage: tools/env.sh python -m benchmarks.studies.plausibility

Prints two tables in Markdown. For rooms, rooms furnished with models and buildings as they are, the share with a remark
is that of false alarms. For the first rooms after each change: the share that is noticed, and whose remark proposes the
right parameter.
"""

import argparse
import dataclasses
import sys

import numpy as np
from tqdm import tqdm

from benchmarks.evaluate_rooms import unseen_config
from benchmarks.layout import make_building
from spaceformer_ros.clouds.cloud import UPRIGHT
from spaceformer_ros.clouds.plausibility import plausibility_remarks
from spaceformer_ros.grids.keys import cell_keys
from spaceformer_ros.synthetic import make_room

FIRST_SEED = 740_000  # no room of training, tests or other studies; the limits were set with other rooms
VOXEL_SIZES = 0.05, 0.02  # metres, of the demo network and of the released one
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
    "millimetres": (scaled(1000), "input_scale to 0.001"),
    "centimetres": (scaled(100), "input_scale to 0.01"),
    "0.4 of its size": (scaled(0.4), "input_scale"),
    **{f"{axis} up": (with_up(axis), f"input_up to {axis} ") for axis in UPRIGHT if axis != "z"},
    "a point every 0.2 m": (thinned, "denser map"),
    "one colour": (gray, "one colour"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=400, help="rooms as they are (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=40, help="buildings as they are (default: %(default)s)")
    parser.add_argument("--changed", type=int, default=20, help="rooms that are changed (default: %(default)s)")
    options = parser.parse_args()
    as_they_are = {"rooms": ((seed, make_room(seed).cloud) for seed in seeds(options.n))}
    if assets := unseen_config():
        as_they_are["rooms of models"] = ((seed, make_room(seed, assets).cloud) for seed in seeds(options.n))
    as_they_are["buildings"] = ((seed, make_building(seed).cloud) for seed in seeds(options.buildings))
    print("| As they are | number | with a remark |\n|---|---|---|")
    for name, clouds in as_they_are.items():
        alarms = [has_false_alarm(name, seed, cloud) for seed, cloud in tqdm(clouds, name, disable=None)]
        print(f"| {name} | {len(alarms)} | {sum(alarms)} |", flush=True)
    print("\n| Change | Rooms with a remark | ... that names the cause |\n|---|---|---|")
    rooms = [make_room(seed).cloud for seed in seeds(options.changed)]
    for name, (change, text) in CHANGES.items():
        found = [[str(remark) for remark in plausibility_remarks(change(room), VOXEL_SIZES[0])] for room in rooms]
        right = [any(text in remark for remark in remarks) for remarks in found]
        print(f"| {name} | {np.mean([bool(remarks) for remarks in found]):.0%} | {np.mean(right):.0%} |")


def seeds(count):
    return range(FIRST_SEED, FIRST_SEED + count)


def has_false_alarm(name, seed, cloud):
    """Whether a good map has a remark, which is printed."""
    remarks = {str(remark) for voxel_size in VOXEL_SIZES for remark in plausibility_remarks(cloud, voxel_size)}
    if remarks:
        tqdm.write(f"{name}, seed {seed}: {'; '.join(sorted(remarks))}", file=sys.stderr)
    return bool(remarks)


if __name__ == "__main__":
    main()
