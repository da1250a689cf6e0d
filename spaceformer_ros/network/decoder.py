# SPDX-License-Identifier: Apache-2.0
"""The query decoder: queries attend to voxels and are decoded into masks, objectness and CLIP features.

It needs less memory than the published code and agrees with it up to rounding: the backbone's final projection is
folded into the two projections that follow it, so that no [M, 1152] tensor exists; masks stay on voxels; keys and
values are computed once, as the iterations share their weights; the softmax over the keys is computed in chunks.
"""

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .layers import by_rows, compute_dtype, constant, kernels_of, piece_rows
from .name_head import NameHead
from .point_head import PointHead
from .rotary import rotary_table, rotate
from .seeds import QuerySeeds, Seeds


@dataclass(frozen=True)
class Prediction:
    """The decoder's output for one cloud after one iteration; Q in query order.

    mask_logits: [M, Q] on voxels, > 0 is inside;
    objectness_logits: [Q, 2], softmax index 0 is "object", 1 is "no object";
    clip_features: [Q, C_text], not normalised;
    seeds: Seeds of the queries, None for learned queries;
    features: [M, C] of the backbone, in the last prediction of a network with a NameHead, else None.
    """

    mask_logits: torch.Tensor
    objectness_logits: torch.Tensor
    clip_features: torch.Tensor
    seeds: Seeds | None = None
    features: torch.Tensor | None = None


@dataclass(frozen=True)
class Keys:
    """Keys and values of the cross attention: one per voxel or, on the exact path, one per point.

    row: [N] int64 voxel of each key, or None if the keys are the voxels; key, value: [H, N, D].
    """

    row: torch.Tensor | None
    key: torch.Tensor
    value: torch.Tensor


class CrossAttention(nn.Module):
    """Masked attention from queries to keys, followed by a post-norm."""

    kernels = None  # see `kernels_of`

    def __init__(self, channels, heads):
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def project_query(self, x):
        """Queries of the attention, [H, Q, D]. x: [Q, C]."""
        attention, channels = self.multihead_attn, x.shape[1]
        weight, bias = attention.in_proj_weight[:channels], attention.in_proj_bias[:channels]
        return F.linear(x, weight, bias).unflatten(1, (attention.num_heads, -1)).transpose(0, 1)

    def project_keys(self, x):
        """Keys and values of the attention in one product, [N, 2, H, D]. x: [N, C]."""
        attention, channels = self.multihead_attn, x.shape[1]
        weight, bias = attention.in_proj_weight[channels:], attention.in_proj_bias[channels:]
        return F.linear(x, weight, bias).unflatten(1, (2, attention.num_heads, -1))

    def forward(self, query, keys, blocked, chunk_size):
        """query: [Q, C] -> [Q, C]; blocked: [M, Q] bool by voxel, True where attention is masked out."""
        attended = self.attend(self.project_query(query), keys, blocked, chunk_size)
        return self.norm(query + self.multihead_attn.out_proj(attended.transpose(0, 1).flatten(1)))

    def attend(self, query, keys, blocked, chunk_size=4096):
        """`masked_attention`, in a kernel where there is one."""
        if kernels := kernels_of(self):
            return kernels.attend(query, keys, blocked)
        return masked_attention(query, keys, blocked, chunk_size)


class SelfAttention(nn.Module):
    """Attention among the queries, post-norm."""

    def __init__(self, channels, heads):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(self, query):
        return self.norm(query + self.self_attn(query, query, query, need_weights=False)[0])


class FeedForward(nn.Module):
    """Two linear layers with ReLU, post-norm."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, query):
        return self.norm(query + self.linear2(F.relu(self.linear1(query))))


class QueryProjection(nn.Module):
    """Two linear layers, each followed by ReLU; their name in the checkpoint is `layers`."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


