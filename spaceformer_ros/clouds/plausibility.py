# SPDX-License-Identifier: Apache-2.0
"""Check whether a cloud is plausible as an indoor map in metres with z up.

Each check compares one number with a limit that no generated or real map of the tests reaches.
"""

from dataclasses import dataclass

import numpy as np

from .heights import (
    FOOT,
    HIGH_ROOM,
    MIN_PATCH,
    MIN_UPRIGHT,
    floor_patch,
    is_in_feet,
    likely_up,
    split_storeys,
    uprightness,
)

MAX_SAMPLE = 100_000  # points that are measured
FEW_POINTS = 50  # fewer are not a map
MIN_POINTS = 1000  # of smaller clouds only the spacing is checked
MAX_HEIGHT = 80.0  # metres; higher maps are in other units
UNITS = 0.001, 0.01, 0.0254  # metres: a millimetre, a centimetre, an inch
MAX_SIZE = 5000.0  # metres; larger maps are in other units
USUAL_HEIGHT = 1.5  # metres; nearly all maps of rooms are higher
MIN_SIZE = 1.0  # metres; smaller maps are in other units
MIN_ROOM_HEIGHT = 1.3  # metres; lower maps do not show rooms, or are in other units; generated rooms have 1.6 to 3.2
MIN_UPRIGHT_GAIN = 0.4  # by which another axis must be better: some rooms have a low score as they are
MIN_COLOR_SPREAD = 2.0  # standard deviation of the brightest channel, of 255
MIN_HUES = 0.08  # share of the spread of colours that is across their main direction; rooms have 0.09 and more
HEIGHT_BINS = 100
MAX_EXPLAINED = 0.95  # share of the variance of colours that the height may explain; generated rooms have up to 0.7
MAX_SPACING, USUAL_SPACING = 0.9, 0.03  # voxels between neighbouring points, rooms have up to 0.56; at least, metres
CUBES = 5  # places at which the spacing is measured
CUBE = 20  # voxels; edge of the cube at such a place
DENSE = 20_000  # a cube with this many points is dense enough; nothing is measured
MAX_QUERIES = 1000  # points of a cube whose nearest neighbours are searched


@dataclass(frozen=True)
class Remark:
    """A finding about a cloud, with the measured value, and how to fix it."""

    text: str
    advice: str

    def __str__(self):
        return f"{self.text}: {self.advice}"


