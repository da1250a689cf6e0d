#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the accumulator keep up with scans of 50,000 points? Usage: tools/env.sh python -m benchmarks.accumulate

A simulated sensor drives through a row of rooms of 12 x 10 x 4 m and scans walls, floors and ceilings in random
directions. Prints the milliseconds per scan (transform and insert) by map size: while the map grows, when it is full
and drops its oldest voxels, and when the sensor does not move and most voxels are known. At 10 Hz the limit is 100 ms.
Wall time exceeds CPU time if other programs are running. Compare within a run, not between machines.
"""

import argparse
import pathlib
import resource
import time
from dataclasses import dataclass

import numpy as np

from spaceformer_ros.clouds.accumulator import VoxelMapAccumulator

ROOM = np.array([12.0, 10.0, 4.0])  # metres
RATE = 10.0  # Hz
NOISE = 0.005  # metres, of a measured range


@dataclass
class Row:
    """One scan: voxels of the map before it, how many more there were after it, wall and CPU milliseconds."""

    size: int
    grown: int
    wall: float
    cpu: float


def main():
    options, rng = parse_options(), np.random.default_rng(0)
    simulate(0, options.points, options.speed, rng)  # warm-up of numpy
    before = resident_bytes()
    voxels = VoxelMapAccumulator(voxel_size=options.voxel_size, max_voxels=options.max_voxels)
    growing, number = [], 0
    while not growing or growing[-1].grown >= 0:  # until the first voxels are dropped
        growing.append(insert_scan(voxels, number, number, options, rng))
        number += 1
    memory = resident_bytes() - before
    full = [insert_scan(voxels, number + i, number + i, options, rng) for i in range(options.scans)]
    number += options.scans
    still = [insert_scan(voxels, number + i, number, options, rng) for i in range(options.scans)]

    print(
        f"{'voxels in the map':<24}{'scans':>6}{'CPU mean':>10}{'median':>8}{'p99':>7}{'wall median':>13}{'p99':>7} ms"
    )
    step = options.max_voxels // 4
    for low in range(0, options.max_voxels, step):
        rows = [row for row in growing if low <= row.size < low + step]
        report(f"{low / 1e6:.2f} to {(low + step) / 1e6:.2f} million", rows)
    report("full, driving on", full)
    report("full, standing still", still)
    start = time.perf_counter()
    M = len(voxels.snapshot().cloud)
    print(f"snapshot of {M} voxels: {1000 * (time.perf_counter() - start):.0f} ms")
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"memory of the full map: {memory / options.max_voxels:.0f} bytes per voxel")
    print(f"highest in the run, snapshot included: {peak / options.max_voxels:.0f} bytes per voxel")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=50_000, help="points of a scan")
    parser.add_argument("--voxel-size", type=float, default=0.02, help="metres")
    parser.add_argument("--max-voxels", type=int, default=2_000_000, help="bound of the map")
    parser.add_argument("--speed", type=float, default=1.5, help="metres per second")
    parser.add_argument("--scans", type=int, default=150, help="scans of each part with the full map")
    return parser.parse_args()


def insert_scan(voxels, number, place, options, rng):
    """Add the scan of a place on the path. Returns its Row."""
    xyz, rgb, transform = simulate(place, options.points, options.speed, rng)
    size, wall, cpu = len(voxels), time.perf_counter(), time.thread_time()
    voxels.insert(xyz @ transform[:3, :3].T + transform[:3, 3], rgb, number / RATE)
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    return Row(size, len(voxels) - size, 1000 * wall, 1000 * cpu)


def simulate(place, points, speed, rng):
    """One scan: xyz [N, 3] float32 in the sensor's frame, rgb [N, 3] uint8, and its pose [4, 4]."""
    time_of_scan = place / RATE
    pose = np.eye(4)
    c, s = np.cos(0.3 * time_of_scan), np.sin(0.3 * time_of_scan)
    pose[:2, :2] = (c, -s), (s, c)
    pose[:3, 3] = speed * time_of_scan, 5.0 + 3.0 * np.sin(0.5 * time_of_scan), 1.5
    ray = rng.normal(size=(points, 3))
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    room = np.floor(pose[:3, 3] / ROOM) * ROOM
    # From inside a box, a ray ends at the nearest of the three planes that it runs towards.
    depth = ((np.where(ray > 0, room + ROOM, room) - pose[:3, 3]) / ray).min(axis=1, keepdims=True)
    world = pose[:3, 3] + ray * (depth + rng.normal(scale=NOISE, size=depth.shape))
    rgb = (128 + 100 * np.sin(world)).astype(np.uint8)
    return ((world - pose[:3, 3]) @ pose[:3, :3]).astype(np.float32), rgb, pose


def report(name, rows):
    if rows:
        cpu, wall = (np.percentile([getattr(row, kind) for row in rows], (50, 99)) for kind in ("cpu", "wall"))
        mean = np.mean([row.cpu for row in rows])
        print(f"{name:<24}{len(rows):>6}{mean:>10.1f}{cpu[0]:>8.1f}{cpu[1]:>7.1f}{wall[0]:>13.1f}{wall[1]:>7.1f}")


def resident_bytes():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
