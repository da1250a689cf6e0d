# SPDX-License-Identifier: Apache-2.0
"""What all Triton kernels share: how they are started, and the sizes of their blocks.

Imported only by them: Triton comes with torch's CUDA builds and is missing otherwise.
"""

import torch
import triton


def launch(kernel, programs, x, *arguments, **options):
    """Start a kernel whose first argument is the tensor x. programs: their number along each axis of the grid."""
    with torch.cuda.device_of(x):  # Triton starts its kernels on the current device
        kernel[programs](x, *arguments, **options)


def block_size(width, maximum):
    """The power of 2 from 16 to `maximum` that holds `width`, as far as possible: a product needs at least 16."""
    return min(max(triton.next_power_of_2(width), 16), maximum)
