"""What one inference found: masks on voxels, scores and features as columns, and the way back to every input point."""

from dataclasses import dataclass

import numpy as np

from . import SpaceformerError
from .geometry.boxes import OrientedBox


@dataclass(frozen=True)
class VoxelMap:
    """The voxels that masks refer to.

    positions: [M, 3] float32 metres, mean of the member points, in the cloud's own frame (not shifted);
    point_to_voxel: [N] int32, voxel of every input point; voxel_size: metres; point_counts: [M] int64 input points of
    each voxel, counted where they are not given.
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
    """K masks that nobody has measured yet; every column has K rows, `masks[keep]` selects them together.

    rows: tuple of K sorted int arrays of voxel rows; objectness, mask_score: [K] float32 in [0, 1]; features: [K, C]
    float32.
    """

    rows: tuple
    objectness: np.ndarray
    mask_score: np.ndarray
    features: np.ndarray

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, keep):
        """The masks selected by a mask or an index array, in that order."""
        chosen = np.arange(len(self))[keep]
        rows = tuple(self.rows[k] for k in chosen)
        return Masks(rows, self.objectness[chosen], self.mask_score[chosen], self.features[chosen])

    @property
    def confidence(self):
        """[K] objectness x mask score."""
        return self.objectness * self.mask_score


@dataclass(frozen=True)
class Instances:
    """K masks with their scores; every column has K rows, `instances[keep]` selects them together.

    masks: tuple of K sorted int32 arrays of voxel rows; objectness, mask_score: [K] float32 in [0, 1];
    features: [K, C] float32, in the space of the text embeddings, not normalised; num_points: [K] int64 input points;
    centroids: [K, 3] float32 metres, mean of the points; boxes: tuple of K OrientedBox. Frame: that of the cloud.
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
        """These instances and the rows of `other` behind them, with `masks` on these voxels in the place of its own."""
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
        """[K] objectness x mask score: how sure the network is that this is one object, whatever its name."""
        return self.objectness * self.mask_score

    def point_mask(self, k):
        """[N] bool over the input points: those inside mask k."""
        inside = np.zeros(len(self.voxels), dtype=bool)
        inside[self.masks[k]] = True
        return inside[self.voxels.point_to_voxel]

    def voxel_owner(self, priority):
        """[M] int32: for each voxel the instance of highest priority whose mask holds it, -1 for none.

        priority: [K] float, such as the final scores; ties go to the instance that comes first.
        """
        owner = np.full(len(self.voxels), -1, dtype=np.int32)
        for k in np.argsort(-np.asarray(priority), kind="stable")[::-1]:
            owner[self.masks[k]] = k
        return owner
