# SPDX-License-Identifier: Apache-2.0
"""The rotary position encoding in three dimensions."""

import torch


def rotary_table(positions, head_dim, base):
    """The 3D rotary encoding: rotations of pairs of channels, as complex numbers of length 1.

    positions: [M, 3] float, shifted so that the minimum is 1 on each axis (voxels in the backbone, metres in the query
    decoder). Returns [M, rope_dim / 2] complex64; rope_dim = head_dim // 6 * 6: the first third of the pairs rotates
    with x, then y, then z; frequencies base**-(2t / (rope_dim / 3)).
    """
    rope_dim = head_dim // 6 * 6
    exponents = torch.arange(0, rope_dim // 3, 2, dtype=torch.float32, device=positions.device) / (rope_dim // 3)
    theta = torch.pow(
        base, -exponents
    )  # base stays a number: as a tensor it would be copied to the GPU, and the host would wait
    angles = (positions.float()[:, :, None] * theta).flatten(1)
    return torch.complex(angles.cos(), angles.sin())


def rotate(x, table):
    """Rotate the interleaved pairs (2r, 2r + 1) of each head by the table's angles; other channels are unchanged.

    In place where gradients are off. x: [M, ..., D]; table: of `rotary_table`. Computed in float32 as complex products.
    """
    rotation = table.view(len(table), *[1] * (x.dim() - 2), -1)
    rope_dim = 2 * rotation.shape[-1]
    pairs = torch.view_as_complex(x[..., :rope_dim].float().unflatten(-1, (-1, 2)))
    rotated = torch.view_as_real(pairs * rotation).flatten(-2)
    if torch.is_grad_enabled():
        return torch.cat([rotated.to(x.dtype), x[..., rope_dim:]], dim=-1)
    x[..., :rope_dim] = rotated
    return x
