# SPDX-License-Identifier: Apache-2.0
"""What all Triton kernels share: how they are started, and the sizes of the tiles of their products.

Imported only by them: Triton comes with torch's CUDA builds and is missing otherwise.
"""

import torch
import triton

ROWS, WARPS, STAGES = 128, 8, 3  # of one program of a product: rows, warps, pipeline stages


def launch(kernel, programs, x, *arguments, **options):
    """Start a kernel whose first argument is the tensor x. programs: their number along each axis of the grid."""
    with torch.cuda.device_of(x):  # Triton starts its kernels on the current device
        kernel[programs](x, *arguments, **options)


def tile_options(x, out_channels, columns=128):
    """Compile-time constants of a product of rows of x [M, C_in] with a matrix of `out_channels` columns, of which a
    program computes at most `columns`: 32 input channels at a time of two bytes each, 16 of four."""
    return {
        "row_block": ROWS,
        "column_block": block_size(out_channels, columns),
        "channel_block": block_size(x.shape[1], 64 // x.element_size()),
        "num_warps": WARPS,
        "num_stages": STAGES,
    }


def block_size(width, maximum):
    """The power of 2 from 16 to `maximum` that holds `width`, as far as possible: a product needs at least 16."""
    return min(max(triton.next_power_of_2(width), 16), maximum)
