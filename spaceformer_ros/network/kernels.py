# SPDX-License-Identifier: Apache-2.0
"""Select the convolution kernel: Triton, if it is installed, runs and agrees with the PyTorch path."""

import torch

from .. import SpaceformerError
from .layers import SparseConv3d, plain_convolution
from .packing import pack
from .voxels import Level

# Of the largest output. Rounding stays well below it; a kernel that omits an offset or the bias exceeds it, and in
# float32 one that multiplies in fewer bits (TF32).
MAX_RELATIVE_ERROR = {torch.float32: 1e-4, torch.bfloat16: 0.02, torch.float16: 0.02}


class KernelUnavailable(SpaceformerError):
    """The Triton kernel cannot be used; the message gives the reason. The PyTorch path still works."""


def use_triton(model):
    """Run the convolutions of a model in the Triton kernel wherever gradients are off.

    The kernel is compiled now for all widths and types of the model, and compared with the PyTorch path on a few
    voxels on the model's device. Raises KernelUnavailable if any of this fails, and leaves the model unchanged.
    """
    convolutions = [module for module in model.modules() if isinstance(module, SparseConv3d)]
    try:
        from .triton_convolution import convolve

        for module in {(module.weight.shape, module.weight.dtype): module for module in convolutions}.values():
            check(convolve, module)
    except Exception as error:  # compilers, drivers and launchers raise any type; the network must still run
        first_line = next(iter(str(error).splitlines()), "")
        reason = f"the Triton kernel cannot be used ({type(error).__name__}: {first_line})"
        raise KernelUnavailable(reason) from error
    for module in convolutions:
        module.kernel = convolve


@torch.no_grad()
def check(kernel, convolution):
    """Raise ArithmeticError unless a kernel agrees with `plain_convolution` for the shape, type and device of a
    SparseConv3d. Compared on random values at about 500 voxels: half of them dense, half with few neighbours."""
    weight, generator = convolution.weight, torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator).to(weight)  # type and device of the weights

    coords = torch.cat([torch.randint(0, side, (300, 3), generator=generator) for side in (9, 50)])
    key = torch.unique(pack(coords, torch.zeros_like(coords[:, 0])))
    level, kernel_size = Level(key.to(weight.device)), convolution.kernel_size
    in_channels, out_channels = weight.shape[1:]
    operands = draw(len(key), in_channels), draw(*weight.shape) * in_channels**-0.5, draw(out_channels)
    expected = plain_convolution(*operands, level, kernel_size)
    result = kernel(*operands, level.neighbour_table(kernel_size))
    error = ((result - expected).abs().max() / expected.abs().max()).item()
    if not error <= MAX_RELATIVE_ERROR[weight.dtype]:  # also true for NaN
        raise ArithmeticError(f"relative error {error:.2g} for {in_channels} to {out_channels} channels")