class UnusedPositionEncoding(nn.Module):
    """A buffer of the released checkpoint that is not used."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("gauss_B", torch.zeros(3, channels // 2))


class LearnedTable(nn.Embedding):
    """An nn.Embedding that is not initialised on the meta device, where PyTorch would first import its compiler, which
    takes longer than loading the demo checkpoint."""

    def reset_parameters(self):
        if not self.weight.is_meta:
            super().reset_parameters()


class QueryDecoder(nn.Module):
    """Iterations of masked cross attention, self attention and feed-forward, which share their weights.

    Its modules are at the top level of the released checkpoint; `SpaCeFormer` adds the backbone by inheritance.
    """

    kernels = None  # see `kernels_of`

    def __init__(self, config):
        super().__init__()
        channels = config.decoder_channels
        self.decoder_proj = nn.Linear(config.feature_channels, channels)  # features that masks are computed from
        self.linear = nn.Linear(config.feature_channels, channels)  # input of keys and values
        self.query_proj = QueryProjection(channels)
        self.pos_enc = UnusedPositionEncoding(channels)
        self.decoder_norm = nn.LayerNorm(channels)
        self.cross_attention = CrossAttention(channels, config.decoder_heads)
        self.self_attention = SelfAttention(channels, config.decoder_heads)
        self.ffn = FeedForward(channels, config.decoder_hidden)
        self.class_head = nn.Linear(channels, 2)
        self.mask_head = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.clip_head = nn.Linear(channels, config.text_channels)
        self.seeds = QuerySeeds(config.decoder[-1].channels, channels) if config.seeded_queries else None
        self.name_head = NameHead.of(config) if config.name_head else None
        self.point_head = PointHead.of(config) if config.point_head else None
        self.num_queries = config.num_queries
        learned = 1 if config.seeded_queries else config.num_queries
        self.learned_content = LearnedTable(learned, channels)
        self.learned_pos = LearnedTable(learned, channels)

    def decode(self, features, final, positions, points=None, num_queries=None, chunk_size=4096):
        """Yields a Prediction before each iteration and one after the last, which is the result; training uses all.

        features: [M, C] of the backbone before its `final` layer;
        final: that layer, nn.Linear;
        positions: [M, 3] float32 metres of the voxels;
        points: (positions [N, 3], voxel of each [N] int64) to use points as keys, None to use the voxels;
        num_queries: Q, None for that of the configuration;
        chunk_size: keys per chunk of the softmax.
        """
        mask_features = self.folded("masks", final, self.decoder_proj, features.dtype)(features)  # [M, C_d]
        keys = self.make_keys(features, final, *(points or (positions, None)))
        query, theta, seeds = self.initial_queries(features, positions, num_queries or self.num_queries)
        if self.name_head is None:
            del features  # large, and no longer needed
            features = None
        for _ in range(self.iterations):
            prediction = self.predict(query, mask_features, seeds)
            yield prediction
            rotated = rotate_rows(query, theta)
            query = self.cross_attention(rotated, keys, blocked_voxels(prediction.mask_logits), chunk_size)
            query = self.self_attention(rotate_rows(query, theta))
            query = self.ffn(query)
        yield replace(self.predict(query, mask_features, seeds), features=features)

    def initial_queries(self, features, positions, count):
        """Content plus projected position of each query [Q, C], the rotary encoding of its position, and its Seeds.

        Learned queries have no Seeds. As in the published code, their position is the cloud's minimum (1 on every axis
        of the rotary encoding), and beyond the number of learned queries they repeat (index modulo).
        """
        index = torch.arange(count, device=positions.device) % len(self.learned_content.weight)
        learned = constant(
            self, "queries", lambda: self.learned_content.weight + self.query_proj(self.learned_pos.weight)
        )
        query = learned.index_select(0, index)
        if self.seeds is None:
            return query, self.rotary(torch.ones(1, 3, device=positions.device)), None
        seeds = self.seeds.pick(features, positions, count)
        query = query[: len(seeds.row)] + self.seeds.content(features[seeds.row])
        return query, self.rotary(positions[seeds.row] - positions.amin(dim=0) + 1), seeds

    def folded(self, name, first, second, dtype):
        """`fold`, computed once after `freeze`."""
        return constant(self, name, lambda: fold(first, second, dtype))

    def rotary(self, positions):
        """Number of heads and `rotary_table` of positions [N, 3] metres, for `rotate_rows`."""
        channels, heads = self.learned_content.weight.shape[1], self.cross_attention.multihead_attn.num_heads
        return heads, rotary_table(positions, channels // heads, self.rope_base)

    def make_keys(self, features, final, positions, row=None):
        """Keys of the cross attention, rotated by their position relative to the cloud's minimum, plus 1."""
        origin = positions.amin(dim=0) - 1

        def project(rows, positions):
            rows = rows if row is None else features.index_select(0, rows)
            return self.cross_attention.project_keys(self.rotated_memory(rows, final, positions - origin))

        rows = features if row is None else row
        projected = by_rows(project, rows, positions, rows=piece_rows(features))  # [N, 2, H, D]
        return Keys(row, *projected.permute(1, 2, 0, 3))

    def rotated_memory(self, features, final, positions):
        """Input of keys and values, [N, C_d], rotated by the positions [N, 3] metres. features: [N, C]."""
        memory, (heads, table) = self.folded("memory", final, self.linear, features.dtype), self.rotary(positions)
        if kernels := kernels_of(self):
            shape = 1, heads, len(memory.bias) // heads
            arguments = memory.weight, memory.bias, table, None, shape
            return kernels.project_rotated(features, None, *arguments, rotated=1).flatten(1)
        return rotate_rows(memory(features), (heads, table))

    def predict(self, query, mask_features, seeds=None):
        """Prediction of the current queries. query: [Q, C]; mask_features: [M, C]."""
        query = self.decoder_norm(query)
        return Prediction(
            mask_logits=self.mask_logits(query, mask_features, seeds),
            objectness_logits=self.class_head(query),
            clip_features=self.clip_head(query),
            seeds=seeds,
        )

    def mask_logits(self, query, mask_features, seeds=None):
        """[M, Q], stored column by column, as they are read later. query: [Q, C] normalised; mask_features: [M, C]."""
        mask_query, place = self.mask_head(query), None
        if seeds is not None:
            place = self.seeds.place_factors(query, seeds.centre)
        if torch.is_grad_enabled():
            logits = mask_query @ mask_features.t()
            return (logits if place is None else logits + place @ seeds.factors.t()).t()
        dtype = compute_dtype(query) if seeds is None else torch.float32
        out = torch.empty(len(query), len(mask_features), dtype=dtype, device=query.device)
        step = piece_rows(out.t())
        for start in range(0, len(mask_features), step):
            part = slice(start, start + step)
            target = out[:, part]
            if place is None:
                torch.mm(mask_query, mask_features[part].t(), out=target)
            else:
                target.copy_(mask_query @ mask_features[part].t())
                torch.addmm(target, place, seeds.factors[part].t(), out=target)
        return out.t()


