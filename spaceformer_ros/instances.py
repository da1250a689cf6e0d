# SPDX-License-Identifier: Apache-2.0
"""Result of one inference: masks on voxels with scores, features and boxes, and the voxel of every input point."""

import functools
from dataclasses import dataclass

import numpy as np

from . import SpaceformerError
from .geometry.boxes import OrientedBox


@dataclass(frozen=True)
class VoxelMap:
    """The M voxels that masks refer to.

    positions: [M, 3] float32 metres, mean of the points in each voxel, in the frame of the cloud;
    point_to_voxel: [N] int32, voxel of every input point;
    voxel_size: edge in metres;
    point_counts: [M] int64, input points in each voxel; computed from point_to_voxel if not given.
    """

    positions: np.ndarray
    point_to_voxel: np.ndarray
    voxel_size: float
    point_counts: np.ndarray = None

    def __post_init__(self):
        if self.point_counts is None:
            object.__setattr__(self, "point_counts", np.bincount(self.point_to_voxel, minlength=len(self)))

    def __len__(self):
        return len(self.positions)


@dataclass(frozen=True)
class Masks:
    """K masks without sizes, centroids and boxes; `masks[keep]` selects rows of all columns together.

    rows: tuple of K sorted int arrays of voxel rows;
    objectness, mask_score: [K] float32 in [0, 1];
    features: [K, C] float32.
    """

    rows: tuple
    objectness: np.ndarray
    mask_score: np.ndarray
    features: np.ndarray

    @classmethod
    def empty(cls, channels):
        """No masks. channels: C of the features."""
        scores = np.zeros(0, dtype=np.float32)
        return cls((), scores, scores, np.zeros((0, channels), dtype=np.float32))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, keep):
        """The masks selected by a mask or an index array, in that order."""
        chosen = np.arange(len(self))[keep]
        rows = tuple(self.rows[k] for k in chosen)
        return Masks(rows, self.objectness[chosen], self.mask_score[chosen], self.features[chosen])

    @property
    def columns(self):
        """All columns except `rows`, in the order of the constructor."""
        return self.objectness, self.mask_score, self.features

    @property
    def confidence(self):
        """[K] objectness x mask score."""
        return self.objectness * self.mask_score


@dataclass(frozen=True)
class Instances:
    """K masks with scores, sizes and boxes in the frame of the cloud; `instances[keep]` selects rows of all columns.

    masks: tuple of K sorted int32 arrays of voxel rows;
    objectness, mask_score: [K] float32 in [0, 1];
    features: [K, C] float32 in the space of the text embeddings, not normalised;
    num_points: [K] int64, input points inside;
    centroids: [K, 3] float32 metres, mean of the input points;
    boxes: tuple of K OrientedBox.
    """

    voxels: VoxelMap
    masks: tuple
    objectness: np.ndarray
    mask_score: np.ndarray
    features: np.ndarray
    num_points: np.ndarray
    centroids: np.ndarray
    boxes: tuple[OrientedBox, ...]

    def __post_init__(self):
        for name in ("objectness", "mask_score", "features", "num_points", "centroids", "boxes"):
            if len(getattr(self, name)) != len(self):
                raise SpaceformerError(f"Instances: {len(self)} masks but {len(getattr(self, name))} {name}")

    def __len__(self):
        return len(self.masks)

    def __getitem__(self, keep):
        """The instances selected by a mask or an index array, in that order."""
        rows = np.arange(len(self))[keep]
        return Instances(
            self.voxels,
            tuple(self.masks[row] for row in rows),
            self.objectness[rows],
            self.mask_score[rows],
            self.features[rows],
            self.num_points[rows],
            self.centroids[rows],
            tuple(self.boxes[row] for row in rows),
        )

    def with_rows(self, other, masks):
        """These instances, followed by those of `other` with their masks replaced by `masks`, rows of these voxels."""
        columns = ("objectness", "mask_score", "features", "centroids")
        joined = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in columns}
        counts = self.voxels.point_counts
        num_points = np.array([counts[mask].sum() for mask in masks], dtype=np.int64)
        return Instances(
            voxels=self.voxels,
            masks=(*self.masks, *masks),
            num_points=np.concatenate([self.num_points, num_points]),
            boxes=(*self.boxes, *other.boxes),
            **joined,
        )

    @property
    def confidence(self):
        """[K] objectness x mask score: confidence that the mask is one object, independent of its label."""
        return self.objectness * self.mask_score

    def point_mask(self, k):
        """[N] bool: whether each input point is inside mask k."""
        inside = np.zeros(len(self.voxels), dtype=bool)
        inside[self.masks[k]] = True
        return inside[self.voxels.point_to_voxel]

    def voxel_owner(self, priority):
        """[M] int32: for each voxel the instance of highest priority whose mask contains it, -1 for none.

        priority: [K] float, such as the final scores; the first instance wins a tie.
        """
        owner = np.full(len(self.voxels), -1, dtype=np.int32)
        for k in np.argsort(-np.asarray(priority), kind="stable")[::-1]:
            owner[self.masks[k]] = k
        return owner


@dataclass(frozen=True)
class SegmentationReport:
    """How a cloud was segmented.

    tiles: number of tiles, 1 for a map in one run; computed: tiles that ran, the others kept their masks;
    remarks: sentences for the user.
    """

    tiles: int = 1
    computed: int = 1
    remarks: tuple = ()


@dataclass(frozen=True)
class Segmentation:
    """The Instances of a cloud, complete."""

    instances: Instances
    report: SegmentationReport = SegmentationReport()
    next_tile = 0


class PartialSegmentation:
    """The Instances of a large map that its next tiles cannot change, computed when they are first read.

    report: SegmentationReport of the tiles so far; next_tile: number of the tile that runs next, from 1.
    """

    def __init__(self, compute_instances, report, next_tile):
        """compute_instances: function without arguments."""
        self._compute_instances = compute_instances
        self.report = report
        self.next_tile = next_tile

    @functools.cached_property
    def instances(self):
        """Instances in rows that stay the first ones of the complete result."""
        return self._compute_instances()
