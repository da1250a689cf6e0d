# SPDX-License-Identifier: Apache-2.0
"""Schedule of the learning rate."""

import math


def one_cycle(steps, warm_up_share):
    """The factor of the peak rate as a function of the steps done: linear warm-up, then half a cosine to zero.

    steps: of the whole run; warm_up_share: of these, above 0.
    """
    warm = warm_up_share * steps

    def factor(done):
        if done < warm:
            return min(1.0, (done + 1) / warm)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / max(1, steps - warm))))

    return factor
