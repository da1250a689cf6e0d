# SPDX-License-Identifier: Apache-2.0
"""Segment a room on tensors that claim to be on a GPU, and print the results as JSON (test_simulated_gpu.py).

Behind them are tensors of the CPU, whose arithmetic is used; the kernels that only a GPU has are plain ones here. What
mixes tensors of the host and of the device, or reads one of the device without a copy, fails as on a GPU. A copy to the
host that nobody waits for holds no values. Speed, memory and the order of kernels are not simulated.

A program of its own: functions of PyTorch are replaced for the whole process.
"""

import json
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from helpers import plain_kernels
from helpers.reference import convolve_by_table
from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import Config, ModelConfig
from spaceformer_ros.grids.groups import incidence
from spaceformer_ros.segment import segmenter
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.weights.checkpoint import load_checkpoint

GPU = torch.device("cuda:0")
MIXED = (
    "to",
    "_to_copy",
    "copy_",
    "empty_like",
    "zeros_like",
    "_has_compatible_shallow_copy_type",
)  # may see both devices
used = Counter()  # calls of replaced kernels
on_their_way = []  # (tensor on the host, values that it will hold) of copies that were not waited for


def leaves(values):
    """What is in nested lists, tuples and dicts: as torch.utils._pytree, which is slow for so many calls."""
    if isinstance(values, (list, tuple)):
        for value in values:
            yield from leaves(value)
    elif isinstance(values, dict):
        yield from leaves(list(values.values()))
    else:
        yield values


def mapped(function, values):
    """The same lists, tuples and dicts of function(leaf)."""
    if isinstance(values, (list, tuple)):
        return type(values)(mapped(function, value) for value in values)
    if isinstance(values, dict):
        return {key: mapped(function, value) for key, value in values.items()}
    return function(values)


def unwrap(leaf):
    """The host tensor of an OnGpu; anything else unchanged."""
    return leaf.host if isinstance(leaf, OnGpu) else leaf


class OnGpu(torch.Tensor):
    """A CPU tensor, `host`, that claims to be on a GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host):
        facts = {"strides": host.stride(), "storage_offset": host.storage_offset(), "dtype": host.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, host.size(), device=GPU, **facts)
        made.host = host
        return made

    def __init__(self, host):
        pass

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})

    def __getitem__(self, index):
        with _disable_current_modes():
            return OnGpu(self.host[on_host(index, "index")])

    def __setitem__(self, index, value):
        with _disable_current_modes():
            self.host[on_host(index, "index")] = on_host(value, "assignment")

    def copy_(self, other, *_):
        with _disable_current_modes():
            self.host.copy_(getattr(other, "host", other))
        return self

    def contiguous(self):
        with _disable_current_modes():
            return self if self.host.is_contiguous() else OnGpu(self.host.contiguous())

    def item(self):
        return self.host.item()

    def tolist(self):
        return self.host.tolist()

    def __bool__(self):
        return bool(self.host)

    def __int__(self):
        return int(self.host)

    def __float__(self):
        return float(self.host)

    def __invert__(self):
        return torch.bitwise_not(self)

    def numpy(self):
        raise TypeError("can't convert a tensor of the GPU to numpy")

    def pin_memory(self):
        raise RuntimeError("cannot pin a tensor of the GPU")


def on_host(values, what):
    """The tensors behind those of the GPU. Raises RuntimeError if one of the host is among them."""
    for leaf in leaves(values):
        if isinstance(leaf, (torch.Tensor, np.ndarray)) and not isinstance(leaf, OnGpu) and leaf.ndim:
            raise RuntimeError(f"{what}: expected all tensors to be on the same device")
    return mapped(unwrap, values)


def compute(function, args, kwargs):
    """Result of a function of ATen, on the device where the result would be."""
    device, given = kwargs.get("device"), list(leaves((args, kwargs)))
    on_gpu = any(isinstance(leaf, OnGpu) for leaf in given) if device is None else torch.device(device).type == "cuda"
    name = function.overloadpacket.__name__
    if name in MIXED:
        plain, named = mapped(unwrap, args), mapped(unwrap, kwargs)
    else:
        plain, named = on_host(args, name) if on_gpu else args, on_host(kwargs, name) if on_gpu else kwargs
    if device is not None:
        named["device"] = torch.device("cpu")
    named.pop("pin_memory", None)
    known = {id(leaf.host): leaf for leaf in given if isinstance(leaf, OnGpu)}
    with _disable_current_modes():
        found = flash_attention(*plain) if name == "_flash_attention_forward" else function(*plain, **named)

    def wrapped(leaf):
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if on_gpu:
            return known.get(id(leaf)) if id(leaf) in known else OnGpu(leaf)
        copy = leaf.clone() if id(leaf) in known else leaf
        return sent(copy) if known and kwargs.get("non_blocking") else copy

    return mapped(wrapped, found)


def sent(values):
    """Memory of the host that holds other values until the stream is waited for."""
    memory = torch.full_like(values, 85)
    on_their_way.append((memory, values))
    return memory


class Simulation(TorchDispatchMode):
    """While active, tensors that are requested on a GPU are created as OnGpu."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # without torch's wrapper around every operation, for which it imports its compiler

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if any(isinstance(leaf, torch.device) for leaf in args):  # `to` takes the device by position
            device = next(leaf for leaf in args if isinstance(leaf, torch.device))
            host = [torch.device("cpu") if leaf is device else getattr(leaf, "host", leaf) for leaf in args]
            with _disable_current_modes():
                copy = function(*host, **kwargs).clone()
            return OnGpu(copy) if device.type == "cuda" else copy
        device = kwargs.get("device")
        asked = device is not None and torch.device(device).type == "cuda"
        if asked or any(isinstance(leaf, OnGpu) for leaf in leaves((args, kwargs))):
            return compute(function, args, kwargs)
        return function(*args, **kwargs)


