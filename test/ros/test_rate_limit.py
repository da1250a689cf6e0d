# SPDX-License-Identifier: Apache-2.0
from spaceformer_ros.ros.rate_limit import MinInterval, RateLimit


def test_rate_and_burst_are_limited():
    limit = RateLimit()
    assert [limit.admits(3.0, 100.0) for _ in range(5)] == [True, True, True, False, False]
    assert [limit.admits(3.0, 100.4) for _ in range(2)] == [True, False]
    assert sum(limit.admits(3.0, 101.0 + i / 100) for i in range(1000)) == 31  # ten seconds
    assert [limit.admits(3.0, 1e6) for _ in range(4)] == [True, True, True, False]  # a rest saves up no more


def test_low_rates_and_no_limit():
    limit = RateLimit()
    assert [limit.admits(0.5, now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)] == [True, False, True, False, True]
    assert all(limit.admits(0.0, 4.0) for _ in range(100))


def test_a_minimum_interval_counts_from_what_was_admitted():
    interval = MinInterval()
    assert [interval.admits(1.0, now) for now in (0.0, 0.6, 1.1, 1.9, 2.1)] == [True, False, True, False, True]
