"""Which kernel convolutions run in: Triton's, where it is installed, runs and agrees with the plain path."""

import torch

from .layers import SparseConv3d, plain_convolution
from .voxels import Level, pack

LARGEST_ERROR = 0.02  # of the largest result: half precision stays well below it, a missing offset or bias above


def use_triton(model):
    """Let the convolutions of a model run in the Triton kernel wherever gradients are off.

    All that its widths and types need is compiled now, and compared with the plain path on a few voxels on the
    model's device. Returns "" or, where anything fails, the reason in words; then the plain path stays.
    """
    convolutions = [module for module in model.modules() if isinstance(module, SparseConv3d)]
    try:
        from .triton_convolution import convolve

        for module in {(module.weight.shape, module.weight.dtype): module for module in convolutions}.values():
            check(convolve, module)
    except Exception as error:  # whatever a compiler, a driver or a launcher may raise: the node must run
        first = next(iter(str(error).splitlines()), "")
        return f"the Triton kernel cannot be used ({type(error).__name__}: {first})"
    for module in convolutions:
        module.kernel = convolve
    return ""


@torch.no_grad()
def check(kernel, convolution):
    """Raise ArithmeticError unless a kernel gives what the plain path gives for the shape, type and device of a
    SparseConv3d, on random values at some 500 voxels: half of them dense, half with hardly a neighbour."""
    weight, generator = convolution.weight, torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=generator).to(weight)  # noqa: E731 - its type and device
    coords = torch.cat([torch.randint(0, side, (300, 3), generator=generator) for side in (9, 50)])
    key = torch.unique(pack(coords, torch.zeros_like(coords[:, 0])))
    level, kernel_size = Level(key.to(weight.device)), convolution.kernel_size
    in_channels, out_channels = weight.shape[1:]
    operands = draw(len(key), in_channels), draw(*weight.shape) * in_channels**-0.5, draw(out_channels)
    expected = plain_convolution(*operands, level, kernel_size)
    result = kernel(*operands, level.neighbour_table(kernel_size))
    error = ((result - expected).abs().max() / expected.abs().max()).item()
    if not error <= LARGEST_ERROR:  # also where it is not a number
        raise ArithmeticError(f"off by {error:.2g} of the largest result for {in_channels} to {out_channels} channels")
