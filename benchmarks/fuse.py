#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do things that are gone leave the map that is fused from depth images, and does the rest stay?

Usage: tools/env.sh python -m benchmarks.fuse [-n 4] [--views 80]

Generated rooms are seen by a depth camera of 640 x 480 pixels on a walk with noise of a Kinect in depth, mixed pixels
at edges, and errors of pose (1 cm, 0.3 degrees). Halfway, every second movable object is gone, and a person walks
through all the time. Printed:

ghosts: voxels of objects that are gone, of those that at least three later images see through
wrong: voxels of what is there that carving removed, of all voxels of a map without carving within 3 cm of a surface
trail: places of the person that at least three later images see through and where the map still has a point
images per second of CPU time, of one core, with and without carving
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from benchmarks.walks import make_walk
from spaceformer_ros.cameras.carving import depth_noise
from spaceformer_ros.cameras.depth import DepthFrame, beside_edges
from spaceformer_ros.cameras.fusion import DepthFusion
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.render import MapPoints
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.accumulator import VoxelMapAccumulator
from spaceformer_ros.config import CameraConfig
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.grids.keys import cell_keys, isin_sorted, occupied_cells

CAMERA = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
VOXEL = 0.02  # metres
MOVABLE = (0.2, 1.5)  # metres, largest side
NEAR_SURFACE = 0.03  # metres
CONTACT = 0.1  # metres; voxels of gone things nearer to what is there are not judged
POSE_NOISE = (0.01, np.radians(0.3))  # standard deviation, metres and radians
MIXED = 0.3  # share of the pixels at edges whose depth is between both sides
SAMPLE = 300  # places of the person in an image
PERSON = (0.22, 1.75)  # radius and height, metres
PERSON_STEPS = 6  # images after which the person returns to the start


