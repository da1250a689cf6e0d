# SPDX-License-Identifier: Apache-2.0
"""Select the GPU's own kernels: Triton, if it is installed, runs and agrees with the PyTorch path."""

import torch

from .. import SpaceformerError
from .attention import GroupedAttention
from .backbone import Block
from .decoder import CrossAttention, Keys, QueryDecoder
from .layers import SparseConv3d, plain_convolution
from .packing import pack
from .rotary import rotary_table
from .seeds import QuerySeeds
from .voxels import Level

# Of the largest output. Rounding stays well below it; a kernel that omits an offset or the bias exceeds it, and in
# float32 one that multiplies in fewer bits (TF32). Indices are equal.
MAX_RELATIVE_ERROR = {torch.float32: 1e-4, torch.bfloat16: 0.02, torch.float16: 0.02, torch.int64: 0.0}
CHECKED_ROWS = 200


class KernelUnavailable(SpaceformerError):
    """The Triton kernels cannot be used; the message gives the reason. The PyTorch path still works."""


def use_triton(model):
    """Run the convolutions of a model, products with the steps around them, the masked attention and the sampling of
    seeds in Triton kernels where gradients are off.

    The kernels are compiled now for all widths and types of the model, and compared with the PyTorch path on a few
    voxels on the model's device. Raises KernelUnavailable if any of this fails, and leaves the model unchanged.
    """
    convolutions = [module for module in model.modules() if isinstance(module, SparseConv3d)]
    try:
        from . import triton_attention, triton_products, triton_sampling
        from .triton_convolution import convolve

        users = {
            (Block, GroupedAttention, QueryDecoder): triton_products,
            CrossAttention: triton_attention,
            QuerySeeds: triton_sampling,
        }
        others = [
            (module, kernels) for of, kernels in users.items() for module in model.modules() if isinstance(module, of)
        ]
        for module in {(module.weight.shape, module.weight.dtype): module for module in convolutions}.values():
            check(convolve, module)
        for module, kernels in {shapes(module): (module, kernels) for module, kernels in others}.values():
            check_products(kernels, module)
    except Exception as error:  # compilers, drivers and launchers raise any type; the network must still run
        first_line = next(iter(str(error).splitlines()), "")
        reason = f"the Triton kernels cannot be used ({type(error).__name__}: {first_line})"
        raise KernelUnavailable(reason) from error
    for module in convolutions:
        module.kernel = convolve
    for module, kernels in others:
        module.kernels = kernels


def shapes(module):
    """What the kernels of a module depend on."""
    heads = getattr(module, "heads", None)
    return type(module), heads, *((weight.shape, weight.dtype) for weight in module.parameters(recurse=True))


@torch.no_grad()
def check(kernel, convolution):
    """Raise ArithmeticError unless a kernel agrees with `plain_convolution` for the shape, type and device of a
    SparseConv3d. Compared on random values at about 500 voxels: half of them dense, half with few neighbours."""
    weight, generator = convolution.weight, torch.Generator().manual_seed(0)
    coords = torch.cat([torch.randint(0, side, (300, 3), generator=generator) for side in (9, 50)])
    key = torch.unique(pack(coords, torch.zeros_like(coords[:, 0])))
    level, kernel_size = Level(key.to(weight.device)), convolution.kernel_size
    in_channels, out_channels = weight.shape[1:]
    draw = drawing(weight)
    operands = draw(len(key), in_channels), draw(*weight.shape) * in_channels**-0.5, draw(out_channels)
    expected = plain_convolution(*operands, level, kernel_size)
    result = kernel(*operands, *level.sorted_neighbours(kernel_size))
    compare(result, expected, f"the convolution of {in_channels} to {out_channels} channels")


@torch.no_grad()
def check_products(kernels, module):
    """Raise ArithmeticError unless kernels agree with the plain path of a module of a type in `products`."""
    for function, operands in products(module):
        copies = [value.clone() if torch.is_tensor(value) else value for value in operands]
        expected, module.kernels = function(*operands), kernels
        try:
            result = function(*copies)
        finally:
            module.kernels = None
        compare(result, expected, f"{type(module).__name__}.{function.__name__}")


def products(module):
    """Rows (method, random operands) of what kernels compute for a module."""
    weight = next(module.parameters())
    draw, device = drawing(weight), weight.device
    if isinstance(module, Block):
        channels = module.conv[1].in_features
        yield module.mix, (draw(CHECKED_ROWS, channels), draw(CHECKED_ROWS, channels))
        yield module.finish, (draw(CHECKED_ROWS, channels),)
    elif isinstance(module, GroupedAttention):
        channels, generator = module.proj.in_features, torch.Generator().manual_seed(1)
        x, head_dim = draw(CHECKED_ROWS, channels), channels // module.heads
        rows = torch.randperm(CHECKED_ROWS, generator=generator)[: CHECKED_ROWS // 2].to(device)
        coords = torch.randint(0, 300, (CHECKED_ROWS, 3), generator=generator).to(device)
        table = rotary_table(torch.arange(1, 301, device=device)[:, None], head_dim, module.rope_base)
        yield module.project, (x, rows, coords, table)
        yield module.add_back, (x, rows, draw(len(rows), module.heads, head_dim))
    elif isinstance(module, CrossAttention):
        rows, channels = draw(CHECKED_ROWS, module.norm.normalized_shape[0]), module.norm.normalized_shape[0]
        keys = Keys(None, *module.project_keys(rows).permute(1, 2, 0, 3))
        generator = torch.Generator().manual_seed(3)
        blocked = (torch.rand(50, CHECKED_ROWS, generator=generator) < 0.7).to(device).t()
        yield module.attend, (module.project_query(draw(50, channels)), keys, blocked)
    elif isinstance(module, QuerySeeds):  # whole numbers: their distances are exact
        points = torch.randint(-99, 99, (25 * CHECKED_ROWS, 3), generator=torch.Generator().manual_seed(4))
        yield module.spread, (points.float().to(device), 50)
    else:
        positions = 10 * torch.rand(CHECKED_ROWS, 3, generator=torch.Generator().manual_seed(2)).to(device)
        yield module.rotated_memory, (draw(CHECKED_ROWS, module.final.in_features), module.final, positions)


def drawing(weight):
    """A function: normally distributed values of a shape, of the type and on the device of a weight."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator).to(weight)

    return draw


def compare(result, expected, what):
    """Raise ArithmeticError if the largest difference exceeds MAX_RELATIVE_ERROR, or is not a number."""
    error = ((result.float() - expected.float()).abs().max() / expected.float().abs().max()).item()
    if not error <= MAX_RELATIVE_ERROR[expected.dtype]:
        raise ArithmeticError(f"relative error {error:.2g} of {what}")
