# SPDX-License-Identifier: Apache-2.0
"""Code paths of a GPU on simulated tensors: results, and no mixing of host and device."""

import json

import pytest
from helpers.paths import run_helper

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def report():
    return json.loads(run_helper("simulated_gpu"))


def test_the_same_objects_are_found_as_on_the_cpu(report):
    assert report["float32"]["found"] == report["wanted"] > 3
    assert min(report["float32"]["ious"]) > 0.999


def test_a_gpu_that_has_bfloat16_uses_it_and_its_fast_kernels(report):
    found = report["auto"]
    assert found["type"] == "torch.bfloat16"
    assert sum(found["ious"]) / len(found["ious"]) > 0.9
    assert min(report["used"][name] for name in ("convolution", "flash attention", "masked attention")) > 10


def test_tiles_that_did_not_change_do_not_run_again(report):
    first, again, changed = report["tiles"]
    assert first[0] == first[1] > 1
    assert again == [first[0], 0]
    assert 0 < changed[1] < changed[0]


def test_float16_overflow_is_reported(report):
    assert report["float16"] == "the network's features are not finite in float16: set precision to auto"
