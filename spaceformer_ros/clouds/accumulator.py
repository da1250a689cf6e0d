# SPDX-License-Identifier: Apache-2.0
"""Accumulate many scans into one map: a voxel hash with the mean point, age and observation count of every voxel.

For sources that publish single scans (FAST-LIVO2's /cloud_registered, depth cameras with poses) instead of a map.
Independent of ROS: the caller transforms scans into one fixed frame and inserts them one after another.
"""

import math
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from ..grids.keys import AXIS_LIMIT, axis_of, pack, unpack
from .cloud import Cloud
from .selection import inside_roi
from .voxel_rows import VoxelRows

MAX_DELAY = 1.0  # seconds; if a scan is older than the newest one by more than this, the clock was set back
CHUNK = 1 << 16  # voxels that a snapshot processes at a time, so that they stay in the CPU cache
SPARE = 8  # a full map drops 1/SPARE of its voxels, the oldest, in one step, because finding them is expensive
VOXEL_BYTES = 80
NO_ROI = (0.0,) * 6
X, RED, COUNT, SEEN = 0, 3, 6, 7  # columns of a voxel: sums of x, y, z, r, g, b; points; time of the last observation


@dataclass(frozen=True)
class MapSnapshot:
    """The map at one moment: M voxels in ascending order of (x, y, z) index, in read-only arrays.

    cloud: the mean point and the mean colour of each voxel
    age: [M] float64 seconds >= 0, the newest scan's stamp minus the stamp of the voxel's last observation
    count: [M] int64, points seen in the voxel
    """

    cloud: Cloud
    age: np.ndarray
    count: np.ndarray