plain_attention, plain_nonzero, plain_to = F.scaled_dot_product_attention, torch.nonzero, torch.Tensor.to


def flash_attention(q, k, v, ends, same_ends, longest, same_longest, dropout, causal, debug):
    """Checks what the kernel asks of its arguments. Five results, as those of ATen."""
    used["flash attention"] += 1
    assert q.dtype == k.dtype == v.dtype in (torch.float16, torch.bfloat16)
    assert ends.dtype == torch.int32
    assert ends.is_contiguous()
    assert ends[0] == 0
    assert ends[-1] == len(q)
    assert ends.diff().max() == longest == same_longest
    assert len(ends) - 1 <= 65_535, "more groups than a grid of CUDA has in its second dimension"
    assert q.shape[-1] % 8 == 0
    assert (dropout, causal) == (0.0, False)
    assert q.stride(-1) == k.stride(-1) == v.stride(-1) == 1
    out = torch.empty(q.shape, dtype=q.dtype)
    for start, stop in zip(ends.tolist(), ends.tolist()[1:]):
        part = [values[start:stop].transpose(0, 1).float()[None] for values in (q, k, v)]
        out[start:stop] = plain_attention(*part)[0].transpose(0, 1).to(q.dtype)
    return (out, *[torch.empty(0)] * 4)


def dense_attention(q, k, v, *masked):
    if not isinstance(q, OnGpu):
        return plain_attention(q, k, v, *masked)
    assert q.dim() == 4, "no fast kernel takes three dimensions"
    assert masked in ((), (None, 0.0, False))
    host = [t.float() for t in on_host((q, k, v), "attention")]
    with _disable_current_modes():
        return OnGpu(plain_attention(*host).to(q.dtype))


def nonzero(values, as_tuple=False):
    if not isinstance(values, OnGpu):
        return plain_nonzero(values, as_tuple=as_tuple)
    with _disable_current_modes():
        return mapped(OnGpu, plain_nonzero(values.host, as_tuple=as_tuple))


def to(values, *args, **kwargs):
    if args and isinstance(args[0], torch.Tensor):
        args, kwargs = (), {"device": args[0].device, "dtype": args[0].dtype}
    return plain_to(values, *args, **kwargs)


def constructor(make):
    def made(data, *args, device=None, **kwargs):
        device = device or (GPU if isinstance(data, OnGpu) else None)
        if device is None or torch.device(device).type != "cuda":
            return make(data, *args, device=device, **kwargs)
        with _disable_current_modes():
            return OnGpu(make(getattr(data, "host", data), *args, **kwargs))

    return made


class Stream:
    def synchronize(self):
        with _disable_current_modes():
            while on_their_way:
                memory, values = on_their_way.pop()
                memory.copy_(values)


