# SPDX-License-Identifier: Apache-2.0
"""Results that are kept from run to run."""

import numpy as np

from spaceformer_ros.layout.results import KnownResults

CALLS = []


def total(values, factor):
    """A sum, counted in CALLS."""
    CALLS.append(factor)
    return values.sum() * factor


def test_results_of_the_last_run_are_kept():
    known = KnownResults()
    for run in range(3):
        known.start_run()
        assert known.of(total, np.arange(4), 2) == known.of(total, np.arange(4), 2) == 12
        if run == 0:
            assert known.of(total, np.arange(4), 3) == 18
    assert CALLS == [2, 3]
    assert known.of(total, np.arange(4), 3) == 18  # forgotten: the last run did not need it
    assert known.of(total, np.arange(4) + 1, 2) == 20
    assert CALLS == [2, 3, 3, 2]
