#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the height of what the network finds tell that a map has another scale?

Usage: tools/env.sh python -m benchmarks.studies.found_sizes [CLOUD ...]

For generated rooms and clouds in files, as they are and scaled: the median over the found objects of the height of
their tops above the floor, over the usual one of their kind. A remark would be made from a ratio MAX_RATIO on.
"""

import argparse
import dataclasses
import math

import numpy as np
from tqdm import tqdm

from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import make_room

FIRST_SEED = 780_000
SCALES = 1.0, 0.6, 2.0
HEIGHTS = {  # metres above the floor, of kinds whose height varies little
    **{"chair": 0.95, "armchair": 0.9, "office chair": 1.0, "sofa": 0.85, "bench": 0.45, "wheelchair": 0.95},
    **{"table": 0.74, "desk": 0.75, "coffee table": 0.45, "door": 2.05, "bicycle": 1.0},
    **{"toilet": 0.8, "sink": 0.95, "washing machine": 0.87, "dishwasher": 0.86},
}
MIN_SCORE, MIN_OBJECTS, MAX_RATIO = 0.4, 2, 1.35


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clouds", nargs="*", help="files of coloured clouds in metres, z up")
    parser.add_argument("-n", type=int, default=16, help="generated rooms (default: %(default)s)")
    options = parser.parse_args()
    pipeline = build_pipeline(Config())
    maps = [(path, read_cloud(path).cloud) for path in options.clouds]
    rooms = ((f"room {seed}", make_room(seed).cloud) for seed in range(FIRST_SEED, FIRST_SEED + options.n))
    print(f"| Map | {' | '.join(f'x {scale:g}' for scale in SCALES)} |\n|---|{'---|' * len(SCALES)}")
    for name, cloud in tqdm([*maps, *rooms], disable=None):
        found = [found_ratio(pipeline, cloud, scale) for scale in SCALES]
        print(f"| {name} | {' | '.join(map(described, found))} |", flush=True)


def found_ratio(pipeline, cloud, scale):
    """`ratio` of what is found in a Cloud whose coordinates are multiplied by `scale`."""
    pipeline.clear()
    scaled = dataclasses.replace(cloud, xyz=cloud.xyz * np.float32(scale))
    floor = float(np.percentile(scaled.xyz[:, 2], 1))
    objects = pipeline.process(scaled).scene.published(pipeline.config.postprocess)
    return ratio([(o.label, o.score, o.box.center[2] + o.box.size[2] / 2 - floor) for o in objects])


def ratio(found):
    """Median height over the usual one, NaN for fewer than MIN_OBJECTS.

    found: (label, score, metres of the top above the floor)"""
    ratios = [height / HEIGHTS[label] for label, score, height in found if score >= MIN_SCORE and label in HEIGHTS]
    return float(np.median(ratios)) if len(ratios) >= MIN_OBJECTS else math.nan


def described(found):
    """A ratio, with "noticed" where a remark would be made."""
    if math.isnan(found):
        return "too few objects"
    return f"{found:.2f}{', noticed' if max(found, 1 / found) >= MAX_RATIO else ''}"


if __name__ == "__main__":
    main()
