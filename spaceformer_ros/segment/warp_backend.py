# SPDX-License-Identifier: Apache-2.0
"""The official implementation, warpconvnet, as a backend: CUDA only, the released network only.

Two workarounds: block orders are set, because the released code draws them at random; and the global window cache is
cleared before every run, because it leaks and returns wrong windows when an address is reused. If flash-attn or
torch_scatter is not installed, kernels of PyTorch replace the two functions needed.
"""

import importlib.util
import logging
import sys
import types

import torch

from .. import SpaceformerError
from ..network.decoder import Prediction
from ..network.model import SpaCeFormerConfig

logger = logging.getLogger(__name__)

INSTALL = (
    "install a CUDA build of torch first, then `pip install --no-build-isolation warpconvnet==1.8.2` (needs nvcc), "
    "or use backend torch, which needs neither"
)


class WarpConvNetBackend:
    """Runs `SpaCeFormerInstSeg` of warpconvnet with our weights on one mean point per voxel."""

    name = "warpconvnet"
    name_head = point_head = None  # the released network has none

    def __init__(self, model, device, dtype):
        """model: our SpaCeFormer of the released configuration. Raises SpaceformerError if it cannot run."""
        if model.config != SpaCeFormerConfig.released():
            raise SpaceformerError("backend warpconvnet runs the released network only: use backend torch")
        if device.type != "cuda":
            raise SpaceformerError(f"backend warpconvnet needs a CUDA device, not {device}: use backend torch")
        provide_missing_modules()
        try:
            from warpconvnet.models.spaceformer import build_spaceformer
            from warpconvnet.nn.functional.voxel_encode import clear_encode_cache
        except ImportError as error:
            raise SpaceformerError(f"backend warpconvnet cannot be imported ({error}): {INSTALL}") from error
        self._clear_cache, self._device, self._dtype = clear_encode_cache, device, dtype
        self._network = build_spaceformer(device=device)
        self._network.load_state_dict(model.state_dict(), strict=True)

    def predict(self, grid, orders):
        """Prediction of a VoxelGrid with one scene."""
        self._clear_cache()
        remaining = iter(orders)
        self._network.backbone.inner_module._select_order = lambda *_: next(remaining)
        batch = {"coord": grid.positions, "feat": grid.features, "offset": torch.tensor([0, len(grid)])}
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            result = self._network(batch)
        return Prediction(result["mask"][0], result["logit"][0], result["clip_feat"][0])

    def cancel(self):
        """Nothing to do: a run on a GPU is short."""


def provide_missing_modules():
    """Make flash_attn and torch_scatter importable if they are not installed."""
    makers = {
        "flash_attn": lambda: {"flash_attn_varlen_qkvpacked_func": flash_attn_varlen_qkvpacked_func},
        "torch_scatter": lambda: {"segment_csr": segment_csr},
    }
    for name, make in makers.items():
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            logger.info("%s is not installed: PyTorch's own kernel is used instead", name)
            module = types.ModuleType(name)
            module.__dict__.update(make())
            module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
            sys.modules[name] = module


def flash_attn_varlen_qkvpacked_func(qkv, cu_seqlens, max_seqlen, dropout_p=0.0, softmax_scale=None, **_):
    """flash-attn's function of this name without dropout, through the kernel that PyTorch ships.

    qkv: [M, 3, H, D] float16 or bfloat16 on CUDA; cu_seqlens: [S + 1] int32. Returns [M, H, D].
    """
    q, k, v = qkv.unbind(1)
    return torch.ops.aten._flash_attention_forward(
        q, k, v, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, dropout_p, False, False, scale=softmax_scale
    )[0]


def segment_csr(src, indptr, out=None, reduce="sum"):
    """torch_scatter's function of this name: reduce consecutive rows. src: [N, C]; indptr: [S + 1]."""
    reduced = torch.segment_reduce(src, {"add": "sum"}.get(reduce, reduce), offsets=indptr.to(torch.int64), axis=0)
    return reduced if out is None else out.copy_(reduced)
