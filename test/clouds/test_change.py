# SPDX-License-Identifier: Apache-2.0
"""Hashes of points, whose sums tell whether two sets of points are equal."""

import dataclasses

import numpy as np
import pytest

from spaceformer_ros.clouds.change import point_hashes
from spaceformer_ros.clouds.cloud import Cloud


@pytest.mark.parametrize(("name", "axis"), [(name, axis) for name in ("xyz", "rgb") for axis in range(3)])
def test_sums_of_hashes_differ_if_two_points_exchange_a_value(name, axis, monkeypatch):
    rng = np.random.default_rng(0)
    cloud = Cloud(rng.normal(0, 3, (100, 3)).astype(np.float32), rng.integers(256, size=(100, 3), dtype=np.uint8))
    before = point_hashes(cloud)
    assert len(np.unique(before)) == 100
    values = getattr(cloud, name).copy()
    values[[3, 70], axis] = values[[70, 3], axis]
    monkeypatch.setattr("spaceformer_ros.clouds.change.HASHED", 30)
    after = point_hashes(dataclasses.replace(cloud, **{name: values}))
    assert np.flatnonzero(before != after).tolist() == [3, 70]
    assert before.sum() != after.sum()
