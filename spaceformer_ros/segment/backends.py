# SPDX-License-Identifier: Apache-2.0
"""Backends of the network: choice of device, precision and implementation."""

import functools
import logging
import pathlib
import threading

import torch

from .. import Cancelled, SpaceformerError
from ..network.backbone import Block
from ..network.kernels import KernelUnavailable, use_triton
from ..network.layers import freeze
from ..network.name_head import NameHead
from ..network.point_head import PointHead

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchBackend:
    """The network in plain PyTorch, on any device; on CUDA with Triton kernels, if these work."""

    name = "torch"

    def __init__(self, model, device, dtype):
        self.model = convert(model, dtype).to(device)
        self.name_head, self.point_head = self.model.name_head, self.model.point_head
        freeze(self.model)
        choose_kernels(self.model, device)
        self._cancelled = threading.Event()
        for module in self.model.modules():
            if isinstance(module, Block):
                module.register_forward_pre_hook(self._check_cancelled)

    def predict(self, grid, orders):
        """Prediction of a VoxelGrid with one scene."""
        return self.model(grid, orders)[0]

    def cancel(self):
        """Stop the running prediction at its next block, and every later one. May be called from any thread."""
        self._cancelled.set()

    def _check_cancelled(self, *_):
        if self._cancelled.is_set():
            raise Cancelled("the inference was stopped by a shutdown")


def choose_kernels(model, device):
    """On CUDA, use the Triton kernels if they agree with plain PyTorch; the choice and its reason are logged."""
    if device.type == "cuda":
        try:
            use_triton(model)
            logger.info("the network runs in Triton kernels, which agree with plain PyTorch")
        except KernelUnavailable as error:
            logger.warning("the network runs in plain PyTorch: %s", error)


def convert(model, dtype):
    """The model with weights of `dtype`; batch norms stay float32, as their statistics need it, and the heads that name
    masks."""
    model = model.to(dtype)
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, NameHead, PointHead)):
            module.float()
    return model


def make_backend(name, model, device, dtype):
    """The backend for the setting `backend`; the choice and its reason are logged."""
    if name == "warpconvnet":
        from .warp_backend import WarpConvNetBackend

        return WarpConvNetBackend(model, device, dtype)
    if name == "auto":
        logger.info("backend auto: torch, which runs on every device and needs no compiled extension")
    return TorchBackend(model, device, dtype)


def choose_device(name, setting="device"):
    """torch.device for a setting, "auto", "cpu", "cuda" or "cuda:N". Raises SpaceformerError if it cannot be used.

    setting: its name, for the message
    """
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        if name.partition(":")[0] not in ("cpu", "cuda"):  # others lack operations that the network needs
            raise RuntimeError("expected auto, cpu, cuda or cuda:N")
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        advice = f'set {setting} to "auto" or "cpu"'
        raise SpaceformerError(f"{setting} {name!r} cannot be used ({reason}): {advice}") from error
    return device


def choose_precision(name, device):
    """torch.dtype for the setting `precision`. Raises SpaceformerError if the device does not support it."""
    if name == "auto":
        fast = cpu_has_bfloat16() if device.type == "cpu" else torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if fast else torch.float32  # float16 overflows: values of the demo network reach 94,000
    if name == "float16" and device.type == "cpu":
        raise SpaceformerError("precision float16 needs a CUDA device: use float32, bfloat16 or auto on the CPU")
    return PRECISIONS[name]


@functools.cache
def cpu_has_bfloat16():
    """Whether this CPU multiplies bfloat16 matrices in hardware; emulated, it is slower than float32."""
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))
