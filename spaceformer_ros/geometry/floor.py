# SPDX-License-Identifier: Apache-2.0
"""Height of the floor below a set of points."""

import numpy as np

BIN = 0.05  # metres, of the histogram of heights
SLACK = 0.1  # metres that noise of the floor reaches below its peak
STRAY_SHARE = 0.005  # of the points: fewer points below a gap of SLACK are strays
BELOW_SHARE = 0.03  # of the points that may lie below a floor, such as reflections in it
PEAK_SHARE = 0.05  # of the points that a floor has at least within two bins


def floor_height(heights, share):
    """Height of the floor, as the quantile `share` in [0, 1] of the heights; noise below the floor must be rarer.

    heights: [N] along z, N >= 1, of any real type. The result has the same type.
    """
    index = max(int(np.ceil(share * len(heights))) - 1, 0)  # np.quantile has "inverted_cdf" from NumPy 1.22 on only
    return np.partition(heights, index)[index]


def base_height(heights):
    """Height of the lowest point that belongs to the floor or, without a floor, to more than a few strays.

    The floor is the highest peak of the heights with at most BELOW_SHARE of them below it. Of a clean map the result
    is the lowest point; points below the floor, such as reflections and noise, do not change it, however deep.
    heights: [N] metres along z, N >= 1, of any real type, which the result has too.
    """
    base = floor_height(heights, STRAY_SHARE)
    top = floor_height(heights, BELOW_SHARE) + SLACK + BIN
    near = heights[(heights > base - SLACK) & (heights < top)]
    rows, counts = np.unique(np.floor((near.astype(np.float64) - base) / BIN), return_counts=True)
    pairs = counts[:-1] + np.where(np.diff(rows) == 1, counts[1:], 0)
    if len(pairs) and pairs.max() > PEAK_SHARE * len(heights):
        peak = base + BIN * (rows[pairs.argmax()] + 1)
        if (heights < peak - SLACK).mean() < BELOW_SHARE:
            base = max(base, peak)
    return heights[heights >= base - SLACK].min()
