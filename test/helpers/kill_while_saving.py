# SPDX-License-Identifier: Apache-2.0
"""Repeatedly kill a process that saves in a tight loop; print the results as JSON.

Usage: python -m helpers.kill_while_saving FOLDER KILLS

Forks a process that has only numpy, so a kill takes milliseconds.
"""

import json
import os
import pathlib
import random
import signal
import struct
import sys
import time

import numpy as np

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.instances import Instances, VoxelMap
from spaceformer_ros.scene.columns import columns_of
from spaceformer_ros.scene.file import read_scene, write_scene
from spaceformer_ros.scene.objects import SceneObject
from spaceformer_ros.scene.saved_scene import ModelIdentity, SavedScene

POINTS = 40_000  # 0.8 MB: long enough in the writing to be hit there
STARTED, DONE = 0, 1


def make_scene(number):
    """A scene whose parts all contain its number."""
    xyz = np.full((POINTS, 3), number, dtype=np.float32)
    voxels = VoxelMap(xyz[:1], np.zeros(POINTS, np.int32), 0.02)
    one = np.ones(1, np.float32)
    box = OrientedBox(np.full(3, float(number)), np.ones(3), 0.0)
    size, features = np.array([POINTS]), np.full((1, 8), number, np.float32)
    instances = Instances(voxels, (np.zeros(1, np.int32),), one, one, features, size, xyz[:1], (box,))
    cloud = Cloud(xyz, np.zeros((POINTS, 3), np.uint8), "map", number)
    numbered = {"id", "first_seen_ns", "last_seen_ns", "num_observations"}
    return SavedScene(
        cloud,
        instances,
        objects={name: np.full(1, number if name in numbered else 0) for name in columns_of(SceneObject)},
        occupancies=(None,),
        labels=("chair",),
        vocabulary=((), ()),
        model=ModelIdentity("none", "0" * 64, "none"),
        map_id="",
        map_revision=number,
        next_id=number + 1,
        votes=((),),
        thumbnails=(None,),
        operator_labels=("",),
    )


def number_of(scene):
    """The number of a scene; fails unless all its parts agree."""
    number = scene.map_revision
    numbers = {number, *scene.objects["id"].tolist(), scene.cloud.stamp_ns, *np.unique(scene.cloud.xyz).tolist()}
    numbers |= {*np.unique(scene.instances.features).tolist(), *scene.instances.boxes[0].center.tolist()}
    assert numbers == {number}, numbers
    return number


def save_forever(path, report, number):
    """Save scenes number, number + 1, ...; each start and each end is reported through the pipe."""
    while True:
        scene = make_scene(number)
        os.write(report, struct.pack("<qq", number, STARTED))
        write_scene(path, scene)
        os.write(report, struct.pack("<qq", number, DONE))
        number += 1


def kill_one(path, first, delay):
    """Fork a writer and kill it after `delay` seconds. Returns the numbers of the last started and last done scene."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            save_forever(path, writer, first)
        finally:
            os._exit(1)
    os.close(writer)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL, "the writer ended by itself"
    with open(reader, "rb") as pipe:
        rows = list(struct.iter_unpack("<qq", pipe.read()))
    return tuple(max([first - 1, *(number for number, kind in rows if kind == wanted)]) for wanted in (STARTED, DONE))


def main(folder, kills):
    path, draw = pathlib.Path(folder) / "scene.safetensors", random.Random(0)
    write_scene(path, make_scene(1))
    found = {"kills": kills, "while_saving": 0, "partial_files": 0, "old": 0, "new": 0, "saved": 0, "bad": []}
    number, begun = 1, time.monotonic()
    for _ in range(kills):
        started, done = kill_one(path, number + 1, draw.uniform(0.0, 0.04))
        found["partial_files"] += any(path.parent.glob(f".{path.name}.*.part"))
        try:
            number = number_of(read_scene(path))
        except Exception as error:
            found["bad"].append(f"{type(error).__name__}: {error}")
            break
        if number not in (done, started):
            found["bad"].append(f"scene {number} was found after {done} was saved and {started} begun")
        if started > done:
            found["while_saving"] += 1
            found["old" if number == done else "new"] += 1
        found["saved"] = number
    write_scene(path, make_scene(number + 1))  # leftovers of a kill do not prevent a new save
    left = sorted(entry.name for entry in pathlib.Path(folder).iterdir())
    print(json.dumps({**found, "left": left, "seconds": round(time.monotonic() - begun, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
