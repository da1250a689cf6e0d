#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are poses noticed that `spaceformer fuse` reads in a wrong way, and only those?

Usage: tools/env.sh python -m benchmarks.studies.pose_readings [-n 20] [--frames 200]

Depth pictures along a drive through generated rooms, with noise of a Kinect and errors of pose (1 cm, 0.3 degrees). The
poses are in the map's frame and in that of the first picture, of all pictures (ten per second) and of every tenth
(one per second), written in each way; then the pictures have another unit, or the poses of other pictures. Printed: how
many recordings of each kind `cameras/recordings/readings.py` takes for which other kind.
"""

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path as Folder

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from benchmarks.fuse import measured, with_pose_error
from benchmarks.walks import HEIGHT, free_floor, make_walk
from spaceformer_ros.cameras.depth import MILLIMETRE
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.recordings.readings import READINGS, doubt
from spaceformer_ros.cameras.recordings.recording import Frame, Recording
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.geometry.transform import IDENTITY, RigidTransform
from tools.make_bag import PITCH, Path

CAMERA = CameraModel(160, 120, 131.0, 131.0, 79.5, 59.5)
RATE = 10.0  # pictures per second
SPARSE = 10
LATE = 50  # pictures
UNITS = {"depth 5 times too small": 0.2, "depth 5 times too large": 5.0}
LATE_POSES = "poses 5 s late"
OTHERS = (*UNITS, LATE_POSES)
NONE = "no reading"


def w_first(pose):
    """What is read of a pose whose quaternion was written as w, x, y, z."""
    x, y, z, w = Rotation.from_matrix(pose.rotation).as_quat()
    return RigidTransform(Rotation.from_quat([w, x, y, z]).as_matrix(), pose.translation)


WRITERS = {**READINGS, "w-first": w_first}  # the others are their own inverses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=20, help="rooms (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=200, help="of each room (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=530_000)
    options = parser.parse_args()
    said = {what: Counter() for what in (*READINGS, *OTHERS)}
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n)):
        with tempfile.TemporaryDirectory() as folder:
            for what, frames, unit in variants(make_frames(Folder(folder), seed, options.frames)):
                found = doubt(Recording("plain", frames, 0, CAMERA, None, unit))
                said[what][(found.better or NONE) if found else "nothing"] += 1
    outcomes = [*READINGS, NONE, "nothing"]
    rows = [(what, *(str(counts[outcome]) for outcome in outcomes)) for what, counts in said.items()]
    print_table(rows, ("recordings", *outcomes))


def make_frames(folder, seed, count):
    """Frames of a drive through a room, with errors of pose, whose depth pictures are in a folder."""
    rng, walk = np.random.default_rng(seed), make_walk(seed)
    path = Path.through(free_floor(walk.surfaces.cloud.xyz), count / RATE, rng)
    mounted = optical_pose((0.0, 0.0, HEIGHT), 0.0, PITCH)
    frames = []
    for number in range(count):
        pose = path.pose(number / RATE).after(mounted)
        depth = measured(np.nan_to_num(walk.see(pose, CAMERA).depth, posinf=0), rng)
        name = folder / f"{number}.png"
        Image.fromarray(np.rint(np.minimum(depth, 20) / MILLIMETRE).astype(np.uint16)).save(name)
        frames.append(Frame(number / RATE, name, name, with_pose_error(pose, rng)))
    return frames


def variants(frames):
    """(what they are, Frames, metres per unit of depth) of all recordings that are made of one."""
    start = frames[0].pose.inverse
    for origin in (IDENTITY, start):
        moved = [replace(frame, pose=origin.after(frame.pose)) for frame in frames]
        for written, write in WRITERS.items():
            rows = [replace(frame, pose=write(frame.pose)) for frame in moved]
            yield written, rows, MILLIMETRE
            yield written, rows[::SPARSE], MILLIMETRE
        for what, factor in UNITS.items():
            yield what, moved, MILLIMETRE * factor
        late = [replace(frame, pose=other.pose) for frame, other in zip(moved, moved[LATE:], strict=False)]
        yield LATE_POSES, late, MILLIMETRE


if __name__ == "__main__":
    main()
