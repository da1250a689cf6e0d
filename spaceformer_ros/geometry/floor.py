# SPDX-License-Identifier: Apache-2.0
"""Height of the floor below a set of points."""

import numpy as np


def floor_height(heights, share):
    """The height that `share` of the points, in [0, 1], do not exceed: noise below the floor must be rarer than that.

    heights: [N] along z, N >= 1, of any real type, which the result has too.
    """
    return np.quantile(heights, share, method="inverted_cdf")
