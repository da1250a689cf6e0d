# SPDX-License-Identifier: Apache-2.0
"""Draw the points of a map as a camera sees them: discs that close holes, of which the nearest one wins (z-buffer)."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.transform import RigidTransform
from ..grids.keys import cell_keys
from .model import NEAR

BLOCK = 0.5  # metres, side of the blocks of points that are left out as a whole if they are outside the view
SAMPLED_BLOCKS = 64  # for the spacing of the points
SPACINGS = (0.005, 0.2)  # metres, limits of the measured spacing
COVER = 0.75  # radius of a disc in spacings of the points: discs on a square grid overlap from 0.71 on
SMALL = 3  # pixels, radius of the largest disc that is drawn pixel by pixel
LEVELS = 4  # resolutions of the image into which discs are drawn, each half of the one before
MAX_RADIUS = SMALL << (LEVELS - 1)  # pixels; discs of points very near to the camera are not drawn larger
MARGIN = MAX_RADIUS + 1  # pixels around the image in which discs begin that may reach into it
NOTHING = np.iinfo(np.int64).max


@dataclass(frozen=True)
class View:
    """What a camera sees of a map.

    row: [H, W] int32, row of the point that is seen in each pixel, -1 for none
    depth: [H, W] float32 metres along the optical axis, infinite for none
    """

    row: np.ndarray
    depth: np.ndarray

    def pick(self, values, nothing=0):
        """[H, W, ...] of the values [N, ...] of the points, `nothing` where none is seen."""
        seen = self.row >= 0
        picked = np.full((*self.row.shape, *values.shape[1:]), nothing, dtype=values.dtype)
        picked[seen] = values[self.row[seen]]
        return picked


class MapPoints:
    """N points of a map, sorted by blocks once, to be drawn from any pose."""

    def __init__(self, xyz, spacing=None):
        """xyz: [N, 3] float32 metres; spacing: metres between neighbouring points, None to measure it."""
        key = cell_keys(xyz, BLOCK)
        self._order = np.argsort(key, kind="stable").astype(np.int32)
        key = key[self._order]
        self._xyz = np.ascontiguousarray(xyz[self._order].T, dtype=np.float32)
        self._starts = np.flatnonzero(np.diff(key, prepend=-1))
        self._ends = np.append(self._starts[1:], len(key))
        self._centers = (np.floor(xyz[self._order[self._starts]] / BLOCK) + 0.5) * BLOCK
        self.spacing = self._measured_spacing() if spacing is None else spacing

    def __len__(self):
        return len(self._order)

    def draw(self, camera, camera_from_map):
        """The View of a CameraModel. camera_from_map: RigidTransform of the map into the camera's optical frame."""
        rows, xyz = self.in_view(camera, camera_from_map)
        return draw_discs(camera, rows, *xyz, COVER * self.spacing)

    def in_view(self, camera, camera_from_map):
        """Rows [V] int32 of the points in blocks that may be in view, and their positions [3, V] float32 in the
        optical frame."""
        visible = self._visible_blocks(camera, camera_from_map)
        begins = np.flatnonzero(visible & ~np.append(False, visible[:-1]))
        stops = np.flatnonzero(visible & ~np.append(visible[1:], False))
        runs = [slice(self._starts[a], self._ends[b]) for a, b in zip(begins, stops)]
        if not runs:
            return np.zeros(0, np.int32), np.zeros((3, 0), np.float32)
        rows = np.concatenate([self._order[run] for run in runs])
        xyz = np.concatenate([self._xyz[:, run] for run in runs], axis=1)
        rotation = camera_from_map.rotation.astype(np.float32)
        return rows, rotation @ xyz + camera_from_map.translation.astype(np.float32)[:, None]

    def _measured_spacing(self):
        """Median distance of a point to its fourth neighbour, of a sample of blocks: the side of a square grid."""
        distances = []
        for block in np.linspace(0, len(self._starts) - 1, SAMPLED_BLOCKS).astype(np.int64) if len(self) else ():
            xyz = self._xyz[:, self._starts[block] : self._ends[block]].T
            distances.append(cKDTree(xyz).query(xyz[:: max(1, len(xyz) // 50)], k=5)[0][:, 4])
        distances = np.concatenate([np.zeros(0), *distances])
        distances = distances[np.isfinite(distances)]
        return float(np.clip(np.median(distances), *SPACINGS)) if len(distances) else SPACINGS[0]

    def _visible_blocks(self, camera, camera_from_map):
        """[B] bool: whether the sphere around each block reaches into the pyramid of the view."""
        x, y, z = camera_from_map.apply(self._centers).T
        reach = BLOCK * np.sqrt(3) / 2 + COVER * self.spacing
        left, top, right, bottom = camera.tangents
        visible = z > -reach
        for across, low, high in ((x, left, right), (y, top, bottom)):
            visible &= across - high * z < reach * np.hypot(1, high)
            visible &= low * z - across < reach * np.hypot(1, low)
        return visible


def draw_discs(camera, rows, x, y, z, radius):
    """The View of points as discs of `radius` metres that face the camera.

    rows: [V] int32 that stand for the points; x, y, z: [V] float32 metres in the optical frame. Discs are drawn up to
    their width outside the image's border, so that those beside it are not cut.
    """
    u, v, _ = camera.project_axes(x, y, z)
    near = (z > NEAR) & (u > -MARGIN) & (u < camera.width + MARGIN - 1)
    near &= (v > -MARGIN) & (v < camera.height + MARGIN - 1)
    if camera.distortion:
        near &= np.hypot(x, y) < camera.max_tangent * z
    kept = np.flatnonzero(near)
    z = z[kept]
    column, row = (np.rint(axis[kept]).astype(np.int32) + MARGIN for axis in (u, v))
    # One number per point, in the order of depth: bits of positive floats are ordered as the floats are.
    key = z.view(np.int32).astype(np.int64) << 32 | rows[kept]
    size = np.minimum(max(camera.fx, camera.fy) * radius / z + 0.5, MAX_RADIUS).astype(np.int8)
    image = _nearest(column, row, key, size, camera.width + 2 * MARGIN, camera.height + 2 * MARGIN)
    image = image[MARGIN : MARGIN + camera.height, MARGIN : MARGIN + camera.width]
    empty = image == NOTHING
    row = np.where(empty, np.int32(-1), (image & 0xFFFFFFFF).astype(np.int32))
    depth = np.where(empty, np.float32(np.inf), (image >> 32).astype(np.int32).view(np.float32))
    return View(row, depth)


def _nearest(column, row, key, size, width, height):
    """[height, width] int64: the smallest key of the discs over each pixel; perhaps with more rows and columns.

    Large discs are drawn into images of a half, a quarter and an eighth of the resolution, so that no disc is wider
    than seven pixels: the positions of their edges are uncertain by more than a pixel anyway.
    """
    coarsest = 1 << (LEVELS - 1)
    level = np.clip(np.frexp(size / (SMALL + 0.5))[1], 0, LEVELS - 1)
    image = np.full((-(-height // coarsest), -(-width // coarsest)), NOTHING, dtype=np.int64)
    for number in range(LEVELS - 1, -1, -1):
        if number < LEVELS - 1:
            image = image.repeat(2, axis=0).repeat(2, axis=1)
        mine = np.flatnonzero(level == number)
        place = (row[mine] >> number) * image.shape[1] + (column[mine] >> number)
        reach = np.minimum((size[mine] + (1 << number >> 1)) >> number, SMALL)
        np.minimum(image, _small_discs(place, reach, key[mine], image.shape), out=image)
    return image


def _small_discs(place, reach, key, shape):
    """[H, W] int64: the smallest key of discs with a reach of 0 to SMALL pixels over each pixel.

    Each point is one pixel, and the image is widened between the points of one reach and those of the next: a few
    passes over the image, for any number of points. A square makes a disc of 9 pixels, a square and one or two crosses
    make discs of 21 and 37. place: [V] pixel of each centre in the flat image.
    """
    image = np.full(shape, NOTHING, dtype=np.int64)
    for one, widen in ((3, _cross), (2, _cross), (1, _square), (0, None)):
        chosen = np.flatnonzero(reach == one)
        np.minimum.at(image.reshape(-1), place[chosen], key[chosen])
        if widen and (reach >= one).any():
            image = widen(image)
    return image


def _cross(image):
    """The minimum over each pixel and its four neighbours."""
    result = image.copy()
    for axis in (0, 1):
        _lower(result, image, axis)
    return result


def _square(image):
    """The minimum over each pixel and its eight neighbours."""
    for axis in (0, 1):
        result = image.copy()
        _lower(result, image, axis)
        image = result
    return image


def _lower(result, image, axis):
    """Lower each pixel of `result` to its two neighbours along an axis in `image`."""
    result, image = (result, image) if axis == 0 else (result.T, image.T)
    np.minimum(result[1:], image[:-1], out=result[1:])
    np.minimum(result[:-1], image[1:], out=result[:-1])


def optical_pose(position, yaw, pitch=0.0, roll=0.0):
    """RigidTransform of a camera's optical frame into the map.

    position: [3] metres; yaw: radians about z, 0 looks along x; pitch: radians, positive looks up; roll: radians about
    the optical axis.
    """
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    right, forward = np.array([sy, -cy, 0.0]), np.array([cy * cp, sy * cp, sp])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    axes = np.column_stack([c * right + s * down, c * down - s * right, forward])
    return RigidTransform(axes, np.asarray(position, dtype=np.float64))
