# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spaceformer_ros.network import transfer

CUDA = SimpleNamespace(type="cuda")


def test_on_a_cpu_nothing_is_copied():
    array = np.arange(6, dtype=np.float32)
    tensor = transfer.to_device(array, torch.device("cpu"))
    (back,) = transfer.to_host(tensor)
    assert back.ctypes.data == tensor.data_ptr() == array.ctypes.data


class OnDevice:
    """A stand-in tensor for `to_host` that records the calls."""

    def __init__(self, name, done):
        self.name, self.done, self.device = name, done, CUDA

    def to(self, device, non_blocking=False):
        self.done.append((f"copy {self.name} to {device}", non_blocking))
        return SimpleNamespace(numpy=lambda: self.name)


def test_results_are_copied_together_and_waited_for_once(monkeypatch):
    done = []
    stream = SimpleNamespace(synchronize=lambda: done.append("wait"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    assert transfer.to_host(OnDevice("a", done), OnDevice("b", done)) == ["a", "b"]
    assert done == [("copy a to cpu", True), ("copy b to cpu", True), "wait"]


@pytest.mark.parametrize("shape", [(4,), (3, 2)])
def test_arrays_go_through_pinned_memory_without_a_wait(monkeypatch, shape):
    done = []
    pinned = SimpleNamespace(to=lambda device, non_blocking: done.append((device, non_blocking)) or "there")
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: done.append(tuple(tensor.shape)) or pinned)
    assert transfer.to_device(np.zeros(shape), CUDA) == "there"
    assert done == [shape, (CUDA, True)]
