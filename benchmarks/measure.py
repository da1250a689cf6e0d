# SPDX-License-Identifier: Apache-2.0
"""Measurements for benchmarks: seconds per part of the network, the matrix rate of a device, bytes of tensors."""

import contextlib
import time
import weakref
from collections import Counter

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spaceformer_ros.heap import trim_heap
from spaceformer_ros.network.attention import BatchedLinear, GroupedAttention
from spaceformer_ros.network.backbone import Down, UNet, Up
from spaceformer_ros.network.layers import LayerNorm, SparseConv3d, SwiGLU
from spaceformer_ros.segment.memory import release_memory, reset_peak

# Part that the time of a module counts for, without the modules inside it that are listed themselves.
PART_OF = {
    SparseConv3d: "convolution",
    GroupedAttention: "attention",
    nn.Linear: "linear",
    BatchedLinear: "linear",
    SwiGLU: "linear",
    Up: "linear",
    Down: "linear",
    LayerNorm: "norms",
    nn.BatchNorm1d: "norms",
    nn.GELU: "norms",
    UNet: "sums, pools, rest",
}


class Clock:
    """Seconds of a device. kind: "wall", or "cpu": CPU seconds of all threads, for busy machines.

    On CUDA the wall clock synchronises first.
    """

    def __init__(self, device, kind="wall"):
        self.device, self.kind = torch.device(device), kind

    def now(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.kind == "cpu" else time.perf_counter()

    def best(self, run, repeats):
        """Minimum seconds of several runs."""
        seconds = []
        for _ in range(repeats):
            start = self.now()
            run()
            seconds.append(self.now() - start)
        return min(seconds)


def matrix_rate(clock, dtype):
    """The highest FLOP/s of square matrix products in this run: what floors are calculated with."""
    sizes = (4096, 8192) if clock.device.type == "cuda" else (512, 1024, 2048)
    rates = []
    for size in sizes:
        a, b = torch.randn(2, size, size, device=clock.device).to(dtype)
        (a @ b).sum()  # warm-up
        rates.append(2 * size**3 / clock.best(lambda a=a, b=b: a @ b, repeats=10))
    return max(rates)


class TensorMemory(TorchDispatchMode):
    """Bytes of the tensors created while the block runs: `now` and `peak`.

    Workspaces of kernels, and freed memory that malloc keeps, are not included.
    """

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._held = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        known = {storage._cdata for storage in _storages((args, kwargs))}  # of views and in-place results
        for storage in _storages(result):
            if storage._cdata not in known and id(storage) not in self._held:
                self._hold(id(storage), storage)
        return result

    def _hold(self, name, storage):
        size = storage.nbytes()
        self._held[name] = weakref.ref(storage, lambda _: self._free(name, size))
        self.now += size
        self.peak = max(self.peak, self.now)

    def _free(self, name, size):
        del self._held[name]
        self.now -= size


def _storages(values):
    return [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


@contextlib.contextmanager
def plain_kernels(model):
    """While the block runs, the network uses plain PyTorch; yields the modules that had Triton kernels."""
    taken = [
        (module, name, getattr(module, name))
        for module in model.modules()
        for name in ("kernel", "kernels")
        if getattr(module, name, None)
    ]
    for module, name, _ in taken:
        setattr(module, name, None)
    try:
        yield [module for module, *_ in taken]
    finally:
        for module, name, kernel in taken:
            setattr(module, name, kernel)


@contextlib.contextmanager
def part_seconds(model, clock):
    """Counter of seconds per part of the backbone while the block runs; nested modules are counted once.

    On CUDA every module is synchronised, so the sum exceeds the time of a normal run.
    """
    seconds, open_modules, handles = Counter(), [], []

    def enter(module, args):
        open_modules.append([clock.now(), 0.0])

    def leave(module, args, output):
        start, inside = open_modules.pop()
        total = clock.now() - start
        seconds[PART_OF[type(module)]] += total - inside
        if open_modules:
            open_modules[-1][1] += total

    for module in model.backbone.modules():
        if type(module) in PART_OF:
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield seconds
    finally:
        for handle in handles:
            handle.remove()


def start_of_peak(device):
    """Release free memory and reset the peak. Returns the bytes in use."""
    release_memory(device)
    trim_heap()
    return reset_peak(device)
