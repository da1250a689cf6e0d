"""Layers of the backbone: sparse convolution, pooling, norms, SwiGLU and rotary position encoding.

Module and attribute names follow the released checkpoint, so that its state dict loads strictly.
"""

import torch
import torch.nn.functional as F
from torch import nn


class SparseConvFunction(torch.autograd.Function):
    """out[q] = sum_k x[row of q + offset_k] @ weight[k], one gathered matrix product per kernel offset.

    Sums are float32 whatever the type of the operands. Pairs may name the row behind the last one: it counts as
    zero, and what is added to it is dropped. Nothing gathered is kept for the backward pass.
    """

    @staticmethod
    def forward(ctx, x, weight, pairs):
        ctx.save_for_backward(x, weight)
        ctx.pairs = pairs
        return _gather_multiply_add(x, weight, pairs.inputs, pairs.outputs)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad, grad_x = grad.to(x.dtype), None
        if ctx.needs_input_grad[0]:
            grad_x = _gather_multiply_add(grad, weight.transpose(1, 2), ctx.pairs.outputs, ctx.pairs.inputs)
            grad_x = grad_x.to(x.dtype)
        x, grad = with_zero_row(x), with_zero_row(grad)
        grad_weight = torch.stack(
            [x[rows_in].t() @ grad[rows_out] for rows_in, rows_out in zip(ctx.pairs.inputs, ctx.pairs.outputs)]
        )
        return grad_x, grad_weight.to(weight.dtype), None


def _gather_multiply_add(x, weight, sources, targets):
    """Sum over k of scatter(x[sources[k]] @ weight[k]) at targets[k]; [M, C_out] float32.

    The rows of one offset are unique, so the scattered sum is race-free and deterministic on every device.
    """
    rows, x = len(x), with_zero_row(x)
    out = torch.zeros(rows + 1, weight.shape[2], dtype=torch.float32, device=x.device)
    for k, (source, target) in enumerate(zip(sources, targets)):
        if len(source):
            out.index_add_(0, target, (x.index_select(0, source) @ weight[k]).float())
    return out[:rows]


def with_zero_row(x):
    """x with one more row, of zeros."""
    return F.pad(x, (0, 0, 0, 1))


class SparseConv3d(nn.Module):
    """Submanifold sparse convolution of stride 1: outputs live where inputs live.

    weight: [kernel_size**3, C_in, C_out]; equals `torch.nn.functional.conv3d` with the weight permuted to
    [C_out, C_in, kx, ky, kz] and evaluated at the occupied voxels.
    """

    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.kernel_size = kernel_size
        bound = (in_channels * kernel_size**3 / 3) ** -0.5  # about a third of a surface's kernel cells are occupied
        self.weight = nn.Parameter(torch.empty(kernel_size**3, in_channels, out_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, level):
        """x: [M, C_in] -> [M, C_out] in the type of the weights (or of the enclosing autocast)."""
        dtype = compute_dtype(x)
        out = SparseConvFunction.apply(x.to(dtype), self.weight.to(dtype), level.neighbour_pairs(self.kernel_size))
        return (out + self.bias).to(dtype)


def compute_dtype(x):
    """The type in which matrix products of x are to run: autocast's where it is on, else that of x."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def max_pool(x, parent, num_parents):
    """Channel-wise maximum over the existing children of each parent. x: [M, C], parent: [M] -> [num_parents, C]."""
    index = parent[:, None].expand_as(x)
    pooled = torch.full((num_parents, x.shape[1]), -torch.inf, dtype=x.dtype, device=x.device)
    return pooled.scatter_reduce(0, index, x, reduce="amax", include_self=True)


class LayerNorm(nn.Module):
    """nn.LayerNorm under the attribute `norm` (checkpoint keys end in `.norm.weight`)."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-5)

    def forward(self, x):
        return self.norm(x)


class SwiGLU(nn.Module):
    """w2(silu(w1 x) * w3 x), no biases."""

    def __init__(self, channels, ratio):
        super().__init__()
        hidden = int(channels * ratio)
        self.w1 = nn.Linear(channels, hidden, bias=False)
        self.w2 = nn.Linear(hidden, channels, bias=False)
        self.w3 = nn.Linear(channels, hidden, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


def rotary_table(positions, head_dim, base):
    """Cosines and sines of the 3D rotary encoding.

    positions: [M, 3] float, counted so that the smallest is 1 on each axis (voxels in the backbone, metres in the
    query decoder). Returns two [M, rope_dim / 2] float32 tensors; rope_dim = head_dim // 6 * 6: the first third of
    the pairs turns with x, then y, then z; frequencies base**-(2t / (rope_dim / 3)).
    """
    rope_dim = head_dim // 6 * 6
    exponents = torch.arange(0, rope_dim // 3, 2, dtype=torch.float32, device=positions.device) / (rope_dim // 3)
    theta = torch.pow(torch.tensor(base, dtype=torch.float32, device=positions.device), -exponents)
    angles = (positions.float()[:, :, None] * theta).flatten(1)
    return angles.cos(), angles.sin()


def rotate(x, table):
    """Turn the interleaved pairs (2r, 2r + 1) of each head by the table's angles; channels beyond pass through.

    x: [M, H, D]; computed in float32, returned in the type of x.
    """
    cos, sin = (t[:, None, :] for t in table)
    rope_dim = 2 * cos.shape[-1]
    first, second = x[..., 0:rope_dim:2].float(), x[..., 1:rope_dim:2].float()
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1).flatten(-2)
    return torch.cat([turned.to(x.dtype), x[..., rope_dim:]], dim=-1)
