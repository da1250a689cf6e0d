# SPDX-License-Identifier: Apache-2.0
"""Greedy removal of duplicates, for dense and for sparse masks."""

import numpy as np


def without_duplicates(count, better, worse):
    """Indices of the masks that stay, ascending: a mask is removed if a better one that stays duplicates it.

    count: number of masks, best first; better, worse: [P] int, the pairs that duplicate each other, better < worse.
    """
    kept = np.ones(count, dtype=bool)
    order = np.argsort(worse, kind="stable")  # so that it is known whether the better mask of a pair stays
    for k, other in zip(better[order].tolist(), worse[order].tolist()):
        kept[other] &= not kept[k]
    return np.flatnonzero(kept)
