#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What does it cost to segment a building of generated rooms in tiles, and how does this change the masks?

Usage: OMP_NUM_THREADS=2 tools/env.sh python -m benchmarks.building [--rooms 30] [--points 20000000] [--set NAME=VALUE]

Rooms that were not used in training are placed on a grid, a wall's thickness apart; points are repeated with a jitter
of 5 mm up to the wanted number. Prints points, voxels, tiles, seconds, peak resident memory, class-agnostic AP50 of the
building and of the same rooms segmented separately, and the cost of adding the last rooms one by one, relative to
segmenting each alone. Seconds are CPU seconds, so that other programs matter less.
"""

import argparse
import resource
import time

import numpy as np
import yaml

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config, ModelConfig
from spaceformer_ros.disk.paths import cache_folder
from spaceformer_ros.evaluation.precision import average_precision
from spaceformer_ros.evaluation.sample import GroundTruth, SamplePrediction, overlap
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.synthetic.floorplan import WALL_THICKNESS
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.weights.checkpoint import load_checkpoint
from spaceformer_ros.weights.download import released_file

FIRST_SEED = 500_000
JITTER = 0.005  # metres, in each direction


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=30)
    parser.add_argument("--points", type=int, default=20_000_000, help="of the building (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first room (default: %(default)s)")
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    parser.add_argument("--last", type=int, default=1, help="rooms to add one by one (default: %(default)s)")
    parser.add_argument("--no-alone", action="store_true", help="do not segment the rooms separately")
    options = parser.parse_args()
    config = Config().with_values({key: yaml.safe_load(value) for key, value in (s.split("=") for s in options.set)})
    clouds, truths = make_building(options.rooms, options.points, options.seed)
    segmenter = Segmenter(load_checkpoint(options.checkpoint, released_file(cache_folder(config.model))), ModelConfig())
    segmenter.segment(clouds[0], config)  # warm-up
    rows = [("points", sum(map(len, clouds))), ("rooms", len(clouds)), ("objects", sum(map(count_objects, truths)))]
    print_table([(name, str(value)) for name, value in rows], ("building", ""))
    alone = [] if options.no_alone else measure_alone(segmenter, clouds, truths, config)
    measure_building(segmenter, clouds, truths, config, alone, min(options.last, len(clouds) - 1))


def make_building(count, points, seed=FIRST_SEED):
    """The rooms' clouds at their positions in the building, and [N] instance of each cloud's points, -1 for none."""
    made = [make_room(seed + number, RoomConfig(turned=0.0)) for number in range(count)]
    repeat = max(points / sum(len(room.cloud) for room in made), 1)
    rng, columns = np.random.default_rng(0), int(np.ceil(count**0.5))
    clouds, truths, corner, depth = [], [], np.zeros(2), 0.0
    for number, room in enumerate(made):
        low, high = np.percentile(room.cloud.xyz, (0.05, 99.95), axis=0)  # without stray points
        if number % columns == 0:
            corner, depth = np.array([0.0, corner[1] + depth]), 0.0
        shift = np.array([*(corner - low[:2]), 0.0])
        rows = np.arange(round(repeat * len(room.cloud))) % len(room.cloud)
        xyz = room.cloud.xyz[rows] + shift.astype(np.float32)
        xyz[len(room.cloud) :] += rng.uniform(-JITTER, JITTER, (len(rows) - len(room.cloud), 3)).astype(np.float32)
        clouds.append(Cloud(xyz, room.cloud.rgb[rows], "map"))
        truths.append(room.instance[rows])
        size = high[:2] - low[:2] + WALL_THICKNESS
        corner, depth = corner + [size[0], 0.0], max(depth, size[1])
    return clouds, truths


def count_objects(truth):
    return len(np.unique(truth[truth >= 0]))


def join(clouds):
    """One cloud of many."""
    return Cloud(np.concatenate([c.xyz for c in clouds]), np.concatenate([c.rgb for c in clouds]), "map")


def timed(segmenter, cloud, config):
    """Segmentation, seconds in all, and seconds per stage."""
    watch, start = Stopwatch(time.process_time), time.process_time()
    found = segmenter.segment(cloud, config, watch)
    return found, time.process_time() - start, watch.seconds


def overlap_table(instances, truth):
    """OverlapTable of the result and the true instance [N], for class-agnostic figures."""
    ids, number = np.unique(truth, return_inverse=True)
    number = number.astype(np.int32) - int(ids[0] < 0)
    masks = tuple(np.flatnonzero(instances.point_mask(k)) for k in range(len(instances)))
    labels = np.zeros(len(masks), dtype=np.int64)
    prediction = SamplePrediction(masks, instances.confidence, labels)
    return overlap(prediction, GroundTruth(number, np.zeros(number.max() + 1, dtype=np.int64)))


def ap50(overlaps):
    return average_precision(overlaps, [0], [0.5], class_agnostic=True)[0, 0]


def peak_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def seconds_text(total, seconds):
    return f"{total:.1f} ({', '.join(f'{name} {value:.1f}' for name, value in seconds.items())})"


def measure_alone(segmenter, clouds, truths, config):
    """Segment every room as a separate map, print the figures, and return the seconds of each."""
    overlaps, seconds = [], []
    for cloud, truth in zip(clouds, truths):
        segmenter.forget()
        found, total, _ = timed(segmenter, cloud, config)
        overlaps.append(overlap_table(found.instances, truth))
        seconds.append(total)
    print_table([("seconds", f"{sum(seconds):.1f}"), ("AP50", f"{ap50(overlaps):.3f}")], ("separate rooms", ""))
    return seconds


def measure_growth(segmenter, clouds, config, alone, last):
    """Segment the building without its last rooms, then add them one by one. Returns rows of figures."""
    segmenter.forget()
    count = len(clouds) - last
    found, total, stages = timed(segmenter, join(clouds[:count]), config)
    rows = [(f"seconds for {count} rooms", seconds_text(total, stages)), ("tiles", found.report.tiles)]
    for number in range(count, len(clouds)):
        found, total, stages = timed(segmenter, join(clouds[: number + 1]), config)
        rows.append((f"seconds to add room {number + 1}", seconds_text(total, stages)))
        rows.append(("tiles run for it", f"{found.report.computed} of {found.report.tiles}"))
        if alone:
            rows.append(("relative to the separate room", f"{total / alone[number]:.2f} of {alone[number]:.2f}"))
    return rows


def measure_building(segmenter, clouds, truths, config, alone, last):
    """Segment the building with rooms added at the end, and as a whole; print the figures."""
    rows = measure_growth(segmenter, clouds, config, alone, last)
    segmenter.forget()
    found, total, stages = timed(segmenter, join(clouds), config)
    instances, report = found.instances, found.report
    rows += [("seconds as a whole", seconds_text(total, stages)), ("tiles as a whole", report.tiles)]
    rows += [("voxels", len(instances.voxels)), ("instances", len(instances))]
    rows.append(("bytes per voxel", f"{segmenter.meter.bytes_per_voxel:.0f}"))
    rows.append(("peak memory", f"{peak_gb():.2f} GB"))
    offsets = np.cumsum([0, *(truth.max() + 1 for truth in truths[:-1])])
    truth = np.concatenate([np.where(t >= 0, t + offset, -1) for t, offset in zip(truths, offsets)])
    rows.append(("AP50", f"{ap50([overlap_table(instances, truth)]):.3f}"))
    rows += [("remark", remark) for remark in report.remarks]
    print_table([(name, str(value)) for name, value in rows], ("whole building", ""))


if __name__ == "__main__":
    main()
