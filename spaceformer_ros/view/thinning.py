# SPDX-License-Identifier: Apache-2.0
"""Fewer points of a large map, spread evenly."""

import numpy as np

from ..grids.keys import cell_keys

FIRST_CELL = 0.01  # metres
GROWTH = 1.02  # more than the estimate, so that few steps are needed


def even_rows(xyz, limit):
    """Sorted rows of at most `limit` points of [N, 3], one per cell of a grid that is as fine as the limit allows.

    A browser draws half a million points fluently on most devices. Every k-th point would thin what was scanned once
    as much as what was scanned many times; one point per cell keeps surfaces closed.
    """
    rows, cell = np.arange(len(xyz)), FIRST_CELL
    while len(rows) > limit:
        _, first = np.unique(cell_keys(xyz[rows], cell), return_index=True)
        rows = rows[np.sort(first)]
        cell *= max(1.05, GROWTH * (len(rows) / limit) ** 0.5)  # surfaces: the count falls with the square
    return rows
