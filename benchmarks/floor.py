# SPDX-License-Identifier: Apache-2.0
"""The minimal arithmetic and memory of the network for a map.

Counts are multiply-adds of matrix products, from the voxels and groups of the map: every implementation of the network
needs them. A floor in seconds is twice the count divided by the device's matrix rate (FLOP/s).
"""

from collections import Counter

import torch

from spaceformer_ros.network.model import fixed_orders

PARTS = ("convolution", "attention", "linear", "query decoder")


def count_multiply_adds(model, level, orders=None):
    """Counter of multiply-adds per name of PARTS for one forward of a SpaCeFormer on a finest Level with one scene.

    The backbone's last projection is folded into the decoder's (network/decoder.py); the unfolded one needs more.
    """
    config, unet = model.config, model.backbone.inner_module
    orders = iter(fixed_orders(config) if orders is None else orders)
    levels = [level]
    while len(levels) < len(config.encoder):
        levels.append(levels[-1].coarser)

    counts = Counter(convolution=neighbour_count(levels[0], config.stem_kernel_size) * unet.conv[0].weight[0].numel())
    for blocks, fine in zip(unet.encs, levels):
        counts.update(count_blocks(blocks, fine, orders))
    for down, fine in zip(unet.down_convs, levels):
        counts["linear"] += len(fine) * down[0].weight.numel()
    for up, blocks, fine in zip(unet.up_convs, unet.decs, levels[-2::-1]):
        from_coarse, from_skip = up[0].out_features, up[2].in_features - up[0].out_features
        counts["linear"] += len(fine.coarser) * (up[0].weight.numel() + from_coarse * up[2].out_features)
        counts["linear"] += len(fine) * from_skip * up[2].out_features
        counts.update(count_blocks(blocks, fine, orders))
    counts["query decoder"] = count_query_decoder(model, len(level))
    return counts


def count_blocks(blocks, level, orders):
    """Counter of multiply-adds of the blocks of one stage on its level."""
    counts = Counter()
    for block in blocks:
        convolution, linear, _ = block.conv
        attention, mlp = block.attention, block.mlp
        layers = (linear, attention.qkv, attention.proj, mlp.w1, mlp.w2, mlp.w3)
        groups = attention.groups(level, next(orders), torch.Generator())
        pairs = sum(number * length**2 for length, number in groups.runs)
        counts["convolution"] += neighbour_count(level, convolution.kernel_size) * convolution.weight[0].numel()
        counts["linear"] += len(level) * sum(layer.weight.numel() for layer in layers)
        counts["attention"] += 2 * pairs * linear.out_features  # queries with keys, weights with values, all heads
    return counts


def count_query_decoder(model, voxels):
    """Multiply-adds of the query decoder for a number of voxels (its keys)."""
    M, C, hidden = voxels, model.config.decoder_channels, model.config.decoder_hidden
    Q, iterations, features = model.num_queries, model.iterations, model.final.in_features
    folding = 2 * C * model.final.weight.numel() + 2 * C * model.final.out_features
    projections = M * (2 * features * C + 2 * C * C)  # mask features, memory; keys, values
    cross = 2 * M * Q * C + 2 * Q * C * C  # attention over the voxels; query and output projection
    own = 4 * Q * C * C + 2 * Q * Q * C + 2 * Q * C * hidden
    heads = M * Q * C + Q * C * (2 * C + 2 + model.config.text_channels)
    total = folding + projections + iterations * (cross + own) + (iterations + 1) * heads
    total += 2 * len(model.learned_pos.weight) * C * C  # positions of learned queries
    if model.seeds is not None:
        total += M * features * (1 + 3) + Q * features * C + (iterations + 1) * (Q * C * 5 + M * Q * 5)
    return total


def count_feature_bytes(model, level, itemsize):
    """Bytes of the features at the peak of a forward pass: the minimum of any layer-by-layer execution.

    These are the input and output of a step, and what later steps read: skip connections; mask features, keys and
    values. itemsize: bytes of one value; mask logits of seeded queries are float32.
    """
    config, channels = model.config, model.config.decoder_channels
    levels, skips, moments = [level], [0], []
    for stage in config.encoder:
        size = len(levels[-1]) * stage.channels
        moments.append(sum(skips) + 2 * size)
        skips.append(size)
        levels.append(levels[-1].coarser)
    below, voxels = skips.pop(), len(level)
    for stage, fine in zip(config.decoder, levels[-3::-1]):
        size = len(fine) * stage.channels
        moments += [sum(skips) + below + size, sum(skips[:-1]) + 2 * size]  # the step up, then the blocks
        skips.pop()
        below = size
    moments.append(below + 3 * voxels * channels)
    logits = voxels * model.num_queries * (4 / itemsize if model.seeds is not None else 1)
    moments.append(3 * voxels * channels + logits)
    return int(max(moments) * itemsize)


def neighbour_count(level, kernel_size):
    """Pairs (voxel, neighbour inside the kernel) of a level, the voxel itself included."""
    return level.cached(("count", kernel_size), lambda: level.neighbour_pairs(kernel_size).total)
