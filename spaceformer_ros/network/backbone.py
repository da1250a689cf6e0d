# SPDX-License-Identifier: Apache-2.0
"""The backbone: a U-Net of sparse convolution and grouped attention over the levels of a voxel grid."""

from itertools import pairwise

from torch import nn

from .attention import GroupedAttention
from .groups import prepare_groups
from .layers import LayerNorm, SparseConv3d, SwiGLU, add_to, by_rows, kernels_of, max_pool
from .voxels import Level


class Block(nn.Module):
    """ "Stream norm" block: the residual itself is the normalised value.

    x = LN(Linear(SparseConv(x))) + x;  x = norm1(x);  x = attention(x) + x;  x = norm2(x);  x = mlp(x) + x
    """

    kernels = None  # see `kernels_of`

    def __init__(self, channels, heads, kind, size, mlp_ratio, rope_base):
        super().__init__()
        self.conv = nn.ModuleList(
            [SparseConv3d(channels, channels, kernel_size=3), nn.Linear(channels, channels), LayerNorm(channels)]
        )
        self.norm1 = LayerNorm(channels)
        self.attention = GroupedAttention(channels, heads, kind, size, rope_base)
        self.norm2 = LayerNorm(channels)
        self.mlp = SwiGLU(channels, mlp_ratio)

    def forward(self, x, level, order, core_dtype=None, generator=None):
        """x: [M, C] -> [M, C]. Where gradients are off, x may be overwritten."""
        x = by_rows(self.mix, self.conv[0](x, level), x, out=x)
        x = self.attention(x, level, order, core_dtype, generator)
        return by_rows(self.finish, x, out=x)

    def mix(self, convolved, x):
        """The steps after the convolution. convolved, x: [M, C] -> [M, C]."""
        _, linear, norm = self.conv
        if kernels := kernels_of(self):
            return kernels.normalise_sum(linear(convolved), x, norm.norm, self.norm1.norm)
        return self.norm1(add_to(norm(linear(convolved)), x))

    def finish(self, x):
        """The steps after the attention. x: [M, C] -> [M, C]."""
        x, mlp = self.norm2(x), self.mlp
        if kernels := kernels_of(self):
            return kernels.add_product(x, kernels.gated_product(x, mlp.w1.weight, mlp.w3.weight), mlp.w2.weight)
        return add_to(mlp(x), x)


class Down(nn.ModuleList):
    """Linear at the fine level, 2x2x2 max pool, batch norm, GELU. Index 1 is a placeholder for the pool."""

    def __init__(self, in_channels, out_channels):
        super().__init__([nn.Linear(in_channels, out_channels), nn.Identity(), nn.BatchNorm1d(out_channels), nn.GELU()])

    def forward(self, x, level):
        linear, _, norm, activation = self
        return activation(norm(max_pool(linear(x), level.parent, len(level.coarser))))


class Up(nn.ModuleList):
    """Linear at the coarse level, copy to the children, concatenate [skip, up], linear, batch norm, GELU."""

    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(
            [
                nn.Linear(in_channels, out_channels),
                nn.Identity(),  # the unpool
                nn.Linear(out_channels + skip_channels, out_channels),
                nn.BatchNorm1d(out_channels),
                nn.GELU(),
            ]
        )

    def forward(self, x, skip, level):
        reduce, _, merge, norm, activation = self
        # merge(cat([skip, up])) without the concatenated copy: the weight is split, and the product with the coarse
        # features is computed once per parent
        left, right = merge.weight.split([skip.shape[1], reduce.out_features], dim=1)
        coarse = nn.functional.linear(reduce(x), right, merge.bias)

        def join(skip, parent):
            return activation(norm(add_to(nn.functional.linear(skip, left), coarse.index_select(0, parent))))

        return join(skip, level.parent) if self.training else by_rows(join, skip, level.parent)  # statistics need all


class Final(nn.Module):
    """The last projection; its name in the checkpoint is `final.block`."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.block = nn.Linear(in_channels, out_channels)

    def forward(self, x):
        return self.block(x)


class Stem(nn.ModuleList):
    """Sparse convolution of the input colours, batch norm, GELU."""

    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__(
            [SparseConv3d(in_channels, out_channels, kernel_size), nn.BatchNorm1d(out_channels), nn.GELU()]
        )

    def forward(self, x, level):
        conv, norm, activation = self
        return activation(norm(conv(x, level)))


def make_blocks(stage, config):
    """The Blocks of one StageConfig."""
    return nn.ModuleList(
        Block(stage.channels, stage.heads, stage.kind, stage.size, config.mlp_ratio, config.rope_base)
        for _ in range(stage.depth)
    )


class UNet(nn.Module):
    """Encoder and decoder blocks; decoder lists run from the coarsest level to the finest, as in the checkpoint."""

    def __init__(self, config):
        super().__init__()
        encoder, decoder = config.encoder, config.decoder
        self.conv = Stem(config.in_channels, encoder[0].channels, config.stem_kernel_size)
        self.encs = nn.ModuleList(make_blocks(stage, config) for stage in encoder)
        self.down_convs = nn.ModuleList(Down(fine.channels, coarse.channels) for fine, coarse in pairwise(encoder))
        self.decs = nn.ModuleList(make_blocks(stage, config) for stage in decoder)
        below = (encoder[-1], *decoder)  # the input of each up step
        self.up_convs = nn.ModuleList(
            Up(source.channels, skip.channels, stage.channels)
            for source, skip, stage in zip(below, reversed(encoder[:-1]), decoder)
        )
        self.final = Final(decoder[-1].channels, config.feature_channels)

    def forward(self, level, features, orders, core_dtype=None, generator=None):
        """Features of the finest level before `final`. features: [M, C_in] -> [M, C].

        orders: one block order per block, encoder first, finest level first, then the decoder from coarse to fine.
        """
        level = self.prepare(level, orders)
        orders = iter(orders)
        x, skips = self.conv(features, level), []
        for stage, blocks in enumerate((*self.encs, *self.decs)):
            if stage >= len(self.encs):
                skip, level = skips.pop()
                x = self.up_convs[stage - len(self.encs)](x, skip, level)
            elif stage:
                skips.append((x, level))
                x, level = self.down_convs[stage - 1](x, level), level.coarser
            for block in blocks:  # no other name refers to x, so that a block's input is freed
                x = block(x, level, next(orders), core_dtype, generator)
        return x

    def prepare(self, finest, orders):
        """A copy of the finest Level, whose tables are freed with it, with all coarser levels and groups of a pass.

        The host waits twice for a GPU: for the sizes of the levels, and for those of the windows.
        """
        copy = Level(finest.key)
        copy.prepare(len(self.encs) - 1)
        finest.facts = copy.facts
        levels = [copy]
        for _ in self.encs[1:]:
            levels.append(levels[-1].coarser)
        levels += levels[-2::-1]  # of the decoder
        blocks = [(level, block) for level, stage in zip(levels, (*self.encs, *self.decs)) for block in stage]
        prepare_groups(
            (level, block.attention.kind, order, block.attention.size) for (level, block), order in zip(blocks, orders)
        )
        return copy


class Backbone(nn.Module):
    """Holds the U-Net; its name in the checkpoint is `inner_module`."""

    def __init__(self, config):
        super().__init__()
        self.inner_module = UNet(config)
