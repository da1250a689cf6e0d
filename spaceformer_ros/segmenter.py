"""From a cloud to instances: shift, voxelise, run the network on its device, extract."""

import logging
import pathlib
import threading

import numpy as np
import torch

from . import Cancelled, SpaceformerError
from .instances import VoxelMap
from .network.backbone import Block
from .network.model import drawn_orders, fixed_orders
from .postprocess import extract_instances
from .timing import Stopwatch
from .voxels import VoxelGrid

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchBackend:
    """The network in plain PyTorch, on any device."""

    name = "torch"

    def __init__(self, model, device, dtype):
        self.model = convert(model, dtype).to(device)
        self._cancelled = threading.Event()
        for module in self.model.modules():
            if isinstance(module, Block):
                module.register_forward_pre_hook(self._check_cancelled)

    def predict(self, grid, orders):
        """Prediction of a VoxelGrid with one scene."""
        return self.model(grid, orders)[0]

    def cancel(self):
        """Break off the running prediction at its next block, and every later one. Any thread may call."""
        self._cancelled.set()

    def _check_cancelled(self, *_):
        if self._cancelled.is_set():
            raise Cancelled("the inference was broken off by a shutdown")


def convert(model, dtype):
    """The model with floating-point weights of `dtype`; batch norms stay float32, as their statistics need it."""
    model = model.to(dtype)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.float()
    return model


class Segmenter:
    """Owns a checkpoint on a device. One thread at a time may call it."""

    def __init__(self, checkpoint, config):
        """config: ModelConfig. Raises SpaceformerError where the device, precision or backend cannot be had."""
        self.device = choose_device(config.device)
        self.dtype = choose_precision(config.precision, self.device)
        network = checkpoint.model.config
        self.voxel_size, self.nms_iou = network.voxel_size, network.nms_iou
        self.model_name, self.model_sha256 = checkpoint.name, checkpoint.sha256
        self.orders = fixed_orders(network) if config.order_seed < 0 else drawn_orders(network, config.order_seed)
        self.backend = make_backend(config.backend, checkpoint.model, self.device, self.dtype)

    @torch.inference_mode()
    def segment(self, cloud, config, stopwatch=None):
        """Instances of a Cloud, in its frame. config: Config; raises SpaceformerError.

        The same cloud gives the same instances; the order of its points does not matter.
        """
        stopwatch = stopwatch or Stopwatch()
        check_reach(cloud, self.voxel_size)
        with stopwatch.stage("voxelise", self._wait):
            origin = cloud.origin
            grid = self.voxelise(cloud, origin)
        max_voxels = config.input.max_voxels
        if len(grid) > max_voxels:
            raise SpaceformerError(
                f"the cloud occupies {len(grid)} voxels of {self.voxel_size} m, more than max_voxels {max_voxels}: "
                "set roi to the part that matters, or raise max_voxels if the memory allows"
            )
        with stopwatch.stage("network", self._wait):
            prediction = self.backend.predict(grid, self.orders)
        with stopwatch.stage("postprocess", self._wait):
            voxels = VoxelMap(
                positions=grid.positions.cpu().numpy() + origin,
                point_to_voxel=grid.point_to_voxel.int().cpu().numpy(),
                voxel_size=self.voxel_size,
            )
            return extract_instances(prediction, voxels, config.postprocess, self.nms_iou)

    def cancel(self):
        """Break off the running inference soon, and refuse later ones. Any thread may call."""
        self.backend.cancel()

    def facts(self):
        """What runs where, for the log and the diagnostics."""
        return {"backend": self.backend.name, "device": str(self.device), "precision": str(self.dtype).split(".")[1]}

    def _wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def voxelise(self, cloud, origin):
        """VoxelGrid of a cloud seen from `origin`, on the device."""
        xyz = torch.from_numpy(np.ascontiguousarray(cloud.xyz - origin)).to(self.device)
        return VoxelGrid.from_points(xyz, torch.from_numpy(cloud.colors).to(self.device), self.voxel_size)


def check_reach(cloud, voxel_size):
    """Raises SpaceformerError for a cloud so far from the origin of its frame that float32 cannot tell voxels apart."""
    reach = max(np.abs(bound).max() for bound in cloud.bounds)
    if np.spacing(reach) > voxel_size:
        raise SpaceformerError(
            f"the cloud reaches {reach:.6g} m from the origin of its frame, where float32 coordinates lie "
            f"{np.spacing(reach):.3g} m apart, more than voxel_size {voxel_size} m: crop the cloud, remove far "
            "outliers, or move the origin of the frame closer"
        )


def make_backend(name, model, device, dtype):
    """The backend for the setting `backend`; what was chosen, and why, is said in the log."""
    if name == "warpconvnet":
        from .warp_backend import WarpConvNetBackend

        return WarpConvNetBackend(model, device, dtype)
    if name == "auto":
        logger.info("backend auto: torch, which runs on every device and needs no compiled extension")
    return TorchBackend(model, device, dtype)


def choose_device(name):
    """torch.device for the setting `device`. Raises SpaceformerError where it cannot be used."""
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SpaceformerError(f'device {name!r} cannot be used ({reason}): set device to "auto" or "cpu"') from error
    return device


def choose_precision(name, device):
    """torch.dtype for the setting `precision`. Raises SpaceformerError where the device cannot do it."""
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if cpu_has_bfloat16() else torch.float32
    if name == "float16" and device.type == "cpu":
        raise SpaceformerError("precision float16 needs a CUDA device: use float32, bfloat16 or auto on the CPU")
    return PRECISIONS[name]


def cpu_has_bfloat16():
    """Whether this CPU multiplies bfloat16 matrices in hardware; emulated, it is slower than float32."""
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))
