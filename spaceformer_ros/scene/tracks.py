# SPDX-License-Identifier: Apache-2.0
"""Comparison of two sets of objects for tracking: overlaps, similarity and one-to-one matches."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..geometry.transform import IDENTITY
from ..geometry.vectors import unit_vectors
from ..grids.groups import components, incidence
from ..grids.keys import distinct

MIN_COSINE = 0.9  # of the features of two objects that may be the same although their labels differ


@dataclass(frozen=True)
class Tracks:
    """K objects.

    occupancies: K Occupancy
    labels: K str
    features: [K, C]
    centers: [K, 3] metres, mean of the points
    sizes: [K, 3] metres, of the boxes
    """

    occupancies: tuple
    labels: tuple
    features: np.ndarray
    centers: np.ndarray
    sizes: np.ndarray

    def __len__(self):
        return len(self.occupancies)

    @cached_property
    def directions(self):
        """[K, C] features of length one."""
        return unit_vectors(self.features)

    def moved(self, transform):
        """The same objects after a RigidTransform of the map."""
        if transform is IDENTITY:
            return self
        occupancies = tuple(occupancy.moved(transform) for occupancy in self.occupancies)
        return replace(self, occupancies=occupancies, centers=transform.apply(self.centers))


@dataclass(frozen=True)
class Pairs:
    """P pairs of objects: the i-th fresh and the j-th known one. i, j: [P] int64."""

    i: np.ndarray
    j: np.ndarray


@dataclass(frozen=True)
class CellOverlaps(Pairs):
    """Pairs that share cells. iou: [P] intersection over union; contained: [P] share of the smaller of the two."""

    iou: np.ndarray
    contained: np.ndarray

    @classmethod
    def between(cls, fresh, known):
        """Those of fresh and known Tracks."""
        shared, first, second = shared_cells(fresh.occupancies, known.occupancies)
        first, second = first[shared.row], second[shared.col]
        count = shared.data
        iou, contained = count / (first + second - count), count / np.minimum(first, second)
        return cls(shared.row.astype(np.int64), shared.col.astype(np.int64), iou, contained)


def shared_cells(first, second):
    """Numbers of TRACK_CELL cells: shared by A and B Occupancies, a COO matrix [A, B]; of each of them, [A] and [B]."""
    groups = [[occupancy.cells for occupancy in occupancies] for occupancies in (first, second)]
    keys = distinct(np.concatenate([*groups[0], *groups[1]]))
    a, b = (incidence([np.searchsorted(keys, cells) for cells in group], len(keys)) for group in groups)
    sizes = [np.array([len(cells) for cells in group]) for group in groups]
    return (a @ b.T).tocoo(), *sizes


def compare(fresh, known, pairs):
    """[P] bool, whether the objects of each pair are similar (same label, or similar features), and [P] the cosine."""
    cosine = np.einsum("pc,pc->p", fresh.directions[pairs.i], known.directions[pairs.j])
    same = [fresh.labels[i] == known.labels[j] for i, j in zip(pairs.i.tolist(), pairs.j.tolist())]
    return np.array(same, dtype=bool) | (cosine >= MIN_COSINE), cosine


def assign(pairs, benefit, candidates):
    """Rows of the pairs of the one-to-one matching with the greatest total benefit.

    benefit: [P] > 0; candidates: [P] bool, pairs that may be chosen. Each group of objects that share no pair with
    others is solved on its own, so the effort grows with the number of objects, not with its cube.
    """
    rows = np.flatnonzero(candidates)
    if not len(rows):
        return rows
    i, j = pairs.i[rows], pairs.j[rows]
    first_known = i.max() + 1  # nodes of the graph: fresh objects, then known ones
    edges = np.stack([i, first_known + j], axis=1)
    group = components(first_known + j.max() + 1, edges)[i]
    order = np.argsort(group, kind="stable")
    groups = np.split(rows[order], np.flatnonzero(np.diff(group[order])) + 1)
    return np.concatenate([_assign_group(pairs, benefit, group) for group in groups])


def _assign_group(pairs, benefit, rows):
    """`assign` for the pairs in `rows` alone."""
    (_, a), (_, b) = (np.unique(index[rows], return_inverse=True) for index in (pairs.i, pairs.j))
    table = np.zeros((a.max() + 1, b.max() + 1))
    row_of = np.full(table.shape, -1)
    table[a, b], row_of[a, b] = benefit[rows], rows
    chosen = row_of[linear_sum_assignment(table, maximize=True)]
    return chosen[chosen >= 0]
