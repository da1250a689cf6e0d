# SPDX-License-Identifier: Apache-2.0
"""The functions of the Triton kernels in plain PyTorch, except the convolution: references and stand-ins."""

import torch.nn.functional as F

from spaceformer_ros.network.decoder import masked_attention
from spaceformer_ros.network.rotary import rotate
from spaceformer_ros.network.seeds import farthest_points  # noqa: F401 - one of them


def project_rotated(x, rows, weight, bias, table, coords, shape, rotated):
    out = F.linear(x if rows is None else x.index_select(0, rows), weight, bias).unflatten(1, shape)
    if coords is not None:
        table = table.index_select(0, coords.index_select(0, rows).flatten()).view(len(out), -1)
    rotate(out[:, :rotated], table)
    return out


def add_product(total, x, weight, bias=None, rows=None):
    product = F.linear(x, weight, bias)
    return total.add_(product) if rows is None else total.index_add_(0, rows, product)


def gated_product(x, weight, gated):
    return F.silu(F.linear(x, weight)).mul_(F.linear(x, gated))


def normalise_sum(x, total, inner, outer):
    return total.copy_(outer(inner(x).add_(total)))


def attend(query, keys, blocked):
    return masked_attention(query, keys, blocked, chunk_size=keys.key.shape[1])
