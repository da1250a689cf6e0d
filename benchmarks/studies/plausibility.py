#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often are generated rooms called implausible, and how often is each kind of bad map noticed?

Usage: tools/env.sh python -m benchmarks.studies.plausibility

Prints two tables in Markdown. For rooms, rooms furnished with models, buildings, buildings on top of each other and
halls as they are, the share with a remark is that of false alarms. For the first rooms and two-storey buildings after
each change: the share that is noticed, and whose remark proposes the right parameter.
"""

import argparse
import dataclasses
import itertools
import sys

import numpy as np
from tqdm import tqdm

from benchmarks.evaluate_rooms import unseen_config
from benchmarks.layout import make_building
from spaceformer_ros.clouds.cloud import UPRIGHT
from spaceformer_ros.clouds.plausibility import plausibility_remarks
from spaceformer_ros.grids.keys import cell_keys
from spaceformer_ros.segment.levelling import directions, rotation_to
from spaceformer_ros.synthetic import make_room

FIRST_SEED = 740_000  # no room of training, tests or other studies; the limits were set with other rooms
VOXEL_SIZES = 0.05, 0.02  # metres, of the demo network and of the released one
TILT = 15.0  # degrees
REFLECTED = 0.02  # of the points
SEPIA = np.array([(0.393, 0.349, 0.272), (0.769, 0.686, 0.534), (0.189, 0.168, 0.131)])  # W3C, Filter Effects Module
HALL, WALL_FROM, STOREY = 8.0, 2.1, 3.0  # metres: height of a hall, of its furniture, and from floor to floor


def scaled(factor):
    """A change: coordinates times `factor`."""
    return lambda cloud: dataclasses.replace(cloud, xyz=cloud.xyz * np.float32(factor))


def with_up(axis):
    """A change: the frame's axis `axis` points up instead of z."""
    return lambda cloud: dataclasses.replace(cloud, xyz=cloud.xyz @ UPRIGHT[axis].astype(np.float32))


def thinned(cell):
    """A change: one point per cell of `cell` metres."""
    return lambda cloud: cloud[np.unique(cell_keys(cloud.xyz, cell), return_index=True)[1]]


def tilted_without_floor(cloud):
    """The cloud without its floor, tilted by TILT about x."""
    turned = rotation_to(directions(np.array([[0.0, TILT]]))[0]).astype(np.float32)
    return dataclasses.replace(cloud, xyz=without_floor(cloud).xyz @ turned, rgb=without_floor(cloud).rgb)


def with_reflections(cloud, depth=2.5):
    """The cloud with REFLECTED of its points mirrored in the floor, up to `depth` metres below it."""
    floor = np.percentile(cloud.xyz[:, 2], 0.5)
    rows = np.random.default_rng(0).integers(0, len(cloud), int(REFLECTED * len(cloud)))
    xyz = cloud.xyz[rows]
    xyz[:, 2] = floor - 0.05 - np.minimum(np.abs(xyz[:, 2] - floor), depth)
    return dataclasses.replace(
        cloud, xyz=np.concatenate([cloud.xyz, xyz]), rgb=np.concatenate([cloud.rgb, cloud.rgb[rows]])
    )


def without_floor(cloud):
    """The cloud without the lowest 0.1 metres."""
    return cloud[cloud.xyz[:, 2] > np.percentile(cloud.xyz[:, 2], 0.5) + 0.1]


def gray(cloud):
    """The cloud in one colour."""
    return dataclasses.replace(cloud, rgb=np.full_like(cloud.rgb, 128))


def intensities(cloud):
    """The cloud in grey, as from the intensity of a laser."""
    return noisy_intensities(cloud, noise=0)


def noisy_intensities(cloud, noise=3):
    """The cloud in grey with noise in each channel, of this standard deviation of 255."""
    gray = cloud.rgb.mean(axis=1, keepdims=True) + np.random.default_rng(0).normal(0, noise, cloud.rgb.shape)
    return dataclasses.replace(cloud, rgb=gray.clip(0, 255).astype(np.uint8))


def sepia(cloud):
    """The cloud in shades of brown."""
    return dataclasses.replace(cloud, rgb=(cloud.rgb @ SEPIA).clip(0, 255).astype(np.uint8))