@dataclass(frozen=True)
class Counts:
    """Numbers of voxels and places, and CPU seconds per image, of one room."""

    seen_through: int
    ghosts: int
    there: int
    wrong: int
    walked: int
    trail: int
    seconds: float
    seconds_without: float


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=4, help="rooms (default: %(default)s)")
    parser.add_argument("--views", type=int, default=80, help="of each room (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=510_000)
    options = parser.parse_args()
    rows = [run_room(seed, options.views) for seed in tqdm(range(options.first_seed, options.first_seed + options.n))]
    total = {name: np.array([getattr(row, name) for row in rows]) for name in Counts.__dataclass_fields__}
    counts = {name: int(values.sum()) for name, values in total.items()}
    print_table(
        [
            (
                "ghosts",
                f"{counts['ghosts']} of {counts['seen_through']}",
                share(counts["ghosts"], counts["seen_through"]),
            ),
            ("wrongly removed", f"{counts['wrong']} of {counts['there']}", share(counts["wrong"], counts["there"])),
            (
                "trail",
                f"{counts['trail']} of {counts['walked']}",
                share(counts["trail"], counts["walked"]),
            ),
        ],
        ("voxels", "", "share"),
    )
    rate, rate_without = 1 / total["seconds"].mean(), 1 / total["seconds_without"].mean()
    print(f"{rate:.1f} images of 640 x 480 per CPU second (without carving {rate_without:.1f})")


def share(part, whole):
    """Percent, as text."""
    return f"{100 * part / max(whole, 1):.2f} %"


def run_room(seed, views):
    """Counts of one room."""
    rng, walk = np.random.default_rng(seed), make_walk(seed)
    room = walk.surfaces.cloud
    gone = points_of_gone(walk.surfaces)
    halves = [(walk.points, room.rgb), (MapPoints(room.xyz[~gone], walk.points.spacing), room.rgb[~gone])]
    carved, plain = make_fusion(CameraConfig().carve_views), make_fusion(0)
    person, seconds, ghosts, trail = person_points(rng), np.zeros(2), None, Places()
    for number, pose in enumerate(walk.poses(views, rng)):
        second = number >= views // 2
        if second and ghosts is None:
            ghosts = Places(gone_voxels(plain, room.xyz[gone], room.xyz[~gone]))
        points, rgb = halves[second]
        view = points.draw(CAMERA, pose.inverse)
        background = np.where(np.isfinite(view.depth), view.depth, 0)
        depth = with_person(background, pose, person, number)
        trail.look(depth, pose)
        trail.add(places_where(depth < background, depth, pose, rng))
        if second:
            ghosts.look(depth, pose)
        frame, noisy = DepthFrame(measured(depth, rng), CAMERA, view.pick(rgb)), with_pose_error(pose, rng)
        seconds += [spent(carved, frame, noisy, number), spent(plain, frame, noisy, number)]
    final = carved.map.snapshot().cloud.xyz
    there = plain.map.snapshot().cloud.xyz
    there = there[cKDTree(room.xyz[~gone]).query(there)[0] < NEAR_SURFACE]
    walked = trail.judged[cKDTree(room.xyz).query(trail.judged)[0] > CONTACT]
    return Counts(
        seen_through=len(ghosts.judged),
        ghosts=int(isin_sorted(cell_keys(ghosts.judged, VOXEL), occupied_cells(final, VOXEL)).sum()),
        there=len(there),
        wrong=int((~isin_sorted(cell_keys(there, VOXEL), occupied_cells(final, VOXEL))).sum()),
        walked=len(walked),
        trail=int((cKDTree(final).query(walked)[0] < NEAR_SURFACE).sum()),
        seconds=seconds[0] / views,
        seconds_without=seconds[1] / views,
    )


class Places:
    """Places that are free now, and how many images have seen through each. xyz: [P, 3] metres."""

    def __init__(self, xyz=()):
        self.xyz = np.reshape(xyz, (-1, 3))
        self._through = np.zeros(len(self.xyz), dtype=int)

    def add(self, xyz):
        """Add places [P, 3]."""
        self.xyz = np.concatenate([self.xyz, xyz])
        self._through = np.append(self._through, np.zeros(len(xyz), dtype=int))

    def look(self, depth, pose):
        """Count an image without errors."""
        self._through += visible_through(self.xyz, depth, pose)

    @property
    def judged(self):
        """[J, 3] metres: places that at least three images saw through."""
        return self.xyz[self._through >= 3]


def places_where(mask, depth, pose, rng):
    """[P, 3] metres in the map of a sample of pixels."""
    row, column = np.nonzero(mask)
    chosen = rng.permutation(len(row))[:SAMPLE]
    row, column = row[chosen], column[chosen]
    return pose.apply(CAMERA.unproject(np.column_stack([column, row]), depth[row, column]))


def make_fusion(carve_views):
    """An empty DepthFusion."""
    return DepthFusion(
        VoxelMapAccumulator(voxel_size=VOXEL, max_voxels=5_000_000), CameraConfig(carve_views=carve_views)
    )


def points_of_gone(room):
    """[N] bool: the points of every second movable object of a Room."""
    movable = [row for row, item in enumerate(room.objects) if MOVABLE[0] < max(item.box.size) < MOVABLE[1]]
    return np.isin(room.instance, movable[::2])


def gone_voxels(fusion, gone, rest):
    """[G, 3] metres: points of the map on things that will go, and not beside others. gone, rest: [N, 3] metres."""
    xyz = fusion.map.snapshot().cloud.xyz
    on_gone = cKDTree(gone).query(xyz, distance_upper_bound=NEAR_SURFACE)[0] < NEAR_SURFACE
    return xyz[on_gone & (cKDTree(rest).query(xyz, distance_upper_bound=CONTACT)[0] > CONTACT)]


def visible_through(xyz, depth, pose):
    """[G] bool: points that an image without errors sees through, and that are near enough to be mapped."""
    moved = pose.inverse.apply(xyz)
    pixels, inside = CAMERA.project(moved)
    column, row = np.rint(np.where(inside[:, None], pixels, 0)).astype(int).T
    return inside & (moved[:, 2] < CameraConfig().depth_far) & (depth[row, column] > moved[:, 2] + CONTACT)


def measured(depth, rng):
    """A depth image as a sensor gives it: noise, and mixed pixels at edges."""
    edges = beside_edges(depth) & (rng.random(depth.shape) < MIXED)
    mixed = np.where(edges, 0.5 * (depth + np.roll(depth, 2, axis=1)), depth)
    noisy = mixed + rng.normal(size=depth.shape) * depth_noise(mixed)
    return np.where(depth > 0, np.maximum(noisy, 0), 0).astype(np.float32)


def with_pose_error(pose, rng):
    """The pose that a SLAM system reports."""
    metres, radians = POSE_NOISE
    turn = Rotation.from_rotvec(rng.normal(0, radians, 3)).as_matrix()
    return RigidTransform(pose.rotation @ turn, pose.translation + rng.normal(0, metres, 3))


def person_points(rng):
    """[N, 3] metres: a cylinder that stands at the origin."""
    radius, height = PERSON
    angle = rng.uniform(0, 2 * np.pi, 60_000)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(0, height, len(angle))])


def with_person(depth, pose, person, number):
    """The depth image with a person who crosses the view at 1.2 to 2.4 m, in every other image."""
    if number % 2:
        return depth
    step = number // 2 % PERSON_STEPS
    forward, right = pose.rotation[:2, 2], pose.rotation[:2, 0]
    place = pose.translation[:2] + forward * (1.2 + 0.2 * step) + right * (0.25 * step - 0.6)
    view = MapPoints((person + [*place, 0]).astype(np.float32), 0.02).draw(CAMERA, pose.inverse)
    in_front = (view.depth < depth) & (depth > 0)
    return np.where(in_front, view.depth, depth)


def spent(fusion, frame, pose, stamp):
    """CPU seconds of adding an image."""
    start = time.thread_time()
    fusion.add(frame, pose, float(stamp))
    return time.thread_time() - start


if __name__ == "__main__":
    main()
