# SPDX-License-Identifier: Apache-2.0
"""The features of instances, corrected by what the network's point head sees in their points."""

from dataclasses import replace

import numpy as np
import torch

from ..geometry.vectors import unit_vectors
from ..grids.groups import Members
from ..network.point_head import SAMPLES
from ..network.transfer import to_device, to_host
from .kept_results import KeptResults

SPARE = 4  # times SAMPLES points of a mask are candidates, so that it has enough whatever their hashes
PRIMES = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)  # of xxHash32 (Collet): multipliers of the hash, one per axis


class PointNames:
    """Names instances by their points and keeps the features of the last call: points that have not changed are not
    looked at again."""

    def __init__(self, head, device):
        """head: PointHead on a torch.device; None to change nothing."""
        self.head, self.device = head, device
        self._kept = KeptResults()

    def rename(self, instances, cloud, alignment):
        """Instances with corrected features. cloud: the Cloud that they were found in; alignment: its Alignment."""
        if self.head is None or not len(instances):
            return instances
        rows = draw_points(instances, cloud)
        points = cloud[rows.ravel()]
        xyz = alignment.from_map(points.xyz) / np.float32(alignment.scale)  # things keep their size
        seen = np.concatenate([xyz, points.colors], axis=1).reshape(*rows.shape, 6)
        return replace(instances, features=self._corrected(instances.features, seen))

    def _corrected(self, features, seen):
        """[K, C] float32 unit features. seen: [K, SAMPLES, 6] float32 positions and colours."""
        added = np.stack(self._kept.of(seen, self._features))
        return unit_vectors(unit_vectors(features) + float(self.head.weight) * added).astype(np.float32)

    @torch.inference_mode()
    def _features(self, seen):
        """What the head sees in a list of [SAMPLES, 6], [K, C] float32."""
        seen = np.stack(seen)
        xyz, colors = (to_device(np.ascontiguousarray(part), self.device) for part in (seen[..., :3], seen[..., 3:]))
        (features,) = to_host(self.head(xyz, colors))
        return features


def draw_points(instances, cloud):
    """[K, SAMPLES] rows of points of a Cloud inside each of K instances, drawn by a hash of their coordinates.

    The order of the cloud has no influence. Instances with fewer points have them repeatedly.
    """
    voxels, sizes = instances.voxels, instances.num_points
    share = np.zeros(len(voxels))
    for rows, size in zip(instances.masks, sizes):
        share[rows] = np.maximum(share[rows], SPARE * SAMPLES / max(size, 1))
    inside = np.flatnonzero(share[voxels.point_to_voxel])
    voxel, number = voxels.point_to_voxel[inside], hash_points(cloud.xyz[inside])
    kept = number < share[voxel] * 2.0**32
    inside = inside[kept]
    members = Members(voxel[kept], len(voxels))
    drawn = np.empty((len(instances), SAMPLES), dtype=np.int64)
    for k, rows in enumerate(instances.masks):
        mine = inside[members.of(rows)]
        if not len(mine):  # many points at few places, whose hashes are all too high
            mine = np.flatnonzero(np.isin(voxels.point_to_voxel, rows))
        points = cloud[mine]
        mine = mine[np.lexsort((*points.rgb.T, hash_points(points.xyz)))[:SAMPLES]]  # by colour at one place
        drawn[k] = mine[np.arange(SAMPLES) % len(mine)]
    return drawn


def hash_points(xyz):
    """[N] uint32, evenly distributed and the same for equal coordinates. xyz: [N, 3] float32."""
    bits = np.ascontiguousarray(xyz + np.float32(0)).view(np.uint32)  # 0 and -0 are the same place
    number = np.zeros(len(bits), dtype=np.uint32)
    for axis, factor in zip(bits.T, PRIMES):
        number = (number ^ axis) * np.uint32(factor)
        number ^= number >> np.uint32(15)
    return number * np.uint32(PRIMES[1]) ^ number >> np.uint32(13)