def plausibility_remarks(cloud, voxel_size, is_table_top=False):
    """Remarks on a Cloud that the network is not suited for: tuple, empty for a plausible map.

    voxel_size: of the network, metres; is_table_top: whether it is taken as a table top, so that it may be small.
    """
    if len(cloud) < FEW_POINTS:
        count = "1 point" if len(cloud) == 1 else f"{len(cloud)} points"
        return (Remark(f"the cloud has only {count}", "is it a map? Check the topic, roi and input_scale"),)
    if len(cloud) < MIN_POINTS:
        return tuple(_spacing_remarks(cloud.xyz, voxel_size))
    sample = _without_outliers(cloud[:: -(-len(cloud) // MAX_SAMPLE)])
    remarks = [*_color_remarks(sample)]
    scale = [] if is_table_top else _scale_remarks(sample.xyz)
    if scale:
        return (*remarks, *scale)
    spacing = [*_spacing_remarks(cloud.xyz, voxel_size)]
    return (*remarks, *_floor_remarks(sample, is_dense=not spacing), *spacing)


def _without_outliers(cloud):
    """The points of a Cloud that are not further outside than the extent of nearly all others, at least a metre."""
    low, high = np.percentile(cloud.xyz, (0.3, 99.7), axis=0)
    reach = np.maximum(high - low, 1.0)
    return cloud[((cloud.xyz >= low - reach) & (cloud.xyz <= high + reach)).all(axis=1)]


def _color_remarks(cloud):
    """Remarks on colours that are not those of a camera."""
    rgb, advice = cloud.rgb.astype(np.float32), "segmentation needs colour; publish it with the colours of the camera"
    spread, hues = rgb.std(axis=0).max(), _hues(rgb)
    if spread < MIN_COLOR_SPREAD:
        yield Remark(f"the cloud has one colour only (standard deviation {spread:.1f} of 255)", advice)
    elif hues < MIN_HUES:
        yield Remark(f"the cloud has shades of one hue only, as from an intensity ({hues:.0%} of their spread)", advice)
    elif (share := _explained_by_height(rgb, cloud.xyz[:, 2])) > MAX_EXPLAINED:
        yield Remark(f"the colours are a scale of the height ({share:.0%} of their variance)", advice)


def _hues(rgb):
    """Spread of colours [N, 3] across the line that fits them best, as a share of that along it: 0 for shades of grey
    or sepia."""
    variances = np.maximum(np.linalg.eigvalsh(np.cov(rgb.T)), 0)
    return float(np.sqrt(variances[1] / max(variances[2], 1e-9)))


def _explained_by_height(rgb, z):
    """Share of the variance of colours [N, 3] that the heights [N] explain."""
    low, high = np.percentile(z, (0.5, 99.5))
    row = ((z - low) / max(high - low, 1e-6) * HEIGHT_BINS).astype(np.int64).clip(0, HEIGHT_BINS - 1)
    count = np.maximum(np.bincount(row, minlength=HEIGHT_BINS), 1)
    mean = np.column_stack([np.bincount(row, channel, HEIGHT_BINS) / count for channel in rgb.T])
    return 1 - float((rgb - mean[row]).var(axis=0).sum() / rgb.var(axis=0).sum())


def _scale_remarks(xyz):
    """List of remarks on the size of a map."""
    low, high = np.percentile(xyz, (0.3, 99.7), axis=0)
    size = high - low
    if size[2] > MAX_HEIGHT and size.min() > MAX_HEIGHT / 4:
        scale = next(unit for unit in UNITS if size[2] * unit > USUAL_HEIGHT)
        advice = f"its unit is probably not metres; set input_scale to {scale}"
        return [Remark(f"the map is {size[2]:.0f} m high", advice)]
    if size.max() > MAX_SIZE:
        return [Remark(f"the map is {size.max():.4g} m wide", "its unit is probably not metres; set input_scale")]
    if size.max() < MIN_SIZE:
        return [Remark(f"the map is {size.max():.2f} m wide", "its unit is probably not metres; set input_scale")]
    if size[2] < MIN_ROOM_HEIGHT and size[:2].min() > size[2]:
        advice = "if it shows whole rooms, its scale is wrong: set input_scale, so that rooms are 2.5 m high"
        return [Remark(f"the map is {size[2]:.2f} m high", advice)]
    if is_in_feet(xyz):
        text = f"the map is {size[2]:.1f} m high, and its furniture as high as if it were in feet"
        return [Remark(text, f"if it is, set input_scale to {FOOT}")]
    return []


def _floor_remarks(cloud, is_dense):
    """Remarks on the floor of a Cloud, which can only be told if the points are dense, and on its upward direction."""
    storeys = split_storeys(cloud.xyz)
    seen, patch = uprightness(storeys), floor_patch(storeys[0])
    has_floor = patch >= MIN_PATCH or not is_dense
    if has_floor and seen.score >= MIN_UPRIGHT:
        return
    better, its_score = likely_up(cloud)
    given = cloud.axis_in_source("z")
    is_other = better not in ("", given)
    advice = f"set input_up to {better} (--up={better} for files)" if is_other else "set input_up (--up for files)"
    if not has_floor:
        yield Remark(
            f"no floor was found: the largest level part near the bottom covers {patch:.0%} of the map's area",
            f"objects on the floor are found less well; scan it, or, if {given} does not point up, {advice}",
        )
    elif better and its_score > seen.score + MIN_UPRIGHT_GAIN:
        yield Remark(
            f"{given} does not look like the upward direction (score {seen.score:.2f}, {better} has {its_score:.2f})",
            f"the network needs z up, a camera's optical frame has y down: {advice}",
        )


def _spacing_remarks(xyz, voxel_size):
    spacing, height = point_spacing(xyz, voxel_size), np.ptp(xyz[:, 2])
    if spacing > max(MAX_SPACING * voxel_size, USUAL_SPACING):
        yield Remark(
            f"neighbouring points are {spacing:.2f} m apart, the network's voxels measure {voxel_size} m",
            "publish a denser map (with a smaller voxel size in the mapping software; of photos the dense cloud)"
            + (f"; or is it rooms, {height:.0f} m high? Then set input_scale" if height > HIGH_ROOM else ""),
        )


def point_spacing(xyz, voxel_size):
    """Median distance of a point to its nearest neighbour in metres, in a few places of the map. xyz: [N, 3]."""
    from scipy.spatial import cKDTree

    distances = []
    for row in np.linspace(0, len(xyz) - 1, CUBES + 2).astype(np.int64)[1:-1]:
        near = np.flatnonzero(np.abs(xyz[:, 0] - xyz[row, 0]) <= CUBE * voxel_size / 2)
        for axis in (1, 2):  # one axis at a time: the first leaves out most points
            near = near[np.abs(xyz[near, axis] - xyz[row, axis]) <= CUBE * voxel_size / 2]
        if len(near) > DENSE:
            distances.append(0.0)
            continue
        points = xyz[near[np.lexsort(xyz[near].T[::-1])]]
        points = points[np.append(True, (points[1:] != points[:-1]).any(axis=1))]
        if len(points) > 1:
            some = points[:: -(-len(points) // MAX_QUERIES)]
            distances.append(np.median(cKDTree(points).query(some, k=2)[0][:, 1]))
        else:
            distances.append(CUBE * voxel_size / 2)
    return float(np.median(distances))
