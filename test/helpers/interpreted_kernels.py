# SPDX-License-Identifier: Apache-2.0
"""Runs the Triton kernels in Triton's interpreter and prints the errors as JSON (test_kernels.py)."""

from helpers import interpreter  # isort: split

import json

import torch

from helpers.networks import level_of, made_grid, random_level, tiny_config
from spaceformer_ros.network import kernels, layers, triton_convolution
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.packing import pack
from spaceformer_ros.network.triton_launch import launch
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


def relative(result, expected):
    """Largest difference by the largest expected value."""
    return ((result.float() - expected.float()).abs().max() / expected.float().abs().max()).item()


def every_second(x):
    """The same values, every second one in memory."""
    return torch.stack([x, torch.full_like(x, torch.nan)], dim=-1)[..., 0]


def convolution_error(level, in_channels, out_channels, kernel_size, dtype=torch.float32, layout=torch.clone):
    """Of the convolution to the plain path. layout: applied to the operands of the kernel."""
    torch.manual_seed(0)
    x = torch.randn(len(level), in_channels).to(dtype)
    weight = (torch.randn(kernel_size**3, in_channels, out_channels) / in_channels**0.5).to(dtype)
    bias = torch.randn(out_channels)
    expected = layers.plain_convolution(x, weight, bias, level, kernel_size)
    result = triton_convolution.convolve(layout(x), layout(weight), bias, level.neighbour_table(kernel_size))
    assert result.dtype == dtype
    return relative(result, expected)


def far_rows(channels=512):
    """Errors where a row of the input, and one of the output, begin beyond 2**31 values.

    The 4 GB are an address space: memory that is never touched does not exist.
    """
    far = 2**31 // channels + 70
    huge = torch.empty(far + 1, channels, dtype=torch.float16)
    weight, bias = torch.randn(1, channels, 16).half(), torch.zeros(16)
    huge[far] = torch.randn(channels).half()
    out, table = torch.empty(64, 16).half(), torch.full((1, 64), far, dtype=torch.int32)
    run_convolution(huge, weight, bias, table, out, far + 1)
    yield relative(out[:1], huge[far:] @ weight[0])

    del huge
    x, weight, bias = torch.randn(1, 16).half(), torch.randn(1, 16, channels).half(), torch.zeros(channels)
    huge = torch.empty(far + 1, channels, dtype=torch.float16)
    table = torch.empty(1, far + 1, dtype=torch.int32)
    interpreter.first_program[0] = far // triton_convolution.ROWS
    table[:, interpreter.first_program[0] * triton_convolution.ROWS :] = 0
    run_convolution(x, weight, bias, table, huge, far + 1)
    interpreter.first_program[0] = 0
    yield relative(huge[far:], x @ weight[0])


def run_convolution(x, weight, bias, table, out, rows):
    """The programs of the first rows only."""
    sizes = triton_convolution.block_sizes(*weight.shape[1:])
    programs = 1, -(-weight.shape[2] // sizes["column_block"])
    arguments = weight, bias, table, out, rows, table.stride(0), *weight.shape
    launch(triton_convolution.kernel, programs, x, *arguments, **sizes)


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
    return used, relative(after, before), torch.equal(after, again)


@torch.no_grad()
def main():
    interpreter.install()
    dense, errors = random_level(count=90, extent=5), {}
    for dtype, epsilon in EPSILON.items():
        for widths in WIDTHS if dtype == "float32" else WIDTHS[:2]:
            errors[f"{widths}, {dtype}"] = convolution_error(dense, *widths, getattr(torch, dtype)), epsilon
    for name, level in levels().items():
        errors[name] = convolution_error(level, 16, 24, 3), EPSILON["float32"]
    errors["strided operands"] = convolution_error(dense, 16, 24, 3, layout=every_second), EPSILON["float32"]
    for name, error in zip(("far input", "far output"), far_rows()):
        errors[name] = error, EPSILON["float16"]
    torch.manual_seed(0)
    model = SpaCeFormer(tiny_config(stem_kernel_size=3)).eval()
    print(json.dumps({"errors": errors, "network": in_a_network(model, made_grid(points=50))}))


if __name__ == "__main__":
    main()
