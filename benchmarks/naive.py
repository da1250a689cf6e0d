# SPDX-License-Identifier: Apache-2.0
"""A plain implementation of the same network, as a baseline for speed and results.

Neighbours from a dictionary, windows padded to the longest and masked, the backbone's output of full width on every
point, masks and attention of the query decoder on points, all logits in one tensor. Weights are those of a SpaCeFormer.
"""

import itertools

import torch
import torch.nn.functional as F

from spaceformer_ros.network.groups import morton_codes
from spaceformer_ros.network.model import fixed_orders, network_input
from spaceformer_ros.network.rotary import rotary_table
from spaceformer_ros.network.voxels import VoxelGrid


def predict(model, xyz, features):
    """Mask logits [N, Q], objectness logits [Q, 2] and features [Q, C_text] for the points of one scene.

    model: a SpaCeFormer without seeded queries; xyz: [N, 3] metres; features: [N, 3] colours in [-1, 1].
    """
    config, unet = model.config, model.backbone.inner_module
    grid = VoxelGrid.from_points(xyz, features, config.voxel_size)
    orders, skips, level = iter(fixed_orders(config)), [], grid.level

    x = network_input(grid, config).to(model.final.weight.dtype)
    x = F.gelu(unet.conv[1](convolve(unet.conv[0], x, level.coords)))
    for stage, blocks in enumerate(unet.encs):
        for block in blocks:
            x = run_block(block, x, level.coords, next(orders))
        if stage < len(unet.down_convs):
            skips.append((x, level))
            down = unet.down_convs[stage]
            x = F.gelu(down[2](pool(down[0](x), level.parent)))
            level = level.coarser
    for up, blocks in zip(unet.up_convs, unet.decs):
        skip, level = skips.pop()
        x = F.gelu(up[3](up[2](torch.cat([skip, up[0](x)[level.parent]], dim=1))))
        for block in blocks:
            x = run_block(block, x, level.coords, next(orders))
    return decode(model, unet.final(x)[grid.point_to_voxel], xyz)


def run_block(block, x, coords, order):
    convolution, linear, norm = block.conv
    x = block.norm1(norm(linear(convolve(convolution, x, coords))) + x)
    x = block.norm2(attend(block.attention, x, coords - coords.amin(dim=0), order) + x)
    return F.linear(F.silu(block.mlp.w1(x)) * block.mlp.w3(x), block.mlp.w2.weight) + x


def convolve(layer, x, coords):
    """Sparse convolution, a dictionary from coordinates to rows for every layer."""
    row = {coord: i for i, coord in enumerate(map(tuple, coords.tolist()))}
    radius = layer.kernel_size // 2
    out = torch.zeros(len(x), layer.weight.shape[2], device=x.device)
    for k, (dx, dy, dz) in enumerate(itertools.product(range(-radius, radius + 1), repeat=3)):
        found = [(row[n], i) for (a, b, c), i in row.items() if (n := (a + dx, b + dy, c + dz)) in row]
        if found:
            source, target = torch.tensor(found, device=x.device).t()
            out[target] += (x[source] @ layer.weight[k]).float()
    return (out + layer.bias).to(x.dtype)


def pool(x, parent):
    return torch.stack([x[parent == i].amax(dim=0) for i in range(int(parent.max()) + 1)])


def attend(layer, x, coords, order):
    """Attention in groups that are padded to the longest one."""
    heads, groups = layer.heads, group_rows(layer, coords, order)
    qkv = layer.qkv(x).unflatten(2, (heads, -1))
    q, k = (rotate(part, coords + 1, layer.rope_base) for part in qkv[:, :2].unbind(1))
    rows = torch.nn.utils.rnn.pad_sequence(groups, batch_first=True, padding_value=-1)  # [G, L]
    q, k, v = (part[rows].transpose(1, 2) for part in (q, k, qkv[:, 2]))  # [G, H, L, D]
    logits = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    weights = logits.masked_fill((rows < 0)[:, None, None], -torch.inf).softmax(dim=-1)
    out = torch.empty_like(x)
    out[rows[rows >= 0]] = (weights @ v).transpose(1, 2).flatten(2)[rows >= 0]
    return layer.proj(out)


def group_rows(layer, coords, order):
    """Rows of each window, or of each patch along a curve."""
    if layer.kind == "curve":
        return list(morton_codes(coords, [order.removeprefix("morton_")])[0].argsort().split(layer.size))
    shift = [round(layer.size / 2) if order != "zero" and axis in order else 0 for axis in "xyz"]
    window = (coords + torch.tensor(shift, device=coords.device)) // layer.size
    _, group = torch.unique(window, dim=0, return_inverse=True)
    return [torch.nonzero(group == i)[:, 0] for i in range(int(group.max()) + 1)]


def rotate(x, positions, base):
    """Rotary encoding of [N, H, D], pair by pair."""
    table = rotary_table(positions, x.shape[-1], base)
    cos, sin = table.real, table.imag
    out = x.clone()
    for pair in range(cos.shape[1]):
        a, b = x[..., 2 * pair].float(), x[..., 2 * pair + 1].float()
        c, s = cos[:, pair, None], sin[:, pair, None]
        out[..., 2 * pair], out[..., 2 * pair + 1] = a * c - b * s, a * s + b * c
    return out


def decode(model, features, xyz):
    """The query decoder on points. features: [N, 1152]."""
    attention = model.cross_attention.multihead_attn

    def turn(x, positions):
        return rotate(x.unflatten(1, (attention.num_heads, -1)), positions, model.rope_base).flatten(1)

    mask_features = model.decoder_proj(features)
    memory = turn(model.linear(features), xyz - xyz.amin(dim=0) + 1)
    query = model.learned_content.weight + model.query_proj(model.learned_pos.weight)
    origin = torch.ones(len(query), 3, device=xyz.device)
    for _ in range(model.iterations):
        blocked = (mask_features @ model.mask_head(model.decoder_norm(query)).t() < 0).t()
        blocked = blocked & ~blocked.all(dim=1, keepdim=True)
        turned = turn(query, origin)
        query = model.cross_attention.norm(turned + attention(turned, memory, memory, attn_mask=blocked)[0])
        turned = turn(query, origin)
        query = model.self_attention.norm(turned + model.self_attention.self_attn(turned, turned, turned)[0])
        query = model.ffn(query)
    query = model.decoder_norm(query)
    return mask_features @ model.mask_head(query).t(), model.class_head(query), model.clip_head(query)