def colored_by_height(cloud):
    """The cloud in a colour scale of its height."""
    from matplotlib import colormaps

    heights = (cloud.xyz[:, 2] - cloud.xyz[:, 2].min()) / np.ptp(cloud.xyz[:, 2])
    return dataclasses.replace(cloud, rgb=(colormaps["jet"](heights)[:, :3] * 255).astype(np.uint8))


def high(cloud):
    """The cloud in a hall: what is above WALL_FROM is stretched to HALL metres above the floor."""
    xyz, (low, top) = cloud.xyz.copy(), np.percentile(cloud.xyz[:, 2], (0.5, 99.5))
    above, limit = xyz[:, 2] - low, max(top - low, WALL_FROM + 0.3)
    stretched = WALL_FROM + (above - WALL_FROM) * (HALL - WALL_FROM) / (limit - WALL_FROM)
    xyz[:, 2] = low + np.where(above > WALL_FROM, stretched, above)
    return dataclasses.replace(cloud, xyz=xyz)


def stacked(lower, upper):
    """Two clouds as the storeys of one building, STOREY metres apart."""
    floors = [np.percentile(cloud.xyz[:, 2], 0.5) for cloud in (lower, upper)]
    shift = [*(lower.floor_center - upper.floor_center)[:2], floors[0] - floors[1] + STOREY]
    xyz = np.concatenate([lower.xyz, upper.xyz + np.array(shift, np.float32)])
    return dataclasses.replace(lower, xyz=xyz, rgb=np.concatenate([lower.rgb, upper.rgb]))


CHANGES = {  # name -> (change, text that the remark should contain)
    "millimetres": (scaled(1000), "input_scale to 0.001"),
    "centimetres": (scaled(100), "input_scale to 0.01"),
    "feet": (scaled(1 / 0.3048), "input_scale to 0.3048"),
    "inches": (scaled(1 / 0.0254), "input_scale to 0.0254"),
    "0.4 of its size": (scaled(0.4), "input_scale"),
    **{f"{axis} up": (with_up(axis), f"input_up to {axis} ") for axis in UPRIGHT if axis != "z"},
    "0.6 of its size": (scaled(0.6), "input_scale"),
    "twice its size": (scaled(2.0), "input_scale"),
    **{f"a point every {cell} m": (thinned(cell), "denser map") for cell in (0.1, 0.15, 0.2)},
    "no floor": (without_floor, "no floor"),
    "no floor, tilted": (tilted_without_floor, "no floor"),
    "one colour": (gray, "one colour"),
    "intensities": (intensities, "one hue"),
    "noisy intensities": (noisy_intensities, "one hue"),
    "sepia": (sepia, "one hue"),
    "colours of the height": (colored_by_height, "scale of the height"),
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
    buildings = [make_building(seed).cloud for seed in tqdm(seeds(options.buildings), "buildings", disable=None)]
    rooms = [make_room(seed).cloud for seed in seeds(options.changed)]
    two = [stacked(lower, upper) for lower, upper in itertools.pairwise(buildings)]
    as_they_are["buildings"], as_they_are["two storeys"] = enumerate(buildings), enumerate(two)
    as_they_are["halls"] = enumerate(map(high, [*rooms, *buildings]))
    as_they_are["rooms with reflections below the floor"] = enumerate(map(with_reflections, rooms))
    print("| As they are | number | with a remark |\n|---|---|---|")
    for name, clouds in as_they_are.items():
        alarms = [has_false_alarm(name, seed, cloud) for seed, cloud in tqdm(clouds, name, disable=None)]
        print(f"| {name} | {len(alarms)} | {sum(alarms)} |", flush=True)
    print("\n| Change | Rooms with a remark | ... that names the cause | Two storeys | ... |\n|---|---|---|---|---|")
    for name, (change, text) in CHANGES.items():
        shares = [share for maps in (rooms, two[: options.changed]) for share in noticed(maps, change, text)]
        print(f"| {name} | {' | '.join(f'{share:.0%}' for share in shares)} |", flush=True)


def noticed(clouds, change, text):
    """Shares of clouds that have a remark after a change, and whose remark contains a text."""
    found = [[str(remark) for remark in plausibility_remarks(change(cloud), VOXEL_SIZES[0])] for cloud in clouds]
    return np.mean([bool(remarks) for remarks in found]), np.mean([any(text in r for r in rs) for rs in found])


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
