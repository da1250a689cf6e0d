#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often are walls, doors, windows and rooms right? Measured on generated buildings, whose layout is known.

Usage: tools/env.sh python -m benchmarks.layout [-n 30] [--first-seed 500700] [--errors] [--everything]
       tools/env.sh python -m benchmarks.layout --points 20000000
       tools/env.sh python -m benchmarks.layout --first-seed 500707 --plan docs/images/floor_plan.png

Buildings of one to four furnished rooms are scanned on a tour with the noise and the drift of a depth camera and turned
by any angle. F1 as SpatialLM scores it (spaceformer_ros/evaluation/layouts.py), mean over the buildings, with the
objects of the demo weights, with the true ones and without any; then precision and recall of the parts of all buildings
together with those of the demo weights, at an IoU of 0.25, of rooms 0.5. A tour may miss a room: what the cloud does
not show of the true layout does not count (`visible`), unless --everything is given. --errors lists what is missing and
wrong.

With --points: seconds, memory and parts found of a large building, on one core, and the share of this time that the
same building takes when little of it has changed. With --plan: the floor plan of the first building as `spaceformer
layout` draws it.
"""

import argparse
import dataclasses
import math
import resource
import time
from types import SimpleNamespace

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from spaceformer_ros.cli.tables import figure_text, print_table
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.evaluation.boxes import BOX_THRESHOLDS
from spaceformer_ros.evaluation.layouts import THIN, mean_scores, polygon_iou, rectangles, score_layout, thin_iou
from spaceformer_ros.export.floor_plan import write_plan
from spaceformer_ros.grids.keys import distinct, pack
from spaceformer_ros.layout.find import LayoutFinder, find_layout
from spaceformer_ros.layout.structure import KINDS
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import RoomConfig, make_room

from .building import JITTER
from .building import make_building as make_rooms

COLUMN = 0.1  # metres along a wall
BAND = (0.3, 2.0)  # metres above the floor in which a wall is looked at
MIN_SEEN = 4  # cells of COLUMN of a column of a wall that is visible: 0.4 m of it
MIN_SHARE = 0.3  # of a wall's columns, or of a room's floor, that must be visible
BESIDE = 0.5  # metres beside a door or window where its wall must be visible
NEAR = 0.1  # metres from the faces of a wall of points that show it
ROOMS = 30  # of the large building
SCANNED_AGAIN, PATCH = 0.05, 4.0  # share of it that has other points, in squares of this side in metres


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=30, help="buildings (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_700)
    parser.add_argument("--everything", action="store_true", help="count what the cloud does not show as missing")
    parser.add_argument("--errors", action="store_true", help="list what is missing and wrong, with the demo weights")
    parser.add_argument("--points", type=int, help="measure the speed on a building with this many points instead")
    parser.add_argument("--plan", help="draw the floor plan of the first building into this PNG file instead")
    options = parser.parse_args()
    if options.points:
        return measure(options.points)
    if options.plan:
        return draw_plan(options.first_seed, options.plan)
    find_objects = network_objects()
    scores, counts = {}, []
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="building", disable=None):
        room = make_building(seed)
        truth = room.layout if options.everything else visible(room.layout, room.cloud)
        for name, objects in (("demo weights", find_objects(room)), ("true", true_objects(room)), ("none", ())):
            found = find_layout(room.cloud, objects)
            scores.setdefault(name, []).append(score_layout(found, truth))
            if name == "demo weights":
                counts.append(count(found, truth))
                if options.errors:
                    print("\n".join(f"{seed}: {line}" for line in errors(found, truth)))
    header = ("objects", "figure", *THIN, "room")
    print_table([row for name, found in scores.items() for row in rows_of(name, found)], header)
    right, found, true = np.sum(counts, axis=0)
    figures = (("right", right), ("found", found), ("true", true))
    rows = [(name, *(str(value) for value in values)) for name, values in figures]
    rows += [(name, *map(figure_text, right / of)) for name, of in (("precision", found), ("recall", true))]
    print_table(rows, ("demo weights", *THIN, "room"))


def make_building(seed):
    """The Room of a seed: one to four rooms, a whole tour, turned by any angle."""
    return make_room(seed, RoomConfig(rooms=1 + seed % 4, tours=(1, 0, 0), turned=1.0))


def network_objects():
    """A function: the objects that the demo weights find in a Room with the default vocabulary."""
    pipeline = build_pipeline(Config())

    def find_objects(room):
        pipeline.clear()
        return pipeline.process(room.cloud).scene.published(pipeline.config.postprocess)

    return find_objects


def draw_plan(seed, path):
    """Write the floor plan of a building with what the demo weights find in it."""
    pipeline = build_pipeline(Config())
    write_plan(path, pipeline.graph(pipeline.process(make_building(seed).cloud).scene), "png")


def true_objects(room):
    """The objects of a Room as `find_layout` takes them."""
    return [SimpleNamespace(label=item.kind, score=1.0, box=item.box) for item in room.objects]


def rows_of(name, scores):
    """Rows of the table of figures: one for each threshold."""
    mean = mean_scores(scores)
    for threshold in BOX_THRESHOLDS:
        figure = f"F1@{threshold:.2f}"
        yield (name, figure, *(figure_text(mean.get(part, {}).get(figure, float("nan"))) for part in (*THIN, "room")))


def count(found, truth):
    """[3, 4] int: right, found and true parts of THIN, and rooms."""
    tables = [thin_iou(rectangles(found, name), rectangles(truth, name)) >= BOX_THRESHOLDS[0] for name in THIN]
    tables.append(polygon_iou(found.rooms, truth.rooms) >= BOX_THRESHOLDS[1])
    return np.array([(fits[linear_sum_assignment(~fits)].sum(), *fits.shape) for fits in tables]).T


def errors(found, truth):
    """Sentences about the walls, doors and windows that are missing or wrong."""
    for name in THIN:
        a, b = getattr(found, f"{name}s"), getattr(truth, f"{name}s")
        iou = np.pad(thin_iou(rectangles(found, name), rectangles(truth, name)), ((0, 1), (0, 1)))
        for title, items, best in (("wrong", a, iou.max(axis=1)), ("missing", b, iou.max(axis=0))):
            for item, value in zip(items, best):
                if value < BOX_THRESHOLDS[0]:
                    yield f"{title}: {item}"


# --- what a cloud shows -----------------------------------------------------------------------------------------------


def visible(layout, cloud):
    """The part of a Layout that a Cloud shows."""
    seen = {wall.id: _seen_columns(wall, cloud.xyz) for wall in layout.walls}
    kept = {key for key, columns in seen.items() if columns.mean() >= MIN_SHARE}
    walls = {wall.id: wall for wall in layout.walls if wall.id in kept}
    openings = [
        tuple(item for item in items if item.wall in walls and _is_seen(item, walls[item.wall], seen[item.wall]))
        for items in (layout.doors, layout.windows)
    ]
    rooms = tuple(room for room in layout.rooms if _floor_share(room, layout, cloud.xyz) >= MIN_SHARE)
    return dataclasses.replace(layout, walls=tuple(walls.values()), doors=openings[0], windows=openings[1], rooms=rooms)


def _seen_columns(wall, xyz):
    """[T] bool: which columns of a wall the points [N, 3] show."""
    t, left = wall.local(xyz[:, :2])
    z = xyz[:, 2] - wall.z
    near = (np.abs(left) < wall.thickness / 2 + NEAR) & (t >= 0) & (t < wall.length) & (z >= BAND[0]) & (z < BAND[1])
    image = np.zeros((int(wall.length / COLUMN) + 1, round((BAND[1] - BAND[0]) / COLUMN)), dtype=bool)
    image[(t[near] / COLUMN).astype(int), ((z[near] - BAND[0]) / COLUMN).astype(int)] = True
    return image.sum(axis=1) >= MIN_SEEN


def _is_seen(opening, wall, columns):
    """Whether a wall was seen beside an opening."""
    t, _ = wall.local(opening.center[:2])
    low, high = (max(int((t + side * (opening.width / 2 + BESIDE)) / COLUMN), 0) for side in (-1, 1))
    return columns[low : high + 1].mean() >= MIN_SHARE


def _floor_share(room, layout, xyz):
    """Share of the floor of a room that was seen."""
    low, high = np.min(room.outline, axis=0), np.max(room.outline, axis=0)
    x, y = (np.arange(a, b, COLUMN) + COLUMN / 2 for a, b in zip(low, high))
    inside = shapely.contains_xy(room.polygon, *np.meshgrid(x, y, indexing="ij"))
    floor = np.abs(xyz[:, 2] - layout.item("storeys", room.storey).floor_z) < NEAR
    places = ((xyz[floor, :2] - low) / COLUMN).astype(int)
    places = places[((places >= 0) & (places < inside.shape)).all(axis=1) & (xyz[floor, :2] >= low).all(axis=1)]
    seen = np.zeros(inside.shape, dtype=bool)
    seen[tuple(places.T)] = True
    return (seen & inside).sum() / max(inside.sum(), 1)


# --- speed ------------------------------------------------------------------------------------------------------------


def measure(points):
    """Print the time and memory of a LayoutFinder for a large building, and for the same one a little changed."""
    clouds, _ = make_rooms(ROOMS, points)
    cloud = Cloud(*(np.concatenate([getattr(part, name) for part in clouds]) for name in ("xyz", "rgb")), "map")
    without_last = cloud[: -len(clouds[-1])]
    del clouds
    before = peak_memory()
    finder = LayoutFinder()
    layout, whole = timed(finder, cloud)
    rows = [("points", len(cloud)), ("seconds of one core", f"{whole:.1f}")]
    rows += [("peak memory [GB]", f"{peak_memory():.1f}"), ("before [GB]", f"{before:.1f}")]
    rows += [(kind, len(getattr(layout, kind))) for kind in KINDS]
    print_table([(name, str(value)) for name, value in rows], ("building", ""))
    times = [timed(finder, cloud)[1], timed(finder, scanned_again(cloud))[1]]
    finder = LayoutFinder()
    finder.find(without_last)
    times.append(timed(finder, cloud)[1])
    names = "the same map again", f"{SCANNED_AGAIN:.0%} of it scanned again", f"one room of {ROOMS} added"
    print_table([(name, f"{100 * t / whole:.0f} %") for name, t in zip(names, times)], ("change", "time, of the whole"))


def peak_memory():
    """GB, of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed(finder, cloud):
    """The Layout of a Cloud, and the seconds of one core that it took."""
    start = time.process_time()
    layout = finder.find(cloud)
    return layout, time.process_time() - start


def scanned_again(cloud):
    """The Cloud with other points in SCANNED_AGAIN of its squares of PATCH metres, at random."""
    rng, xyz = np.random.default_rng(0), cloud.xyz.copy()
    square = pack(np.floor(xyz[:, :2] / PATCH).astype(np.int64))
    squares = rng.permutation(distinct(square))
    chosen = np.isin(square, squares[: math.ceil(SCANNED_AGAIN * len(squares))])
    xyz[chosen] += rng.uniform(-JITTER, JITTER, (chosen.sum(), 3)).astype(np.float32)
    return dataclasses.replace(cloud, xyz=xyz)


if __name__ == "__main__":
    main()
