# SPDX-License-Identifier: Apache-2.0
"""Fusion of measured points on a grid: one averaged point per cell, as mapping programs do."""

import numpy as np

from ..grids.groups import row_numbers


def fuse(xyz, rgb, weight, label, cell, min_hits=1):
    """Weighted means per cell of `cell` metres.

    xyz, rgb: [M, 3] float32; weight: [M]; label: [M] int >= 0. Returns xyz [N, 3] float32 metres, rgb [N, 3] uint8,
    label [N] int64 of the majority of the cell's observations. Cells with fewer than min_hits observations are dropped.
    """
    if not len(xyz):
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros(0, np.int64)
    index = np.floor(xyz * np.float32(1 / cell)).astype(np.int64)
    labels = int(label.max()) + 1
    key = row_numbers(index)[0] * labels + label
    order = np.argsort(key)
    key = key[order]
    runs = np.flatnonzero(np.diff(key, prepend=-1))  # equal cell and label
    hits = np.diff(np.append(runs, len(key)))
    cell_of_run = key[runs] // labels
    first = np.flatnonzero(np.diff(cell_of_run, prepend=-1))  # first run of each cell
    weight = weight[order]
    columns = np.concatenate([xyz[order], rgb[order]], axis=1) * weight[:, None]
    sums = np.add.reduceat(columns, runs[first], axis=0)
    means = sums / np.add.reduceat(weight, runs[first])[:, None]
    kept = np.add.reduceat(hits, first) >= min_hits
    majority = _majority(cell_of_run, hits, first)
    means, majority = means[kept], majority[kept]
    color = np.clip(np.rint(means[:, 3:]), 0, 255).astype(np.uint8)
    return means[:, :3].astype(np.float32), color, key[runs[majority]] % labels


def _majority(cell_of_run, hits, first):
    """For each cell, the index of its run with the most hits."""
    number = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(cell_of_run))))
    order = np.lexsort((hits, number))
    last = np.append(first[1:], len(cell_of_run)) - 1
    return order[last]
