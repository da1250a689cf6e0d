#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the same instances found in a map that is rotated, shifted, or whose points are reordered?

Usage: tools/env.sh python -m benchmarks.studies.invariance [-n 20] [--first-seed 500000] [--checkpoint demo]

Segments generated rooms as they are and changed, and prints for every change the share of the published instances that
are found again with a mask IoU of at least 0.9 (and 0.5). Seeds as in evaluate_rooms.py.
"""

import argparse
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.geometry.heading import rotate_z
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import make_room
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.training.validate import all_kinds_config

REACH = 20.0  # metres of the largest shift in x and y


def changes(rng):
    """Dict name -> function from xyz [N, 3] to the order of the points and their new positions."""

    def some_angle():
        return rng.uniform(0, 2 * np.pi)

    def shifted(xyz):
        return xyz + rng.uniform(-REACH, REACH, 3).astype(np.float32) * np.float32([1, 1, 0.1])

    return {
        "the same cloud again": lambda xyz: (np.arange(len(xyz)), xyz),
        "points shuffled": lambda xyz: (rng.permutation(len(xyz)), xyz),
        "shifted": lambda xyz: (np.arange(len(xyz)), shifted(xyz)),
        "rotated by any angle": lambda xyz: (np.arange(len(xyz)), rotate_z(xyz, some_angle())),
        "all of these": lambda xyz: (rng.permutation(len(xyz)), shifted(rotate_z(xyz, some_angle()))),
    }


def point_masks(pipeline, cloud):
    """[K, N] bool: the points of every published instance."""
    pipeline.clear()
    scene = pipeline.process(cloud, Stopwatch()).scene
    shown = scene.published(pipeline.config.postprocess)
    return np.array([scene.instances.point_mask(item.row) for item in shown]).reshape(-1, len(cloud))


def best_iou(masks, others):
    """[K] IoU of each mask with the one of `others` that overlaps it most."""
    if not len(others):
        return np.zeros(len(masks))
    overlap = masks.astype(np.float32) @ others.astype(np.float32).T
    return (overlap / (masks.sum(axis=1)[:, None] + others.sum(axis=1) - overlap)).max(axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=20, help="rooms (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    functions = changes(np.random.default_rng(0))
    found = {name: [] for name in functions}
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None):
        cloud = make_room(seed).cloud
        masks = point_masks(pipeline, cloud)
        for name, change in functions.items():
            order, xyz = change(cloud.xyz)
            changed = point_masks(pipeline, replace(cloud, xyz=xyz[order], rgb=cloud.rgb[order]))
            found[name].append(best_iou(masks[:, order], changed))
    rows = [(name, np.concatenate(ious)) for name, ious in found.items()]
    rows = [(name, len(iou), f"{(iou >= 0.9).mean():.3f}", f"{(iou >= 0.5).mean():.3f}") for name, iou in rows]
    print_table(rows, ("change", "instances", "IoU >= 0.9", "IoU >= 0.5"))


if __name__ == "__main__":
    main()
