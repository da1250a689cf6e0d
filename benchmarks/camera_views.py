#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast and how right are views drawn from the map?

Usage: tools/env.sh python -m benchmarks.camera_views [-n 5] [--views 12] [--checkpoint demo]

Time: CPU milliseconds of a view of 640 x 480 pixels from a million points, beside a plain z-buffer that draws one
pixel per point (`numpy.minimum.at`), on one core. Right: generated rooms are seen from new viewpoints, and the
instances in the picture that is drawn from the scanned map are compared with those in a picture of the complete
surfaces: mean IoU over the objects in view, and the share of right pixels. Once with the generator's own labels of the
map's points, once with what the checkpoint finds (each true object against the instances that lie mostly in it), and
by kind.
"""

import argparse
import time

import numpy as np
from tqdm import tqdm

from benchmarks.walks import make_walk
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import MapPoints, optical_pose
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import KIND_NAMES
from spaceformer_ros.training.validate import all_kinds_config

FULL = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
MIN_PIXELS = 50  # of an object in the true picture that counts
REPEATS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=5, help="rooms (default: %(default)s)")
    parser.add_argument("--views", type=int, default=12, help="of each room (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    options = parser.parse_args()
    print_times()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    rows = []
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None):
        rows += compare_room(make_walk(seed), pipeline, options.views, np.random.default_rng(seed))
    print_table(
        [(name, *(f"{np.mean(values):.3f}" for values in zip(*rows_of))) for name, rows_of in _by_name(rows)],
        ("labels of the map", "mIoU of instances", "right pixels"),
    )


def _by_name(rows):
    names = dict.fromkeys(name for name, _ in rows)
    return [(name, [value for other, value in rows if other == name]) for name in names]


def print_times():
    """CPU times of views of a hall of a million points from four directions."""
    xyz = hall(1_000_000, np.random.default_rng(0))
    points, times = MapPoints(xyz, 0.02), []
    for yaw in (0.0, 0.7, 2.0, 4.0):
        inverse = optical_pose((2.0, 3.0, 1.2), yaw, -0.2).inverse
        times.append((best(lambda view=inverse: points.draw(FULL, view)), best(lambda view=inverse: plain(xyz, view))))
    drawn, plain_time = np.array(times).T
    print(
        f"640 x 480 from {len(xyz)} points, CPU: {1000 * drawn.mean():.0f} ms (worst {1000 * drawn.max():.0f}), plain "
        f"z-buffer with holes {1000 * plain_time.mean():.0f} ms, ratio {drawn.mean() / plain_time.mean():.2f}"
    )


def best(function):
    """Shortest CPU seconds of a few calls."""
    seconds = []
    for _ in range(REPEATS):
        start = time.thread_time()
        function()
        seconds.append(time.thread_time() - start)
    return min(seconds)


def plain(xyz, camera_from_map):
    """One pixel per point, without culling."""
    x, y, z = (xyz @ camera_from_map.rotation.T.astype(np.float32) + camera_from_map.translation.astype(np.float32)).T
    u, v, inside = FULL.project_axes(x, y, z)
    pixel = np.rint(v[inside]).astype(np.int64) * FULL.width + np.rint(u[inside]).astype(np.int64)
    depth = np.full(FULL.width * FULL.height, np.inf, dtype=np.float32)
    np.minimum.at(depth, pixel, z[inside])
    return depth


def hall(count, rng):
    """Points of a hall of 10 x 8 x 2.8 m with shelves, about one per 2 x 2 cm."""
    faces = [((10, 8, 0), 0.2, (0, 0, 0)), ((10, 8, 0), 0.2, (0, 0, 2.8))]
    faces += [((0, 8, 2.8), 0.07, (x, 0, 0)) for x in (0, 10)] + [((10, 0, 2.8), 0.09, (0, y, 0)) for y in (0, 8)]
    xyz = [rng.random((round(count * share), 3)) * size + corner for size, share, corner in faces]
    shelves = rng.random((count - sum(map(len, xyz)), 3)) * (9, 7, 1.2) + (0.5, 0.5, 0)
    shelves[:, 2] = shelves[:, 2].round(1)
    return np.concatenate([*xyz, shelves]).astype(np.float32)


def compare_room(walk, pipeline, count, rng):
    """Rows (name, (mean IoU, share of right pixels)) of the views of a Walk."""
    room, truth = walk.room, np.append(walk.same, -1)[walk.surfaces.instance]
    pipeline.clear()
    scene = pipeline.process(room.cloud).scene
    owner = scene.point_owner([item for item in scene.objects if not item.background])
    found = matched(owner, room.instance, len(room.objects))
    points, rows = MapPoints(room.cloud.xyz), []
    for pose in walk.poses(count, rng):
        view, seen = points.draw(FULL.scaled(320, 240), pose.inverse), walk.see(pose)
        wanted = seen.pick(truth, nothing=-1)
        for name, labels in (("of the generator", room.instance), ("found by the network", found)):
            row = compare(view.pick(labels.astype(np.int64), nothing=-1), wanted, seen.row >= 0)
            rows += [(name, row)] if row else []
        kinds = room.kind.astype(np.int64), walk.surfaces.kind.astype(np.int64)
        row = compare(view.pick(kinds[0], nothing=-1), seen.pick(kinds[1], nothing=-1), seen.row >= 0)
        rows += [(f"kinds of the generator ({len(KIND_NAMES)})", row)] if row else []
    return rows


def matched(owner, instance, count):
    """[N] int64: the true object that most of each found instance belongs to, -1 for none. owner: [N], -1 for none."""
    table = np.zeros((owner.max() + 1, count + 1), dtype=np.int64)
    inside = owner >= 0
    np.add.at(table, (owner[inside], instance[inside]), 1)
    best_of = table[:, :count].argmax(axis=1)
    best_of[table.argmax(axis=1) == count] = -1
    return np.append(best_of, -1)[owner]


def compare(found, wanted, seen):
    """(mean IoU of the labels with MIN_PIXELS in view, share of right pixels), None without a label. -1: no label."""
    values, counts = np.unique(wanted[wanted >= 0], return_counts=True)
    values = values[counts >= MIN_PIXELS]
    if not len(values):
        return None
    ious = [np.sum((found == v) & (wanted == v)) / np.sum((found == v) & seen | (wanted == v)) for v in values]
    return float(np.mean(ious)), float((found == wanted)[seen].mean())


if __name__ == "__main__":
    main()
