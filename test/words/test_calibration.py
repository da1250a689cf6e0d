# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros.words.calibration import Calibration, Curve

CURVE = Curve((0.1, 0.5, 0.9), (0.0, 0.2, 1.0))


def test_a_curve_interpolates_and_ends_flat():
    assert np.allclose(CURVE(np.array([0.0, 0.1, 0.3, 0.7, 0.9, 1.0])), [0.0, 0.0, 0.1, 0.6, 1.0, 1.0])


@pytest.mark.parametrize(
    ("scores", "shares"),
    [
        ((), ()),
        ((0.1, 0.2), (0.5,)),
        ((0.2, 0.1), (0.1, 0.2)),
        ((0.1, 0.1), (0.1, 0.2)),
        ((0.1, 0.2), (0.3, 0.2)),
        ((0.1, 1.2), (0.1, 0.2)),
        ((0.1, float("nan")), (0.1, 0.2)),
        ((0.1, "0.2"), (0.1, 0.2)),
        (tuple(i / 100 for i in range(65)), (0.5,) * 65),
    ],
)
def test_tables_that_are_no_monotone_curve_are_refused(scores, shares):
    with pytest.raises(ValueError, match="a curve"):
        Curve(scores, shares)


def test_a_calibration_survives_json():
    calibration = Calibration(CURVE, Curve((0.5,), (1.0,)), CURVE, CURVE, "3 rooms")
    assert Calibration.from_dict(calibration.to_dict()) == calibration
    with pytest.raises(ValueError, match="fitted_on"):
        Calibration.from_dict({**calibration.to_dict(), "fitted_on": "two\nlines"})
