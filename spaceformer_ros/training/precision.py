# SPDX-License-Identifier: Apache-2.0
"""Precision of the matrix products of a training step; weights, losses and optimisers stay in float32."""

import torch

from ..segment.backends import choose_precision


def products_in(precision, device):
    """A context in which matrix products have a `precision`: "float32", "bfloat16", or "auto" for the faster one.

    bfloat16 that a CPU emulates is several times slower than float32. device: torch.device. Raises SpaceformerError.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=choose_precision(precision, device) == torch.bfloat16)
