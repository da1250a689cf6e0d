# SPDX-License-Identifier: Apache-2.0
"""Runs the Triton kernels in Triton's interpreter and prints the errors as JSON (test_kernels.py)."""

from helpers import interpreter  # isort: split

import json
from unittest import mock

import torch

from helpers import plain_kernels
from helpers.networks import level_of, made_grid, random_level, tiny_config
from spaceformer_ros.network import kernels, layers, triton_attention, triton_convolution, triton_products
from spaceformer_ros.network.decoder import Keys, masked_attention
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.packing import pack
from spaceformer_ros.network.rotary import rotary_table
from spaceformer_ros.network.seeds import farthest_points
from spaceformer_ros.network.triton_launch import ROWS, launch
from spaceformer_ros.network.triton_sampling import farthest_points as sampled_points
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
    result = triton_convolution.convolve(layout(x), layout(weight), bias, *level.sorted_neighbours(kernel_size))
    assert result.dtype == dtype
    return relative(result, expected)


def product_operands(channels, heads, dtype):
    """Name -> operands of the functions of `triton_products`, for a block of so many channels."""
    torch.manual_seed(0)
    count, norms = 150, [torch.nn.LayerNorm(channels) for _ in range(2)]  # more rows than a program has
    for norm in norms:
        norm.load_state_dict({"weight": torch.randn(channels), "bias": torch.randn(channels)})

    def draw(*shape):
        return (torch.randn(shape) / channels**0.25).to(dtype)

    x, rows, coords = draw(count, channels), torch.randperm(count)[:140], torch.randint(0, 30, (count, 3))
    positions, shape = torch.rand(count, 3), (3, heads, channels // heads)
    tables = [rotary_table(at, shape[2], 2000.0) for at in (torch.arange(1.0, 31.0)[:, None], positions)]
    weight, hidden = draw(3 * channels, channels), draw(count, 2 * channels)
    return {
        "project_rotated": (x, rows, weight, draw(3 * channels), tables[0], coords, shape, 2),
        "project_rotated, all rows": (x, None, weight[:channels], draw(channels), tables[1], None, (1, *shape[1:]), 1),
        "add_product": (x.clone(), hidden, draw(channels, 2 * channels)),
        "add_product, some rows": (x.clone(), hidden[:140], draw(channels, 2 * channels), draw(channels), rows),
        "gated_product": (x, draw(2 * channels, channels), draw(2 * channels, channels)),
        "normalise_sum": (x, draw(count, channels), *(norm.to(dtype) for norm in norms)),
    }


def product_errors():
    """Rows (name, error, limit) of the functions of `triton_products`."""
    for channels, heads, dtype in ((48, 2, torch.float32), (32, 1, torch.bfloat16), (20, 2, torch.float16)):
        for name, operands in product_operands(channels, heads, dtype).items():
            copies = [value.clone() if torch.is_tensor(value) else value for value in operands]
            result = getattr(triton_products, name.split(",")[0])(*copies)
            expected = getattr(plain_kernels, name.split(",")[0])(*operands)
            assert result.dtype == dtype
            assert result.shape == expected.shape
            yield f"{name}, {channels}, {dtype}", relative(result, expected), EPSILON[str(dtype)[6:]]


def attention_errors():
    """Rows (name, error, limit) of the masked attention. Queries and keys are more than a program has."""
    queries, count, heads = 70, 1100, 2
    for width, dtype in ((32, torch.float32), (24, torch.bfloat16), (16, torch.float16)):
        torch.manual_seed(0)
        query = torch.randn(heads, queries, width).to(dtype)
        keys = (
            torch.randn(count, 2, heads, width).to(dtype).permute(1, 2, 0, 3)
        )  # side by side, as the decoder has them
        blocked = (torch.rand(queries, count) < 0.6).t()
        blocked[:800, :20] = True  # all keys of some parts
        expected = masked_attention(query.float(), Keys(None, *keys.float()), blocked, count)
        result = triton_attention.attend(query, Keys(None, *keys), blocked)
        assert result.dtype == dtype
        yield f"attend, {width}, {dtype}", relative(result, expected), EPSILON[str(dtype)[6:]]
    few = query.float(), Keys(None, *keys[:, :, :5].float()), torch.zeros(5, queries, dtype=torch.bool)
    yield "attend, five keys", relative(triton_attention.attend(*few), masked_attention(*few, 5)), EPSILON["float32"]
    # more than 2**31 values of which few are touched: memory that is never used does not exist
    stride, rows = 2**24 + 8, torch.arange(140)
    far = torch.empty(stride * len(rows), dtype=torch.float16).as_strided((1, len(rows), 16), (0, stride, 1))
    far.copy_(torch.randn(far.shape))
    voxels = 2**25
    blocked, row = torch.zeros(queries, 0, dtype=torch.bool), voxels - 1 - rows
    blocked = torch.empty(queries, voxels, dtype=torch.bool).t()
    blocked[row] = torch.rand(len(row), queries) < 0.5
    arguments = query[:1], Keys(row, far, far), blocked
    expected = masked_attention(query[:1].float(), Keys(row, far.float(), far.float()), blocked, len(row))
    yield "attend, far keys", relative(triton_attention.attend(*arguments), expected), EPSILON["float16"]


def sampling_errors():
    """Rows (name, number of other choices, 0) of the sampling of seeds: more points than a program has at a time, whole
    numbers of which many are equally far, fewer points than are chosen, one point."""
    torch.manual_seed(0)
    sets = torch.randn(9000, 3), torch.randint(0, 5, (5000, 3)).float(), torch.randn(7, 3), torch.randn(1, 3)
    for points in sets:
        found, expected = (function(points, 12) for function in (sampled_points, farthest_points))
        yield f"farthest_points, {len(points)}", (found != expected).sum().item(), 0


def far_errors(channels=512):
    """Rows (function, error) of the last rows of tensors of more than 2**31 values.

    Their 4 GB are an address space: memory that is never touched does not exist.
    """
    count = 2**31 // channels + 71

    def far(*shape):
        tensor = torch.empty(count, *shape, dtype=torch.float16)
        tensor[-ROWS:] = torch.randn(ROWS, *shape)
        return tensor

    x, weight, bias = far(channels), torch.randn(channels, channels).half(), torch.zeros(channels).half()
    table, norm = torch.empty(count, 30, dtype=torch.complex64), torch.nn.LayerNorm(channels)
    angles = torch.randn(ROWS, 30)
    table[-len(angles) :] = torch.polar(torch.ones_like(angles), angles)
    cases = {
        "project_rotated": (x, None, weight, bias, table, None, (1, channels // 64, 64), 1),
        "add_product": (far(channels), x, weight, bias),
        "gated_product": (x, weight, weight),
        "normalise_sum": (x, far(channels), norm.half(), norm),
    }
    for name, operands in cases.items():
        last = [value[-3:].clone() if torch.is_tensor(value) and len(value) == count else value for value in operands]
        yield name, relative(getattr(triton_products, name)(*operands)[-3:], getattr(plain_kernels, name)(*last))
    table = torch.empty(1, count, dtype=torch.int32)
    table[:, -ROWS:] = count - 1
    out = triton_convolution.convolve(x, weight[None], bias, table)
    yield "convolve", relative(out[-1], x[-1] @ weight)


def launch_last(kernel, programs, x, *arguments, **options):
    """As `launch`, but only the programs of the last rows of x."""
    count = programs[0] // -(-len(x) // options["row_block"])
    interpreter.first_program[0] = programs[0] - count
    launch(kernel, (count, *programs[1:]), x, *arguments, **options)
    interpreter.first_program[0] = 0


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
    dense, errors = random_level(count=200, extent=6), {}
    for dtype, epsilon in EPSILON.items():
        for widths in WIDTHS if dtype == "float32" else WIDTHS[:2]:
            errors[f"{widths}, {dtype}"] = convolution_error(dense, *widths, getattr(torch, dtype)), epsilon
    for name, level in levels().items():
        errors[name] = convolution_error(level, 16, 24, 3), EPSILON["float32"]
    errors["strided operands"] = convolution_error(dense, 16, 24, 3, layout=every_second), EPSILON["float32"]
    patches = (mock.patch.object(module, "launch", launch_last) for module in (triton_convolution, triton_products))
    with next(patches), next(patches):
        for name, error in far_errors():
            errors[f"{name}, far rows"] = error, EPSILON["float16"]
    for name, error, limit in (*product_errors(), *attention_errors(), *sampling_errors()):
        errors[name] = error, limit
    torch.manual_seed(0)
    model = SpaCeFormer(tiny_config(stem_kernel_size=3)).eval()
    print(json.dumps({"errors": errors, "network": in_a_network(model, made_grid(points=50))}))


if __name__ == "__main__":
    main()
