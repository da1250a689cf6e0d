# SPDX-License-Identifier: Apache-2.0
"""Runs the Triton kernel in Triton's interpreter, on CPU tensors, and prints the errors as json (test_kernels.py).

A program of its own: the interpreter is chosen by the environment before Triton is imported, for the whole process.
"""

import json
import os

os.environ["TRITON_INTERPRET"] = "1"

import torch
from triton.runtime import interpreter

from helpers.networks import level_of, made_grid, random_level, tiny_config
from spaceformer_ros.network import kernels, layers, triton_convolution
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.packing import pack
from spaceformer_ros.network.voxels import Level

WIDTHS = ((16, 16, 3), (33, 70, 3), (3, 32, 5))  # channels in and out, kernel size
EPSILON = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}  # of the largest result; both sides round


def levels():
    """Name -> Level: voxels without any neighbour, a single one, two scenes in the same place."""
    coords = torch.cartesian_prod(*[torch.arange(-2, 2)] * 3)[::2]
    return {
        "no neighbours": level_of(torch.arange(40)[:, None] * 9 + torch.zeros(1, 3, dtype=torch.int64)),
        "one voxel": level_of([[5, -6, 7]]),
        "two scenes": Level(torch.cat([pack(coords, torch.full_like(coords[:, 0], scene)) for scene in (0, 1)])),
    }


def error(level, in_channels, out_channels, kernel_size, dtype):
    """Largest difference between kernel and plain path, by the largest result."""
    torch.manual_seed(0)
    x = torch.randn(len(level), in_channels).to(dtype)
    weight = (torch.randn(kernel_size**3, in_channels, out_channels) / in_channels**0.5).to(dtype)
    bias = torch.randn(out_channels)
    expected = layers.plain_convolution(x, weight, bias, level, kernel_size)
    result = triton_convolution.convolve(x, weight, bias, level.neighbour_table(kernel_size))
    assert result.dtype == dtype
    return ((result.float() - expected.float()).abs().max() / expected.float().abs().max()).item()


def multiply_bfloat16():
    """Let the interpreter multiply bfloat16 matrices, whose bits it would take for integers."""
    multiply = interpreter.InterpreterBuilder.create_dot

    def widened(self, a, b, *rest):
        return multiply(self, *(float32(self, value) for value in (a, b)), *rest)

    def float32(builder, value):
        bfloat16 = value.dtype.scalar == interpreter.tl.bfloat16
        return builder.cast_impl(value, interpreter.tl.float32) if bfloat16 else value

    interpreter.InterpreterBuilder.create_dot = widened


def in_a_network(model, grid):
    """How many convolutions of a network run in the kernel after `use_triton`, the relative difference of its features,
    and whether a second run repeats them."""
    convolve, calls = triton_convolution.convolve, []

    def counted(*operands):
        calls.append(operands)
        return convolve(*operands)

    before = model.backbone_features(grid)
    triton_convolution.convolve = counted
    kernels.use_triton(model)
    calls.clear()  # those of its own check
    after = model.backbone_features(grid)
    used, again = len(calls), model.backbone_features(grid)
    return used, ((after - before).abs().max() / before.abs().max()).item(), torch.equal(after, again)


@torch.no_grad()
def main():
    multiply_bfloat16()
    dense, errors = random_level(count=90, extent=5), {}
    for dtype, epsilon in EPSILON.items():
        for widths in WIDTHS if dtype == "float32" else WIDTHS[:2]:
            errors[f"{widths}, {dtype}"] = error(dense, *widths, getattr(torch, dtype)), epsilon
    for name, level in levels().items():
        errors[name] = error(level, 16, 24, 3, torch.float32), EPSILON["float32"]
    torch.manual_seed(0)
    model = SpaCeFormer(tiny_config(stem_kernel_size=3)).eval()
    print(json.dumps({"errors": errors, "network": in_a_network(model, made_grid(points=50))}))


if __name__ == "__main__":
    main()
