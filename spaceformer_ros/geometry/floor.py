# SPDX-License-Identifier: Apache-2.0
"""Height of the floor below a set of points."""

import numpy as np


def floor_height(heights, share):
    """Height of the floor, as the quantile `share` in [0, 1] of the heights; noise below the floor must be rarer.

    heights: [N] along z, N >= 1, of any real type. The result has the same type.
    """
    return np.quantile(heights, share, method="inverted_cdf")
