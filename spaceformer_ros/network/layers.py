# SPDX-License-Identifier: Apache-2.0
"""Layers of the backbone: sparse convolution, pooling, norms and SwiGLU.

Module and attribute names follow the released checkpoint, so that its state dict loads strictly.
"""

import torch
import torch.nn.functional as F
from torch import nn

# Values processed at a time, by device type: on a CPU they must fit the cache, on a GPU they only bound memory.
PIECE_VALUES = {"cpu": 1 << 19}  # of rows, see `by_rows`: 1 MB in bfloat16
PIECE_VALUES_DEFAULT = 1 << 26
CONVOLUTION_SUMS = {"cpu": 1 << 21}  # float32 sums of a convolution: 8 MB
CONVOLUTION_SUMS_DEFAULT = 1 << 27
NARROW = 96  # input channels up to which `gathered_convolution` is faster on a CPU (docs/performance.md)


def piece_rows(x):
    """Number of rows of x to process at a time: few enough for a CPU's cache, enough to fill a GPU."""
    return max(1, PIECE_VALUES.get(x.device.type, PIECE_VALUES_DEFAULT) // x[0].numel())


def by_rows(function, *tensors, out=None, rows=None):
    """function(*tensors) for a function that is independent per row, computed in blocks of rows.

    This keeps the size of intermediate results independent of the map. With gradients on, which keep them anyway, all
    rows are computed in one call.

    tensors: [M, ...] each; out: a tensor that the result may overwrite, such as one of `tensors`; rows: block size,
    None for `piece_rows` of the first tensor.
    """
    rows = rows or piece_rows(tensors[0])
    if torch.is_grad_enabled() or len(tensors[0]) <= rows:
        return function(*tensors)
    start = 0
    for part in zip(*(tensor.split(rows) for tensor in tensors)):
        result = function(*part)
        if out is None:
            out = result.new_empty(len(tensors[0]), *result.shape[1:])
        out[start : start + len(result)] = result
        start += len(result)
    return out


def add_to(total, addend):
    """total + addend, in place where gradients are off."""
    return total + addend if torch.is_grad_enabled() else total.add_(addend)


def kernels_of(module):
    """`triton_products` for a module where it is used, see `kernels.use_triton`; else None: the plain path."""
    return None if torch.is_grad_enabled() else module.kernels


def constant(module, name, make):
    """The tensors that `make()` computes from the weights of a module: kept between calls after `freeze`."""
    kept = module.__dict__.get("constants")
    if kept is None or torch.is_grad_enabled():
        return make()
    if name not in kept:
        kept[name] = make()
    return kept[name]


def freeze(model):
    """Declare the weights of a model final, with their type and device; call it again after a change."""
    for module in model.modules():
        module.constants = {}


class SparseConvFunction(torch.autograd.Function):
    """out[q] = bias + sum_k x[row of q + offset_k] @ weight[k], one gathered product per kernel offset and piece.

    Sums are float32 for operands of any type. Padded pairs have the output after the last one of a piece; its sum is
    dropped. The targets of one offset are unique, so the scattered sum is free of races and deterministic on every
    device. Gathered rows are not kept for the backward pass.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, pieces):
        ctx.save_for_backward(x, weight)
        ctx.pieces, ctx.bias_type = pieces, bias.dtype
        out = x.new_empty(len(x), weight.shape[2])
        for piece in pieces:
            sums = torch.zeros(len(piece) + 1, weight.shape[2], device=x.device)
            for matrix, source, target in zip(weight, piece.inputs, piece.outputs):
                if len(source):
                    sums.index_add_(0, target, (x.index_select(0, source) @ matrix).float())
            out[piece.rows] = sums[:-1] + bias
        return out

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad_weight = torch.zeros(weight.shape, device=x.device)
        grad_x = torch.zeros(x.shape, device=x.device) if ctx.needs_input_grad[0] else None
        for piece in ctx.pieces:
            part = F.pad(grad[piece.rows].to(x.dtype), (0, 0, 0, 1))  # zero for the output of padded pairs
            for k, (source, target) in enumerate(zip(piece.inputs, piece.outputs)):
                gathered = part.index_select(0, target)
                grad_weight[k] += x.index_select(0, source).t() @ gathered
                if grad_x is not None:
                    grad_x.index_add_(0, source, (gathered @ weight[k].t()).float())
        grad_x = None if grad_x is None else grad_x.to(x.dtype)
        return grad_x, grad_weight.to(weight.dtype), grad.sum(dim=0, dtype=torch.float32).to(ctx.bias_type), None


def plain_convolution(x, weight, bias, level, kernel_size):
    """SparseConvFunction on the voxels of a Level: the reference for other kernels."""
    rows = CONVOLUTION_SUMS.get(x.device.type, CONVOLUTION_SUMS_DEFAULT) // weight.shape[2]
    return SparseConvFunction.apply(x, weight, bias, level.neighbour_pieces(kernel_size, rows))


def gathered_convolution(x, weight, bias, rows):
    """As `plain_convolution`, without gradients: the neighbours of a voxel side by side, times one matrix.

    On a CPU this is faster for few channels (NARROW); sums are float32 inside the product. rows: [M, K] int32 of
    `Level.neighbour_rows`.
    """
    count, (offsets, in_channels, out_channels) = len(x), weight.shape
    padded = F.pad(x, (0, 0, 0, 1))  # row M: no neighbour
    matrix, out = weight.flatten(0, 1), x.new_empty(count, out_channels)
    step = max(256, min(2048, 4 * PIECE_VALUES.get(x.device.type, PIECE_VALUES_DEFAULT) // len(matrix)))
    for start in range(0, count, step):
        part = rows[start : start + step]
        gathered = padded.index_select(0, part.flatten()).view(len(part), offsets * in_channels)
        torch.addmm(bias.to(x.dtype), gathered, matrix, out=out[start : start + step])
    return out


class SparseConv3d(nn.Module):
    """Submanifold sparse convolution of stride 1: outputs exist at the input voxels only.

    weight: [kernel_size**3, C_in, C_out]; equals `torch.nn.functional.conv3d` with the weight permuted to
    [C_out, C_in, kx, ky, kz] and evaluated at the occupied voxels. kernel: a function of (x, weight, bias, table,
    order) used instead of `plain_convolution` where gradients are off, see `triton_convolution`; None by default.
    """

    kernel = None

    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.kernel_size = kernel_size
        bound = (in_channels * kernel_size**3 / 3) ** -0.5  # about a third of a surface's kernel cells are occupied
        self.weight = nn.Parameter(torch.empty(kernel_size**3, in_channels, out_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, level):
        """x: [M, C_in] -> [M, C_out] in the type of the weights (or of the enclosing autocast)."""
        dtype = compute_dtype(x)
        operands = x.to(dtype), self.weight.to(dtype), self.bias
        if self.kernel is None and x.device.type == "cpu" and x.shape[1] <= NARROW and not torch.is_grad_enabled():
            return gathered_convolution(*operands, level.neighbour_rows(self.kernel_size))
        if self.kernel is None or torch.is_grad_enabled():
            return plain_convolution(*operands, level, self.kernel_size)
        return self.kernel(*operands, *level.sorted_neighbours(self.kernel_size))


def compute_dtype(x):
    """The type of matrix products of x: autocast's where it is on, else that of x."""
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
        if torch.is_grad_enabled():
            return self.w2(F.silu(self.w1(x)) * self.w3(x))
        return self.w2(F.silu(self.w1(x), inplace=True).mul_(self.w3(x)))