class VoxelMapAccumulator:
    """A map of bounded size that scans are added to. Not thread-safe.

    A voxel keeps the sums over all points inside it since it was created, in float64 and relative to the voxel's
    corner: means are exact to rounding anywhere in the map. The same scans in the same order give the same map.

    Memory: at most 80 bytes per voxel of `max_voxels`, and about 30 more temporarily when it is full. When a scan
    would need more than `max_voxels` voxels, the least recently seen are dropped: as many as needed plus
    max_voxels // 8, but none that the scan observes; among equally old voxels, those with the lowest (x, y, z)
    index first. A dropped voxel starts from zero when it is seen again.

    Time: a scan up to 1 s older than the newest is late and keeps its stamp. If it is even older, the clock was set
    back (a bag that restarts): the map's time is held for that scan and continues from there, so that ages stay
    positive and new voxels are never older than those from before the jump.

    Range: +-2**20 voxels (20 km at 2 cm) around the median of the first scan, on each axis.
    """

    def __init__(self, *, voxel_size, max_voxels, roi=NO_ROI):
        """voxel_size: metres; max_voxels: bound of `len`; roi: min x, y, z, max x, y, z in metres of the fixed frame
        (faces included), six zeros: no limit. Raises SpaceformerError for bad values."""
        if not (math.isfinite(voxel_size) and voxel_size > 0):
            raise SpaceformerError(f"voxel_size: {voxel_size} is not a positive number of metres")
        if not 1 <= max_voxels < 2**31:
            raise SpaceformerError(f"max_voxels: {max_voxels} lies outside [1, 2**31)")
        self.voxel_size, self.max_voxels, self.roi = float(voxel_size), int(max_voxels), tuple(roi)
        # Not filled in advance: the operating system allocates memory for rows when they are first written.
        try:
            self._voxels = np.empty((self.max_voxels, 8), dtype=np.float64)
            self._missed = np.zeros(self.max_voxels, dtype=np.uint8)  # views through each voxel since its last point
            self.clear()
        except MemoryError as error:
            raise SpaceformerError(
                f"max_voxels: {self.max_voxels} need {self.max_voxels * VOXEL_BYTES / 1e9:.0f} GB of memory: lower it"
            ) from error

    def clear(self):
        """Remove all voxels, and reset the clock and the origin."""
        self._index = VoxelRows()
        self._free = np.arange(self.max_voxels, dtype=np.int32)  # rows from len(self) on are free
        self._len = 0
        self._origin = None  # [3] float64, voxel index that keys are counted from
        self._now, self._clock_shift = -math.inf, 0.0  # map time of the newest scan; map time minus its stamp
        self._stamp = 0.0

    def __len__(self):
        """Number of occupied voxels."""
        return self._len

    @property
    def stamp(self):
        """Stamp of the newest scan in seconds, 0 before the first."""
        return self._stamp

    @property
    def origin(self):
        """[3] float64 metres: a voxel corner near the middle of the first scan, zero before it."""
        return np.zeros(3) if self._origin is None else self._origin * self.voxel_size

    def insert(self, xyz, rgb, stamp):
        """Add one scan. Returns how many of its points were used.

        xyz: [N, 3] float32 or float64 metres in the fixed frame; rgb: [N, 3] uint8; stamp: seconds. Points that are
        not finite, outside the roi or out of range are left out. Raises SpaceformerError, and leaves the map unchanged,
        for bad shapes, types and stamps, if no point is within range, and for a scan of more than max_voxels voxels.
        """
        check_scan(xyz, rgb, stamp)
        xyz = xyz.astype(np.float64)
        keep = np.isfinite(xyz).all(axis=1)
        keep &= inside_roi(xyz, self.roi)
        if not keep.any():
            self._advance(stamp)
            return 0
        key, offset, near = self._locate(xyz if keep.all() else xyz[keep])
        rgb = rgb[keep][near]
        keys, sums = pool(key, offset, rgb)
        if len(keys) > self.max_voxels:
            raise SpaceformerError(
                f"one scan fills {len(keys)} voxels, but max_voxels is {self.max_voxels}: raise it, or use voxels "
                f"larger than {self.voxel_size} m"
            )
        sums[:, SEEN] = self._advance(stamp)
        self._add(keys, sums)
        return len(rgb)

    def snapshot(self, frame_id="", stamp_ns=None, origin=(0.0, 0.0, 0.0)):
        """A copy of the map as a MapSnapshot.

        frame_id: the fixed frame; stamp_ns: stamp of the cloud, None for the newest scan's (exact to 0.3 us: seconds in
        a float64); origin: [3] metres, that of the cloud, subtracted in float64 before xyz is rounded to float32. With
        the default, xyz at 10 km is exact to 0.5 mm.
        """
        keys, rows = self._index.merged()
        M, origin = len(keys), np.array(origin, dtype=np.float64)
        xyz, rgb = np.empty((M, 3), dtype=np.float32), np.empty((M, 3), dtype=np.uint8)
        age, count = np.empty(M), np.empty(M, dtype=np.int64)
        for start in range(0, M, CHUNK):
            part = slice(start, start + CHUNK)
            voxels = self._voxels[rows[part]]
            number = voxels[:, COUNT, None]
            corner = (unpack(keys[part]) + self._origin) * self.voxel_size
            xyz[part] = corner - origin + voxels[:, X : X + 3] / number
            rgb[part] = np.rint(voxels[:, RED : RED + 3] / number)
            age[part], count[part] = self._now - voxels[:, SEEN], number[:, 0]
        for array in (xyz, rgb, age, count):
            array.flags.writeable = False
        stamp_ns = round(self._stamp * 1e9) if stamp_ns is None else stamp_ns
        cloud = Cloud(xyz, rgb, frame_id, stamp_ns, origin=tuple(origin.tolist()))
        return MapSnapshot(cloud, age, count)

    def voxels_in(self, low, high):
        """Rows [V] int32 of the voxels between two corners [3], metres in the fixed frame, and their centres [V, 3]
        float64 metres. Rows are valid until the map changes."""
        if self._origin is None:
            return np.empty(0, dtype=np.int32), np.empty((0, 3))
        limits = [np.floor(np.asarray(corner) / self.voxel_size) - self._origin for corner in (low, high)]
        low, high = (np.clip(limit, -AXIS_LIMIT, AXIS_LIMIT - 1).astype(np.int64) for limit in limits)
        found_keys, found_rows = [], []
        for keys, rows in self._index.runs:
            slab = slice(*np.searchsorted(keys, [pack(low[None])[0], pack(high[None])[0] + 1]))
            keys, rows = keys[slab], rows[slab]
            for axis in (1, 2):  # the slab is within the limits of x
                index = axis_of(keys, axis)
                inside = np.flatnonzero((index >= low[axis]) & (index <= high[axis]))
                keys, rows = keys[inside], rows[inside]
            found_keys.append(keys)
            found_rows.append(rows)
        centers = (unpack(np.concatenate(found_keys)) + (self._origin + 0.5)) * self.voxel_size
        return np.concatenate(found_rows), centers

    def mean_points(self, rows, centers):
        """[V, 3] float64 metres: the mean points of voxels of `voxels_in`."""
        voxels = self._voxels[rows]
        return centers - 0.5 * self.voxel_size + voxels[:, X : X + 3] / voxels[:, COUNT, None]

    def see_through(self, rows, limit):
        """Count a view through voxels, and remove those with `limit` such views since their last point.

        rows: [V] int32, of `voxels_in`; limit: 1 to 255. Returns how many voxels were removed.
        """
        self._missed[rows] += 1
        gone = rows[self._missed[rows] >= limit]
        if len(gone):
            self._remove(gone)
        return len(gone)

    def _advance(self, stamp):
        """Move the clock to a scan's stamp. Returns the scan's map time, see the class."""
        time = stamp + self._clock_shift
        if time < self._now - MAX_DELAY:
            self._clock_shift += self._now - time
            time = self._now
        if time >= self._now:
            self._now, self._stamp = time, float(stamp)
        return time

    def _locate(self, xyz):
        """Keys [P] and offsets from the voxel corner [P, 3] in metres of the P points within range, and their mask."""
        with np.errstate(over="ignore", invalid="ignore"):  # values that overflow are out of range
            coords = np.floor(xyz / self.voxel_size)
            # The median, because neither a stray point nor the order of the points may move the origin.
            origin = np.floor(np.median(coords, axis=0)) if self._origin is None else self._origin
            local = coords - origin
            near = (np.abs(local) < AXIS_LIMIT).all(axis=1)
        if not near.any():
            raise SpaceformerError(
                f"the scan lies more than {AXIS_LIMIT * self.voxel_size:.6g} m from the map's origin "
                f"{(origin * self.voxel_size).tolist()}, for example at {xyz[0].tolist()}: check its frame, or clear "
                "the map to start at a new origin"
            )
        self._origin = origin
        if not near.all():
            xyz, coords, local = xyz[near], coords[near], local[near]
        return pack(local.astype(np.int64)), xyz - coords * self.voxel_size, near

    def _add(self, keys, sums):
        """Add the sums [U, 8] of U voxels with ascending, distinct keys."""
        rows = self._index.rows_of(keys)
        known, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        touched = rows[known]
        voxels = self._voxels[touched]
        voxels[:, :SEEN] += sums[known, :SEEN]
        voxels[:, SEEN] = np.maximum(voxels[:, SEEN], sums[known, SEEN])  # a late scan makes no voxel older
        self._make_room(len(new), touched)
        self._voxels[touched] = voxels
        self._missed[touched] = 0
        if len(new):
            rows = self._free[self._len : self._len + len(new)].copy()
            self._voxels[rows] = sums[new]
            self._missed[rows] = 0
            self._index.add(keys[new], rows)
            self._len += len(new)

    def _make_room(self, new, touched):
        """Drop the oldest voxels where `new` ones would not fit. touched: rows of voxels in the scan; these stay."""
        excess = self._len + new - self.max_voxels
        if excess <= 0:
            return
        number = min(excess + self.max_voxels // SPARE, self._len - len(touched))
        self._voxels[touched, SEEN] = np.inf  # never the oldest; the caller restores the times
        _, rows = self._index.merged()
        seen = self._voxels[rows, SEEN]
        oldest = np.partition(seen, number - 1)[number - 1]
        drop = seen < oldest
        drop[np.flatnonzero(seen == oldest)[: number - np.count_nonzero(drop)]] = True
        self._remove(rows[drop])

    def _remove(self, rows):
        """Free rows [R] int32 of voxels."""
        gone = np.zeros(self.max_voxels, dtype=bool)
        gone[rows] = True
        self._index.remove(gone)
        self._len -= len(rows)
        self._free[self._len : self._len + len(rows)] = rows


def pool(key, offset, rgb):
    """Sums per voxel. key: [P] int64; offset: [P, 3] float64; rgb: [P, 3] uint8.

    Returns the U distinct keys, ascending, and [U, 8] float64: the columns of a voxel, the last one (SEEN) unset.
    """
    keys, voxel = np.unique(key, return_inverse=True)
    sums = np.empty((len(keys), 8))
    for i in range(3):
        sums[:, X + i] = np.bincount(voxel, weights=offset[:, i], minlength=len(keys))
        sums[:, RED + i] = np.bincount(voxel, weights=rgb[:, i], minlength=len(keys))
    sums[:, COUNT] = np.bincount(voxel, minlength=len(keys))
    return keys, sums


def check_scan(xyz, rgb, stamp):
    """Raise SpaceformerError if a scan is not valid for `insert`."""
    for name, array, dtypes in (("xyz", xyz, (np.float32, np.float64)), ("rgb", rgb, (np.uint8,))):
        if array.dtype not in dtypes or array.ndim != 2 or array.shape[1] != 3:
            wanted = " or ".join(np.dtype(dtype).name for dtype in dtypes)
            raise SpaceformerError(f"insert: {name} is {array.dtype} {list(array.shape)}, expected {wanted} [N, 3]")
    if len(xyz) != len(rgb):
        raise SpaceformerError(f"insert: {len(xyz)} points but {len(rgb)} colours")
    if not math.isfinite(stamp):
        raise SpaceformerError(f"insert: the stamp {stamp} is not a finite number of seconds")
