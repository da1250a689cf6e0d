# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from spaceformer_ros.segment import backends
from spaceformer_ros.training.precision import products_in

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "in_hardware", "expected"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("bfloat16", False, torch.bfloat16),
        ("float32", True, torch.float32),
    ],
)
def test_products_are_in_bfloat16_where_that_is_fast(precision, in_hardware, expected, monkeypatch):
    monkeypatch.setattr(backends, "cpu_has_bfloat16", lambda: in_hardware)
    with products_in(precision, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected
