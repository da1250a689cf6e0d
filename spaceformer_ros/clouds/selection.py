# SPDX-License-Identifier: Apache-2.0
"""Select the points of a cloud that are used: in the region of interest, without isolated ones, at most so many.

Isolated points are reflections, dust, and what a scanner sees through windows. The network takes them for surfaces: 3 %
around a generated room leave 2 of its 25 objects (`benchmarks/studies/frame.py`). Of maps with hardly any, those
outside are left out, which make a map larger than it is; clouds that are sparse everywhere stay as they are.
"""

import numpy as np

from .. import SpaceformerError
from ..geometry.extent import inner_bounds, within
from ..grids.keys import AXIS_LIMIT, cell_keys, counted, isin_sorted, neighbour_offsets
from .origin import bounds

CELL = 0.1  # metres; a point is isolated if its cell and the 26 around it hold few points
FEW = 2  # points in these cells, the point itself included
# Isolated points are left out if they occupy this share of a map's cells: generated rooms and real maps have at most
# 0.009. Clouds with a larger share of isolated points are sparse.
MIN_CELL_SHARE, MAX_POINT_SHARE = 0.015, 0.3
OUTSIDE = 5.0  # metres outside the map; further away isolated points are left out, however few


def select_points(cloud, config):
    """The points inside the region of interest, without isolated ones, subsampled to max_points.

    config: InputConfig. Returns (Cloud, remarks). Raises SpaceformerError if the region holds no point.
    """
    remarks = []
    if any(config.roi):
        corners = cloud.placement.inverse.apply(np.reshape(config.roi, (2, 3)))
        inside = inside_roi(cloud.xyz, (*corners.min(axis=0), *corners.max(axis=0)))
        if not inside.any():
            raise SpaceformerError(f"roi {list(config.roi)} holds none of the cloud's {len(cloud)} points")
        cloud = cloud[inside]
    if config.isolated_points == "auto" and (isolated := isolated_points(cloud.xyz)).any():
        noise = f"{isolated.sum()} isolated points ({isolated.mean():.1%} of the cloud), which are probably noise"
        remarks.append(f"left out {noise}; isolated_points: keep uses them")
        cloud = cloud[~isolated]
    step = thinning_step(len(cloud), config.max_points)
    if step > 1:
        remarks.append(f"used 1 of every {step} of {len(cloud)} points (max_points {config.max_points})")
        cloud = cloud[::step]
    return cloud, tuple(remarks)


def inside_roi(xyz, roi):
    """[N] bool: which points are inside the setting `roi`, faces included; all of them where it is six zeros.

    xyz: [N, 3] metres; roi: min x, y, z, max x, y, z in the frame of xyz.
    """
    if not any(roi):
        return np.ones(len(xyz), dtype=bool)
    return within(xyz, roi[:3], roi[3:])


def thinning_step(count, limit):
    """Smallest step that leaves at most `limit` of `count` points; 1 where limit is 0 (no limit)."""
    return -(-count // limit) if limit and count > limit else 1


def isolated_points(xyz):
    """[N] bool: which points are isolated; only those outside if hardly any are, none if the whole cloud is sparse.

    xyz: [N, 3] metres
    """
    if np.abs(bounds(xyz)).max() >= AXIS_LIMIT * CELL:  # no map; the segmenter refuses it
        return np.zeros(len(xyz), dtype=bool)
    keys = cell_keys(xyz, CELL)
    cells, counts = counted(keys)
    isolated, found = isolated_cells(cells, counts), np.zeros(len(xyz), dtype=bool)
    rows = slice(None)
    if len(isolated) < MIN_CELL_SHARE * len(cells):
        low, high = inner_bounds(xyz)
        rows = np.flatnonzero(~within(xyz, low - OUTSIDE, high + OUTSIDE))
    found[rows] = isin_sorted(keys[rows], isolated)
    return found if found.mean() <= MAX_POINT_SHARE else np.zeros(len(xyz), dtype=bool)


def isolated_cells(cells, counts):
    """Those of the occupied cells, sorted keys [C], that hold at most FEW points together with the 26 around them.

    counts: [C] points in each cell
    """
    found = cells[counts <= FEW]
    around = np.zeros(len(found), dtype=np.int64)
    for neighbours in found + neighbour_offsets(1)[:, None]:
        row = np.searchsorted(cells, neighbours).clip(max=len(cells) - 1)
        around += np.where(cells[row] == neighbours, counts[row], 0)
    return found[around <= FEW]
