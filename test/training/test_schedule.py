# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros.training.schedule import one_cycle


@pytest.mark.parametrize("steps", [7, 200])
def test_the_rate_rises_to_its_peak_and_falls_to_zero(steps):
    factor = one_cycle(steps, 0.1)
    values = np.array([factor(done) for done in range(steps + 1)])
    assert values.max() == 1
    assert values[-1] == pytest.approx(0, abs=1e-9)
    assert values[0] == 1 if steps < 10 else values[0] < 0.1
    assert (np.diff(values[: values.argmax() + 1]) > 0).all()
    assert (np.diff(values[values.argmax() :]) <= 0).all()