def convolve(x, weight, bias, table, order):
    """Stands in for the Triton kernel: float32 sums from its own table of neighbours."""
    used["convolution"] += 1
    assert table.dtype == torch.int32
    assert x.dtype == weight.dtype
    return convolve_by_table(x.float(), weight.float(), bias.float(), table, order).to(x.dtype)


def attend(query, keys, blocked):
    """Stands in for the Triton kernel of the masked attention."""
    used["masked attention"] += 1
    assert keys.key.stride() == keys.value.stride()
    assert keys.key.stride(2) == 1
    return plain_kernels.attend(query, keys, blocked)


def install():
    """Put the simulation in place of PyTorch's CUDA."""
    torch._C._ensureCUDADeviceGuardSet()

    def gigabyte(device=None):
        return 10**9

    for name, function in {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "get_device_capability": lambda device=None: (9, 0),
        "synchronize": lambda device=None: Stream().synchronize(),
        "current_stream": lambda device=None: Stream(),
        "mem_get_info": lambda device=None: (10**11, 10**11),
        "reset_peak_memory_stats": lambda device=None: None,
        "empty_cache": lambda: None,
        **dict.fromkeys(("memory_allocated", "memory_reserved", "max_memory_allocated"), gigabyte),
    }.items():
        setattr(torch.cuda, name, function)
    torch.backends.cuda.is_flash_attention_available = lambda: True
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch.Tensor.pin_memory, torch.Tensor.to, torch.nonzero = lambda values: values, to, nonzero
    torch.tensor, torch.as_tensor = constructor(torch.tensor), constructor(torch.as_tensor)
    F.scaled_dot_product_attention = dense_attention
    sys.modules["spaceformer_ros.network.triton_convolution"] = SimpleNamespace(convolve=convolve)
    kernels = SimpleNamespace(**{**vars(plain_kernels), "attend": attend})
    for name in ("attention", "products", "sampling"):
        sys.modules[f"spaceformer_ros.network.triton_{name}"] = kernels


def best_ious(wanted, found):
    """For each of the wanted Instances the IoU of the most alike one that was found on the same voxels."""
    voxels = [incidence(instances.masks, len(wanted.voxels)) for instances in (wanted, found)]
    shared = (voxels[0] @ voxels[1].T).toarray()
    size = [np.diff(masks.indptr) for masks in voxels]
    return (shared / (size[0][:, None] + size[1] - shared)).max(axis=1)


def main():
    torch.set_num_threads(1)
    cloud = make_room(500_000, RoomConfig(tours=(1, 0, 0), turned=0.0)).cloud
    cloud = cloud[(np.abs(cloud.xyz - cloud.floor_center)[:, :2] < 1.5).all(axis=1)]
    settings, checkpoints = Config(), [load_checkpoint("demo") for _ in range(4)]
    on_cpu = segmenter.Segmenter(checkpoints.pop(), ModelConfig(device="cpu", precision="float32"))
    wanted = on_cpu.segment(cloud, settings).instances
    report = {"voxels": len(wanted.voxels), "wanted": len(wanted)}
    install()
    with Simulation(), torch.inference_mode():
        for precision in ("float32", "auto"):
            made = segmenter.Segmenter(checkpoints.pop(), ModelConfig(device="cuda:0", precision=precision))
            found = made.segment(cloud, settings).instances
            report[precision] = {
                "type": str(made.dtype),
                "found": len(found),
                "ious": best_ious(wanted, found).tolist(),
            }
        small = replace(settings, tiling=replace(settings.tiling, tile_voxels=650))
        tiles, strip = [], cloud[np.abs(cloud.xyz - cloud.floor_center)[:, 0] < 0.7]
        corner = (strip.xyz - strip.bounds[0])[:, :2].max(axis=1) < 0.5
        for part in (strip, strip, strip[~corner]):
            done = made.segment(part, small).report
            tiles.append((done.tiles, done.computed))
        report |= {"tiles": tiles, "used": dict(used)}
        try:
            checkpoint = checkpoints.pop()
            with torch.no_grad():  # the demo weights overflow in large maps, these do in any
                checkpoint.model.backbone.inner_module.conv[0].weight *= 1e6
            segmenter.Segmenter(checkpoint, ModelConfig(device="cuda:0", precision="float16")).warm_up()
        except SpaceformerError as error:
            report["float16"] = str(error)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