class Affine(NamedTuple):
    """A linear function with an offset, as nn.Linear: weight [C_out, C_in], bias [C_out]."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, x):
        return F.linear(x, self.weight, self.bias)


def fold(first, second, dtype):
    """second(first(x)) for two nn.Linear as one Affine function, computed in float32."""
    with torch.autocast(first.weight.device.type, enabled=False):
        weight = second.weight.float() @ first.weight.float()
        bias = second.weight.float() @ first.bias.float() + second.bias.float()
    return Affine(weight.to(dtype), bias.to(dtype))


def rotate_rows(x, heads_and_table):
    """Rotary encoding of flat rows, in place where gradients are off. x: [N, C] -> [N, C]."""
    heads, table = heads_and_table
    return rotate(x.unflatten(1, (heads, -1)), table).flatten(1)


def blocked_voxels(mask_logits):
    """[M, Q] bool, True where attention is masked out: outside the query's mask, unless its mask is empty."""
    by_query = mask_logits.t()  # as they are stored
    peak = by_query.amax(dim=1, keepdim=True)
    limit = torch.zeros_like(peak).masked_fill_(peak < 0, -torch.inf)  # nothing is below minus infinity
    return (by_query < limit).t()


def masked_attention(query, keys, blocked, chunk_size):
    """Softmax attention over keys, [H, Q, D] in the query's type.

    query: [H, Q, D]
    keys: Keys with N keys
    blocked: [M, Q] bool by voxel
    chunk_size: keys per chunk

    Each chunk has its own softmax, and chunks are weighted by the sums of their exponentials (Milakov and Gimelshein
    2018, arXiv 1805.02867).
    """
    chunks = [slice(start, start + chunk_size) for start in range(0, keys.key.shape[1], chunk_size)]
    attended, log_sums = zip(*(_attend(query, keys, blocked, chunk) for chunk in chunks))
    if len(chunks) == 1:
        return attended[0]
    share = torch.stack(log_sums).softmax(dim=0)  # [chunks, H, Q, 1] float32
    return sum(part * weight for part, weight in zip(attended, share)).to(query.dtype)


def _attend(query, keys, blocked, chunk):
    """`masked_attention` to the keys in `chunk`, [H, Q, D], and the log-sum-exp of the logits, [H, Q, 1] float32."""
    bias, attended, log_sums = _bias(keys, blocked, query.dtype, chunk), [], []
    for q, key, value in zip(query * query.shape[-1] ** -0.5, keys.key[:, chunk], keys.value[:, chunk]):
        logits = torch.addmm(bias, q, key.t())
        weights = logits.softmax(dim=-1)
        peak, largest = logits.amax(dim=-1, keepdim=True).float(), _largest(weights).float()
        log_sums.append(peak - largest.log())  # the largest weight is 1 / the sum of exp(logit - peak)
        attended.append(weights @ value)
    return torch.stack(attended), torch.stack(log_sums)


def _bias(keys, blocked, dtype, chunk=slice(None)):
    """Addend of the logits of a chunk, [Q, N]: 0 where a query may attend to a key, else low enough for weight 0.

    Finite, as a chunk may have no key to attend to. blocked: [M, Q].
    """
    hidden = (blocked[chunk] if keys.row is None else blocked.index_select(0, keys.row[chunk])).t()
    bits = torch.int16 if dtype.itemsize == 2 else torch.int32
    return hidden.to(bits, memory_format=torch.contiguous_format).mul_(_low_bits(dtype)).view(dtype)  # 0 has no bits


@functools.cache
def _low_bits(dtype):
    """The bits of half the lowest number of a type, as an integer."""
    return _bits(torch.full((1,), torch.finfo(dtype).min / 2, dtype=dtype)).tolist()[0]


def _largest(weights):
    """Maximum of each row of numbers that are not negative, [..., 1]."""
    if torch.is_grad_enabled():
        return weights.amax(dim=-1, keepdim=True)
    return _bits(weights).amax(dim=-1, keepdim=True).view(weights.dtype)


def _bits(x):
    """The bits of floating-point numbers as integers, whose order is the same from 0 on. A CPU compares and converts
    integers several times as fast as bfloat16."""
    return x.view(torch.int16 if x.element_size() == 2 else torch.int32)
